//! One simulation from its seed: the real executor, the real journal and the real automation, in simulated time on a simulated
//! platform.

use crate::{
    diary::{Breach, Law},
    dice::Dice,
    hands::Played,
    harm::Harm,
    laws::Laws,
    ledger::Pen,
    people::{self, People},
    platform,
    stage::Stage,
    watching::{Board, LOOK_AGAIN},
    weather::Weather,
    world::World,
};
use engine::{
    journal::{Actor, Event},
    time::{Instant, Span},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU16},
};

const TICK: Span = Span::from_millis(500);
/// So long nothing happens, so that everything is seen once.
const QUIET: Span = Span::from_secs(25);
/// So long things befall the platform.
const STORM: Span = Span::from_secs(300);
/// So long nothing more does, and people put right what is left.
const CALM: Span = Span::from_secs(120);

/// What came of one simulation.
#[derive(Debug)]
pub struct Outcome {
    pub hash: u64,
    pub breaches: Vec<Breach>,
    pub counts: BTreeMap<String, u64>,
}

/// Plays one seed.
pub fn play(seed: u64, harm: Option<Harm>, aloud: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime of one thread");
    runtime.block_on(history(seed, harm, aloud))
}

async fn history(seed: u64, harm: Option<Harm>, aloud: bool) -> Outcome {
    let begins: Instant = "2026-01-05T00:00:00Z".parse().expect("an instant");
    let mut dice = Dice::of(seed, 2);
    let estate = platform::estate(&mut dice, begins);
    let world = World::new(&estate, &mut dice, begins);
    let stage = Stage::new(seed, estate, world, begins, harm, aloud);
    people::accounts(&stage);
    let (mut world_dice, mut probe_dice, mut people_dice, mut weather_dice) =
        (Dice::of(seed, 3), Dice::of(seed, 4), Dice::of(seed, 5), Dice::of(seed, 6));
    let (mut weather, mut people) = (Weather::default(), People::default());
    let mut board: Option<Board> = None;
    let mut judged = begins;
    let mut killed = begins + dice.secs(30, 400).as_delta();
    loop {
        let now = stage.now();
        let age = Span::between(begins, now);
        if age > QUIET.saturating_add(STORM).saturating_add(CALM) || !stage.diary().breaches.is_empty() {
            break;
        }
        stage.world().tick(&mut world_dice);
        let storm = age > QUIET && age <= QUIET.saturating_add(STORM);
        match storm {
            true => weather.blow(&stage, &mut weather_dice),
            false if age > QUIET => weather.calm_down(&stage),
            false => {}
        }
        if storm && killed <= now {
            stage.crash("at some moment");
            killed = now + dice.secs(60, 600).as_delta();
        }
        match (&mut board, stage.server().since) {
            (Some(board), Some(_)) => {
                board.probe(&stage, &mut probe_dice);
                if Span::between(judged, now) >= LOOK_AGAIN {
                    judged = now;
                    board.judge(&stage);
                }
                if age > QUIET {
                    people.act(&stage, &mut people_dice, !storm);
                }
            }
            (_, Some(_)) => {}
            (_, None) => {
                board = None;
                if stage.server().back_at <= now {
                    board = Some(start(&stage, &mut probe_dice));
                }
            }
        }
        Laws::look(&stage);
        tokio::time::sleep(TICK.as_std()).await;
    }
    close_the_books(&stage);
    let diary = stage.diary();
    Outcome { hash: diary.hash(), breaches: diary.breaches.clone(), counts: diary.counts.clone() }
}

/// The server starts, from what its store holds.
fn start(stage: &Arc<Stage>, dice: &mut Dice) -> Board {
    let before = stage.observed();
    let run = stage.restart();
    let board = Board::new(&stage.estate, Some(&before), dice, stage.now());
    stage.write(&Actor::Lifeboat, &[Event::ServerStarted { version: "simulated".to_owned() }]);
    let pen = Arc::new(Pen { stage: stage.clone(), run });
    let hands = pen.clone();
    tokio::spawn(server::run::carry_out(pen, move || Played { pen: hands.clone(), ordered: AtomicU16::new(0) }, None));
    board
}

/// The journal is whole, and leads to where things are.
fn close_the_books(stage: &Stage) {
    let mut book = stage.book();
    if stage.harm == Some(Harm::EntryChanged)
        && let Some(entry) = book.entries.iter_mut().rev().nth(3)
    {
        entry.event = entry.event.replacen('"', "'", 1);
    }
    let replayed = book.replayed();
    let live = book.records.clone();
    drop(book);
    match replayed {
        Ok(records) if records == *live => {}
        Ok(_) => stage.broken(Law::Journal, "replayed, the journal leads elsewhere".to_owned()),
        Err(why) => stage.broken(Law::Journal, why),
    }
    if let Ok(entries) = u64::try_from(stage.book().entries.len()) {
        *stage.diary().counts.entry("journal entries".to_owned()).or_default() += entries;
    }
}
