//! The ledger of decisions as a page: every decision with what failed and what held Lifeboat back, newest first.

use super::{
    calls,
    decisions::{DecisionLine, Ledger},
    evidence::Shown,
    moment::AtView,
};
use crate::ui::settled::IntoSettled;
use crate::{
    live::watch,
    ui::{empty::Empty, icon::Icon, state::Badge, table::TableFrame, time::Moment, title::PageTitle, trouble::watched},
};
use engine::{history::Mark, time::Instant};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

#[component]
pub fn DecisionsPage() -> impl IntoView {
    let query = use_query_map();
    let asked = Memo::new(move |_| {
        let query = query.read();
        let given = |name: &str| query.get(name).filter(|text| !text.is_empty());
        (query.get("before").and_then(|before| before.parse::<u64>().ok()), given("scope"), given("at"))
    });
    let ledger = watch(move || asked.get(), |(before, scope, at)| calls::decisions(before, scope, at));
    view! {
        <PageTitle title="Decisions">"Why something happened, or did not: what failed, what Lifeboat decided, and what held it back. Times are UTC."</PageTitle>
        {watched(ledger, move |ledger| view! { <Whole ledger scope=asked.get_untracked().1/> })}
    }
    .settled()
}

#[component]
fn Whole(ledger: Ledger, scope: Option<String>) -> impl IntoView {
    let now = ledger.now;
    let (empty, around) = (ledger.lines.is_empty(), ledger.at.is_some());
    let chosen = scope.clone().unwrap_or_default();
    let option = |name: String| {
        let text = name.split_once('/').map_or_else(|| name.clone(), |(kind, id)| format!("{id} ({kind})"));
        let is_chosen = name == chosen;
        view! { <option value=name selected=is_chosen>{text}</option> }
    };
    let query = scope.map(|scope| format!("&scope={scope}")).unwrap_or_default();
    view! {
        <form method="get" action="/failover/decisions" class="filter">
            <select name="scope" aria-label="About">
                <option value="">"about everything"</option>
                {ledger.scopes.into_iter().map(option).collect_view()}
            </select>
            <label for="at">"around"</label>
            <input id="at" name="at" type="text" value=ledger.asked_at placeholder="02:13" autocomplete="off" aria-describedby="at-hint" aria-invalid=ledger.mistake.is_some().then_some("true")/>
            <span id="at-hint" class="quiet">"UTC; 02:13 is the last one, 2026-11-25T02:13 that one"</span>
            <button type="submit" class="button">"Show"</button>
            <a href="/journal?kind=health">"What the probes saw"</a>
        </form>
        {ledger.mistake.map(|says| view! { <div class="trouble" role="alert"><Icon name="act"/><p class="what">{says}</p></div> })}
        {ledger.at.map(|at| view! { <Around view=at empty now/> })}
        {if empty && around {
            ().settled()
        } else if empty {
            view! { <Empty what="No decision is recorded here.">{format!("Among {} entries looked at, none is a decision or a restraint about this.", ledger.looked_at)}</Empty> }.settled()
        } else {
            view! { <DecisionRows lines=ledger.lines now/> }.settled()
        }}
        {ledger.older.map(|before| view! { <nav class="pages" aria-label="Pages"><a class="button" href=format!("/failover/decisions?before={before}{query}")>{format!("Show those before entry {before}")}</a></nav> })}
    }
    .settled()
}

/// What was known at the instant that was asked for.
#[component]
fn Around(view: AtView, empty: bool, now: Instant) -> impl IntoView {
    let at = view.at;
    let (some, none) = (!view.shown.is_empty(), view.shown.is_empty() && view.good == 0);
    let good = match view.good {
        0 => None,
        1 => Some("1 other target was good then.".to_owned()),
        many => Some(format!("{many} other targets were good then.")),
    };
    let stood = view.stood.map(|line| {
        view! { <h3>"The decision that stood"</h3><DecisionRows lines=vec![line] now/> }
    });
    view! {
        <section class="panel around" aria-labelledby="around-title">
            <h2 id="around-title">"At "<Moment at now/>" UTC"</h2>
            {empty.then(|| view! { <p>"Nothing was decided in the quarter of an hour before and after it."</p> })}
            {stood}
            <h3>"What the probes saw then"</h3>
            {view.note.map(|note| view! { <p class="quiet">{note}</p> })}
            {some.then(|| view! { <ul class="plain shown">{view.shown.into_iter().map(|shown| view! { <One shown now/> }).collect_view()}</ul> })}
            {good.map(|good| view! { <p class="quiet">{good}</p> })}
            {none.then(|| view! { <p class="quiet">"Nothing of it is probed."</p> })}
        </section>
        {(!empty).then(|| view! { <h2>"Around it"</h2> })}
    }
    .settled()
}

/// One target: its verdict, its last rounds, and the threshold.
#[component]
fn One(shown: Shown, now: Instant) -> impl IntoView {
    let rounds: Vec<_> = shown
        .rounds
        .chars()
        .map(|letter| {
            let (class, glyph) = match Mark::from_letter(letter) {
                Mark::Good => ("ok", "●"),
                Mark::Complaint => ("watch", "▲"),
                Mark::SomeFailed | Mark::AllFailed => ("lost", "✕"),
                Mark::Gap => ("unknown", "?"),
            };
            view! { <span class=class>{glyph}</span> }
        })
        .collect();
    view! {
        <li>
            <strong>{shown.target}</strong>" "<Badge tone=shown.tone word=shown.word/>" "
            {(!rounds.is_empty()).then(|| view! { <span class="rounds" aria-hidden="true">{rounds}</span>" " })}
            {shown.says}
            {shown.between.map(|(first, last)| view! { <span class="quiet">" ("<Moment at=first now/>" to "<Moment at=last now/>")"</span> })}
        </li>
    }
    .settled()
}

#[component]
pub fn DecisionRows(lines: Vec<DecisionLine>, now: Instant) -> impl IntoView {
    view! {
        <TableFrame label="Decisions">
            <table class="journal ledger">
                <caption class="visually-hidden">"Decisions, newest first"</caption>
                <thead><tr>
                    <th scope="col" class="number">"Entry"</th><th scope="col">"Time (UTC)"</th><th scope="col">"Decision"</th><th scope="col">"About"</th><th scope="col">"Why"</th>
                </tr></thead>
                <tbody>{lines.into_iter().map(|line| view! { <Line line now/> }).collect_view()}</tbody>
            </table>
        </TableFrame>
    }
    .settled()
}

#[component]
fn Line(line: DecisionLine, now: Instant) -> impl IntoView {
    let list = |name: &'static str, items: Vec<String>| {
        let items = items.into_iter().map(|item| view! { <li>{item}</li> }).collect::<Vec<_>>();
        (!items.is_empty()).then(|| view! { <div class="because"><span class="quiet">{name}</span><ul>{items}</ul></div> })
    };
    view! {
        <tr>
            <td class="number">{line.seq}</td>
            <td><Moment at=line.at now/></td>
            <td><Badge tone=line.tone word=line.word/></td>
            <td><a href=line.href>{line.about}</a></td>
            <td class="what">
                {line.says}
                {line.reason.map(|reason| view! { <span class="reason">{format!("{}: “{reason}”", line.actor)}</span> })}
                {list("What fails", line.trouble)}
                {list("What holds it back", line.holds)}
                {(!line.shown.is_empty()).then(|| view! { <div class="because"><span class="quiet">"Probes behind it"</span><ul class="shown">{line.shown.into_iter().map(|shown| view! { <One shown now/> }).collect_view()}</ul></div> })}
            </td>
        </tr>
    }
    .settled()
}
