//! The page of notifications: the channels and whether they work, what is open and who knows, and how each delivery went.

use super::{
    calls,
    channels::Channels,
    incidents::Incidents,
    view::{DeliveryLine, Telling},
};
use crate::ui::settled::IntoSettled;
use crate::{
    live::watch,
    ui::{
        empty::Empty,
        post::Answers,
        state::Badge,
        table::TableFrame,
        time::{Age, Moment},
        title::PageTitle,
        trouble::watched,
    },
};
use engine::time::Instant;
use leptos::prelude::*;

#[component]
pub fn NotificationsPage() -> impl IntoView {
    let answers = Answers::new();
    let telling = watch(|| (), |()| calls::notifications());
    view! {
        <PageTitle title="Notifications">"Who is told when nobody looks at these pages, and whether it reached them. Times are UTC."</PageTitle>
        {watched(telling, move |telling| view! { <Whole answers telling/> })}
    }
    .settled()
}

#[component]
fn Whole(answers: Answers, telling: Telling) -> impl IntoView {
    let Telling { now, channels, open, over, deliveries, barred_from_tests, barred_from_acknowledging } = telling;
    view! {
        <div class="telling">
            <Channels answers channels barred=barred_from_tests now/>
            <Incidents answers open over barred=barred_from_acknowledging now/>
            <Deliveries deliveries now/>
        </div>
    }
    .settled()
}

#[component]
fn Deliveries(deliveries: Vec<DeliveryLine>, now: Instant) -> impl IntoView {
    let rows = if deliveries.is_empty() {
        view! { <Empty what="Nothing was sent yet.">"A test is the quickest way to see whether a channel reaches anybody."</Empty> }.settled()
    } else {
        view! {
            <TableFrame label="Deliveries">
                <table class="deliveries">
                    <caption class="visually-hidden">"Deliveries, newest first"</caption>
                    <thead><tr>
                        <th scope="col">"Written"</th><th scope="col">"Channel"</th><th scope="col">"What"</th><th scope="col">"Result"</th>
                        <th scope="col" class="number">"Attempts"</th>
                    </tr></thead>
                    <tbody>{deliveries.into_iter().map(|line| view! { <Row line now/> }).collect_view()}</tbody>
                </table>
            </TableFrame>
        }
        .settled()
    };
    view! {
        <section aria-labelledby="deliveries">
            <h2 id="deliveries">"Deliveries "<span class="quiet">"the newest; kept for 30 days"</span></h2>
            {rows}
        </section>
    }
    .settled()
}

#[component]
fn Row(line: DeliveryLine, now: Instant) -> impl IntoView {
    view! {
        <tr>
            <td><Moment at=line.written now/></td>
            <td>{line.channel}</td>
            <td class="what"><strong>{line.kind}</strong>" "{line.title}</td>
            <td class="result">
                <Badge tone=line.tone word=line.word/>
                {line.again.map(|at| view! { " at "<Moment at now/> })}
                {line.said.map(|said| view! { <span class="said">{said}</span> })}
            </td>
            <td class="number" data-label="attempts">{line.attempts}</td>
        </tr>
    }
    .settled()
}

/// “since 14:03:22 · 5m 12s”, in one breath with a word.
#[component]
pub(super) fn Ago(at: Instant, now: Instant) -> impl IntoView {
    view! { <span class="quiet"><Moment at now/>" · "<Age since=at now/>" ago"</span> }.settled()
}
