//! The days of a policy: a strip for a row, a calendar of weeks for the page. Form and fill tell them apart without colour.

use crate::ui::{settled::IntoSettled as _, time::date};
use engine::{backups::calendar::Day, time::Instant};
use leptos::prelude::*;

const CELL: i32 = 10;
const STEP: i32 = 12;

fn class(day: Day) -> &'static str {
    match day {
        Day::Restored => "restored",
        Day::Good => "good",
        Day::Failed => "failed",
        Day::Late => "late",
        Day::Nothing => "nothing",
    }
}

fn word(day: Day) -> &'static str {
    match day {
        Day::Restored => "restored",
        Day::Good => "good, not restored",
        Day::Failed => "failed",
        Day::Late => "missing",
        Day::Nothing => "nothing due",
    }
}

/// A cell, and what stands in it for eyes that do not tell the colours apart.
fn cell(letter: char, x: i32, y: i32) -> AnyView {
    let day = Day::from_letter(letter);
    let (left, right, top, low) = (x + 3, x + CELL - 3, y + 3, y + CELL - 3);
    let mark = match day {
        Day::Restored => Some(format!("M{} {}l2 2 4 -4", x + 2, y + 5)),
        Day::Failed => Some(format!("M{left} {top}L{right} {low}M{right} {top}L{left} {low}")),
        Day::Late => Some(format!("M{left} {}H{right}", y + CELL / 2)),
        Day::Good | Day::Nothing => None,
    };
    view! {
        <g class=class(day)>
            <rect x=x y=y width=CELL height=CELL rx="2"></rect>
            {mark.map(|mark| view! { <path d=mark></path> })}
        </g>
    }
    .settled()
}

/// How many days were how, in words.
fn in_words(letters: &str) -> String {
    let kinds = [Day::Restored, Day::Good, Day::Failed, Day::Late, Day::Nothing];
    let count = |day: Day| letters.chars().filter(|letter| Day::from_letter(*letter) == day).count();
    let said: Vec<String> = kinds.into_iter().filter(|day| count(*day) > 0).map(|day| format!("{} {}", count(day), word(day))).collect();
    format!("{} days: {}", letters.chars().count(), said.join(", "))
}

/// The last days in a row, today last.
#[component]
pub fn Strip(letters: String) -> impl IntoView {
    let width = STEP * i32::try_from(letters.chars().count()).unwrap_or(0);
    let cells: Vec<AnyView> = letters.chars().zip(0..).map(|(letter, at)| cell(letter, at * STEP, 0)).collect();
    view! {
        <svg class="days" role="img" aria-label=in_words(&letters) viewBox=format!("0 0 {width} {CELL}") width=width height=CELL>{cells}</svg>
    }
    .settled()
}

/// The last weeks, a column each, Monday on top, today last.
#[component]
pub fn Calendar(letters: String, first: Instant) -> impl IntoView {
    use chrono::Datelike as _;
    let offset = i32::try_from(first.weekday().num_days_from_monday()).unwrap_or(0);
    let count = i32::try_from(letters.chars().count()).unwrap_or(0);
    let columns = (offset + count + 6) / 7;
    let place = |at: i32| ((offset + at) / 7 * STEP, (offset + at) % 7 * STEP);
    let cells: Vec<AnyView> = letters
        .chars()
        .zip(0..)
        .map(|(letter, at)| {
            let (x, y) = place(at);
            cell(letter, x, y)
        })
        .collect();
    let label = format!("Since {}: {}", date(first), in_words(&letters));
    let legend = [Day::Restored, Day::Good, Day::Late, Day::Failed, Day::Nothing].into_iter().map(|day| {
        view! { <li><svg class="days" viewBox=format!("0 0 {CELL} {CELL}") width=CELL height=CELL aria-hidden="true">{cell(day.letter(), 0, 0)}</svg>{word(day)}</li> }
    });
    view! {
        <svg class="days whole" role="img" aria-label=label viewBox=format!("0 0 {} {}", columns * STEP, 7 * STEP) width=columns * STEP * 2 height=7 * STEP * 2>{cells}</svg>
        <ul class="legend">{legend.collect_view()}</ul>
    }
    .settled()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_told_in_words_and_nothing_due_is_never_good() {
        assert_eq!(in_words("rgfl-"), "5 days: 1 restored, 1 good, not restored, 1 failed, 1 missing, 1 nothing due");
        for day in [Day::Restored, Day::Good, Day::Failed, Day::Late, Day::Nothing] {
            assert_eq!(Day::from_letter(day.letter()), day);
        }
        assert_eq!(Day::from_letter('?'), Day::Nothing);
    }
}
