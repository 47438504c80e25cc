//! The confirmation page of a restore: which backup, from where, up to which moment, into which new folder.

pub mod page;
pub mod view;

pub use page::RestorePage;
