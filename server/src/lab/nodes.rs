//! Builds, starts and stops the PostgreSQL nodes. Real ones: base backups through the relay, streaming with slots.

use super::layout::Layout;
use super::map::{Map, PATRONI_NODES, PG_NODES, POSTGRES_PORT, PgNode, Place, REGIONS, observer_name};
use super::programs::Programs;
use super::settings;
use crate::agent::command::Run;
use crate::agent::config::{Config, Node, Peer};
use crate::agent::observer::Settings;
use crate::agent::refusal::Refusal;
use crate::agent::{follow, processes, start};
use anyhow::{Context as _, bail};
use std::os::unix::fs::chown;
use std::time::{Duration, Instant};
use tokio_postgres::NoTls;

/// What building and starting nodes needs.
#[derive(Clone)]
pub struct Nodes {
    pub map: Map,
    pub layout: Layout,
    pub programs: Programs,
}

impl Nodes {
    /// The configuration of a region's agent; the lab uses the same to do what an agent does.
    pub fn agent_config(&self, place: Place) -> Config {
        Config {
            listen: self.map.agent(place, place),
            region: place.name().into(),
            token_file: self.layout.agent_token(),
            bin_dir: self.programs.postgres.clone(),
            replication_user: "replicator".into(),
            passfile: self.layout.passfile(),
            run_as: self.layout.identity,
            observer: Some(Settings {
                report_to: format!("http://{}", self.map.dashboard(place)),
                token_file: self.layout.observer_token(place),
                ca_file: None,
                seen_as: REGIONS.map(|to| (self.map.network(Place::Control, to), self.map.network(place, to))).into(),
            }),
            poolers: super::pooler::of_agent(&self.layout, place),
            nodes: PG_NODES.iter().filter(|n| n.place == place).map(|n| self.agent_node(n)).collect(),
            peers: PG_NODES
                .iter()
                .map(|n| {
                    let seen = self.map.pg(place, n);
                    Peer { id: n.id.into(), host: seen.ip().to_string(), port: seen.port() }
                })
                .collect(),
        }
    }

    pub fn agent_node(&self, node: &PgNode) -> Node {
        let address = self.map.pg(node.place, node);
        Node {
            id: node.id.into(),
            data_dir: self.layout.data_dir(node),
            address: address.ip(),
            port: address.port(),
            socket_dir: self.layout.socket_dir(node),
            log_file: Some(self.layout.pg_log(node)),
        }
    }

    /// Writes what the agents read: configuration, token and password file.
    pub fn write_agent_files(&self) -> anyhow::Result<()> {
        self.layout.write_for_nodes(&self.layout.agent_token(), &self.layout.secret("agent-token")?)?;
        self.layout.write_for_nodes(&self.layout.passfile(), &format!("*:*:*:replicator:{}\n", self.layout.secret("replicator")?))?;
        for place in REGIONS {
            self.layout.write_for_nodes(&self.layout.observer_token(place), &self.layout.secret(&observer_name(place))?)?;
            let text = toml::to_string(&self.agent_config(place)).context("cannot write an agent's configuration")?;
            self.layout.write_for_nodes(&self.layout.agent_config(place), &text)?;
        }
        Ok(())
    }

    /// Builds all three from nothing and leaves them streaming.
    pub async fn build(&self, synchronous: bool) -> anyhow::Result<()> {
        let primary = &PG_NODES[0];
        for node in &PG_NODES {
            self.layout.make_for_nodes(&self.layout.archive(node))?;
            self.layout.make_for_nodes(&self.layout.socket_dir(node))?;
        }
        let initdb = Run::new(self.programs.postgres.join("initdb"), Duration::from_secs(60))
            // The set-up need not survive a power cut; `up` would start over. Everything after it is written with fsync.
            .args(["-k", "--no-sync", "-U", "postgres", "-E", "UTF8", "--locale=C", "--auth-local=peer", "--auth-host=scram-sha-256", "-D"])
            .arg(self.layout.data_dir(primary))
            .identity(self.layout.identity);
        initdb.success("").await.map_err(plain)?;
        self.configure(primary)?;
        self.start(primary).await?;
        let admin = self.admin(primary, "postgres").await?;
        let secret = |name| self.layout.secret(name);
        admin
            .batch_execute(&settings::roles(&secret("lifeboat")?, &secret("replicator")?, &secret("app")?))
            .await
            .context("cannot create the roles")?;
        admin.batch_execute(settings::RIGHTS).await.context("cannot grant rights")?;
        admin.batch_execute("CREATE DATABASE users").await.context("cannot create the database users")?;
        for standby in &PG_NODES[1..] {
            admin
                .execute("SELECT pg_create_physical_replication_slot($1::text::name, true)", &[&standby.slot()])
                .await
                .context("cannot create a slot")?;
        }
        let users = self.admin(primary, "users").await?;
        users.batch_execute(settings::RIGHTS).await.context("cannot grant rights")?;
        users.batch_execute(settings::TABLES).await.context("cannot create the tables")?;
        tokio::try_join!(self.clone_from(primary, &PG_NODES[1]), self.clone_from(primary, &PG_NODES[2]))?;
        self.wait_for_streaming(primary, 2).await?;
        if synchronous {
            // Last, because every commit before would wait for standbys that do not exist yet.
            admin.batch_execute(r#"ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 ("pg-standby-west","pg-replica-east")'"#).await?;
            admin.batch_execute("SELECT pg_reload_conf()").await?;
        }
        Ok(())
    }

    /// Starts what an earlier `up` built, unless two nodes would be writers. Returns what was left out, with the reason.
    pub async fn start_existing(&self) -> anyhow::Result<Vec<String>> {
        let mut left_out = Vec::new();
        let mut primaries = Vec::new();
        let mut standbys = Vec::new();
        for node in &PG_NODES {
            if let Err(refusal) = start::may_start(&self.agent_node(node)) {
                left_out.push(refusal.error);
            } else if self.layout.data_dir(node).join("standby.signal").exists() {
                standbys.push(node);
            } else {
                let control = crate::agent::control_data::read(&self.programs.postgres, &self.layout.data_dir(node)).await.map_err(plain)?;
                primaries.push((control.timeline, node));
            }
        }
        // The newest timeline is the history clients wrote to; an older one belongs to a primary that was replaced.
        primaries.sort_by_key(|(timeline, _)| std::cmp::Reverse(*timeline));
        if let [(first, a), (second, b), ..] = primaries[..]
            && first == second
        {
            bail!("{} and {} would both start as primary on timeline {first}; build the lab anew with `lifeboat lab up --fresh`", a.id, b.id);
        }
        for (timeline, node) in primaries.iter().skip(1) {
            left_out.push(format!("{} stays stopped: it was the primary of the older timeline {timeline} and needs a rewind", node.id));
        }
        for node in primaries.iter().take(1).map(|(_, n)| *n).chain(standbys) {
            self.start(node).await?;
        }
        Ok(left_out)
    }

    pub async fn start(&self, node: &PgNode) -> anyhow::Result<()> {
        start::bring_up(&self.agent_config(node.place), &self.agent_node(node), 60_000).await.map_err(plain)?;
        Ok(())
    }

    /// A superuser's connection through the node's socket. Each statement may take five seconds.
    pub async fn admin(&self, node: &PgNode, database: &str) -> anyhow::Result<tokio_postgres::Client> {
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(self.layout.socket_dir(node))
            .port(POSTGRES_PORT)
            .user("postgres")
            .dbname(database)
            .application_name("lifeboat lab")
            .options("-c statement_timeout=5000 -c synchronous_commit=local");
        let connecting = tokio::time::timeout(Duration::from_secs(2), config.connect(NoTls));
        let (client, connection) =
            connecting.await.with_context(|| format!("{} gives no answer", node.id))?.with_context(|| format!("cannot connect to {}", node.id))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a superuser's connection ended");
            }
        });
        Ok(client)
    }

    pub async fn wait_for_streaming(&self, primary: &PgNode, wanted: i64) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        let admin = self.admin(primary, "postgres").await?;
        loop {
            let seen: i64 = admin.query_one("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", &[]).await?.get(0);
            if seen >= wanted {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("only {seen} of {wanted} standbys stream from {} after 30 s; see the nodes' logs", primary.id);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops all nodes: cleanly where possible, with SIGKILL where not.
    pub async fn stop_all(&self, patroni: bool) -> anyhow::Result<()> {
        let mut stopping = tokio::task::JoinSet::new();
        let managed = PATRONI_NODES.iter().filter(|_| patroni).map(|node| node.id);
        for id in PG_NODES.iter().map(|node| node.id).chain(managed) {
            let (data_dir, pg_ctl, identity) =
                (self.layout.node_root.join("pg").join(id), self.programs.postgres.join("pg_ctl"), self.layout.identity);
            stopping.spawn(async move {
                let postmaster = processes::postmaster(&data_dir);
                if postmaster.is_some_and(|p| !p.is_stopped_by_signal()) {
                    let clean = Run::new(pg_ctl, Duration::from_secs(10))
                        .args(["stop", "-m", "fast", "-w", "-t", "8", "-D"])
                        .arg(&data_dir)
                        .identity(identity);
                    if let Err(refusal) = clean.output().await {
                        tracing::warn!(error = refusal.error, "no clean stop");
                    }
                }
                processes::kill_all(&data_dir, Instant::now() + Duration::from_secs(10)).await
            });
        }
        while let Some(stopped) = stopping.join_next().await {
            if !stopped?? {
                bail!("a PostgreSQL process survives SIGKILL for 10 s; look for one in state D with `ps`");
            }
        }
        Ok(())
    }

    async fn clone_from(&self, primary: &PgNode, node: &PgNode) -> anyhow::Result<()> {
        let seen = self.map.pg(node.place, primary);
        let copy = Run::new(self.programs.postgres.join("pg_basebackup"), Duration::from_secs(120))
            .env("PGPASSFILE", self.layout.passfile())
            .env("PGCONNECT_TIMEOUT", "10")
            .args(["-w", "--no-sync", "-X", "stream", "-c", "fast", "-U", "replicator", "-S", &node.slot()])
            .args(["-h", &seen.ip().to_string(), "-p", &seen.port().to_string(), "-D"])
            .arg(self.layout.data_dir(node))
            .identity(self.layout.identity);
        copy.success("").await.map_err(plain).with_context(|| format!("cannot copy {} to {}", primary.id, node.id))?;
        self.configure(node)?;
        let config = self.agent_config(node.place);
        let peer = Peer { id: primary.id.into(), host: seen.ip().to_string(), port: seen.port() };
        let conninfo = follow::conninfo(&config, &self.agent_node(node), &peer);
        follow::make_standby(&self.layout.data_dir(node), &conninfo, Some(&node.slot())).map_err(plain)?;
        if let Some((uid, gid)) = self.layout.identity {
            for name in ["standby.signal", "postgresql.auto.conf"] {
                chown(self.layout.data_dir(node).join(name), Some(uid), Some(gid))?;
            }
        }
        self.start(node).await
    }

    fn configure(&self, node: &PgNode) -> anyhow::Result<()> {
        let folder = self.layout.data_dir(node);
        self.layout.write_for_nodes(&folder.join("postgresql.conf"), &settings::postgresql_conf(&self.layout, self.map, node))?;
        self.layout.write_for_nodes(&folder.join("pg_hba.conf"), &settings::pg_hba_conf(self.map))?;
        self.layout.write_for_nodes(&folder.join("pg_ident.conf"), &settings::pg_ident_conf(&self.layout))
    }
}

/// A refusal as an error for the command line.
pub fn plain(refusal: Refusal) -> anyhow::Error {
    let hint = if refusal.hint.is_empty() { String::new() } else { format!(" ({})", refusal.hint) };
    anyhow::anyhow!("{}{hint}", refusal.error)
}
