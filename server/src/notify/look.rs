//! Looks at the picture whenever something moved, and writes down what is to be said because of it.

use crate::{desk::Desk, store::notifications::known};
use engine::{
    notifications::{self, ChannelFacts, Incident, IncidentKey, Known, Message},
    time::{Instant, Span},
};
use std::{sync::Arc, time::Duration};

/// Reminders and what needs to stand come due without anything moving.
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);
/// What moves more often is looked at together.
const AT_MOST_EVERY: Duration = Duration::from_millis(200);
/// What ended so long ago does not count any more for how often a channel was told of it.
const REMEMBERED: Span = Span::from_mins(60);
const FORGET_EVERY: Duration = Duration::from_secs(600);
/// Deliveries and incidents are kept this long after their end. The journal keeps what they were about for ever.
const KEPT: Span = Span::from_mins(30 * 24 * 60);

pub(super) struct Look {
    desk: Arc<Desk>,
    channels: Vec<ChannelFacts>,
    /// As written by the last look.
    open: Vec<Incident>,
    known: Vec<Known>,
}

impl Look {
    /// # Errors
    /// Where the store cannot be read.
    pub(super) async fn new(desk: Arc<Desk>, channels: Vec<ChannelFacts>) -> anyhow::Result<Self> {
        let known = desk.store().open_incidents().await?;
        Ok(Self { desk, channels, open: Vec::new(), known })
    }

    pub(super) async fn run(mut self) {
        let mut changed = self.desk.listen();
        let mut forget = tokio::time::interval(FORGET_EVERY);
        let mut fails = false;
        loop {
            let looked = self.look().await;
            // Said when it begins, not once a second.
            if let Err(error) = &looked
                && !fails
            {
                tracing::error!(error = format!("{error:#}"), "what is to be told cannot be written down; trying again");
            }
            fails = looked.is_err();
            tokio::time::sleep(AT_MOST_EVERY).await;
            tokio::select! {
                moved = changed.changed() => if moved.is_err() { return },
                () = tokio::time::sleep(AT_LEAST_EVERY) => {}
                _ = forget.tick() => self.forget().await,
            }
        }
    }

    /// One look.
    ///
    /// # Errors
    /// Where the store cannot be read or written; then everything is offered again next time.
    async fn look(&mut self) -> anyhow::Result<()> {
        let picture = self.desk.picture();
        let now = picture.now;
        let incidents = notifications::incidents(&picture, &self.known);
        let is_open = |key: &IncidentKey| incidents.iter().any(|incident| incident.key == *key);
        let over: Vec<IncidentKey> = self.known.iter().map(|known| known.key.clone()).filter(|key| !is_open(key)).collect();
        if incidents.is_empty() && over.is_empty() {
            return Ok(());
        }
        let messages = self.messages(&incidents, now).await?;
        if messages.is_empty() && over.is_empty() && !says_something_new(&self.open, &incidents) {
            return Ok(());
        }
        self.desk.store().write_look(&incidents, &over, &messages, now).await?;
        self.known = incidents.iter().map(known).collect();
        self.open = incidents;
        self.desk.told_something();
        Ok(())
    }

    async fn messages(&self, incidents: &[Incident], now: Instant) -> anyhow::Result<Vec<(engine::id::ChannelName, Message)>> {
        if self.channels.is_empty() {
            return Ok(Vec::new());
        }
        let told = self.desk.store().told(now - REMEMBERED.as_delta()).await?;
        let of_channel = |channel: &ChannelFacts| {
            let told = told.get(&channel.name).map_or(&[][..], Vec::as_slice);
            let due = notifications::due(incidents, &channel.rule, told, now).into_iter();
            due.map(|message| (channel.name.clone(), message)).collect::<Vec<_>>()
        };
        Ok(self.channels.iter().flat_map(of_channel).collect())
    }

    async fn forget(&self) {
        let before = chrono::Utc::now() - KEPT.as_delta();
        if let Err(error) = self.desk.store().forget_told(before).await {
            tracing::error!(error = format!("{error:#}"), "old deliveries could not be forgotten");
        }
    }
}

/// Whether anything but the wording differs: the words of a probe change with every round.
fn says_something_new(before: &[Incident], now: &[Incident]) -> bool {
    let essence = |incident: &Incident| (incident.key.clone(), incident.severity, incident.hush.clone(), incident.clear_since, incident.link.clone());
    before.iter().map(essence).ne(now.iter().map(essence))
}
