//! The live stream: tells browsers that the journal grew or that something was observed; they fetch what they show. The
//! event id is the journal's number, so a browser that reconnects hears at once whether it missed anything.

use crate::{desk::Changed, router::AppState};
use axum::{
    extract::State,
    response::sse::{Event, Sse},
};
use futures::{Stream, stream};
use std::{convert::Infallible, time::Duration};
use tokio::{sync::watch, time::Instant};

/// Without news, this often a sign of life.
const ALIVE: Duration = Duration::from_secs(5);
/// What was only observed is told at most this often; what happens between is told together.
const OBSERVED_EVERY: Duration = Duration::from_millis(250);
/// What is in the journal is told sooner: people wait for it.
const RECORDED_EVERY: Duration = Duration::from_millis(100);

/// What one browser was told last, and when.
struct Listener {
    news: watch::Receiver<Changed>,
    ending: watch::Receiver<bool>,
    told: Option<(Instant, u64)>,
}

/// `GET /live`.
pub async fn stream(State(state): State<AppState>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut news = state.desk.listen();
    // The present state counts as news: a browser that was away compares it with what it shows.
    news.mark_changed();
    let listener = Listener { news, ending: state.ending.clone(), told: None };
    Sse::new(stream::unfold(listener, async |mut listener| {
        let mut ending = listener.ending.clone();
        let event = tokio::select! {
            event = listener.next() => event,
            _ = ending.wait_for(|ending| *ending) => None,
        }?;
        Some((Ok(event), listener))
    }))
}

impl Listener {
    /// The next event; `None` where there will be none.
    async fn next(&mut self) -> Option<Event> {
        match tokio::time::timeout(ALIVE, self.news.changed()).await {
            Ok(heard) => heard.ok()?,
            Err(_) => return Some(Event::default().event("alive").data("{}")),
        }
        let changed = loop {
            let changed = *self.news.borrow_and_update();
            let Some((at, seq)) = self.told else { break changed };
            let due = at + if changed.seq == seq { OBSERVED_EVERY } else { RECORDED_EVERY };
            tokio::select! {
                () = tokio::time::sleep_until(due) => break changed,
                heard = self.news.changed() => heard.ok()?,
            }
        };
        self.told = Some((Instant::now(), changed.seq));
        let data = serde_json::to_string(&changed).ok()?;
        Some(Event::default().event("changed").id(changed.seq.to_string()).data(data))
    }
}
