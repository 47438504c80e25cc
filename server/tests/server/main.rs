//! The server on real SQLite in temporary folders, through the real router and the real `lifeboat` binary. No lab and no
//! PostgreSQL: what is observed of the world is made up (`world`), everything else is what runs in production.

mod house;
mod program;
mod receivers;
mod world;

mod accounts;
mod approvals;
mod backup;
mod backup_jobs;
mod browser;
mod clock;
mod desks;
mod dr_tests;
mod notifications;
mod observers;
mod probes;
mod proxy;
mod read_only;
mod routes;
mod runbooks;
mod schema;
mod secrets;
mod sessions;
mod setup;
mod startup;
mod status;
mod tampering;
