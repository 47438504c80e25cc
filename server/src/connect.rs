//! Adapters to the systems the product reads and acts on, one file each. None decides anything.

pub mod agent;
pub mod alertmanager;
pub mod dns;
pub mod fence;
pub mod haproxy;
pub mod objects;
pub mod patroni;
mod pinned;
pub mod postgres;
pub mod probe;
pub mod program;
pub mod traffic;
