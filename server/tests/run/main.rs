//! The executor on the real desk, with a real store in a temporary folder and endpoints that really answer. Only what sends
//! the clients is played: it does as the test says, so that every way an operation can go is gone.

mod evacuations;
mod hooks;
mod operations;
mod read_only;
mod stage;
mod windows;
