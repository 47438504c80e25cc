//! The journal page: a filter by kind, a table of entries, and the way to older ones.

use super::{
    journal,
    view::{JournalView, Line},
    words::Kind,
};
use crate::ui::settled::IntoSettled as _;
use crate::{
    live::watch,
    ui::{
        copy::CopyId,
        empty::Empty,
        state::{Badge, Tone},
        table::TableFrame,
        time::Moment,
        title::PageTitle,
        trouble::watched,
    },
};
use engine::time::Instant;
use leptos::{either::Either, prelude::*};
use leptos_router::hooks::use_query_map;

#[component]
pub fn JournalPage() -> impl IntoView {
    let query = use_query_map();
    let wanted = Memo::new(move |_| {
        let query = query.get();
        let before = query.get("before").and_then(|before| before.parse::<u64>().ok());
        (before, query.get("kind").and_then(|kind| Kind::named(&kind)))
    });
    let seen = watch(move || wanted.get(), |(before, kind)| journal(before, kind));
    view! {
        <PageTitle title="Journal"/>
        <Kinds kind=Signal::derive(move || wanted.get().1)/>
        {watched(seen, move |view| view! { <Page view kind=wanted.get_untracked().1/> })}
    }
    .settled()
}

#[component]
fn Kinds(kind: Signal<Option<Kind>>) -> impl IntoView {
    let link = move |wanted: Option<Kind>| {
        let current = move || if kind.get() == wanted { Some("page") } else { None };
        view! { <li><a href=url(None, wanted) aria-current=current>{wanted.map_or("everything", Kind::name)}</a></li> }
    };
    view! {
        <nav class="kinds" aria-label="Kind of entry">
            <ul>{std::iter::once(None).chain(Kind::ALL.map(Some)).map(link).collect_view()}</ul>
        </nav>
    }
    .settled()
}

#[component]
fn Page(view: JournalView, kind: Option<Kind>) -> impl IntoView {
    let now = view.now;
    let empty = view.lines.is_empty();
    let caption = match kind {
        None => format!("{} of {} entries, newest first", view.lines.len(), view.last),
        Some(kind) => format!("{} entries about {}, among the {} looked at, newest first", view.lines.len(), kind.name(), view.looked_at),
    };
    view! {
        <p class="says">
            {match view.broken {
                None => Either::Left(view! { <Badge tone=Tone::Ok word="chain unbroken"/>" Each entry carries the hash of the one before." }),
                Some(why) => Either::Right(view! { <Badge tone=Tone::Lost word="chain broken"/>" "{why} }),
            }}
        </p>
        {if empty {
            Either::Left(view! { <Empty what="No entry of this kind here."><p><a href="/journal">"Show everything"</a></p></Empty> })
        } else {
            Either::Right(view! {
                <TableFrame label="Journal entries">
                    <table class="journal">
                        <caption>{caption}</caption>
                        <thead><tr>
                            <th scope="col" class="number">"No."</th><th scope="col">"Time (UTC)"</th><th scope="col">"Who"</th><th scope="col">"What happened"</th><th scope="col">"Hash"</th>
                        </tr></thead>
                        <tbody>{view.lines.into_iter().map(|line| view! { <Row line now/> }).collect_view()}</tbody>
                    </table>
                </TableFrame>
            })
        }}
        {view.older.map(|before| view! { <nav class="pages" aria-label="Pages"><a class="button" href=url(Some(before), kind)>{format!("Show entries before no. {before}")}</a></nav> })}
    }.settled()
}

#[component]
fn Row(line: Line, now: Instant) -> impl IntoView {
    let short: String = line.hash.chars().take(8).collect();
    view! {
        <tr id=format!("entry-{}", line.seq)>
            <td class="number">{line.seq}</td>
            <td><Moment at=line.at now/></td>
            <td class:person=line.by_person>{line.actor}</td>
            <td class="what">
                {match line.operation {
                    Some(id) => Either::Left(view! { <a href=format!("/operations/{id}")>{line.what}</a> }),
                    None => Either::Right(line.what),
                }}
                {line.reason.map(|reason| view! { <span class="reason">"“"{reason}"”"</span> })}
            </td>
            <td><CopyId id=line.hash short/></td>
        </tr>
    }
}

fn url(before: Option<u64>, kind: Option<Kind>) -> String {
    let before = before.map(|before| format!("before={before}"));
    let kind = kind.map(|kind| format!("kind={}", kind.name()));
    let parts: Vec<String> = [kind, before].into_iter().flatten().collect();
    if parts.is_empty() { "/journal".to_owned() } else { format!("/journal?{}", parts.join("&")) }
}
