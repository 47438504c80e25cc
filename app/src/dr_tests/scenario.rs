//! One scenario: its steps, what it must achieve, what stands in the way of a run, and the form that starts one.

use super::{
    calls::{self, StartDrTest},
    list::Runs,
    view::{DeclaredStep, ScenarioView},
};
use crate::ui::settled::IntoSettled;
use crate::{
    live::watch,
    operations::refused::Refused,
    ui::{
        button::{Submit, Weight},
        post::{Answers, Post},
        state::{Badge, Tone},
        table::TableFrame,
        text_area::TextArea,
        title::PageTitle,
        trouble::watched,
    },
};
use engine::dr_tests::Gate;
use leptos::{prelude::*, server_fn::ServerFn};
use leptos_router::hooks::use_params_map;

#[component]
pub fn ScenarioPage() -> impl IntoView {
    let params = use_params_map();
    let page = watch(move || params.read().get("scenario").unwrap_or_default(), calls::dr_scenario);
    let answers = Answers::new();
    watched(page, move |page| view! { <Whole page answers/> })
}

#[component]
fn Whole(page: ScenarioView, answers: Answers) -> impl IntoView {
    let now = page.now;
    let facts = page.facts.iter().map(|(name, value)| view! { <dt>{name.clone()}</dt><dd>{value.clone()}</dd> }).collect_view();
    let criteria = page.criteria.iter().map(|criterion| view! { <li>{criterion.clone()}</li> }).collect_view();
    view! {
        <PageTitle title=page.name.clone()>"A run keeps a copy of this as it is now; editing the scenario changes no run."</PageTitle>
        <div class="test-top">
            <section class="panel" aria-labelledby="facts-title"><h2 id="facts-title">"Declared"</h2><dl class="facts">{facts}</dl></section>
            <section class="panel" aria-labelledby="gates-title"><h2 id="gates-title">"Before it starts"</h2><Gates gates=page.gates.clone()/></section>
            <section class="panel" aria-labelledby="start-title"><h2 id="start-title">"Start a run"</h2><Start page=page.clone() answers/></section>
        </div>
        <section aria-labelledby="steps-title"><h2 id="steps-title">"Steps"</h2><Steps steps=page.steps.clone()/></section>
        <section aria-labelledby="criteria-title">
            <h2 id="criteria-title">"What a run must achieve"</h2>
            <ul class="criteria"><li>"every step passed, and everything was put back and is well"</li>{criteria}</ul>
        </section>
        <section aria-labelledby="runs-title"><h2 id="runs-title">"Runs"</h2><Runs lines=page.runs.clone() now/></section>
    }
    .settled()
}

#[component]
fn Gates(gates: Vec<Gate>) -> impl IntoView {
    let row = |gate: Gate| {
        let (tone, word) = match (gate.is_open, gate.overridable) {
            (true, _) => (Tone::Ok, "open"),
            (false, true) => (Tone::Watch, "shut"),
            (false, false) => (Tone::Act, "SHUT"),
        };
        view! { <li><Badge tone word/><div><p>{gate.name}</p><p class="quiet">{gate.said}</p></div></li> }.settled()
    };
    view! { <ul class="gates">{gates.into_iter().map(row).collect_view()}</ul> }
}

#[component]
fn Start(page: ScenarioView, answers: Answers) -> impl IntoView {
    let shut = page.gates.iter().any(|gate| !gate.is_open && !gate.overridable);
    let to_set_aside = page.gates.iter().any(|gate| !gate.is_open && gate.overridable);
    let form = match &page.barred {
        Some(why) => view! { <p class="quiet">{why.clone()}</p> }.settled(),
        None if shut => view! { <p class="quiet">"A gate is shut that nobody may set aside."</p> }.settled(),
        None => {
            let (acts, approvals) = (page.acts, page.approvals);
            view! {
                <Post path=StartDrTest::PATH answers>
                    <input type="hidden" name="run" value=page.new_id.to_string()/>
                    <input type="hidden" name="scenario" value=page.id.to_string()/>
                    <input type="hidden" name="version" value=page.version.clone()/>
                    <TextArea name="reason" label="Why now" hint="It is kept in the journal." rows=2 min_length=3 max_length=1000/>
                    {to_set_aside.then(|| view! { <label class="check"><input type="checkbox" name="override_gates" value="yes"/>"Set the shut gates aside, on record"</label> })}
                    {acts.then(|| view! { <label class="check"><input type="checkbox" name="accept_loss" value="yes"/>"What this breaks or moves serves users; the loss that its plans state is accepted"</label> })}
                    {(approvals > 0).then(|| view! { <p class="quiet">{format!("It begins once {approvals} other people have approved it.")}</p> })}
                    <Submit does="Start this test" weight=Weight::Main/>
                </Post>
            }
            .settled()
        }
    };
    view! { <Refused answers path=StartDrTest::PATH/>{form} }.settled()
}

#[component]
fn Steps(steps: Vec<DeclaredStep>) -> impl IntoView {
    let row = |(at, step): (usize, DeclaredStep)| {
        view! {
            <tr>
                <td class="number">{at + 1}</td>
                <th scope="row">{step.name}{step.cleanup.then(|| view! { <span class="quiet">"puts things back, always"</span> })}</th>
                <td>{step.expected}</td>
                <td>{step.does}</td>
                <td class="number">{step.estimate.rough()}</td>
            </tr>
        }
        .settled()
    };
    view! {
        <TableFrame label="Steps">
            <table class="declared-steps">
                <caption class="visually-hidden">"Steps in their order"</caption>
                <thead><tr><th scope="col" class="number">"#"</th><th scope="col">"Step"</th><th scope="col">"Expected"</th><th scope="col">"How"</th><th scope="col" class="number">"Takes"</th></tr></thead>
                <tbody>{steps.into_iter().enumerate().map(row).collect_view()}</tbody>
            </table>
        </TableFrame>
    }
    .settled()
}
