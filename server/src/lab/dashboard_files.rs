//! The files `up` writes for the dashboard's server: which estate this is, and how control reaches it.
//!
//! The estate is the guide's platform with the lab's addresses put in, all as control sees them: through the relays.

use super::layout::{Layout, write_private};
use super::map::{self, Place, REGIONS, SERVICES};
use super::nodes::Nodes;
use crate::config::{Config, DatabaseLogin};
use anyhow::Context as _;
use engine::estate::{Detection, Endpoint, Estate, Replication, Router};
use engine::time::Span;
use std::collections::BTreeMap;

/// Writes `estate.toml` and `lifeboat.toml` into the lab's folder. An estate a person has edited is kept.
pub fn write(nodes: &Nodes, synchronous: bool) -> anyhow::Result<()> {
    let path = nodes.layout.folder.join("estate.toml");
    if !path.exists() {
        let text = estate(nodes, synchronous)?.to_toml()?;
        let note = "# Written by `lifeboat lab up`: the guide's platform at this lab's addresses, as control sees them.\n\n";
        write_private(&path, &format!("{note}{text}"), 0o644, None)?;
    }
    write_private(&nodes.layout.folder.join("lifeboat.toml"), &server_config(&nodes.layout)?, 0o600, None)
}

fn estate(nodes: &Nodes, synchronous: bool) -> anyhow::Result<Estate> {
    let mut estate = Estate::guide()?;
    estate.name = format!("Lab {} (stand-ins on loopback, real PostgreSQL)", nodes.map.number);
    // A lab is watched closely, so that a drill takes seconds.
    let second = Span::from_secs(1);
    let detection = Detection { interval: second, timeout: second, failures: 3, samples: 3, recoveries: 3 };
    estate.detection = detection;
    for region in &mut estate.regions {
        let place = Place::region(region.id.as_str()).with_context(|| format!("the lab has no region {}", region.id))?;
        region.agent = Some(format!("http://{}", nodes.map.agent(Place::Control, place)));
    }
    for service in &mut estate.services {
        let Some(known) = SERVICES.iter().find(|s| s.name == service.id.as_str()) else { continue };
        for place in REGIONS.into_iter().filter(|place| known.places.contains(place)) {
            let region = place.name().parse().context("a region's name")?;
            let target = format!("http://{}/health", nodes.map.service(Place::Control, known, place));
            service.endpoints.push(Endpoint { region, target, detection: None });
        }
    }
    for cluster in &mut estate.clusters {
        cluster.detection = Some(detection);
        cluster.router = Some(Router {
            socket: nodes.layout.run("haproxy.sock").display().to_string(),
            backend: "user-database".into(),
            address: nodes.map.haproxy(Place::Control).to_string(),
        });
        for node in &mut cluster.nodes {
            let known = map::pg_node(node.id.as_str()).with_context(|| format!("the lab has no node {}", node.id))?;
            let seen = nodes.map.pg(Place::Control, known);
            node.host = seen.ip().to_string();
            node.port = seen.port();
        }
        // The declaration says what this lab does: without --synchronous its commits wait for nobody.
        let replication = if synchronous { Replication::Synchronous } else { Replication::Asynchronous };
        estate.strategies.iter_mut().filter(|s| cluster.strategy.as_ref() == Some(&s.id)).for_each(|s| s.replication = replication);
    }
    Ok(estate)
}

/// Where the server finds the estate, its store, and the secrets it needs here.
fn server_config(layout: &Layout) -> anyhow::Result<String> {
    let login = DatabaseLogin { user: "lifeboat".to_owned(), password_file: layout.secret_path("lifeboat") };
    let config = Config {
        listen: Config::DEFAULT_LISTEN,
        data: layout.folder.join("dashboard"),
        estate: layout.folder.join("estate.toml"),
        site: None,
        public_url: None,
        agent_token_file: Some(layout.secret_path("agent-token")),
        lab: true,
        database: BTreeMap::from([("user-database".parse().context("the cluster's id")?, login)]),
    };
    Ok(format!("# Written by `lifeboat lab up`.\n{}", toml::to_string(&config)?))
}
