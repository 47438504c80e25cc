//! The journal as a page: every command, decision and transition in words, newest first.

use crate::fault::Fault;
use leptos::prelude::*;

mod page;
pub mod view;
pub mod words;
pub use page::JournalPage;

#[server(endpoint = "journal")]
pub async fn journal(before: Option<u64>, kind: Option<words::Kind>) -> Result<view::JournalView, Fault> {
    use crate::port::HistoryQuery;
    use view::JournalView;
    let (port, viewer) = (crate::port::port()?, crate::session::viewer()?);
    let picture = port.look(&viewer).await?;
    // The port does not know kinds: look through the journal until a page is full, but not without end.
    let mut reading = view::Reading::new(before, kind);
    while let Some(before) = reading.next_before() {
        let query = HistoryQuery { before, limit: view::Reading::BATCH, operation: None };
        reading.take(port.history(&viewer, query).await?);
    }
    Ok(JournalView::of(&picture, reading))
}
