//! What the browser loads in one go: the frame first, and with it the chunk that the first page is in.
//!
//! All pages together are too much to wait for before any of them is alive. So pages that are used together are a chunk, in
//! a file of its own; once the first page is alive the browser fetches the other chunks, so that later ones neither wait for
//! the network nor need it. The server has them all at once. `.ci/site.mjs` makes the files.

use crate::{
    backups::{BackupsPage, PolicyPage, RestorePage},
    databases::{DatabasePage, DatabasesPage, PlanPage},
    dr_tests::{DrTestsPage, ScenarioPage, TestRunPage},
    failover::{DecisionsPage, EvacuationPage, FailoverPage, FailoverServicePage, MovePage},
    journal::JournalPage,
    notifications::NotificationsPage,
    operations::{OperationPage, OperationsPage, ReceiptPage},
    overview::OverviewPage,
    runbooks::{EditPage, NewPage, RunPage, RunbookPage, RunbooksPage, VersionsPage},
    services::ServicesPage,
    ui::trouble::NotLoaded,
};
use leptos::{prelude::*, wasm_split::SplitLoaderError};
use leptos_router::ChooseView;

/// Declares the chunks: for each its name, the paths of its pages in segments (the first pattern that fits counts), and them.
macro_rules! chunks {
    ($($chunk:ident at $paths:pat => $($page:ident),+;)+) => {
        $(
            pub mod $chunk {
                use super::*;

                /// A page of this chunk, for its route.
                #[derive(Debug, Clone, Copy, PartialEq, Eq)]
                pub enum Page { $($page),+ }

                #[leptos::wasm_split::wasm_split($chunk, wasm_split_path = ::leptos::wasm_split, preload(load), fallible)]
                pub(super) fn $chunk(page: Page) -> Result<AnyView, SplitLoaderError> {
                    Ok(match page { $(Page::$page => $page().into_any()),+ })
                }

                impl ChooseView for Page {
                    async fn choose(self) -> AnyView {
                        #[cfg(feature = "ssr")]
                        leptos::prefetch_lazy_fn_on_server(stringify!($chunk));
                        or_not_loaded($chunk(self).await)
                    }
                    /// What asks for this is the router of nested routes, which Lifeboat does not use.
                    async fn preload(&self) {}
                }
            }
        )+

        /// The names of all chunks.
        #[cfg(feature = "ssr")]
        pub const NAMES: &[&str] = &[$(stringify!($chunk)),+];

        /// The name of the chunk that the page at this path is in; pages that stand alone are in none.
        pub fn at(path: &str) -> Option<&'static str> {
            match segments(path).as_slice() {
                $($paths => Some(stringify!($chunk)),)+
                _ => None,
            }
        }

        /// Loads the chunk that the page at this path is in.
        #[cfg(feature = "hydrate")]
        pub async fn load(path: &str) -> Result<(), SplitLoaderError> {
            match at(path) {
                $(Some(chunk) if chunk == stringify!($chunk) => $chunk::load().await,)+
                _ => Ok(()),
            }
        }

        /// Loads those that are not there yet, one after the other.
        #[cfg(feature = "hydrate")]
        pub async fn load_all() -> Result<(), SplitLoaderError> {
            $($chunk::load().await?;)+
            Ok(())
        }
    };
}

chunks! {
    overview at [""] => OverviewPage;
    moves at ["failover", "evacuate", _] | ["failover" | "databases" | "backups", _, "plan"] => MovePage, EvacuationPage, PlanPage, RestorePage;
    operations at ["operations", ..] => OperationsPage, OperationPage, ReceiptPage;
    decisions at ["failover", "decisions"] => DecisionsPage;
    failover at ["failover", ..] => FailoverPage, FailoverServicePage;
    databases at ["databases", ..] => DatabasesPage, DatabasePage;
    backups at ["backups", ..] => BackupsPage, PolicyPage;
    runbooks at ["runbooks", ..] => RunbooksPage, NewPage, RunPage, RunbookPage, EditPage, VersionsPage;
    dr_tests at ["dr-tests", ..] => DrTestsPage, ScenarioPage, TestRunPage;
    services at ["services", ..] => ServicesPage;
    journal at ["journal"] => JournalPage;
    notifications at ["notifications"] => NotificationsPage;
}

fn segments(path: &str) -> Vec<&str> {
    path.trim_matches('/').split('/').collect()
}

fn or_not_loaded(page: Result<AnyView, SplitLoaderError>) -> AnyView {
    page.unwrap_or_else(|_| view! { <NotLoaded/> }.into_any())
}

/// Returns once the server answers anything.
#[cfg(feature = "hydrate")]
pub async fn server_answers() {
    while wasm_bindgen_futures::JsFuture::from(window().fetch_with_str("/healthz")).await.is_err() {
        gloo_timers::future::sleep(std::time::Duration::from_secs(2)).await;
    }
}
