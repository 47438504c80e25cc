//! The offline pack (row 65): one page that needs nothing else, to be kept where it can be read when neither the dashboard nor
//! the network is there. It says how things stood, what Lifeboat would do, and how to do the same by hand.

use crate::{
    operations::words,
    overview::view::{Overview, ProtectionLine},
    ui::{
        state::Tone,
        time::{clock, date},
    },
};
use engine::{
    estate::{Cluster, Manager, Service, TrafficMeans},
    failover::{Mode, OperationKind, Plan, plan::names_or_none},
    id::{NodeId, RegionId},
    picture::Picture,
    time::Instant,
};
use leptos::prelude::*;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#111;background:#fff}\
    h1{font-size:1.6rem}h2{margin-top:2.2rem;border-top:2px solid #111;padding-top:.6rem}h3{margin-bottom:.3rem}\
    table{border-collapse:collapse;width:100%}th,td{border:1px solid #999;padding:.25rem .5rem;text-align:left;vertical-align:top}\
    pre{background:#f2f2f2;border:1px solid #ccc;padding:.5rem;white-space:pre-wrap;overflow-wrap:anywhere}\
    .loud{font-weight:700}.quiet{color:#444}section{break-inside:avoid-page}@media print{body{margin:0;max-width:none}}";

/// How a whole document ends: one that ends otherwise was cut off on its way.
pub const END: &str = "</html>";

/// The whole document. `source` says where the picture is from, `watched` whether anybody was looking; secrets are not in a
/// picture, and so not in here.
pub fn document(picture: &Picture, source: &str, watched: bool) -> String {
    let mut overview = Overview::of(picture);
    if !watched {
        overview.worst = overview.worst.max(Tone::Unknown);
    }
    let estate = picture.estate.clone();
    let body = view! {
        <html lang="en">
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <title>{format!("Offline pack of {}", estate.name)}</title>
                <style>{STYLE}</style>
            </head>
            <body>
                <h1>{format!("Offline pack of {}", estate.name)}</h1>
                <p class="loud">{format!("As of {}, {source}. It grows old: write a new one every day, and look at the world before you act on this one.", moment(picture.now))}</p>
                <Standing overview/>
                <h2>"If a database primary is lost"</h2>
                {estate.clusters.iter().map(|cluster| cluster_view(picture, cluster)).collect_view()}
                <h2>"If a region is lost"</h2>
                {estate.regions.iter().map(|region| region_view(picture, &region.id)).collect_view()}
                <h2>"How the clients of each service are sent elsewhere by hand"</h2>
                {estate.services.iter().filter(|service| service.traffic.is_some()).map(|service| service_view(picture, service)).collect_view()}
                <h2>"What is promised"</h2>
                <Promises services=estate.services.clone()/>
            </body>
        </html>
    };
    format!("<!DOCTYPE html>{}", body.to_html())
}

fn moment(at: Instant) -> String {
    format!("{} {} UTC", date(at), clock(at))
}

#[component]
fn Standing(overview: Overview) -> impl IntoView {
    let needs = overview.needs_a_person.iter().map(|need| format!("{} {}", need.what, need.remedy)).collect::<Vec<_>>();
    let word = match overview.worst {
        Tone::Ok => "Nothing was known to be wrong.",
        Tone::Watch => "Nothing needed a person; some things were worth knowing.",
        Tone::Unknown => "How things stood was NOT KNOWN.",
        Tone::Act | Tone::Lost => "Something needed a person:",
    };
    let running = overview.running.iter().map(|line| format!("The {} of {} was {}.", line.kind, line.scope.name(), line.state)).collect::<Vec<_>>();
    view! {
        <h2>"How things stood"</h2>
        <p class="loud">{word}</p>
        <ul>{needs.into_iter().chain(running).map(|line| view! { <li>{line}</li> }).collect_view()}</ul>
    }
}

fn protection_in_words(protection: &ProtectionLine) -> String {
    match protection {
        ProtectionLine::Protected => "protected".to_owned(),
        ProtectionLine::Reduced(missing) => format!("reduced protection: {}", missing.join("; ")),
        ProtectionLine::Unprotected(missing) => format!("UNPROTECTED: {}", missing.join("; ")),
        ProtectionLine::Unknown => "whether it was protected is not known".to_owned(),
    }
}

fn cluster_view(picture: &Picture, cluster: &Cluster) -> impl IntoView + use<> {
    let lines = Overview::of(picture).clusters;
    let line = lines.iter().find(|line| line.cluster == cluster.id);
    let protection = line.map_or_else(|| "it was never read".to_owned(), |line| protection_in_words(&line.protection));
    let nodes = cluster.nodes.iter().map(|node| {
        let seen = line.and_then(|line| line.nodes.iter().find(|seen| seen.node == node.id));
        let standing = seen.map_or_else(|| "never read".to_owned(), |seen| seen.standing.clone());
        let read = seen.and_then(|seen| seen.sampled_at).map_or_else(|| "never".to_owned(), moment);
        view! {
            <tr>
                <th scope="row">{node.id.to_string()}</th><td>{node.region.to_string()}</td><td>{format!("{}:{}", node.host, node.port)}</td>
                <td>{if node.promotable { "" } else { "never promote it" }}</td><td>{standing}</td><td>{read}</td>
            </tr>
        }
    });
    let plan = picture.plan(OperationKind::Failover, &cluster.id, None);
    view! {
        <section>
            <h3>{format!("{}: {protection}", cluster.id)}</h3>
            <table>
                <thead><tr><th>"Node"</th><th>"Region"</th><th>"Address"</th><th></th><th>"It was"</th><th>"Last read"</th></tr></thead>
                <tbody>{nodes.collect_view()}</tbody>
            </table>
            {plan.as_ref().map(plan_view)}
            <h4>"By hand"</h4>
            <ol>{by_hand(cluster, plan.as_ref()).into_iter().map(|(says, line)| view! { <li>{says}{line.map(|line| view! { <pre>{line}</pre> })}</li> }).collect_view()}</ol>
        </section>
    }
}

/// What Lifeboat would do, as of this picture.
fn plan_view(plan: &Plan) -> impl IntoView + use<> {
    let blockers: Vec<String> = plan.blockers.iter().map(ToString::to_string).collect();
    let steps: Vec<String> = plan.steps.iter().map(|step| words::step_of(plan, &step.action)).collect();
    view! {
        <p class="quiet">{format!("{}. Data that may be lost: {}", words::title(plan), words::loss_in_words(plan.kind, &plan.loss))}</p>
        {(!blockers.is_empty()).then(|| view! { <p>"Against it, as things stood: "{blockers.join("; ")}</p> })}
        <ol>{steps.into_iter().map(|step| view! { <li>{step}</li> }).collect_view()}</ol>
    }
}

/// The same with nothing but a shell: each instruction, and a line to be run for it where there is one.
fn by_hand(cluster: &Cluster, plan: Option<&Plan>) -> Vec<(String, Option<String>)> {
    let change = plan.and_then(Plan::database);
    let name = |node: Option<&NodeId>| node.map_or_else(|| "the primary".to_owned(), ToString::to_string);
    let source = name(change.and_then(|change| change.source.as_ref()));
    let psql = |node: &engine::estate::Node, text: &str| {
        format!("psql \"host={} port={} dbname={}\" -Atc \"{text}\"", node.host, node.port, cluster.database)
    };
    let position = "select pg_is_in_recovery(), pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()";
    let positions: Vec<String> = cluster.nodes.iter().map(|node| psql(node, position)).collect();
    if cluster.manager == Manager::Patroni {
        return by_hand_with_patroni(cluster, change.and_then(|change| change.target.as_ref()));
    }
    let mut steps = vec![(
        format!(
            "Make sure that {source} takes no write any more: on its host stop PostgreSQL, see that no process of it is left and that its port refuses. That it cannot be reached is NOT enough: clients may still reach it."
        ),
        None,
    )];
    if let Some(router) = &cluster.router {
        let close: Vec<String> = cluster.nodes.iter().map(|node| server_state(&router.socket, &router.backend, node.id.as_str(), false)).collect();
        steps.push(("On the router's host, send clients nowhere.".to_owned(), Some(close.join("\n"))));
    }
    steps.push((
        "Ask every node that answers how far it is. The one with the greatest position has lost least; leave out what may never be promoted."
            .to_owned(),
        Some(positions.join("\n")),
    ));
    let promote = change.and_then(|change| change.target.as_ref()).and_then(|target| cluster.node(target));
    let promote = promote.map(|node| format!("{}\n{}", psql(node, "show synchronous_standby_names"), psql(node, "select pg_promote(wait => true)")));
    steps.push((
        "Promote exactly one node, once. As of this pack the best one was the one below; the positions you read now decide. Where the first line names nodes that are not there, empty that before you promote it (ALTER SYSTEM, pg_reload_conf()): its first write would hang. Set it again once its standbys stream."
            .to_owned(),
        promote,
    ));
    if let Some(router) = &cluster.router {
        let open = change.and_then(|change| change.target.as_ref()).map(|target| {
            let open = server_state(&router.socket, &router.backend, target.as_str(), true);
            format!("{open}\n# clients come in at {}", router.address)
        });
        steps.push(("Send clients to it, then write a row through the router's address and read it back.".to_owned(), open));
    }
    steps
        .push((format!("Do not start {source} again before it was rewound or copied anew from the new primary: it would be a second writer."), None));
    steps
}

/// Patroni does the rest; promoting a node behind its back would make a second writer.
fn by_hand_with_patroni(cluster: &Cluster, target: Option<&NodeId>) -> Vec<(String, Option<String>)> {
    let apis: Vec<&str> = cluster.nodes.iter().filter_map(|node| node.patroni.as_deref()).collect();
    let ask: Vec<String> = apis.iter().map(|api| format!("curl {api}/cluster")).collect();
    let target = target.map_or("NODE", NodeId::as_str);
    let over = apis.first().map(|api| format!("curl -u USER -X POST {api}/failover -d '{{\"candidate\": \"{target}\"}}'"));
    vec![
        ("Patroni runs this cluster and fails it over itself. Ask any of its nodes how things stand; whoever leads is named there.".to_owned(), Some(ask.join("\n"))),
        (
            "Where nobody leads and it is paused, or will not choose by itself, ask it for one node. Never promote a node by other means: Patroni would not know."
                .to_owned(),
            over,
        ),
    ]
}

fn server_state(socket: &str, backend: &str, server: &str, open: bool) -> String {
    format!("echo \"set server {backend}/{server} state {}\" | socat stdio UNIX-CONNECT:{socket}", if open { "ready" } else { "maint" })
}

fn region_view(picture: &Picture, region: &RegionId) -> impl IntoView + use<> {
    let plan = picture.evacuation_plan(region, Mode::Emergency);
    let change = plan.as_ref().and_then(Plan::evacuation);
    let waves: Vec<String> = change.map_or_else(Vec::new, |change| {
        let member = |member: &engine::failover::plan::Member| {
            let simulated = if member.simulated { "SIMULATED: " } else { "" };
            format!("{simulated}{} goes to {}", member.scope.name(), member.to)
        };
        change.waves.iter().map(|wave| wave.iter().map(member).collect::<Vec<_>>().join("; ")).collect()
    });
    let staying: Vec<String> =
        change.map_or_else(Vec::new, |change| change.staying.iter().map(|(scope, why)| format!("{}: {why}", scope.name())).collect());
    let empty =
        waves.is_empty().then(|| view! { <p>"As things stood nothing took writes or served clients there that could have gone elsewhere."</p> });
    view! {
        <section>
            <h3>{region.to_string()}</h3>
            {empty}
            <ol>{waves.into_iter().map(|wave| view! { <li>{wave}</li> }).collect_view()}</ol>
            {(!staying.is_empty()).then(|| view! { <p>"What could not have been moved:"</p><ul>{staying.into_iter().map(|line| view! { <li>{line}</li> }).collect_view()}</ul> })}
        </section>
    }
}

fn service_view(picture: &Picture, service: &Service) -> impl IntoView + use<> {
    let Some(traffic) = &service.traffic else { return ().into_any() };
    let on = picture.observed.traffic.get(&service.id).filter(|view| view.judgement.is_ok()).and_then(|view| view.on.as_ref());
    let on = on.map_or_else(|| "where they were sent is not known".to_owned(), |seen| format!("they were sent to {}", names_or_none(&seen.regions)));
    let regions: Vec<&RegionId> = service.endpoints.iter().map(|endpoint| &endpoint.region).collect();
    let lines: Vec<String> = match &traffic.by {
        TrafficMeans::Haproxy { socket, backend } => {
            let switch = |region: &&RegionId| format!("{}   # or: state maint", server_state(socket, backend, region.as_str(), true));
            regions.iter().map(switch).collect()
        }
        _ => Vec::new(),
    };
    let endpoints = service.endpoints.iter().map(|endpoint| format!("{} {}", endpoint.region, endpoint.target)).collect::<Vec<_>>().join("; ");
    view! {
        <section>
            <h3>{service.id.to_string()}</h3>
            <p>{format!("Sent by {}; clients come in at {}; {on}. It runs at: {endpoints}.", traffic.by.in_words(), traffic.address)}</p>
            {(!lines.is_empty()).then(|| view! { <pre>{lines.join("\n")}</pre> })}
        </section>
    }
    .into_any()
}

#[component]
fn Promises(services: Vec<Service>) -> impl IntoView {
    let row = |service: Service| {
        let needs = service.depends_on.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        view! {
            <tr>
                <th scope="row">{service.id.to_string()}</th><td>{service.tier.to_string()}</td><td>{service.rto.to_string()}</td><td>{service.rpo.to_string()}</td>
                <td>{service.owner.unwrap_or_default()}</td><td>{needs}</td>
            </tr>
        }
    };
    let mut services = services;
    services.sort_by(|a, b| (a.tier, a.rto, &a.id).cmp(&(b.tier, b.rto, &b.id)));
    view! {
        <table>
            <thead><tr><th>"Service"</th><th>"Tier"</th><th>"Back within"</th><th>"Data lost at most"</th><th>"Owner"</th><th>"Needs"</th></tr></thead>
            <tbody>{services.into_iter().map(row).collect_view()}</tbody>
        </table>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{EAST, Sample, WEST};

    #[test]
    fn row_65_the_pack_says_what_would_be_done_and_how_to_do_it_by_hand_and_needs_nothing_else() {
        let sample = Sample::primary_down();
        let text = document(&sample.picture(), "from a test", true);
        for said in ["from a test", EAST, WEST, "pg_promote(wait =&gt; true)", "state maint", "state ready", "would be a second writer", "Promote"] {
            assert!(text.contains(said), "“{said}” is missing in {text}");
        }
        for outside in ["<script", "src=", "href=", "@import", "url("] {
            assert!(!text.contains(outside), "it must not need anything else: {outside}");
        }
        let close = text.find("state maint").unwrap_or(usize::MAX);
        assert!(close < text.find("pg_promote").unwrap_or(0), "fenced and cut off before another one takes writes");
    }

    #[test]
    fn what_nobody_watches_is_never_well_in_the_pack() {
        let mut sample = Sample::healthy();
        sample.estate.clusters.clear();
        sample.estate.services.clear();
        sample.observed = engine::picture::Observations::default();
        let text = document(&sample.picture(), "from a test", false);
        assert!(text.contains("NOT KNOWN") && !text.contains("Nothing was known to be wrong") && text.ends_with(END), "{text}");
    }

    #[test]
    fn what_is_not_known_is_not_well_in_the_pack_either() {
        let mut sample = Sample::healthy();
        sample.observed = engine::picture::Observations::default();
        let text = document(&sample.picture(), "from a test", true);
        assert!(!text.contains("Nothing was known to be wrong"), "{text}");
    }
}
