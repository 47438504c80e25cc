//! The engine against the traps of the guide's sketch: each test is named after the trap, and fails if the engine does
//! what the sketch does. `world` builds pictures, `laws` holds what must be true of all of them.

mod databases;
mod findings;
mod health;
mod laws;
mod objectives;
mod operations;
mod plans;
mod world;
