//! The jobs of a policy, and what can be done with them.

use super::{
    calls::KeepBackup,
    list::{Proof, Working},
    view::{JobLine, PolicyView},
};
use crate::ui::settled::IntoSettled;
use crate::{
    operations::refused::Refused,
    ui::{
        button::{Submit, Weight},
        empty::Empty,
        post::{Answers, Post},
        state::Badge,
        table::TableFrame,
        text_area::TextArea,
        time::{Moment, clock, date},
    },
};
use engine::time::Instant;
use leptos::{prelude::*, server_fn::ServerFn};

#[component]
pub fn Jobs(lines: Vec<JobLine>, more: usize, now: Instant) -> impl IntoView {
    if lines.is_empty() {
        return view! { <Empty what="No job ran yet.">"The first one begins by its schedule, or when somebody starts it here."</Empty> }.settled();
    }
    view! {
        <TableFrame label="Jobs">
            <table class="jobs">
                <caption class="visually-hidden">"Jobs, newest first"</caption>
                <thead><tr>
                    <th scope="col">"Began"</th><th scope="col">"Job"</th><th scope="col" class="number">"Took"</th><th scope="col" class="number">"Size"</th>
                    <th scope="col">"Copies"</th><th scope="col">"Proof"</th><th scope="col">"Why kept"</th>
                </tr></thead>
                <tbody>{lines.into_iter().map(|line| view! { <Row line now/> }).collect_view()}</tbody>
            </table>
        </TableFrame>
        {(more > 0).then(|| view! { <p class="quiet">{format!("{more} older ones are not listed; the journal has them all.")}</p> })}
    }
    .settled()
}

#[component]
fn Row(line: JobLine, now: Instant) -> impl IntoView {
    view! {
        <tr>
            <th scope="row"><Moment at=line.began now/><span class="quiet"><code>{line.id.short()}</code></span></th>
            <td class="says">
                <Badge tone=line.tone word=line.word/>" "<span class="quiet">{line.why_begun}</span>
                {line.at.map(|at| view! { <Working at now/> })}
                {line.said.map(|said| view! { <span class="said">{said}</span> })}
            </td>
            <td class="number">{line.took.map(|took| took.rough())}</td>
            <td class="number">{line.size}</td>
            <td>{line.copies}</td>
            <td><Proof mark=line.proof now/></td>
            <td class="says"><span class="quiet">{line.kept}</span></td>
        </tr>
    }
    .settled()
}

/// Starts a job, or does something with one that there is.
#[component]
pub fn Act(page: PolicyView, answers: Answers) -> impl IntoView {
    let policy = StoredValue::new(page.line.id.to_string());
    let running = page.jobs.iter().find(|job| job.can_stop).map(|job| job.id);
    let start = match (&page.barred_keep, running) {
        (Some(why), _) => view! { <p class="quiet">"Starting, stopping and holding: "{why.clone()}</p> }.settled(),
        (None, _) if !page.own => view! { <p class="quiet">"Its own job backs it up; start it where it runs."</p> }.settled(),
        (None, running) => {
            let (what, does, id) = match running {
                Some(id) => ("stop", "Stop the job that runs", id),
                None => ("start", "Back up now", page.new_id),
            };
            let weight = if what == "start" { Weight::Main } else { Weight::Grave };
            view! {
                <Post path=KeepBackup::PATH answers>
                    <input type="hidden" name="policy" value=policy.get_value()/>
                    <input type="hidden" name="backup" value=id.to_string()/>
                    <input type="hidden" name="what" value=what/>
                    <TextArea name="reason" id="reason-to-start" label="Why" hint="It is kept in the journal." rows=1 min_length=3 max_length=1000/>
                    <Submit does weight/>
                </Post>
            }
            .settled()
        }
    };
    let choices: Vec<_> = page.jobs.iter().filter(|job| job.can_prove).cloned().collect();
    let with = (!choices.is_empty()).then(|| {
        let option = |job: JobLine| {
            let held = if job.is_held { ", held" } else { "" };
            view! { <option value=job.id.to_string()>{format!("{} {} ({}{held})", date(job.began), clock(job.began), job.id.short())}</option> }
        };
        let any_held = choices.iter().any(|job| job.is_held);
        let (barred_keep, barred_prove) = (page.barred_keep.clone(), page.barred_prove.clone());
        // Who may do neither is told why, and given no form.
        if let (Some(why), true) = (&barred_prove, barred_keep.is_some()) {
            return view! { <p class="quiet">"Proving and holding: "{why.clone()}</p> }.settled();
        }
        let actions = view! {
            {barred_prove.map(|why| view! { <p class="quiet">"Proving: "{why}</p> })}
            <div class="buttons">
                {page.barred_prove.is_none().then(|| view! { <button type="submit" class="button" name="what" value="prove">"Prove it by restoring"</button> })}
                {barred_keep.is_none().then(|| view! { <button type="submit" class="button" name="what" value="hold">"Hold it: never delete"</button> })}
                {(barred_keep.is_none() && any_held).then(|| view! { <button type="submit" class="button" name="what" value="release">"End the hold"</button> })}
            </div>
        }
        .settled();
        view! {
            <details>
                <summary>"Prove or hold a backup"</summary>
                <Post path=KeepBackup::PATH answers>
                    <input type="hidden" name="policy" value=policy.get_value()/>
                    <label for="backup">"Backup"</label>
                    <select id="backup" name="backup">{choices.iter().cloned().map(option).collect_view()}</select>
                    <TextArea name="reason" id="reason-to-prove" label="Why" hint="It is kept in the journal." rows=1 min_length=3 max_length=1000/>
                    {actions}
                </Post>
            </details>
        }
        .settled()
    });
    view! {
        <Refused answers path=KeepBackup::PATH/>
        {start}
        {with}
    }
    .settled()
}
