//! The topology of a cluster as a picture: twice in the page, wide and narrow, of which the style sheet shows one; and
//! once in words, for those who cannot see it.

use super::{
    standing::Route,
    view::{ClusterPage, NodeRow},
};
use crate::ui::settled::IntoSettled;
use crate::{
    chart::topology::{Area, Flow, Layout, Line, Region, Shape, Topology, lay_out},
    ui::{state::Tone, time::clock},
};
use leptos::prelude::*;

/// What the drawing says, ready for both shapes.
#[derive(Clone)]
struct Said {
    topology: Topology,
    regions: Vec<(String, bool)>,
    nodes: Vec<NodeRow>,
    /// Per flow: whether WAL flows, and the label.
    flows: Vec<(bool, String)>,
    router: Option<(String, Tone, String)>,
}

impl Said {
    fn of(page: &ClusterPage) -> Self {
        let mut regions: Vec<(String, bool)> = Vec::new();
        for node in &page.nodes {
            if !regions.iter().any(|(name, _)| name == node.region.as_str()) {
                regions.push((node.region.to_string(), node.region_failed));
            }
        }
        let nodes: Vec<NodeRow> =
            regions.iter().flat_map(|(name, _)| page.nodes.iter().filter(move |node| node.region.as_str() == name)).cloned().collect();
        let index = |wanted: &engine::id::NodeId| nodes.iter().position(|node| node.node == *wanted);
        let primary = nodes.iter().position(|node| node.is_primary);
        let (mut links, mut flows) = (Vec::new(), Vec::new());
        for (to, node) in nodes.iter().enumerate().filter(|(_, node)| !node.is_primary) {
            let upstream = node.upstream.as_ref().and_then(index);
            let Some(from) = upstream.or(primary).filter(|from| *from != to) else { continue };
            links.push(Flow { from, to });
            flows.push(match (upstream, node.lag) {
                (Some(_), Some(lag)) => (true, lag.in_words()),
                (Some(_), None) => (true, "?".to_owned()),
                (None, _) => (false, "no WAL flows".to_owned()),
            });
        }
        let routed = page.route.nodes.as_ref().map(|routed| routed.iter().filter_map(index).collect());
        let drawn =
            regions.iter().map(|(name, _)| Region { name: name.clone(), cards: nodes.iter().filter(|node| node.region.as_str() == name).count() });
        Self {
            topology: Topology { regions: drawn.collect(), flows: links, routed },
            router: page.route.address.clone().map(|address| (address, page.route.tone, destination(&page.route))),
            regions,
            nodes,
            flows,
        }
    }

    /// The drawing in sentences.
    fn in_words(&self) -> Vec<String> {
        let mut words: Vec<String> = self.router.iter().map(|(address, _, says)| format!("Clients connect to {address}: {says}.")).collect();
        for node in &self.nodes {
            let timeline = node.timeline.map_or_else(|| "an unknown timeline".to_owned(), |timeline| format!("timeline {timeline}"));
            let age = if node.stale { ", as of an old sample" } else { "" };
            let over = node.takes_over.as_ref().map(|over| format!(", {}", over.in_words())).unwrap_or_default();
            words.push(format!("{} in {}: {}{over}, {timeline}{age}.", node.node, node.region, node.standing));
        }
        for (link, (flowing, label)) in self.topology.flows.iter().zip(&self.flows) {
            let (from, to) = (&self.nodes[link.from].node, &self.nodes[link.to].node);
            words.push(if *flowing {
                format!("{to} receives WAL from {from}, behind by {label}.")
            } else {
                format!("{to} receives nothing from {from}.")
            });
        }
        words
    }
}

/// Where the router sends clients, short enough for the picture.
fn destination(route: &Route) -> String {
    match route.nodes.as_deref() {
        Some([]) => "route closed".to_owned(),
        Some(nodes) => format!("sent to {}", nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")),
        None => "where they go is not known".to_owned(),
    }
}

#[component]
pub fn Drawing(page: ClusterPage) -> impl IntoView {
    let said = Said::of(&page);
    let words = said.in_words();
    view! {
        <figure class="topology">
            {picture(&said, Shape::Columns)}
            {picture(&said, Shape::Bands)}
            <figcaption class="visually-hidden"><ul>{words.into_iter().map(|word| view! { <li>{word}</li> }).collect_view()}</ul></figcaption>
        </figure>
    }
    .settled()
}

fn picture(said: &Said, shape: Shape) -> impl IntoView + use<> {
    let layout = lay_out(&said.topology, shape);
    let (class, arrow) = match shape {
        Shape::Columns => ("wide", "arrow-wide"),
        Shape::Bands => ("narrow", "arrow-narrow"),
    };
    let Layout { width, height, .. } = layout;
    let regions = layout.regions.iter().zip(&said.regions).map(|(area, (name, failed))| region(*area, name, *failed, shape)).collect_view();
    let cards = layout.cards.iter().zip(&said.nodes).map(|(area, node)| card(*area, node)).collect_view();
    let flows = layout.flows.iter().zip(&said.flows).map(|(line, (flowing, label))| flow(line, *flowing, label, arrow)).collect_view();
    let tone = said.router.as_ref().map_or(Tone::Unknown, |(_, tone, _)| *tone);
    let routes = layout
        .routes
        .iter()
        .map(|line| view! { <path class=format!("route {}", tone.name()) d=line.path() marker-end=format!("url(#{arrow})")></path> })
        .collect_view();
    view! {
        <svg class=class viewBox=format!("-1 -1 {} {}", width + 2, height + 2) width=width + 2 height=height + 2 aria-hidden="true">
            <defs>
                <marker id=arrow viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto" markerUnits="userSpaceOnUse">
                    <path d="M0 0L8 4L0 8z"></path>
                </marker>
            </defs>
            {regions}
            {said.router.as_ref().map(|(address, tone, says)| router(layout.router, address, *tone, says, shape))}
            {routes}
            {flows}
            {cards}
        </svg>
    }
    .settled()
}

fn region(area: Area, name: &str, failed: bool, shape: Shape) -> impl IntoView + use<> {
    // In bands the lane of the flows runs along the left edge.
    let x = if shape == Shape::Columns { area.x + 12 } else { area.x + 36 };
    let label = if failed { format!("{name} · FAILED") } else { name.to_owned() };
    view! {
        <g class="region" class:failed=failed>
            <rect x=area.x y=area.y width=area.width height=area.height rx="6"></rect>
            <text x=x y=area.y + 24>{label}</text>
        </g>
    }
    .settled()
}

fn router(area: Area, address: &str, tone: Tone, says: &str, shape: Shape) -> impl IntoView + use<> {
    // On a narrow drawing the sentence takes a line of its own.
    let (x, y) = match shape {
        Shape::Columns => (area.width - 16, area.y + 29),
        Shape::Bands => (16, area.y + 48),
    };
    let anchor = if shape == Shape::Columns { "end" } else { "start" };
    view! {
        <g class=format!("router {}", tone.name())>
            <rect x=area.x y=area.y width=area.width height=area.height rx="6"></rect>
            <text class="name" x="16" y=if shape == Shape::Columns { area.y + 29 } else { area.y + 26 }>{format!("Clients → {address}")}</text>
            <text class="says" x=x y=y text-anchor=anchor>{says.to_owned()}</text>
        </g>
    }
    .settled()
}

fn card(area: Area, node: &NodeRow) -> impl IntoView + use<> {
    let facts = match (node.timeline, &node.position) {
        (Some(timeline), Some(position)) => format!("timeline {timeline} · {position}"),
        _ => "never read".to_owned(),
    };
    let age = node.read_at.filter(|_| node.stale).map(|at| format!("as of {} UTC", clock(at)));
    // Three lines, or four where the sample is old.
    let middle = area.y + if age.is_some() { 34 } else { 40 };
    let first = node.takes_over.as_ref().is_some_and(|over| over.first && over.excluded.is_none());
    let class = format!("node {}{}{}", node.tone.name(), if node.stale { " old" } else { "" }, if first { " first" } else { "" });
    view! {
        <g class=class>
            <rect x=area.x y=area.y width=area.width height=area.height rx="6"></rect>
            <text class="name" x=area.x + 14 y=middle - 11>{node.node.to_string()}</text>
            <svg class="icon" x=area.x + 14 y=middle width="16" height="16"><use href=format!("/icons.svg#{}", node.tone.name())></use></svg>
            <text class="standing" x=area.x + 36 y=middle + 13>
                {node.standing.clone()}{node.takes_over.as_ref().map(|over| view! { <tspan>{format!(" · {}", over.in_words())}</tspan> })}
            </text>
            <text class="facts" x=area.x + 14 y=middle + 37>{facts}</text>
            <text class="age" x=area.x + 14 y=middle + 56>{age}</text>
        </g>
    }
    .settled()
}

fn flow(line: &Line, flowing: bool, label: &str, arrow: &str) -> impl IntoView + use<> {
    let marker = flowing.then(|| format!("url(#{arrow})"));
    view! {
        <g class=if flowing { "flow" } else { "flow broken" }>
            <path d=line.path() marker-end=marker></path>
            <text x=line.label.x y=line.label.y text-anchor=line.anchor>{label.to_owned()}</text>
        </g>
    }
    .settled()
}
