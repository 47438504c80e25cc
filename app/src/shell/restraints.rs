//! What people hold back, in the strip of every page: the weightiest in words with who and since when, the others counted;
//! opened, all of them with their ends and reasons. It opens without JavaScript.

use super::view::{Automation, RestraintLine};
use crate::ui::{
    icon::Icon,
    settled::IntoSettled,
    state::{Badge, Tone},
    time::{Age, Moment},
};
use engine::time::Instant;
use leptos::prelude::*;

#[component]
pub fn Restraints(automation: Automation, now: Instant) -> impl IntoView {
    let Automation { tone, word, restraints } = automation;
    let more = restraints.len().saturating_sub(1);
    let Some(first) = restraints.first().cloned() else {
        let class = if tone == Tone::Ok { "signal quiet".to_owned() } else { format!("signal {}", tone.name()) };
        return view! { <a class=class href="/failover#automation" rel="external"><Icon name=tone.name()/>{word}</a> }.settled();
    };
    view! {
        <details class="restraints">
            <summary class=format!("signal {}", tone.name())>
                <Icon name=tone.name()/>{word}
                <span class="who">" · "{first.by}{first.since.map(|since| view! { " · "<Age since now/> })}</span>
                {(more > 0).then(|| format!(" +{more}"))}
            </summary>
            <div class="menu">
                <p><strong>"In force now"</strong></p>
                <ul>{restraints.into_iter().map(|line| view! { <Line line now/> }).collect_view()}</ul>
                <a href="/failover#automation" rel="external">"Look at automation"</a>
            </div>
        </details>
    }
    .settled()
}

#[component]
fn Line(line: RestraintLine, now: Instant) -> impl IntoView {
    view! {
        <li>
            <p><Badge tone=line.tone word=line.word/></p>
            <p class="quiet">
                "by "{line.by}{line.since.map(|since| view! { " since "<Moment at=since now/>" UTC" })}
                {match line.until {
                    Some(until) => view! { ", until "<Moment at=until now/>" UTC" }.settled(),
                    None => ", until somebody ends it".settled(),
                }}
            </p>
            <p class="said">{line.reason}</p>
        </li>
    }
    .settled()
}
