//! The only crate that touches the world: network, disk, database, clock.
//!
//! Architecture invariants: no decision is taken here (they are the engine's); every write to the store goes
//! through `desk`; nothing outside `store` contains SQL for the store.

pub mod access;
pub mod agent;
pub mod apart;
pub mod api;
pub mod backups;
pub mod check;
pub mod cli;
pub mod config;
pub mod connect;
pub mod connections;
pub mod desk;
pub mod dr_tests;
pub mod guard;
pub mod lab;
pub mod leases;
pub mod live;
pub mod notify;
pub mod router;
pub mod run;
pub mod runbooks;
pub mod startup;
pub mod status;
pub mod store;
pub mod token;
pub mod watch;
