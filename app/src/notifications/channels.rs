//! The channels: where each leads, whether it works, and the button that tries it out.

use super::{calls::TestChannel, page::Ago, view::ChannelLine};
use crate::ui::settled::IntoSettled;
use crate::{
    operations::refused::Refused,
    ui::{
        button::{Submit, Weight},
        empty::Empty,
        post::{Answers, Post},
        state::Badge,
    },
};
use engine::time::Instant;
use leptos::{prelude::*, server_fn::ServerFn};

#[component]
pub fn Channels(answers: Answers, channels: Vec<ChannelLine>, barred: Option<String>, now: Instant) -> impl IntoView {
    let barred = StoredValue::new(barred);
    let lines = if channels.is_empty() {
        view! { <HowTo/> }.settled()
    } else {
        let line = move |channel: ChannelLine| view! { <Channel answers channel barred=barred.get_value() now/> };
        view! { <ul class="channels">{channels.into_iter().map(line).collect_view()}</ul> }.settled()
    };
    view! {
        <section aria-labelledby="channels">
            <h2 id="channels">"Channels"</h2>
            <Refused answers path=TestChannel::PATH/>
            {lines}
        </section>
    }
    .settled()
}

#[component]
fn Channel(answers: Answers, channel: ChannelLine, barred: Option<String>, now: Instant) -> impl IntoView {
    let does = format!("Send a test to {}", channel.name);
    let name = channel.name.clone();
    let form = match barred {
        Some(why) => view! { <p class="quiet">"Sending a test: "{why}</p> }.settled(),
        None => view! {
            <Post path=TestChannel::PATH answers>
                <input type="hidden" name="channel" value=name/>
                <Submit does weight=Weight::Plain/>
            </Post>
        }
        .settled(),
    };
    view! {
        <li class=format!("panel {}", channel.tone.name())>
            <h3><span class="name">{channel.name}</span><Badge tone=channel.tone word=channel.word/></h3>
            <p>{channel.leads}{channel.at.map(|at| view! { " "<Ago at now/> })}</p>
            {channel.said.map(|said| view! { <p class="said">{said}</p> })}
            {channel.worked.map(|at| view! { <p class="quiet">"Something got through last at "<Ago at now/></p> })}
            <p class="quiet">{channel.hears}</p>
            {form}
        </li>
    }
    .settled()
}

/// Where no channel is set up: how to set one up.
#[component]
fn HowTo() -> impl IntoView {
    view! {
        <Empty what="No channel is set up: whoever does not look at these pages hears of nothing.">
            <p>"Add one to the server's configuration, put its secret into a file of its own, and start the server again:"</p>
            <pre class="how-to"><code>{EXAMPLE}</code></pre>
            <p>"Other kinds are "<code>"mail"</code>" (host, from, to) and "<code>"pagerduty"</code>" (routing_key_file). Then send a test from here."</p>
        </Empty>
    }
    .settled()
}

const EXAMPLE: &str = "[channel.ops-chat]
kind = \"webhook\"          # Slack, Mattermost, Rocket.Chat
url_file = \"ops-chat-url\" # the address is a secret
minimum = \"act\"           # lost, act, unknown, watch
remind_every = \"30m\"      # 0s for no reminders";
