//! Reading what probes saw, and judging it again by other rules.

use super::Desk;
use anyhow::Context;
use app::port::{ProbesQuery, Replayed};
use engine::{
    health::observers_of,
    history::{Period, Proposal, Track, Witness, replay, replay_together},
    id::{ObserverId, RegionId},
    journal::Subject,
    time::{Instant, Span},
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
        let (observers, quorum) = (observers_of(&self.estate), self.estate.quorum());
        let turn = self.replays.clone().acquire_owned().await.context("the server is ending")?;
        let judge = move || {
            let _turn = turn;
            let since = |cut: Option<Instant>| Period { from: cut.map_or(period.from, |cut| cut.max(period.from)), ..period };
            let cut_of = |track: &Track| track.stretches.first().filter(|_| track.cut).map(|first| first.first);
            let alone = |track: &Track| {
                let cut = cut_of(track);
                let replays = proposals.iter().map(|proposal| replay(&track.stretches, *proposal, since(cut))).collect();
                Replayed { observer: Some(track.observer.clone()), replays, cut }
            };
            let together = || {
                let witnesses: Vec<Witness> = observers.iter().map(|(observer, place)| witness(observer, place.as_ref(), &tracks)).collect();
                let cut = tracks.iter().filter_map(cut_of).max();
                let replays = proposals.iter().map(|proposal| replay_together(&witnesses, quorum, *proposal, since(cut))).collect();
                Replayed { observer: None, replays, cut }
            };
            (observers.len() > 1).then(together).into_iter().chain(tracks.iter().map(alone)).collect()
        };
        tokio::task::spawn_blocking(judge).await.context("the replay broke off")
    }
}

/// What an observer saw, as far as it is recorded.
fn witness<'a>(observer: &ObserverId, place: Option<&RegionId>, tracks: &'a [Track]) -> Witness<'a> {
    let stretches = tracks.iter().find(|track| track.observer == observer.as_str()).map_or(&[][..], |track| &track.stretches);
    Witness { observer: observer.clone(), place: place.cloned(), stretches }
}
