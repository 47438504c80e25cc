//! What people see: rendered on the server, taken over in the browser by WebAssembly. Features `ssr` and `hydrate`.
//!
//! Architecture invariants: no SQL, no cloud, no clock here; pages get projections (`<noun>/view.rs`), pure functions of
//! an `engine::picture::Picture`, through server functions (`<noun>/calls.rs`) that ask the port. The list of pages is
//! `routes.rs`; the frame around them is `shell.rs`; what keeps them current is `live.rs`.

#![recursion_limit = "512"]

pub mod backups;
pub mod chart;
pub mod chunk;
pub mod databases;
pub mod dr_tests;
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
pub mod runbooks;
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

/// Where WebAssembly takes the page over: as soon as its chunk is there, and then it loads the others.
///
/// A chunk is missing where the network went away, or the server was replaced, in the moment between page and chunk. Then the
/// page stays as the server made it, which works too, and is loaded anew once the server answers; once, so that a file that
/// nobody has does not make the page reload for ever.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub async fn hydrate() {
    use leptos::prelude::window;
    console_error_panic_hook::set_once();
    let location = window().location();
    if chunk::load(&location.pathname().unwrap_or_default()).await.is_ok() {
        leptos::mount::hydrate_body(App);
        if chunk::load_all().await.is_err() {
            // The splitter has said why on the console; who goes to a page of a missing chunk has it loaded again.
            leptos::logging::warn!("not all pages could be loaded in advance");
        }
    } else if !was_reloaded() {
        chunk::server_answers().await;
        if location.reload().is_err() {
            leptos::logging::warn!("the browser does not load this page again");
        }
    }
}

#[cfg(feature = "hydrate")]
fn was_reloaded() -> bool {
    let navigation = leptos::prelude::window().performance().map(|performance| performance.navigation().type_());
    navigation == Some(web_sys::PerformanceNavigation::TYPE_RELOAD)
}
