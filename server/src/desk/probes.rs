//! Reading what probes saw, and judging it again by other rules.

use super::Desk;
use anyhow::Context;
use app::port::{ProbesQuery, Replayed};
use engine::{
    history::{Period, Proposal, Track, replay},
    journal::Subject,
    time::Span,
};

impl Desk {
    /// # Errors
    /// Where the history cannot be read.
    pub(super) async fn tracks(&self, of: &Subject, period: Period) -> anyhow::Result<Vec<Track>> {
        self.history.read(&self.store, of, period.from, period.until).await
    }

    /// Judges away from the threads that answer requests, one question at a time.
    ///
    /// # Errors
    /// Where the history cannot be read.
    pub(super) async fn replayed(&self, query: ProbesQuery, proposals: Vec<Proposal>) -> anyhow::Result<Vec<Replayed>> {
        let period = query.period;
        // What was believed at the beginning of the period comes from what lies before it.
        let before = proposals.iter().map(|proposal| proposal.rule.stretch(proposal.rule.samples.max(proposal.rule.recoveries))).max();
        let from = period.from - before.unwrap_or(Span::ZERO).as_delta();
        let tracks = self.tracks(&query.of, Period { from, ..period }).await?;
        let turn = self.replays.clone().acquire_owned().await.context("the server is ending")?;
        let judge = move || {
            let _turn = turn;
            let judged = |track: Track| {
                let cut = track.stretches.first().filter(|_| track.cut).map(|first| first.first);
                let period = Period { from: cut.map_or(period.from, |cut| cut.max(period.from)), ..period };
                let replays = proposals.iter().map(|proposal| replay(&track.stretches, *proposal, period)).collect();
                Replayed { observer: track.observer, replays, cut }
            };
            tracks.into_iter().map(judged).collect()
        };
        tokio::task::spawn_blocking(judge).await.context("the replay broke off")
    }
}
