//! The map of regions: how each is, which services' clients are sent there, where databases take their writes. Drawn twice,
//! wide and narrow, of which the style sheet shows one; and once in words.

use super::view::Place;
use crate::ui::settled::IntoSettled;
use crate::{
    chart::{
        regions::{HEAD, LINE, Region, lay_out},
        topology::{Area, Line, Shape},
    },
    ui::state::Tone,
};
use leptos::prelude::*;

/// More names than these are counted.
const NAMES_SHOWN: usize = 6;
/// Longer names are cut in the picture, not in the words.
const NAME_LONGEST: usize = 34;

#[component]
pub fn Map(places: Vec<Place>) -> impl IntoView {
    let words: Vec<String> = places.iter().map(in_words).collect();
    view! {
        <figure class="map">
            {picture(&places, Shape::Columns)}
            {picture(&places, Shape::Bands)}
            <figcaption class="visually-hidden"><ul>{words.into_iter().map(|word| view! { <li>{word}</li> }).collect_view()}</ul></figcaption>
        </figure>
    }
    .settled()
}

fn in_words(place: &Place) -> String {
    let names = |names: Vec<&str>, none: &str| if names.is_empty() { none.to_owned() } else { names.join(", ") };
    let serves = names(place.serves.iter().map(|(_, name)| name.as_str()).collect(), "nobody");
    let writes = names(place.writes.iter().map(String::as_str).collect(), "nothing");
    format!(
        "{}: {}, {}. Clients seen to be sent there: of {serves}. Writes seen to be taken there: of {writes}.",
        place.region, place.word, place.well
    )
}

/// What a card lists: services with their health there, then what is written there.
fn lines(place: &Place) -> Vec<(&'static str, &'static str, String)> {
    let service = |(tone, name): &(Tone, String)| (tone.name(), tone.name(), shortened(name));
    let mut lines: Vec<_> = place.serves.iter().take(NAMES_SHOWN).map(service).collect();
    if let Some(more) = place.serves.len().checked_sub(NAMES_SHOWN).filter(|more| *more > 0) {
        let worst = Tone::worst(place.serves.iter().skip(NAMES_SHOWN).map(|(tone, _)| *tone));
        lines.push((worst.name(), worst.name(), format!("and {more} more")));
    }
    lines.extend(place.writes.iter().take(NAMES_SHOWN).map(|name| ("databases", "writes", format!("writes of {}", shortened(name)))));
    lines
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME_LONGEST { name.to_owned() } else { format!("{}…", name.chars().take(NAME_LONGEST).collect::<String>()) }
}

fn picture(places: &[Place], shape: Shape) -> impl IntoView + use<> {
    let listed: Vec<_> = places.iter().map(lines).collect();
    let drawn: Vec<Region> =
        places.iter().zip(&listed).map(|(place, lines)| Region { lines: lines.len().max(1), served: !place.serves.is_empty() }).collect();
    let layout = lay_out(&drawn, shape);
    let (class, arrow) = match shape {
        Shape::Columns => ("wide", "clients-wide"),
        Shape::Bands => ("narrow", "clients-narrow"),
    };
    let (width, height) = (layout.width + 2, layout.height + 2);
    let cards = layout.cards.iter().zip(places).zip(listed).map(|((area, place), lines)| card(*area, place, lines)).collect_view();
    let arrows = layout.arrows.iter().zip(places).filter_map(|(line, place)| Some(clients(line.as_ref()?, place.serves.len(), arrow))).collect_view();
    view! {
        <svg class=class viewBox=format!("-1 -1 {width} {height}") width=width height=height aria-hidden="true">
            <defs>
                <marker id=arrow viewBox="0 0 8 8" refX="7" refY="4" markerWidth="10" markerHeight="10" orient="auto" markerUnits="userSpaceOnUse">
                    <path d="M0 0L8 4L0 8z"></path>
                </marker>
            </defs>
            {arrows}
            {cards}
        </svg>
    }
    .settled()
}

fn clients(line: &Line, count: usize, arrow: &str) -> impl IntoView + use<> {
    let label = if count == 1 { "clients of 1 service".to_owned() } else { format!("clients of {count} services") };
    view! {
        <g class="clients">
            <path d=line.path() marker-end=format!("url(#{arrow})")></path>
            <text x=line.label.x y=line.label.y text-anchor=line.anchor>{label}</text>
        </g>
    }
    .settled()
}

fn card(area: Area, place: &Place, lines: Vec<(&'static str, &'static str, String)>) -> impl IntoView + use<> {
    let class = format!("place {}{}", place.tone.name(), if place.serves.is_empty() { "" } else { " served" });
    let (left, top) = (area.x + 14, area.y);
    let nothing = lines.is_empty().then(|| view! { <text class="none" x=left y=top + HEAD + 14>"no clients or writes seen"</text> });
    let line = |(at, (icon, class, text)): (i32, (&'static str, &'static str, String))| {
        let y = top + HEAD + at * LINE;
        view! {
            <g class=format!("line {class}")>
                <svg class="icon" x=left y=y + 2 width="14" height="14"><use href=format!("/icons.svg#{icon}")></use></svg>
                <text x=left + 22 y=y + 14>{text}</text>
            </g>
        }
    };
    view! {
        <g class=class>
            <rect x=area.x y=area.y width=area.width height=area.height rx="6"></rect>
            <text class="name" x=left y=top + 26>{place.region.clone()}</text>
            <text class="well" x=area.x + area.width - 14 y=top + 26 text-anchor="end">{place.well.clone()}</text>
            <svg class="icon" x=left y=top + 37 width="14" height="14"><use href=format!("/icons.svg#{}", place.tone.name())></use></svg>
            <text class="word" x=left + 22 y=top + 49>{place.word.clone()}</text>
            {(0..).zip(lines).map(line).collect_view()}
            {nothing}
        </g>
    }
    .settled()
}
