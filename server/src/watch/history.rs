//! The history in the making: every sample goes into the open run of its target, and what changed is written once a second.
//!
//! What a crash loses, of the process or of the machine: at most the last second of everything that was not well or that
//! changed, and at most the last minute of what was well and stayed so. A run that goes on being good is written once a
//! minute only, each target in a second of its own, so that ten thousand services that are well cost a few pages a second.

use crate::store::{
    Store,
    history::{Batch, KnownTarget, TargetId},
};
use anyhow::Context;
use engine::{
    estate::Detection,
    health::Sample,
    history::{Kind, Line, Mark, Recent, Stretch, Taken, Track},
    journal::Subject,
    time::{Instant, Span},
};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::MissedTickBehavior;

mod roll_up;
pub use roll_up::{roll_up, roll_up_within};

/// What changed reaches the disk this often.
const WRITE: Duration = Duration::from_secs(1);
/// What is well and stays so is written once in this many seconds.
const EXTEND_SECONDS: i64 = 60;
/// Finished runs that may wait for a disk that does not take them; of more the oldest are lost, which is said.
const MOST_WAITING: usize = 300_000;
/// The most stretches of one target that are read at once.
const MOST_READ: u32 = 20_000;

/// See the module.
#[derive(Debug, Default)]
pub struct History {
    inner: Mutex<Inner>,
    /// Held while a batch is written: the next one goes on from it.
    pen: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Where the lines of a target are in `lines`, one for each observer.
    places: HashMap<Subject, Vec<usize>>,
    lines: Vec<Kept>,
    last_id: TargetId,
    finished: VecDeque<(usize, Stretch)>,
    /// Handed out to be written, and not known to be on disk yet.
    writing: Vec<(usize, Stretch)>,
    lost: u64,
}

/// What is known of one target as one observer sees it.
#[derive(Debug)]
struct Kept {
    target: KnownTarget,
    is_on_disk: bool,
    line: Line,
    recent: Recent,
    silence: Span,
    change: Change,
    /// When its open run was last handed out to be written, in seconds since 1970.
    written: i64,
}

/// What of the open run is not on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    /// It went on being well.
    WentOn,
    /// It began, or is not well.
    News,
}

impl History {
    /// Takes in what `observer` saw.
    pub fn take_in(&self, of: &Subject, observer: &str, sample: &Sample, rule: &Detection) {
        let mut inner = self.lock();
        let place = inner.place(of, observer);
        let kept = &mut inner.lines[place];
        let kind = Kind::of(&sample.outcome);
        kept.silence = rule.silence();
        kept.recent.push(kind, sample.at, kept.silence);
        match kept.line.take_in(sample, rule) {
            Taken::Late => {}
            Taken::Extended if kind == Kind::Good && kept.change != Change::News => kept.change = Change::WentOn,
            Taken::Extended => kept.change = Change::News,
            Taken::Began { finished } => {
                kept.change = Change::News;
                inner.finished.extend(finished.map(|run| (place, run)));
            }
        }
    }

    /// The marks of the last hour as of `now`; all gaps for what was never probed.
    pub fn recent(&self, of: &Subject, now: Instant) -> Vec<Mark> {
        let inner = self.lock();
        let recent: Vec<&Recent> = inner.lines_of(of).map(|place| &inner.lines[place].recent).collect();
        Recent::marks(&recent, now)
    }

    /// Everything that was seen of a target from `from` to `until`, by each observer, up to the last sample.
    ///
    /// # Errors
    /// Where the history cannot be read.
    pub async fn read(&self, store: &Store, of: &Subject, from: Instant, until: Instant) -> anyhow::Result<Vec<Track>> {
        let mut tracks = Vec::new();
        for (target, unwritten) in self.unwritten(of) {
            let (mut stretches, cut) = store.stretches(target.id, from, until, MOST_READ).await?;
            for run in unwritten.into_iter().filter(|run| run.last >= from && run.first <= until) {
                if stretches.last().is_none_or(|last| last.first < run.first) {
                    stretches.push(run);
                }
            }
            tracks.push(Track { of: target.of, observer: target.observer, stretches, cut });
        }
        Ok(tracks)
    }

    /// The runs of a target that may not be on disk, oldest first.
    fn unwritten(&self, of: &Subject) -> Vec<(KnownTarget, Vec<Stretch>)> {
        let inner = self.lock();
        let runs = |place: usize| {
            let waiting = inner.writing.iter().chain(&inner.finished).filter(move |(of, _)| *of == place).map(|(_, run)| run.clone());
            waiting.chain(inner.lines[place].line.open().cloned()).collect()
        };
        inner.lines_of(of).map(|place| (inner.lines[place].target.clone(), runs(place))).collect()
    }

    /// What is to be written as of `now`. It counts as written until `put_back` says otherwise.
    fn hand_out(&self, now: Instant) -> Batch {
        let mut inner = self.lock();
        let (seconds, count) = (now.timestamp(), inner.lines.len());
        let mut batch = Batch::default();
        for (place, kept) in inner.lines.iter_mut().enumerate() {
            // Each has its second of the minute; neighbours share theirs, because they share a page.
            let turn = i64::try_from(place).unwrap_or(0) * EXTEND_SECONDS / i64::try_from(count).unwrap_or(1).max(1);
            let minute = |at: i64| (at + turn).div_euclid(EXTEND_SECONDS);
            let due = match kept.change {
                Change::None => false,
                Change::WentOn => minute(seconds) > minute(kept.written),
                Change::News => true,
            };
            let Some(run) = kept.line.open().filter(|_| due) else { continue };
            if !std::mem::replace(&mut kept.is_on_disk, true) {
                batch.targets.push(kept.target.clone());
            }
            batch.open.push((kept.target.id, run.clone()));
            (kept.change, kept.written) = (Change::None, seconds);
        }
        inner.writing = inner.finished.drain(..).collect();
        batch.finished = inner.writing.iter().map(|(place, run)| (inner.lines[*place].target.id, run.clone())).collect();
        batch
    }

    /// The batch is on disk.
    fn settle(&self) {
        self.lock().writing.clear();
    }

    /// The batch could not be written: it will be handed out again, with what came since.
    fn put_back(&self, batch: &Batch) {
        let mut inner = self.lock();
        let writing = std::mem::take(&mut inner.writing);
        for run in writing.into_iter().rev() {
            inner.finished.push_front(run);
        }
        let too_many = inner.finished.len().saturating_sub(MOST_WAITING);
        inner.finished.drain(..too_many);
        inner.lost += too_many as u64;
        let (targets, open): (Vec<TargetId>, Vec<TargetId>) =
            (batch.targets.iter().map(|target| target.id).collect(), batch.open.iter().map(|(id, _)| *id).collect());
        for kept in &mut inner.lines {
            // Both lists have the order of the lines, which is that of the numbers.
            if open.binary_search(&kept.target.id).is_ok() {
                kept.change = Change::News;
            }
            if targets.binary_search(&kept.target.id).is_ok() {
                kept.is_on_disk = false;
            }
        }
    }

    /// Writes what changed until now.
    ///
    /// # Errors
    /// Where the history cannot be written; it is offered again next time.
    pub async fn write(&self, store: &Store, now: Instant) -> anyhow::Result<()> {
        let _pen = self.pen.lock().await;
        let batch = self.hand_out(now);
        if batch.is_empty() {
            return Ok(());
        }
        match store.keep_history(&batch).await {
            Ok(()) => {
                self.settle();
                Ok(())
            }
            Err(error) => {
                self.put_back(&batch);
                let lost = std::mem::take(&mut self.lock().lost);
                if lost > 0 {
                    tracing::error!(lost, "the history waits for its disk for too long; the oldest finished runs are lost");
                }
                Err(error)
            }
        }
    }

    /// Goes on from what a process before this one wrote. To be called before anything is taken in.
    ///
    /// # Errors
    /// Where the history cannot be read or written.
    pub async fn take_over(&self, store: &Store) -> anyhow::Result<()> {
        let (known, last) = store.take_over_history().await.context("the history of earlier probes cannot be taken over")?;
        let mut inner = self.lock();
        inner.last_id = last;
        for target in known {
            inner.add(target, true);
        }
        Ok(())
    }

    /// Fills in the marks of the last hour from what was recorded before this process began.
    ///
    /// # Errors
    /// Where the history cannot be read.
    pub async fn remember(&self, store: &Store, now: Instant) -> anyhow::Result<()> {
        let hour = Recent::PART.times(u32::try_from(Recent::MARKS).unwrap_or(u32::MAX));
        let recorded = store.stretches_since(now - hour.as_delta()).await?;
        let mut inner = self.lock();
        for kept in &mut inner.lines {
            if let Some(stretches) = recorded.get(&kept.target.id) {
                let silence = if kept.silence == Span::ZERO { Detection::default().silence() } else { kept.silence };
                kept.recent = Recent::of(stretches, silence).followed_by(&kept.recent);
            }
        }
        Ok(())
    }

    /// All targets, each with the silence of its rule: what a roll-up goes through.
    fn targets(&self) -> Vec<(TargetId, Span)> {
        let silence = |kept: &Kept| if kept.silence == Span::ZERO { Detection::default().silence() } else { kept.silence };
        self.lock().lines.iter().map(|kept| (kept.target.id, silence(kept))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked with it left counts that are whole: each change is one assignment.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn lines_of(&self, of: &Subject) -> impl Iterator<Item = usize> + '_ {
        self.places.get(of).into_iter().flatten().copied()
    }

    fn place(&mut self, of: &Subject, observer: &str) -> usize {
        let known = self.lines_of(of).find(|place| self.lines[*place].target.observer == observer);
        known.unwrap_or_else(|| {
            self.last_id.0 += 1;
            self.add(KnownTarget { id: self.last_id, of: of.clone(), observer: observer.to_owned() }, false)
        })
    }

    fn add(&mut self, target: KnownTarget, is_on_disk: bool) -> usize {
        let place = self.lines.len();
        self.places.entry(target.of.clone()).or_default().push(place);
        self.lines.push(Kept {
            target,
            is_on_disk,
            line: Line::default(),
            recent: Recent::default(),
            silence: Span::ZERO,
            change: Change::None,
            written: 0,
        });
        place
    }
}

/// Takes over what is there and starts writing. Runs until the process ends.
///
/// # Errors
/// Where the history cannot be read or written.
pub(super) async fn start(history: Arc<History>, store: Store) -> anyhow::Result<()> {
    history.take_over(&store).await?;
    tokio::spawn(roll_up::every_hour(history.clone(), store.clone()));
    tokio::spawn(async move {
        if let Err(error) = history.remember(&store, chrono::Utc::now()).await {
            tracing::error!(error = format!("{error:#}"), "the last hour before the start could not be read");
        }
        let mut beat = tokio::time::interval(WRITE);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut fails = false;
        loop {
            beat.tick().await;
            let written = history.write(&store, chrono::Utc::now()).await;
            // Said when it begins and when it is over, not every second between.
            match (&written, fails) {
                (Err(error), false) => tracing::error!(error = format!("{error:#}"), "the history of probes could not be written; trying again"),
                (Ok(()), true) => tracing::info!("the history of probes is written again"),
                _ => {}
            }
            fails = written.is_err();
        }
    });
    Ok(())
}
