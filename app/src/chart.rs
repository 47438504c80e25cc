//! Drawings as pure functions of data: geometry in whole units, so that the server and the browser print the same text.

pub mod regions;
pub mod sparkline;
pub mod topology;
