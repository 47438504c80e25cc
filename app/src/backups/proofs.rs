//! The proofs of a policy: how far each climbed, what it measured, and where it failed.

use super::view::ProofLine;
use crate::ui::settled::IntoSettled;
use crate::ui::{empty::Empty, state::Badge, time::Moment};
use engine::time::Instant;
use leptos::prelude::*;

#[component]
pub fn Proofs(lines: Vec<ProofLine>, now: Instant) -> impl IntoView {
    if lines.is_empty() {
        return view! { <Empty what="Nothing was restored yet.">"A backup is only as good as its last restore: prove one."</Empty> }.settled();
    }
    view! { <ol class="proofs">{lines.into_iter().map(|line| view! { <One line now/> }).collect_view()}</ol> }.settled()
}

#[component]
fn One(line: ProofLine, now: Instant) -> impl IntoView {
    let rungs = line
        .rungs
        .into_iter()
        .map(|(level, took, said)| view! { <li><strong>{level}</strong><span>{took.rough()}</span><span class="quiet">{said}</span></li> });
    view! {
        <li class=format!("panel {}", line.tone.name())>
            <p>
                <Badge tone=line.tone word=line.word/>
                " Backup "<code>{line.backup.short()}</code>" from "{line.from}", "<Moment at=line.began now/>", by "{line.by}
            </p>
            {line.failure.map(|why| view! { <p class="said">{why}</p> })}
            {line.restore_took.map(|took| view! { <p>"Restored in "<strong>{took.rough()}</strong>{line.recovered_to.map(|at| view! { ", newest commit in it "<Moment at now/> })}</p> })}
            <ol class="rungs">{rungs.collect_view()}</ol>
        </li>
    }
    .settled()
}
