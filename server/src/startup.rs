//! From a configuration to a running server, and its orderly end.

use crate::{
    access::{proxy::Proxy, setup::SetupToken},
    apart::Apart,
    api::{self, Api, Tokens},
    backups,
    config::Config,
    connections::Connections,
    desk::Desk,
    dr_tests,
    notify::{self, Channels},
    router::{AppState, router},
    run::{self, CrashAt},
    runbooks, status,
    store::Store,
    watch::{self, Beats},
};
use anyhow::{Context, bail};
use engine::journal::{Actor, Event};
use leptos::config::{Env, LeptosOptions};
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use std::{
    fs::File,
    io::ErrorKind,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};

/// Another process may have written the journal; asked this often.
const READ_ON_EVERY: Duration = Duration::from_millis(500);
const DROP_SESSIONS_EVERY: Duration = Duration::from_secs(600);

/// Runs the server until it is asked to stop.
///
/// # Errors
/// Everything that keeps it from starting, in one sentence each.
pub async fn serve(config: Config, crash_at: Option<CrashAt>) -> anyhow::Result<()> {
    if crash_at.is_some() && !config.lab {
        bail!("--crash-at is for labs; this configuration does not say `lab = true`");
    }
    let (estate, text) = config.read_estate()?;
    let connections = Arc::new(Connections::new(&config, &estate)?);
    let tokens = Tokens::read(&config, &estate)?;
    let channels = Channels::new(&config, &estate.name)?;
    let proxy = config.proxy_sign_in.as_ref().map(Proxy::new).transpose()?.map(Arc::new);
    let site = find_site(&config)?;
    let _lock = lock(&config.data)?;
    let listener = listen(config.listen, "listen").await?;
    let machines = match config.machines_listen {
        Some(address) => Some(listen(address, "machines_listen").await?),
        None => None,
    };
    let store = Store::open(&config.data).await?;
    let loaded =
        Event::EstateLoaded { name: estate.name.clone(), services: estate.services.len(), clusters: estate.clusters.len(), sha256: hex(&text) };
    let desk = Desk::open(store, estate).await?;
    let desk = Arc::new(if config.read_only { desk.read_only() } else { desk });
    if let Some(broken) = desk.picture().journal_break {
        tracing::error!(broken, "the journal is broken; the dashboard shows what it can and accepts nothing");
    } else {
        let started = Event::ServerStarted { version: env!("CARGO_PKG_VERSION").to_owned() };
        desk.record(&Actor::Lifeboat, |_| vec![started.clone(), loaded.clone()]).await?;
        runbooks::adopt(&desk).await?;
    }
    let beats = Arc::new(Beats::of(desk.estate()));
    let apart = Apart::start()?;
    let watching = {
        let (desk, connections, beats) = (desk.clone(), connections.clone(), beats.clone());
        apart.run(async move { watch::start(desk, connections, &beats).await }).await?
    };
    let api = Arc::new(Api::new(tokens, desk.clone(), beats, watching.sightings.clone()));
    let (backups, backing_up) = backups::start(desk.clone(), &config, &connections, &watching)?;
    let working = runbooks::start(desk.clone(), &config, connections.clone(), &watching)?;
    let testing = dr_tests::start(desk.clone(), config.fault.clone());
    let judging = watching.judging;
    let executing = {
        let desk = desk.clone();
        apart.run(async move { Ok(run::start(desk, connections, Some(backups), crash_at)) }).await?
    };
    status::answer(desk.clone(), &config.data)?;
    keep_house(desk.clone());

    let (end, ending) = tokio::sync::watch::channel(false);
    let setup = Arc::new(if config.offers_set_up() { SetupToken::if_needed(&desk) } else { SetupToken::default() });
    let address = config.public_url.clone().unwrap_or_else(|| format!("http://{}", listener.local_addr().unwrap_or(config.listen)));
    notify::start(desk.clone(), channels, address.clone()).await?;
    let stop = StopSignals::listen()?;
    announce(&address, &setup, &desk);
    let state = AppState { desk: desk.clone(), setup, proxy, leptos: site.options(config.listen), https: config.is_https(), ending };
    if let Some(machines) = machines {
        let service = api::router(api.clone());
        tokio::spawn(async move {
            if let Err(error) = axum::serve(machines, service).await {
                tracing::error!(%error, "nothing is heard of observers any more");
            }
        });
    }
    let service = router(state).merge(api::router(api)).into_make_service_with_connect_info::<SocketAddr>();
    let (failed, failure) = tokio::sync::oneshot::channel();
    axum::serve(listener, service)
        .with_graceful_shutdown(async move {
            let why = tokio::select! {
                () = stop.asked() => None,
                why = fails(judging, "what judges the probes") => Some(why),
                why = fails(executing, "what carries out operations") => Some(why),
                why = fails(testing, "what carries out DR tests") => Some(why),
                why = fails(backing_up, "what looks after backups") => Some(why),
                why = fails(working, "what carries out the steps of runbooks") => Some(why),
            };
            // Nobody waits for it once the server has ended.
            failed.send(why).ok();
            end.send_replace(true);
        })
        .await
        .context("the server ended")?;
    let written = desk.probe_history().write(desk.store(), chrono::Utc::now()).await;
    desk.store().close().await;
    written.context("the last second of what probes saw was not kept")?;
    match failure.await {
        Ok(Some(why)) => Err(why),
        Ok(None) | Err(_) => Ok(()),
    }
}

/// Waits until `task`, which never ends by itself, has ended. A server that goes on without it would show what was true once.
async fn fails(task: JoinHandle<()>, what: &str) -> anyhow::Error {
    match task.await {
        Ok(()) => anyhow::anyhow!("{what} has ended; restart the server"),
        Err(error) => anyhow::Error::new(error).context(format!("{what} has failed; restart the server")),
    }
}

fn announce(address: &str, setup: &SetupToken, desk: &Desk) {
    println!("Lifeboat: {address}");
    if desk.is_read_only() {
        println!("READ-ONLY: it observes and shows; nobody acts here, Lifeboat itself included.");
    }
    match setup.value() {
        Some(token) => println!("No account exists yet. Make the first one, once, at: {address}/setup?token={token}"),
        None if desk.picture().records.accounts.is_empty() => {
            println!("No account exists yet. Make the first one on the command line: lifeboat user add NAME --role admin");
        }
        None => {}
    }
}

/// The built site and how its files are named.
struct Site {
    root: PathBuf,
    hash_file: Option<PathBuf>,
}

impl Site {
    fn options(&self, listen: SocketAddr) -> LeptosOptions {
        let options = LeptosOptions::builder()
            .output_name("lifeboat")
            .site_root(self.root.to_string_lossy())
            .site_pkg_dir("pkg")
            .site_addr(listen)
            .env(Env::PROD);
        match &self.hash_file {
            Some(file) => options.hash_files(true).hash_file(Arc::from(file.to_string_lossy())).build(),
            None => options.build(),
        }
    }
}

/// The site lies where the configuration or `LEPTOS_SITE_ROOT` says, else in `site` beside the folder of the binary, as the build lays it.
fn find_site(config: &Config) -> anyhow::Result<Site> {
    let binary = std::env::current_exe().context("the binary does not know where it lies")?;
    let folder = binary.parent().unwrap_or(Path::new("/"));
    let configured = config.site.clone().or_else(|| std::env::var_os("LEPTOS_SITE_ROOT").map(PathBuf::from));
    let root = configured.unwrap_or_else(|| folder.parent().unwrap_or(folder).join("site"));
    let root = std::path::absolute(&root).with_context(|| format!("{} has no absolute path", root.display()))?;
    if !root.join("pkg").is_dir() {
        bail!("the built site is not at {}; build it with `make build`, or set `site` in the configuration", root.display());
    }
    let hashed = !std::env::var("LEPTOS_HASH_FILES").is_ok_and(|value| value == "false");
    let hash_file = folder.join("hash.txt");
    if hashed && !hash_file.is_file() && !root.join("pkg/lifeboat.js").is_file() {
        bail!("{} is missing: it says how the files of the site at {} are named; build both with `make build`", hash_file.display(), root.display());
    }
    Ok(Site { root, hash_file: (hashed && hash_file.is_file()).then_some(hash_file) })
}

/// One server per data folder; the lock goes with the process, however it ends.
fn lock(data: &Path) -> anyhow::Result<File> {
    std::fs::create_dir_all(data)
        .with_context(|| format!("the data folder {} cannot be made; choose another one with `data` in the configuration", data.display()))?;
    let path = data.join("lock");
    let file = File::create(&path).with_context(|| format!("the data folder {} cannot be written", data.display()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(error) if error == rustix::io::Errno::WOULDBLOCK => {
            bail!("another Lifeboat server uses {}; stop it, or choose another data folder", data.display())
        }
        Err(error) => Err(error).with_context(|| format!("{} cannot be locked", path.display())),
    }
}

async fn listen(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => anyhow::anyhow!("{address} is in use by another program; stop it, or set `{setting}` in the configuration"),
        _ => anyhow::Error::new(error).context(format!("cannot listen on {address}")),
    })
}

/// Reads on what the command line wrote; drops expired sessions.
fn keep_house(desk: Arc<Desk>) {
    tokio::spawn(async move {
        let mut read_on = tokio::time::interval(READ_ON_EVERY);
        let mut drop_sessions = tokio::time::interval(DROP_SESSIONS_EVERY);
        loop {
            let done = tokio::select! {
                _ = read_on.tick() => desk.read_on().await,
                _ = drop_sessions.tick() => desk.store().drop_expired_sessions().await.map(|_| ()),
            };
            if let Err(error) = done {
                tracing::error!(error = format!("{error:#}"), "the store could not be read or tidied");
            }
        }
    });
}

/// SIGTERM and Ctrl-C. Listened for from before the server says where it is: whoever reads that may ask it to stop at once.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("the server cannot listen for the signals that stop it");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn asked(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
