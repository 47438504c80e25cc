//! The live stream: tells browsers that the journal grew or that something was observed; they fetch what they show. The
//! event id is the journal's number, so a browser that reconnects hears at once whether it missed anything.

use crate::{desk::Changed, router::AppState};
use axum::{
    extract::State,
    response::sse::{Event, Sse},
};
use futures::{Stream, stream};
use std::{convert::Infallible, time::Duration};
use tokio::sync::watch;

/// Without news, this often a sign of life.
const ALIVE: Duration = Duration::from_secs(5);
/// News are told at most this often; what happens between is told together.
const AT_MOST_EVERY: Duration = Duration::from_millis(250);

/// `GET /live`.
pub async fn stream(State(state): State<AppState>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut news = state.desk.listen();
    // The present state counts as news: a browser that was away compares it with what it shows.
    news.mark_changed();
    let ending = state.ending.clone();
    Sse::new(stream::unfold((news, ending), async |(mut news, mut ending)| {
        let event = tokio::select! {
            event = next(&mut news) => event,
            _ = ending.wait_for(|ending| *ending) => None,
        }?;
        Some((Ok(event), (news, ending)))
    }))
}

async fn next(news: &mut watch::Receiver<Changed>) -> Option<Event> {
    match tokio::time::timeout(ALIVE, news.changed()).await {
        Ok(Err(_)) => None,
        Err(_) => Some(Event::default().event("alive").data("{}")),
        Ok(Ok(())) => {
            tokio::time::sleep(AT_MOST_EVERY).await;
            let changed = *news.borrow_and_update();
            let data = serde_json::to_string(&changed).ok()?;
            Some(Event::default().event("changed").id(changed.seq.to_string()).data(data))
        }
    }
}
