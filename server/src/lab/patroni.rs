//! The lab's second cluster, `orders`, which is there with `--patroni`: three nodes run by real Patroni, one in each region, with
//! etcd beside the dashboard. Between each other they do not pass the lab's relays: Patroni knows every node by one address
//! wherever it is. So a cut keeps Lifeboat from a region of this cluster, and not its nodes from each other.

use super::layout::Layout;
use super::map::{Map, PATRONI_NODES, PatroniNode, Place};
use super::platform::Platform;
use super::programs::{PatroniPrograms, Programs};
use super::settings;
use anyhow::{Context as _, bail};
use engine::estate::{Cluster, DeclaredRole, Detection, Estate, Manager, Node, Router};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio_postgres::NoTls;

pub const CLUSTER: &str = "orders";
pub const ETCD: &str = "etcd";
/// The user of the REST API; its password is the secret `patroni-rest`.
pub const REST_USER: &str = "lifeboat";

/// What the daemon of a node is called: `kill` and `hang` of the node itself mean its PostgreSQL as well.
pub fn daemon(node: &PatroniNode) -> String {
    format!("patroni.{}", node.id)
}

/// Starts etcd and the three nodes, builds what is not there yet, and waits until they follow one leader.
pub async fn start(platform: &Platform) -> anyhow::Result<()> {
    let layout = &platform.layout;
    for name in ["patroni-superuser", "patroni-rest", "lifeboat", "replicator", "app"] {
        layout.secret(name)?;
    }
    let is_new = !layout.node_root.join("pg").join(PATRONI_NODES[0].id).exists();
    start_etcd(platform)?;
    for (at, node) in PATRONI_NODES.iter().enumerate() {
        start_daemon(platform, node)?;
        // The first one makes the cluster, so that it leads.
        if at == 0 && is_new {
            wait_for(platform, "a leader", async |said| said.members.iter().any(|member| member.role == "leader" && member.is_running())).await?;
            fill(platform).await?;
        }
    }
    wait_for(platform, "three nodes that follow one leader", async |said| {
        let leads = |member: &&Member| member.role == "leader" && member.is_running();
        let Some(leader) = said.members.iter().find(leads) else { return false };
        said.members.len() == PATRONI_NODES.len() && said.members.iter().all(|member| member.is_running() && member.timeline == leader.timeline)
    })
    .await
}

pub fn start_etcd(platform: &Platform) -> anyhow::Result<()> {
    let layout = &platform.layout;
    let data = layout.node_root.join("etcd");
    layout.make_for_nodes(&data)?;
    let (clients, peers) = (format!("http://{}", platform.map.etcd()), format!("http://{}", platform.map.etcd_peers()));
    let mut command = Command::new(&programs(&platform.nodes.programs)?.etcd);
    command.args(["--name", "lab", "--log-level", "error", "--data-dir"]).arg(&data);
    command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
    command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers, "--initial-cluster", &format!("lab={peers}")]);
    // Its disk is the lab's; a power cut takes all of it anyway.
    command.arg("--unsafe-no-fsync");
    as_node_user(layout, &mut command);
    platform.spawn(ETCD, command)
}

/// Starts the Patroni of a node, and with it its PostgreSQL.
pub fn start_daemon(platform: &Platform, node: &PatroniNode) -> anyhow::Result<()> {
    let layout = &platform.layout;
    let config = layout.node_root.join("agent").join(format!("{}.yml", node.id));
    layout.write_for_nodes(&config, &config_of(platform, node)?)?;
    layout.make_for_nodes(&layout.node_root.join("sockets").join(node.id))?;
    let mut command = Command::new(&programs(&platform.nodes.programs)?.patroni);
    command.arg(&config);
    as_node_user(layout, &mut command);
    platform.spawn(&daemon(node), command)
}

fn programs(programs: &Programs) -> anyhow::Result<&PatroniPrograms> {
    programs.patroni.as_ref().context("Patroni and etcd were not looked for")
}

fn as_node_user(layout: &Layout, command: &mut Command) {
    if let Some((uid, gid)) = layout.identity {
        command.uid(uid).gid(gid);
    }
}

/// As quick as Patroni allows, so that a drill takes seconds. JSON is YAML.
fn config_of(platform: &Platform, node: &PatroniNode) -> anyhow::Result<String> {
    let (layout, map) = (&platform.layout, platform.map);
    let (rest, database) = (map.patroni(node.place, node).to_string(), map.patroni_pg(node.place, node).to_string());
    let secret = |name: &str| layout.secret(name);
    let networks = [format!("127.{}.0.0/16", map.number), "127.0.0.1/32".to_owned()];
    let hba: Vec<String> = networks
        .iter()
        .flat_map(|network| [format!("host all all {network} scram-sha-256"), format!("host replication all {network} scram-sha-256")])
        .collect();
    let config = serde_json::json!({
        "scope": CLUSTER,
        "name": node.id,
        "log": { "level": "INFO" },
        "restapi": {
            "listen": rest, "connect_address": rest,
            "authentication": { "username": REST_USER, "password": secret("patroni-rest")? },
        },
        "etcd3": { "hosts": map.etcd().to_string() },
        "bootstrap": {
            "dcs": {
                "ttl": 20, "loop_wait": 1, "retry_timeout": 3, "primary_start_timeout": 0, "master_start_timeout": 0,
                "postgresql": {
                    "use_pg_rewind": true, "use_slots": true,
                    "parameters": { "max_connections": 40, "shared_buffers": "32MB", "wal_log_hints": "on", "wal_keep_size": "128MB" },
                },
            },
            "initdb": ["data-checksums", { "encoding": "UTF8" }, { "locale": "C" }],
        },
        "postgresql": {
            "listen": database, "connect_address": database,
            "data_dir": layout.node_root.join("pg").join(node.id),
            "bin_dir": platform.nodes.programs.postgres,
            "pgpass": layout.node_root.join("agent").join(format!("{}.pgpass", node.id)),
            "pg_hba": hba,
            // A copy would wait minutes for a checkpoint at its ease.
            "basebackup": { "checkpoint": "fast" },
            "authentication": {
                "superuser": { "username": "postgres", "password": secret("patroni-superuser")? },
                "replication": { "username": "replicator", "password": secret("replicator")? },
            },
            "parameters": { "unix_socket_directories": layout.node_root.join("sockets").join(node.id), "log_timezone": "UTC", "timezone": "UTC" },
        },
        "tags": { "nofailover": false },
    });
    Ok(serde_json::to_string_pretty(&config)?)
}

#[derive(Debug, serde::Deserialize)]
struct Said {
    members: Vec<Member>,
}

#[derive(Debug, serde::Deserialize)]
struct Member {
    role: String,
    state: String,
    timeline: Option<u32>,
}

impl Member {
    fn is_running(&self) -> bool {
        matches!(self.state.as_str(), "running" | "streaming")
    }
}

async fn wait_for(platform: &Platform, what: &str, holds: impl AsyncFn(&Said) -> bool) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build().context("cannot build an HTTP client")?;
    let first = &PATRONI_NODES[0];
    let url = format!("http://{}/cluster", platform.map.patroni(first.place, first));
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        let asked = async { anyhow::Ok(client.get(&url).send().await?.json::<Said>().await?) };
        let seen = match asked.await {
            Ok(said) if holds(&said).await => return Ok(()),
            Ok(said) => format!("{:?}", said.members),
            Err(error) => format!("{error:#}"),
        };
        if Instant::now() > deadline {
            bail!("Patroni does not have {what} after 90 s: {seen}; see the logs in {}", platform.layout.folder.join("log").display());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Roles, rights, a database and its tables, as in the first cluster. Whoever streams was made by Patroni.
async fn fill(platform: &Platform) -> anyhow::Result<()> {
    let secret = |name: &str| platform.layout.secret(name);
    let admin = superuser(platform, "postgres").await?;
    admin.batch_execute(&settings::managed_roles(&secret("lifeboat")?, &secret("app")?)).await.context("cannot create the roles")?;
    admin.batch_execute(&format!("CREATE DATABASE {CLUSTER}")).await.context("cannot create the database")?;
    superuser(platform, CLUSTER).await?.batch_execute(settings::TABLES).await.context("cannot create the tables")
}

async fn superuser(platform: &Platform, database: &str) -> anyhow::Result<tokio_postgres::Client> {
    let first = &PATRONI_NODES[0];
    let address = platform.map.patroni_pg(first.place, first);
    let mut config = tokio_postgres::Config::new();
    config.hostaddr(address.ip()).port(address.port()).user("postgres").password(platform.layout.secret("patroni-superuser")?).dbname(database);
    let (client, connection) = config.connect(NoTls).await.with_context(|| format!("cannot connect to {}", first.id))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a superuser's connection ended");
        }
    });
    Ok(client)
}

/// The router's part for this cluster: like the first one's, told by Lifeboat who takes the writes; and beside it, with the health checks that
/// Patroni's documentation gives, as often as Lifeboat probes in `make bench`, a way that needs no Lifeboat.
pub fn haproxy(map: Map) -> String {
    let mut text = format!("frontend {CLUSTER}\n    bind {}\n    default_backend {CLUSTER}\nbackend {CLUSTER}\n", map.patroni_front());
    for (at, node) in PATRONI_NODES.iter().enumerate() {
        let state = if at == 0 { "" } else { " disabled" };
        text.push_str(&format!("    server {} {} on-marked-down shutdown-sessions{state}\n", node.id, map.patroni_pg(Place::Control, node)));
    }
    text.push_str(&format!(
        "frontend {CLUSTER}-own\n    bind {}\n    default_backend {CLUSTER}-own\nbackend {CLUSTER}-own\n    option httpchk OPTIONS /primary\n    \
         http-check expect status 200\n    timeout check 500ms\n    default-server inter 250ms fall 1 rise 1 on-marked-down shutdown-sessions\n",
        map.patroni_own_front()
    ));
    for node in &PATRONI_NODES {
        let (database, rest) = (map.patroni_pg(Place::Control, node), map.patroni(Place::Control, node));
        text.push_str(&format!("    server {} {database} check addr {} port {}\n", node.id, rest.ip(), rest.port()));
    }
    text
}

/// Declares it, and the service that it is.
pub fn declare(estate: &mut Estate, layout: &Layout, map: Map, detection: Detection) -> anyhow::Result<()> {
    let mut service = estate.services.iter().find(|service| service.id.as_str() == "user-database").context("the guide's database")?.clone();
    service.id = "order-database".parse().context("a service's id")?;
    estate.services.push(service);
    let roles = [DeclaredRole::Primary, DeclaredRole::Standby, DeclaredRole::Standby];
    let node = |(node, role): (&PatroniNode, DeclaredRole)| {
        let address: SocketAddr = map.patroni_pg(Place::Control, node);
        anyhow::Ok(Node {
            id: node.id.parse().context("a node's id")?,
            region: node.place.name().parse().context("a region's name")?,
            host: address.ip().to_string(),
            port: address.port(),
            role,
            promotable: true,
            patroni: Some(format!("http://{}", map.patroni(Place::Control, node))),
            fence: None,
        })
    };
    let strategy = estate.clusters.first().and_then(|cluster| cluster.strategy.clone());
    estate.clusters.push(Cluster {
        id: CLUSTER.parse().context("a cluster's id")?,
        service: "order-database".parse().context("a service's id")?,
        database: CLUSTER.to_owned(),
        strategy,
        detection: Some(detection),
        router: Some(Router {
            socket: layout.run("haproxy.sock").display().to_string(),
            backend: CLUSTER.to_owned(),
            address: map.patroni_front().to_string(),
        }),
        lease: None,
        manager: Manager::Patroni,
        synchronous: None,
        nodes: PATRONI_NODES.iter().zip(roles).map(node).collect::<anyhow::Result<_>>()?,
        poolers: Vec::new(),
    });
    Ok(())
}

/// How the dashboard signs in to the REST APIs.
pub fn login(layout: &Layout, map: Map) -> crate::config::PatroniLogin {
    crate::config::PatroniLogin {
        user: Some(REST_USER.to_owned()),
        password_file: Some(layout.secret_path("patroni-rest")),
        origins: PATRONI_NODES.iter().map(|node| format!("http://{}", map.patroni(Place::Control, node))).collect(),
        ca_file: None,
    }
}
