//! All policies, the worst first.

use super::{
    calendar::Strip,
    calls,
    view::{At, Point, PolicyLine, ProofMark},
};
use crate::ui::settled::IntoSettled;
use crate::{
    live::watch,
    ui::{
        empty::Empty,
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
pub fn BackupsPage() -> impl IntoView {
    let listing = watch(|| (), |()| calls::backups());
    view! {
        <PageTitle title="Backups">"What is backed up, how old the newest backup is, and whether it was restored. Times are UTC."</PageTitle>
        {watched(listing, |listing| {
            let now = listing.now;
            if listing.policies.is_empty() {
                view! {
                    <Empty what="No backup policy is declared: nothing here can be restored.">
                        "Add a "<code>"[[destination]]"</code>" and a "<code>"[[backup_policy]]"</code>" to the estate file, and start the server again."
                    </Empty>
                }.settled()
            } else {
                view! {
                    <TableFrame label="Backup policies">
                        <table class="policies">
                            <caption class="visually-hidden">"Backup policies, the worst first"</caption>
                            <thead><tr>
                                <th scope="col">"Policy"</th>
                                <th scope="col">"Standing"</th>
                                <th scope="col">"Last success"</th>
                                <th scope="col" class="number">"Size"</th>
                                <th scope="col">"Loss if the source went now"</th>
                                <th scope="col">"Proof"</th>
                                <th scope="col">"14 days"</th>
                                <th scope="col">"Next"</th>
                            </tr></thead>
                            <tbody>{listing.policies.into_iter().map(|line| view! { <Row line now/> }).collect_view()}</tbody>
                        </table>
                    </TableFrame>
                }.settled()
            }
        })}
    }
    .settled()
}

#[component]
fn Row(line: PolicyLine, now: Instant) -> impl IntoView {
    let href = format!("/backups/{}", line.id);
    view! {
        <tr>
            <th scope="row"><a href=href>{line.id.to_string()}</a><span class="quiet">{format!("{}, {}", line.service, line.kind)}</span></th>
            <td class="says">
                <Badge tone=line.tone word=line.word/>
                {line.running.map(|at| view! { <Working at now/> })}
                {line.says.map(|says| view! { <span class="quiet">{says}</span> })}
            </td>
            <td>{match line.success {
                Some(at) => view! { <Age since=at now/>" ago" }.settled(),
                None => view! { "never" }.settled(),
            }}</td>
            <td class="number">{line.size}</td>
            <td><Loss point=line.point now/></td>
            <td><Proof mark=line.proof now/></td>
            <td><Strip letters=line.days/></td>
            <td>{line.next.map(|at| view! { <Moment at now/> })}</td>
        </tr>
    }
    .settled()
}

/// What would be lost, against what is promised: a bar with its figures.
#[component]
pub fn Loss(point: Point, now: Instant) -> impl IntoView {
    let promised = point.promised.map(|promised| format!("of {promised} promised"));
    let bar = point.share.map(|share| {
        let class = if share >= 100 { "over" } else { "within" };
        view! {
            <svg class=format!("share {class}") viewBox="0 0 100 6" width="100" height="6" aria-hidden="true">
                <rect class="all" width="100" height="6"></rect><rect class="part" width=share height="6"></rect>
            </svg>
        }
    });
    match point.to {
        Some(to) => view! { <span class="loss"><span><Age since=to now/>" "<span class="quiet">{promised}</span></span>{bar}</span> }.settled(),
        None => view! { <span class="quiet">"all of it"</span> }.settled(),
    }
}

#[component]
pub fn Proof(mark: ProofMark, now: Instant) -> impl IntoView {
    view! { <Badge tone=mark.tone word=mark.word/>{mark.at.map(|at| view! { " "<span class="quiet"><Age since=at now/>" ago"</span> })} }.settled()
}

/// Where a job or a proof is, with a bar where its end is known.
#[component]
pub fn Working(at: At, now: Instant) -> impl IntoView {
    view! {
        <span class="working">
            <span>{at.says}" "<span class="quiet"><Age since=at.since now/></span></span>
            {at.percent.map(|percent| view! { <progress max="100" value=percent>{format!("{percent} %")}</progress> })}
        </span>
    }
    .settled()
}
