//! What people see: rendered on the server, taken over in the browser by WebAssembly. Features `ssr` and `hydrate`.
//!
//! Architecture invariants: no SQL, no cloud, no clock here; pages get projections (`<noun>/view.rs`), pure functions of
//! an `engine::picture::Picture`, through server functions (`<noun>/calls.rs`) that ask the port. The list of pages is
//! `routes.rs`; the frame around them is `shell.rs`; what keeps them current is `live.rs`.

#![recursion_limit = "512"]

pub mod backups;
pub mod chart;
pub mod databases;
pub mod failover;
pub mod fault;
pub mod journal;
pub mod live;
pub mod notifications;
pub mod operations;
pub mod overview;
#[cfg(feature = "ssr")]
pub mod pack;
#[cfg(feature = "ssr")]
pub mod port;
pub mod routes;
#[cfg(test)]
mod sample;
pub mod services;
pub mod session;
pub mod shell;
pub mod sign_in;
pub mod ui;

pub use routes::App;
#[cfg(feature = "ssr")]
pub use shell::shell;

/// Where WebAssembly takes the page over.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    leptos::mount::hydrate_body(App);
}
