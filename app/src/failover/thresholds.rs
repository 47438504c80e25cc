//! Thresholds tried out on what the probes saw: the rule in force beside a proposed one, and how often each would have
//! failed over. The values stand in the address, so that an answer can be passed on; it changes nothing.

pub mod asked;
pub mod view;

use crate::ui::settled::IntoSettled;
use crate::ui::{
    field::Field,
    icon::Icon,
    state::Badge,
    table::TableFrame,
    time::{Age, Moment},
};
use asked::{Asked, PERIODS};
use engine::time::Instant;
use leptos::prelude::*;
use view::{Judged, RegionJudged, Thresholds, Time};

#[component]
pub fn ThresholdsSection(page: Thresholds) -> impl IntoView {
    let now = page.now;
    let (asked, action) = (page.asked, format!("/failover/{}#thresholds", page.service));
    let empty = page.regions.is_empty();
    let rows = page.regions.into_iter().map(|region| view! { <Region region now/> }).collect_view();
    view! {
        <section class="panel thresholds" id="thresholds" aria-labelledby="thresholds-title">
            <h2 id="thresholds-title">"Thresholds"</h2>
            <p class="quiet">"What other thresholds would have made of what the probes saw. It replays recorded probes and changes nothing; cooldowns, approvals and whatever else holds Lifeboat back are not replayed. "{page.probed}</p>
            <Form asked action mistakes=page.mistakes/>
            {if empty {
                view! { <p class="quiet">"Nothing of it is probed."</p> }.settled()
            } else {
                view! {
                    <TableFrame label="What the thresholds would have led to">
                        <table class="entries replays">
                            <caption>{page.caption}</caption>
                            <thead><tr><th scope="col">"Region"</th><th scope="col">"Rule"</th><th scope="col">"It …"</th></tr></thead>
                            <tbody>{rows}</tbody>
                        </table>
                    </TableFrame>
                }.settled()
            }}
        </section>
    }
    .settled()
}

#[component]
fn Form(asked: Asked, action: String, mistakes: Vec<(String, String)>) -> impl IntoView {
    let mistake = |field: &str| mistakes.iter().find(|(name, _)| name == field).map(|(_, says)| says.clone()).unwrap_or_default();
    let [failures, samples, recoveries, window, wait] = ["failures", "samples", "recoveries", "window", "wait"].map(mistake);
    let period = mistake("period");
    let said = mistakes.into_iter().map(|(_, says)| view! { <li>{says}</li> }).collect::<Vec<_>>();
    let option = |name: &'static str| {
        let chosen = asked.period == name;
        view! { <option value=name selected=chosen>{format!("the last {name}")}</option> }
    };
    let bad = (!period.is_empty()).then_some("true");
    view! {
        <form method="get" action=action>
            {(!said.is_empty()).then(|| view! { <div class="trouble" role="alert"><Icon name="act"/><div><p class="what">"This cannot be replayed. What follows is the rule in force."</p><ul>{said}</ul></div></div> })}
            <div class="fields">
                <Number name="failures" label="Failures" value=asked.failures error=failures/>
                <Number name="samples" label="of the last … probes" value=asked.samples error=samples/>
                <Number name="window" label="all within (optional)" value=asked.window error=window/>
                <Number name="recoveries" label="Good ones to recover" value=asked.recoveries error=recoveries/>
                <Number name="wait" label="Wait after the verdict" value=asked.wait error=wait/>
                <div class="field"><label for="period">"Period"</label><select id="period" name="period" aria-invalid=bad>{PERIODS.map(|(name, _)| option(name)).collect_view()}</select></div>
                <button type="submit" class="button">"Replay"</button>
            </div>
        </form>
    }
    .settled()
}

#[component]
fn Number(name: &'static str, label: &'static str, value: String, error: String) -> impl IntoView {
    // An empty field leaves that threshold as it is. The message stands above the form once; here the field only says that it is the one.
    if error.is_empty() {
        view! { <Field name label value optional=true/> }.settled()
    } else {
        view! { <Field name label value optional=true error="see above"/> }.settled()
    }
}

#[component]
fn Region(region: RegionJudged, now: Instant) -> impl IntoView {
    let spans = if region.proposed.is_some() { 2 } else { 1 };
    let notes = region.notes.into_iter().map(|note| view! { <span class="quiet">{note}</span> }).collect_view();
    view! {
        <tr>
            <th scope="rowgroup" rowspan=spans>{region.region}{notes}</th>
            <Rule judged=region.present name="in force" now/>
        </tr>
        {region.proposed.map(|proposed| view! { <tr class="proposed"><Rule judged=proposed name="proposed" now/></tr> })}
    }
    .settled()
}

#[component]
fn Rule(judged: Judged, name: &'static str, now: Instant) -> impl IntoView {
    let times = judged.times.into_iter().map(|time| view! { <At time now/> }).collect::<Vec<_>>();
    let more = (judged.more > 0).then(|| view! { <li class="quiet">{format!("and {} before", judged.more)}</li> });
    view! {
        <td><strong>{name}</strong><span class="quiet">{judged.rule}</span></td>
        <td class="what">
            <Badge tone=judged.tone word=judged.says/>
            {judged.compared.map(|compared| view! { <span class="quiet">{compared}</span> })}
            {(!times.is_empty()).then(|| view! { <details class="fold"><summary>"When"</summary><ul class="plain">{times}{more}</ul></details> })}
        </td>
    }
    .settled()
}

#[component]
fn At(time: Time, now: Instant) -> impl IntoView {
    view! {
        <li>
            "first failed probe "<Moment at=time.since now/>", down "<Moment at=time.down_at now/>
            {time.acts_at.filter(|at| *at != time.down_at).map(|at| view! { ", would have acted "<Moment at now/> })}
            ": "{time.says}
            {time.lasts.then(|| view! { " for "<Age since=time.since now/> })}
        </li>
    }
    .settled()
}
