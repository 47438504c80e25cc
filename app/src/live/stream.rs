//! The browser's end of the event stream: opens it, notices when it is silent, opens it again.

use super::{Link, Live};
use engine::time::Instant;
use leptos::prelude::*;
use std::{cell::RefCell, rc::Rc, time::Duration};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{EventSource, js_sys};

/// The server says that it lives every 5 s; three of those missed is a broken link.
const SILENCE_MILLIS: i64 = 16_000;
/// At most this often are the pages fetched again, however much moves.
const PAUSE_MILLIS: i64 = 500;
/// A stream the browser has given up is opened again after this long.
const RETRY_MILLIS: i64 = 3_000;
/// `EventSource.readyState` of a stream the browser has given up.
const CLOSED: u16 = 2;

/// The browser's clock, in milliseconds since 1970.
pub fn browser_millis() -> i64 {
    js_sys::Date::now() as i64
}

impl Live {
    fn server_now(&self) -> Instant {
        Instant::from_timestamp_millis(browser_millis() + self.ahead.get_value()).unwrap_or_default()
    }
}

/// The state of the one stream of this page.
struct Stream {
    source: Option<EventSource>,
    /// Browser time of the last sign of life, or of the last attempt.
    heard: i64,
    /// Browser time of the last fetch, and whether one is due after the pause.
    fetched: i64,
    due: bool,
}

/// Opens the stream and watches over it for as long as the page stands.
pub fn open(live: Live) {
    let stream = Rc::new(RefCell::new(Stream { source: None, heard: browser_millis(), fetched: 0, due: false }));
    connect(live, &stream);
    let each_second = {
        let stream = Rc::clone(&stream);
        move || {
            live.tick.set(Some(live.server_now()));
            let quiet = browser_millis() - stream.borrow().heard;
            let closed = stream.borrow().source.as_ref().is_none_or(|source| source.ready_state() == CLOSED);
            if quiet > SILENCE_MILLIS || (closed && quiet > RETRY_MILLIS) {
                broken(live);
                connect(live, &stream);
            }
        }
    };
    live.tick.set(Some(live.server_now()));
    set_interval(each_second, Duration::from_secs(1));
    let each_pause = move || {
        let due = stream.borrow().due;
        if due {
            moved(live, &stream);
        }
    };
    set_interval(each_pause, Duration::from_millis(PAUSE_MILLIS.unsigned_abs()));
}

fn connect(live: Live, stream: &Rc<RefCell<Stream>>) {
    if let Some(old) = stream.borrow_mut().source.take() {
        old.close();
    }
    stream.borrow_mut().heard = browser_millis();
    let Ok(source) = EventSource::new("/live") else {
        return broken(live);
    };
    on(&source, "open", {
        let stream = Rc::clone(stream);
        move || {
            heard(live, &stream);
            // What happened while nobody listened is fetched now.
            moved(live, &stream);
        }
    });
    on(&source, "alive", {
        let stream = Rc::clone(stream);
        move || heard(live, &stream)
    });
    on(&source, "changed", {
        let stream = Rc::clone(stream);
        move || {
            heard(live, &stream);
            moved(live, &stream);
        }
    });
    on(&source, "error", move || broken(live));
    stream.borrow_mut().source = Some(source);
}

/// The listeners live as long as the page: a stream is replaced only after the link broke.
fn on(source: &EventSource, event: &str, act: impl Fn() + 'static) {
    let listener = Closure::<dyn Fn()>::new(act);
    let added = source.add_event_listener_with_callback(event, listener.as_ref().unchecked_ref());
    if added.is_ok() {
        listener.forget();
    }
}

fn heard(live: Live, stream: &Rc<RefCell<Stream>>) {
    stream.borrow_mut().heard = browser_millis();
    live.link.set(Link::Heard { at: live.server_now() });
}

fn broken(live: Live) {
    if !matches!(live.link.get_untracked(), Link::Broken { .. }) {
        live.link.set(Link::Broken { since: live.server_now() });
    }
}

fn moved(live: Live, stream: &Rc<RefCell<Stream>>) {
    let now = browser_millis();
    let mut state = stream.borrow_mut();
    if now - state.fetched < PAUSE_MILLIS {
        state.due = true;
        return;
    }
    state.fetched = now;
    state.due = false;
    drop(state);
    live.refetch();
}
