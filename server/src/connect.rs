//! Adapters to the systems the product reads and acts on, one file each. None decides anything.

pub mod agent;
pub mod haproxy;
pub mod postgres;
pub mod probe;
