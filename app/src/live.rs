//! Keeps pages current: one event stream for the whole app says that something moved, and what is shown is fetched again.
//! Also the clock that ages are counted by: the browser's, corrected by the server's time, so that a wrong clock on a
//! phone cannot make a dead primary look fresh.
//!
//! On the server and before WebAssembly runs nothing here ticks: the page says as of when it is.

use engine::time::Instant;
use leptos::prelude::*;

#[cfg(feature = "hydrate")]
mod stream;
mod watch;
pub use watch::{Seen, Watch, hold, watch};

/// What keeps the app current. One per app, in the context.
#[derive(Clone, Copy)]
pub struct Live {
    /// Counts up when something moved; whatever is fetched depends on it.
    moved: RwSignal<u64>,
    link: RwSignal<Link>,
    /// The server's time, once a second; `None` until the browser runs the page.
    tick: RwSignal<Option<Instant>>,
    /// Server time minus browser time, in milliseconds.
    #[cfg(feature = "hydrate")]
    ahead: StoredValue<i64>,
}

/// How the event stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Rendered on the server; nothing listens (yet, or ever without JavaScript).
    NotYet,
    /// Last heard from then, in server time.
    Heard { at: Instant },
    /// Nothing comes through since then; the browser keeps trying.
    Broken { since: Instant },
}

impl Live {
    #[expect(clippy::new_without_default, reason = "it makes signals, so it belongs to a reactive owner and is no plain value")]
    pub fn new() -> Self {
        Self {
            moved: RwSignal::new(0),
            link: RwSignal::new(Link::NotYet),
            tick: RwSignal::new(None),
            #[cfg(feature = "hydrate")]
            ahead: StoredValue::new(0),
        }
    }
    pub fn link(&self) -> Link {
        self.link.get()
    }
    /// Now, by the server's clock; `shown` (when the page was made) until the browser runs.
    pub fn now(&self, shown: Instant) -> Instant {
        self.tick.get().map_or(shown, |now| now.max(shown))
    }
    /// Learns the server's time from something just fetched.
    #[cfg_attr(not(feature = "hydrate"), expect(unused_variables, reason = "the server is the clock"))]
    pub fn set_clock(&self, server_now: Instant) {
        #[cfg(feature = "hydrate")]
        self.ahead.set_value(server_now.timestamp_millis() - stream::browser_millis());
    }
    /// Fetches everything again.
    pub fn refetch(&self) {
        self.moved.update(|count| *count += 1);
    }
    /// Starts listening. Does nothing on the server.
    pub fn listen(self) {
        #[cfg(feature = "hydrate")]
        Effect::new(move |_| stream::open(self));
    }
}
