//! Bits of tables: a scrolling frame for narrow screens, and a header that sorts by a link.

use super::icon::Icon;
use leptos::prelude::*;

/// Holds a wide table; it scrolls inside, the page does not. Reachable by keyboard, so that it can be scrolled by it.
#[component]
pub fn TableFrame(#[prop(into)] label: String, children: Children) -> impl IntoView {
    view! { <div class="table-frame" role="region" aria-label=label tabindex="0">{children()}</div> }
}

/// How a column is sorted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sorted {
    No,
    Up,
    Down,
}

/// A column header that is a link to the same page, sorted by it.
#[component]
pub fn SortHeader(#[prop(into)] name: String, href: String, sorted: Sorted, #[prop(optional)] class: &'static str) -> impl IntoView {
    let (aria, icon) = match sorted {
        Sorted::No => (None, None),
        Sorted::Up => (Some("ascending"), Some("up")),
        Sorted::Down => (Some("descending"), Some("down")),
    };
    view! { <th scope="col" class=class aria-sort=aria><a href=href>{name}{icon.map(|icon| view! { <Icon name=icon/> })}</a></th> }
}
