//! Operations as the rows of a table.

use super::{line::OperationLine, words::took_in_words};
use crate::ui::settled::IntoSettled;
use crate::ui::{
    icon::Icon,
    state::{Badge, Tone},
    table::TableFrame,
    time::Moment,
};
use engine::time::Instant;
use leptos::prelude::*;

#[component]
pub fn OperationRows(lines: Vec<OperationLine>, #[prop(into)] caption: String, now: Instant) -> impl IntoView {
    view! {
        <TableFrame label=caption.clone()>
            <table class="operations">
                <caption class="visually-hidden">{caption}</caption>
                <thead>
                    <tr>
                        <th scope="col">"Operation"</th>
                        <th scope="col">"State"</th>
                        <th scope="col">"On"</th>
                        <th scope="col" class="number">"Steps"</th>
                        <th scope="col" class="number">"Recovery time"</th>
                        <th scope="col">"Lost"</th>
                        <th scope="col">"Requested"</th>
                        <th scope="col">"Approved by"</th>
                        <th scope="col">"Ended"</th>
                    </tr>
                </thead>
                <tbody>{lines.into_iter().map(|line| view! { <Row line now/> }).collect_view()}</tbody>
            </table>
        </TableFrame>
    }
    .settled()
}

/// The state with its glyph; what runs has one of its own, because running is no worry.
#[component]
pub fn StateBadge(line: OperationLine) -> impl IntoView {
    let glyph = line.glyph();
    view! { <span class=format!("badge {glyph}")><Icon name=glyph/>{line.state}</span> }
}

#[component]
fn Row(line: OperationLine, now: Instant) -> impl IntoView {
    let counts = [(line.overridden, "overridden"), (line.shortfalls, "failed or left out on the way")];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let kinds = [(line.simulated, "SIMULATED"), (line.rehearsal, "test: moved nothing")];
    let kinds = kinds.into_iter().filter(|(is_so, _)| *is_so).map(|(_, what)| what.to_owned());
    let marks = kinds.chain(counts).map(|what| view! { " "<span class="mark">{what}</span> }).collect_view();
    let recovery = match (line.recovery_time, line.rto_met) {
        (None, _) => view! { <span class="quiet">"—"</span> }.settled(),
        (Some(time), Some(false)) => view! { <Badge tone=Tone::Lost word=format!("{} BREACHED", took_in_words(time))/> }.settled(),
        (Some(time), _) => took_in_words(time).settled(),
    };
    let lost = match line.lost.clone() {
        None => view! { <span class="quiet">"—"</span> }.settled(),
        Some((tone, word)) => view! { <Badge tone word/> }.settled(),
    };
    view! {
        <tr>
            <th scope="row"><a href=format!("/operations/{}", line.id)>{line.title.clone()}</a>" "<code class="quiet">{line.id.short()}</code></th>
            <td><StateBadge line=line.clone()/>{marks}</td>
            <td><a href=line.about_href()>{line.scope.name().to_owned()}</a></td>
            <td class="number">{format!("{} of {}", line.steps_over, line.steps)}</td>
            <td class="number">{recovery}</td>
            <td>{lost}</td>
            <td>{line.requested_by.to_string()}" at "<Moment at=line.requested_at now/></td>
            <td>{line.approved_by.map_or_else(|| "—".to_owned(), |name| name.to_string())}</td>
            <td>{line.ended_at.map(|at| view! { <Moment at now/> })}</td>
        </tr>
    }
    .settled()
}
