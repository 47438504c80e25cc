//! The engine against the traps of the guide's sketch: each test is named after the trap, and fails if the engine does
//! what the sketch does. `world` builds pictures, `laws` holds what must be true of all of them.

mod automation;
mod backups;
mod cascade;
mod causes;
mod clock;
mod consent;
mod databases;
mod details;
mod dr_tests;
mod evacuation;
mod fences;
mod findings;
mod halting;
mod health;
mod history;
mod known;
mod laws;
mod monitoring;
mod notifications;
mod objectives;
mod observers;
mod operations;
mod patroni;
mod plans;
mod poolers;
mod realm;
mod restraints;
mod scale;
mod standing;
mod synchronous;
mod traffic;
mod traffic_laws;
mod turns;
mod unattended;
mod world;
