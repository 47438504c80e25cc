//! The files `up` writes for the dashboard's server: which estate this is, and how control reaches it.
//!
//! The estate is the guide's platform with the lab's addresses put in, all as control sees them: through the relays.

use super::haproxy::REGION_HEADER;
use super::layout::{Layout, write_private};
use super::map::{self, Map, Place, REGIONS, SERVICES, observer_name};
use super::nodes::Nodes;
use crate::config::{BackupSettings, Config, DatabaseLogin, DestinationSettings, MachineToken};
use anyhow::Context as _;
use engine::backups::BackupType;
use engine::estate::{
    Assertion, BackupSource, Destination, Detection, Endpoint, Estate, FailoverMode, Follows, Observer, Pooler, Replication, Router, Strategy,
    StrategyKind, Traffic, TrafficMeans, Verification,
};
use engine::id::{ClusterId, DestinationId, ObserverId};
use engine::time::Span;
use std::collections::BTreeMap;

/// Writes `estate.toml` and `lifeboat.toml` into the lab's folder. An estate a person has edited is kept.
pub fn write(nodes: &Nodes, synchronous: bool, patroni: bool) -> anyhow::Result<()> {
    let path = nodes.layout.folder.join("estate.toml");
    if !path.exists() {
        let text = estate(nodes, synchronous, patroni)?.to_toml()?;
        let note = "# Written by `lifeboat lab up`: the guide's platform at this lab's addresses, as control sees them.\n\n";
        write_private(&path, &format!("{note}{text}"), 0o644, None)?;
    }
    write_private(&nodes.layout.folder.join("lifeboat.toml"), &server_config(&nodes.layout, nodes.map, patroni)?, 0o600, None)
}

fn estate(nodes: &Nodes, synchronous: bool, patroni: bool) -> anyhow::Result<Estate> {
    let mut estate = Estate::guide()?;
    estate.name = format!("Lab {} (stand-ins on loopback, real PostgreSQL)", nodes.map.number);
    // A lab is watched closely, so that a drill takes seconds.
    let second = Span::from_secs(1);
    let detection = Detection { interval: second, timeout: second, ..Detection::default() };
    estate.detection = detection;
    for region in &mut estate.regions {
        let place = Place::region(region.id.as_str()).with_context(|| format!("the lab has no region {}", region.id))?;
        region.agent = Some(format!("http://{}", nodes.map.agent(Place::Control, place)));
    }
    let socket = nodes.layout.run("haproxy.sock").display().to_string();
    let one_region = one_region()?;
    for service in &mut estate.services {
        let Some(known) = SERVICES.iter().find(|s| s.name == service.id.as_str()) else { continue };
        for place in REGIONS.into_iter().filter(|place| known.places.contains(place)) {
            let region = place.name().parse().context("a region's name")?;
            let target = format!("http://{}/health", nodes.map.service(Place::Control, known, place));
            service.endpoints.push(Endpoint { region, target, detection: None });
        }
        service.traffic = Some(Traffic {
            address: format!("http://{}/health", nodes.map.front(known)),
            region_header: Some(REGION_HEADER.to_owned()),
            by: TrafficMeans::Haproxy { socket: socket.clone(), backend: known.name.to_owned() },
        });
        if service.strategy.is_none() {
            service.strategy = Some(one_region.id.clone());
        }
    }
    estate.strategies.push(one_region);
    for place in REGIONS {
        let (id, region) = (observer_name(place).parse().context("an observer's id")?, place.name().parse().context("a region's name")?);
        estate.observers.push(Observer { id, region });
    }
    for strategy in &mut estate.strategies {
        // The guide's half hours would make a drill last as long.
        strategy.detection = Some(detection);
        (strategy.dwell, strategy.cooldown) = (Span::from_secs(5), Span::from_secs(30));
    }
    for cluster in &mut estate.clusters {
        cluster.detection = Some(detection);
        cluster.router = Some(Router {
            socket: nodes.layout.run("haproxy.sock").display().to_string(),
            backend: "user-database".into(),
            address: nodes.map.haproxy(Place::Control).to_string(),
        });
        cluster.poolers.push(Pooler {
            id: map::POOLER.parse().context("the pooler's id")?,
            address: nodes.map.pooler(Place::Control).to_string(),
            region: map::POOLER_PLACE.name().parse().context("a region's name")?,
            follows: Follows::Router,
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
    declare_backups(&mut estate)?;
    if patroni {
        super::patroni::declare(&mut estate, &nodes.layout, nodes.map, detection)?;
    }
    Ok(estate)
}

/// What the lab declares for the services to which the guide gives no strategy: one region at a time, asked for.
fn one_region() -> anyhow::Result<Strategy> {
    Ok(Strategy {
        id: "one-region".parse().context("the strategy's id")?,
        kind: StrategyKind::ActivePassive,
        primary_region: Place::UsEast1.name().parse().context("a region's name")?,
        recovery_regions: vec![Place::UsWest2.name().parse().context("a region's name")?, Place::EuWest1.name().parse().context("a region's name")?],
        failover: FailoverMode::SemiAutomatic,
        failback: FailoverMode::Manual,
        replication: Replication::Asynchronous,
        lag_tolerance: Span::from_secs(30),
        detection: None,
        wait: Span::ZERO,
        cooldown: Span::ZERO,
        dwell: Span::ZERO,
        minimum_on: 1,
        approvals: 1,
        commit: None,
    })
}

/// Regions with a folder that stands for their store of backups.
const DESTINATIONS: [Place; 2] = [Place::UsEast1, Place::UsWest2];

fn destination_id(place: Place) -> anyhow::Result<DestinationId> {
    format!("backups-{}", place.name()).parse().context("a destination's id")
}

fn destination(layout: &Layout, place: Place) -> anyhow::Result<(DestinationId, DestinationSettings)> {
    let folder = layout.folder.join("backups").join(place.name());
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let settings = DestinationSettings { url: format!("file://{}", folder.display()), options: BTreeMap::new(), secret_files: BTreeMap::new() };
    Ok((destination_id(place)?, settings))
}

/// Of the guide's policies the lab keeps what it has: the database. What is read and restored there is real.
fn declare_backups(estate: &mut Estate) -> anyhow::Result<()> {
    let declared = |place: Place| {
        let region = place.name().parse().context("a region's name")?;
        anyhow::Ok(Destination { id: destination_id(place)?, region, immutable: None, encrypted: None })
    };
    estate.destinations = DESTINATIONS.into_iter().map(declared).collect::<anyhow::Result<_>>()?;
    estate.backup_policies.retain(|policy| policy.id.as_str() == "user-database-daily");
    for policy in &mut estate.backup_policies {
        policy.destinations = DESTINATIONS.into_iter().map(destination_id).collect::<anyhow::Result<_>>()?;
        if let Some(verification) = &mut policy.verification {
            verification.count = vec!["app.load_rows".to_owned()];
            let sql = "select not exists (select from app.load_rows where at > clock_timestamp())".to_owned();
            verification.assertions = vec![Assertion { name: "no row is from the future".to_owned(), sql }];
        }
    }
    let mut dump = estate.backup_policies.first().context("the guide backs the database up")?.clone();
    dump.id = "user-database-dump".parse().context("a policy's id")?;
    dump.schedule = "30 */6 * * *".to_owned();
    dump.source = BackupSource::PgDump { cluster: "user-database".parse().context("the cluster's id")?, database: "users".to_owned() };
    let mut log = estate.backup_policies.first().context("the guide backs the database up")?.clone();
    log.id = "user-database-log".parse().context("a policy's id")?;
    (log.kind, log.base) = (BackupType::Continuous, Some("user-database-daily".parse().context("a policy's id")?));
    log.schedule = "*/5 * * * *".to_owned();
    log.grace = Span::from_mins(5);
    log.source = BackupSource::PgReceivewal { cluster: "user-database".parse().context("the cluster's id")? };
    // Each proof replays it from the last full backup on.
    log.verification = log.verification.map(|verification| Verification { count: Vec::new(), ..verification });
    estate.backup_policies.extend([dump, log]);
    Ok(())
}

fn observer(layout: &Layout, place: Place) -> anyhow::Result<(ObserverId, MachineToken)> {
    let name = observer_name(place);
    Ok((name.parse().context("an observer's id")?, MachineToken { token_file: layout.secret_path(&name) }))
}

/// Where the server finds the estate, its store, and the secrets it needs here.
fn server_config(layout: &Layout, map: Map, patroni: bool) -> anyhow::Result<String> {
    let login = DatabaseLogin::with_password_file("lifeboat", layout.secret_path("lifeboat"));
    let mut database = BTreeMap::from([("user-database".parse().context("the cluster's id")?, login.clone())]);
    let mut managed = BTreeMap::new();
    if patroni {
        let cluster: ClusterId = super::patroni::CLUSTER.parse().context("the cluster's id")?;
        database.insert(cluster.clone(), login);
        managed.insert(cluster, super::patroni::login(layout, map));
    }
    let config = Config {
        read_only: false,
        proxy_sign_in: None,
        listen: Config::DEFAULT_LISTEN,
        data: layout.folder.join("dashboard"),
        estate: layout.folder.join("estate.toml"),
        machines_listen: Some(map.dashboard(Place::Control)),
        site: None,
        public_url: None,
        agent_token_file: Some(layout.secret_path("agent-token")),
        lab: true,
        database,
        patroni: managed,
        dns_key: BTreeMap::new(),
        webhook_token: BTreeMap::new(),
        command: BTreeMap::new(),
        fence: BTreeMap::new(),
        fault: BTreeMap::new(),
        hook: BTreeMap::new(),
        runbook_command: BTreeMap::new(),
        runbook_origin: BTreeMap::new(),
        observer: REGIONS.into_iter().map(|place| observer(layout, place)).collect::<anyhow::Result<_>>()?,
        heartbeat: BTreeMap::new(),
        backup_job: BTreeMap::new(),
        backup_source: BTreeMap::new(),
        repository: BTreeMap::new(),
        backups: BackupSettings {
            postgres_bin: None,
            work: Some(layout.node_root.join("backups-at-work")),
            run_as: layout.identity.map(|_| layout.node_user.clone()),
            restores: Some(layout.node_root.join("restored")),
        },
        destination: DESTINATIONS.into_iter().map(|place| destination(layout, place)).collect::<anyhow::Result<_>>()?,
        monitoring_login: BTreeMap::new(),
        aws: None,
        channel: BTreeMap::new(),
    };
    Ok(format!("# Written by `lifeboat lab up`.\n{}", toml::to_string(&config)?))
}
