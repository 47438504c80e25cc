//! What the failover pages ask of the server.

use super::{
    decisions::Ledger,
    evacuation::view::EvacuationPage,
    plan::view::MovePage,
    thresholds::{asked::Asked, view::Thresholds},
    view::{Board, ServicePage},
};
use crate::fault::Fault;
use leptos::prelude::*;

#[cfg(feature = "ssr")]
use super::{
    decisions::DecisionLine,
    evidence::{Probed, Shown},
    moment::{self, AtView},
    plan::view::Asked as Move,
    thresholds::view::Question,
};
#[cfg(feature = "ssr")]
use crate::{
    journal::view::Reading,
    port::{HistoryQuery, ProbesQuery, Wish, port},
    session::viewer,
};
#[cfg(feature = "ssr")]
use engine::{
    failover::Mode,
    history::Line,
    id::{RegionId, Scope},
    journal::Subject,
    picture::Picture,
    restraints::Restraint,
    time::{Instant, Span},
};
#[cfg(feature = "ssr")]
use std::collections::BTreeSet;

#[server(endpoint = "failover")]
pub async fn failover_board(page: usize) -> Result<Board, Fault> {
    let viewer = viewer()?;
    let picture = port()?.look(&viewer).await?;
    let mut board = Board::of(&picture, &viewer, page);
    let port = port()?;
    let row = |columns: Vec<Vec<Subject>>| columns.iter().map(|targets| port.recent(&viewer, targets)).collect::<Result<_, _>>();
    board.remember(board.probed(&picture).into_iter().map(row).collect::<Result<_, _>>()?);
    Ok(board)
}

#[server(endpoint = "failover_service")]
pub async fn service(id: String) -> Result<ServicePage, Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let missing = || Fault::NotFound { what: "service".to_owned(), id: id.clone() };
    let known: engine::id::ServiceId = id.parse().map_err(|_| missing())?;
    let picture = port.look(&viewer).await?;
    let mut decisions = ledger(None, RECENT, Some(Scope::Service(known.clone()))).await?.lines;
    decisions.truncate(RECENT_SHOWN);
    let mut page = ServicePage::of(&picture, &viewer, &known, decisions).ok_or_else(missing)?;
    page.remember(port.recent(&viewer, &page.probed(&picture))?);
    Ok(page)
}

/// What the thresholds of a service, in force and proposed, would have made of what its probes saw; `None` where there is no
/// such service.
#[server(endpoint = "thresholds")]
pub async fn replay_thresholds(id: String, asked: Asked) -> Result<Option<Thresholds>, Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let picture = port.look(&viewer).await?;
    let Some(service) = id.parse().ok().and_then(|id| picture.estate.service(&id)) else { return Ok(None) };
    let question = Question::of(&picture, service, &asked);
    let mut answers = Vec::with_capacity(question.regions.len());
    for (of, proposals) in &question.regions {
        answers.push(port.replay(&viewer, ProbesQuery { of: of.clone(), period: question.period }, proposals.clone()).await?);
    }
    Ok(Some(question.answered(answers)))
}

/// `scope` is written `service/…`, `cluster/…` or `region/…`; empty for everything. `at` is a time in UTC: what is listed are
/// the entries around it, with what the probes saw then.
#[server(endpoint = "decisions")]
pub async fn decisions(before: Option<u64>, scope: Option<String>, at: Option<String>) -> Result<Ledger, Fault> {
    let scope = scope.filter(|scope| !scope.is_empty()).map(|scope| scope.parse::<Scope>()).transpose().map_err(bad_input)?;
    let picture = port()?.look(&viewer()?).await?;
    let asked_at = at.unwrap_or_default();
    let mut ledger = match (!asked_at.is_empty()).then(|| moment::read(&asked_at, picture.now)) {
        Some(Ok(at)) => around(&picture, scope, at).await?,
        Some(Err(mistake)) => Ledger { mistake: Some(mistake), ..Ledger::of(&picture, ledger(before, Reading::LOOKED_AT_MOST, scope).await?) },
        None => Ledger::of(&picture, ledger(before, Reading::LOOKED_AT_MOST, scope).await?),
    };
    show_probes(&picture, &mut ledger.lines).await?;
    Ok(Ledger { asked_at: asked_at.chars().take(40).collect(), ..ledger })
}

/// The plan as it would be made now, with an operation id for the form. `to` is regions separated by commas; empty for
/// where clients should go.
#[server(endpoint = "move_plan")]
pub async fn move_plan(service: String, mode: String, to: Option<String>) -> Result<MovePage, Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let picture = port.look(&viewer).await?;
    let asked = asked(&service, &mode, to)?;
    MovePage::of(&picture, &viewer, &asked, port.new_id()).ok_or(Fault::NotFound { what: "service".to_owned(), id: service })
}

/// The hash of the plan as it would be made now: only whether it is still the same.
#[server(endpoint = "move_plan_hash")]
pub async fn move_plan_hash(service: String, mode: String, to: Option<String>) -> Result<String, Fault> {
    let picture = port()?.look(&viewer()?).await?;
    let asked = asked(&service, &mode, to)?;
    let plan = picture.traffic_plan(&asked.service, asked.mode, asked.to.as_ref());
    plan.map(|plan| plan.hash()).ok_or(Fault::NotFound { what: "service".to_owned(), id: service })
}

/// The plan that empties a region as it would be made now, with an operation id for the form.
#[server(endpoint = "evacuation_plan")]
pub async fn evacuation(region: String, mode: String) -> Result<EvacuationPage, Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let picture = port.look(&viewer).await?;
    let (id, mode) = region_and_mode(&region, &mode)?;
    EvacuationPage::of(&picture, &viewer, &id, mode, port.new_id()).ok_or(Fault::NotFound { what: "region".to_owned(), id: region })
}

/// The hash of that plan: only whether it is still the same.
#[server(endpoint = "evacuation_plan_hash")]
pub async fn evacuation_hash(region: String, mode: String) -> Result<String, Fault> {
    let picture = port()?.look(&viewer()?).await?;
    let (id, mode) = region_and_mode(&region, &mode)?;
    let plan = picture.evacuation_plan(&id, mode);
    plan.map(|plan| plan.hash()).ok_or(Fault::NotFound { what: "region".to_owned(), id: region })
}

/// `what` is written as `Restraint` is; `minutes` is how long it lasts, 0 for until somebody ends it.
#[server(endpoint = "restrain")]
pub async fn restrain(what: String, minutes: u64, reason: String, back: String) -> Result<(), Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let what = what.parse().map_err(Fault::BadInput)?;
    let length = Span::from_mins(minutes.min(Restraint::LONGEST.as_millis() / 60_000));
    let now = port.look(&viewer).await?.now;
    let until = (minutes > 0).then(|| now + length.as_delta());
    port.act(&viewer, Wish::Restrain { what, until, reason }).await?;
    leptos_axum::redirect(local(&back));
    Ok(())
}

#[server(endpoint = "release")]
pub async fn release(what: String, reason: String, back: String) -> Result<(), Fault> {
    let what = what.parse().map_err(Fault::BadInput)?;
    port()?.act(&viewer()?, Wish::Release { what, reason }).await?;
    leptos_axum::redirect(local(&back));
    Ok(())
}

/// How many entries the page of a service looks through for its last decisions, and how many it shows.
#[cfg(feature = "ssr")]
const RECENT: u64 = 600;
#[cfg(feature = "ssr")]
const RECENT_SHOWN: usize = 6;
/// Beside so many decisions of a page stands what the probes showed, of at most so many targets each.
#[cfg(feature = "ssr")]
const WITH_PROBES: usize = 20;
#[cfg(feature = "ssr")]
const TARGETS_SHOWN: usize = 12;

#[cfg(feature = "ssr")]
async fn ledger(before: Option<u64>, at_most: u64, scope: Option<Scope>) -> Result<Reading<DecisionLine>, Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let mut reading = Reading::by(before, at_most, move |entry| DecisionLine::of(entry, scope.as_ref()));
    while let Some(before) = reading.next_before() {
        reading.take(port.history(&viewer, HistoryQuery { before, limit: Reading::BATCH, operation: None }).await?);
    }
    Ok(reading)
}

/// The ledger around an instant: what was decided near it, the decision that stood, and what the probes saw.
#[cfg(feature = "ssr")]
async fn around(picture: &Picture, scope: Option<Scope>, at: Instant) -> Result<Ledger, Fault> {
    let around = moment::AROUND.as_delta();
    let (first, last) = (entries_until(picture, at - around).await?, entries_until(picture, at + around).await?);
    // Only as far as the quarter of an hour reaches; of more than is looked at the latest.
    let looked_at = last.saturating_sub(first).min(Reading::LOOKED_AT_MOST);
    let mut near = Ledger::of(picture, ledger(Some(last + 1), looked_at, scope.clone()).await?);
    near.lines.retain(|line| line.seq > first);
    near.older = None;
    let mut stood = None;
    if let Some(scope) = &scope {
        let before = ledger(Some(first + 1), RECENT, Some(scope.clone())).await?.lines;
        stood = before.into_iter().find(|line| line.scope.as_ref() == Some(scope) && line.settles).filter(|line| line.is_decision);
    }
    let mut view = AtView { at, shown: Vec::new(), good: 0, note: None, stood };
    let probed = Probed::all(picture, scope.as_ref());
    if probed.len() > moment::MOST_TARGETS {
        view.note = Some(format!("{} targets are probed; choose what it is about to see what its probes saw.", probed.len()));
        view.good = 0;
    } else {
        for target in probed {
            view.shown.extend(shown_of(&target, at).await?);
        }
        view.shown.sort_by_key(|shown| std::cmp::Reverse(shown.tone));
        if scope.is_none() {
            let all = view.shown.len();
            view.shown.retain(Shown::is_trouble);
            view.good = all - view.shown.len();
        }
    }
    Ok(Ledger { at: Some(view), ..near })
}

#[cfg(feature = "ssr")]
async fn shown_of(target: &Probed, at: Instant) -> Result<Vec<Shown>, Fault> {
    let tracks = port()?.probes(&viewer()?, ProbesQuery { of: target.of.clone(), period: target.period(at) }).await?;
    Ok(target.shown(&tracks, at))
}

/// How many entries of the journal were written until `at`. Their times rise with their numbers, so few are looked at.
#[cfg(feature = "ssr")]
async fn entries_until(picture: &Picture, at: Instant) -> Result<u64, Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let (mut low, mut high) = (0, picture.records.seq);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        let entry = port.history(&viewer, HistoryQuery { before: Some(middle + 1), limit: 1, operation: None }).await?;
        if entry.first().is_some_and(|entry| entry.at <= at) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Ok(low)
}

/// Puts beside the newest decisions what the probes showed when they were taken.
#[cfg(feature = "ssr")]
async fn show_probes(picture: &Picture, lines: &mut [DecisionLine]) -> Result<(), Fault> {
    for line in lines.iter_mut().filter(|line| line.is_decision).take(WITH_PROBES) {
        for mut target in Probed::all(picture, line.scope.as_ref()).into_iter().take(TARGETS_SHOWN) {
            target.rule = line.rule.unwrap_or(target.rule);
            // A round inside a run is made again up to this far from where it was, so it may seem to come after the decision.
            let blur = Span::from_millis(target.rule.interval.as_millis() / u64::from(Line::TOLERANCE.unsigned_abs()));
            line.shown.extend(shown_of(&target, line.at + blur.as_delta()).await?.into_iter().filter(Shown::is_trouble));
        }
    }
    Ok(())
}

#[cfg(feature = "ssr")]
fn region_and_mode(region: &str, mode: &str) -> Result<(RegionId, Mode), Fault> {
    let mode = mode.parse().map_err(Fault::BadInput)?;
    let id = region.parse().map_err(|_| Fault::NotFound { what: "region".to_owned(), id: region.to_owned() })?;
    Ok((id, mode))
}

#[cfg(feature = "ssr")]
fn asked(service: &str, mode: &str, to: Option<String>) -> Result<Move, Fault> {
    let to = to.map(|to| regions(&to)).transpose()?.filter(|to| !to.is_empty());
    let mode = mode.parse().map_err(Fault::BadInput)?;
    let service = service.parse().map_err(|_| Fault::NotFound { what: "service".to_owned(), id: service.to_owned() })?;
    Ok(Move { service, mode, to })
}

/// The page a form came from. The address comes with the form, so it may lead to a page with such forms and nowhere else.
#[cfg(feature = "ssr")]
fn local(back: &str) -> &str {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/-_".contains(letter);
    let is_within = |place: &str| back.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if ["/failover", "/databases"].into_iter().any(is_within) && back.chars().all(plain) { back } else { "/failover" }
}

/// Regions separated by commas, as forms and addresses carry them.
///
/// # Errors
/// A part that is no region's id.
#[cfg(feature = "ssr")]
pub fn regions(text: &str) -> Result<BTreeSet<RegionId>, Fault> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.parse().map_err(bad_input)).collect()
}

#[cfg(feature = "ssr")]
fn bad_input(error: engine::id::IdError) -> Fault {
    Fault::BadInput(error.to_string())
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::local;

    #[test]
    fn a_form_leads_back_to_a_failover_page_and_nowhere_else() {
        assert_eq!(local("/failover"), "/failover");
        assert_eq!(local("/failover/api-gateway"), "/failover/api-gateway");
        for elsewhere in [
            "",
            "https://example.com",
            "//example.com",
            "/failoverx",
            "/failover@example.com",
            "/failover/\\example.com",
            "/failover/a\r\nb",
            "/journal",
        ] {
            assert_eq!(local(elsewhere), "/failover", "{elsewhere:?}");
        }
    }
}
