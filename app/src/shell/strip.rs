//! The status strip: what needs a person now, what runs, the exposure clock, and how fresh all of it is. The same on every page.

use super::{
    appearance::Appearance,
    restraints::Restraints,
    view::{Exposed, Running, StripView},
};
use crate::ui::settled::IntoSettled as _;
use crate::{
    fault::Fault,
    live::{Link, Live, watch},
    ui::{
        icon::Icon,
        state::Tone,
        time::{Age, clock, iso},
    },
};
use engine::time::Instant;
use leptos::prelude::*;

#[server(endpoint = "strip")]
pub async fn strip() -> Result<StripView, Fault> {
    let (port, viewer) = (crate::port::port()?, crate::session::viewer()?);
    let picture = port.look(&viewer).await?;
    let roles = viewer.roles.iter().map(ToString::to_string).collect();
    Ok(StripView::of(&picture, viewer.name.to_string(), roles, super::appearance::chosen()))
}

#[component]
pub fn Strip() -> impl IntoView {
    let live = expect_context::<Live>();
    let strip = watch(|| (), |()| strip());
    Effect::new(move |_| {
        if let Some(Ok(seen)) = strip.get()
            && seen.trouble.is_none()
        {
            live.set_clock(seen.value.now);
        }
    });
    let shown = move || {
        strip.get().map(|outcome| match outcome {
            Ok(seen) => view! { <Filled view=seen.value/> }.settled(),
            Err(fault) => {
                view! { <p class="fault"><Icon name="act"/>{fault.to_string()}" "<a href="/login" rel="external">"Sign in"</a></p> }.settled()
            }
        })
    };
    view! {
        <header class="strip">
            <a class="brand" href="/" aria-label="Lifeboat, to the overview"><Icon name="lifeboat"/><span>"Lifeboat"</span></a>
            <Transition>{shown}</Transition>
        </header>
    }
}

#[component]
fn Filled(view: StripView) -> impl IntoView {
    let StripView { now, name, roles, theme, needs, worst, running, exposed, rules_broken, automation, journal_broken } = view;
    let account = format!("Account of {name}");
    view! {
        <div class="signals">
            <Needs needs worst/>
            {journal_broken.map(|why| view! { <a class="signal lost" href="/journal" title=why><Icon name="lost"/>"journal broken"</a> })}
            {rules_broken.map(|broken| view! { <a class="signal lost" href=format!("/operations/{}", broken.id)><Icon name="lost"/>{broken.says}</a> })}
            {exposed.into_iter().next().map(|exposed| view! { <Exposure exposed now/> })}
            <RunningNow running now/>
        </div>
        {automation.map(|automation| view! { <Restraints automation now/> })}
        <div class="freshness">
            <Freshness now/>
            <UtcClock now/>
        </div>
        <details class="account">
            // The name is not shown on a phone.
            <summary aria-label=account><Icon name="person"/><span class="name">{name}</span></summary>
            <div class="menu">
                <p class="roles">{if roles.is_empty() { "no role".to_owned() } else { roles.join(", ") }}</p>
                <a href="/notifications">"Notifications"</a>
                <Appearance chosen=theme/>
                <form method="post" action="/logout"><button type="submit" class="button">"Sign out"</button></form>
            </div>
        </details>
    }
    .settled()
}

#[component]
fn Needs(needs: usize, worst: Tone) -> impl IntoView {
    let (tone, text) = match needs {
        0 => (Tone::Ok, "nothing needs a person".to_owned()),
        1 => (worst, "1 thing needs a person".to_owned()),
        many => (worst, format!("{many} things need a person")),
    };
    view! { <a class=format!("signal {}", tone.name()) href="/"><Icon name=tone.name()/>{text}</a> }.settled()
}

#[component]
fn Exposure(exposed: Exposed, now: Instant) -> impl IntoView {
    let (class, word) = if exposed.unprotected { ("signal lost", "UNPROTECTED ") } else { ("signal act", "reduced protection ") };
    let icon = if exposed.unprotected { "lost" } else { "act" };
    view! {
        <a class=class href=exposed.href title=format!("{} is not fully protected", exposed.name)>
            <Icon name=icon/>{word}<Age since=exposed.since now/>
        </a>
    }
    .settled()
}

#[component]
fn RunningNow(running: Vec<Running>, now: Instant) -> impl IntoView {
    let count = running.len();
    running.into_iter().next().map(move |first| {
        let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
        view! {
            <a class="signal running" href=format!("/operations/{}", first.id)>
                <Icon name="running"/>{first.what}" "<Age since=first.since now/>{more}
            </a>
        }
    })
}

/// How fresh the page is. Without JavaScript it says as of when, and offers to load it again.
#[component]
fn Freshness(now: Instant) -> impl IntoView {
    let live = expect_context::<Live>();
    move || {
        match live.link() {
        Link::NotYet => view! { <span class="link"><span class="dot"></span><span class="long">"as of "{clock(now)}" "</span><a href="" rel="external">"reload"</a></span> }.settled(),
        Link::Heard { at } => view! {
            <span class="link live" title="The page follows by itself"><span class="dot"></span>{move || format!("live · {}", crate::ui::time::age(at, live.now(at)))}</span>
        }.settled(),
        Link::Broken { since } => view! {
            <span class="link broken" role="status"><span class="dot"></span>{format!("reconnecting since {}", clock(since))}</span>
        }.settled(),
    }
    }
}

#[component]
fn UtcClock(now: Instant) -> impl IntoView {
    let live = expect_context::<Live>();
    view! { <time class="utc" datetime=iso(now)>{move || clock(live.now(now))}<span class="zone">" UTC"</span></time> }
}
