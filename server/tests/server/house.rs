//! A server without a process: a store in a temporary folder, a desk on it, the real router, and browsers that keep cookies.

use crate::world::{self, PEOPLE, id};
use app::{
    fault::Fault,
    port::{Port, Wish},
    session::Viewer,
};
use axum::{Router, body::Body, extract::ConnectInfo};
use engine::{
    access::Role,
    backups::{BackupType, Trigger, ledger::BackupEvent},
    failover::OperationKind,
    id::{AccountName, OperationId},
    journal::{Actor, Command, Event},
};
use http::{HeaderMap, Method, Request, StatusCode, header};
use leptos::config::{Env, LeptosOptions};
use server::{
    access::{proxy::Proxy, setup::SetupToken},
    config::ProxySignIn,
    desk::Desk,
    router,
    store::Store,
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
};
use tempfile::TempDir;
use tower::ServiceExt;

pub const PASSWORD: &str = "correct horse battery";

/// How browsers reach the house.
#[derive(Clone, Copy, PartialEq, Default)]
pub enum Over {
    #[default]
    Http,
    Https,
}

/// What its configuration says.
#[derive(Default)]
pub struct Kind {
    pub over: Over,
    pub proxy: Option<ProxySignIn>,
    pub read_only: bool,
}

pub struct House {
    pub folder: TempDir,
    pub desk: Arc<Desk>,
    pub setup: Arc<SetupToken>,
    router: Router,
    /// Live streams end when this goes.
    _end: tokio::sync::watch::Sender<bool>,
}

impl House {
    /// Nobody has an account yet.
    pub async fn empty() -> Self {
        Self::at(tempfile::tempdir().unwrap(), Over::Http).await
    }

    /// Everyone of `PEOPLE` has an account, and all is well in the world.
    pub async fn with_people() -> Self {
        let house = Self::empty().await;
        house.invite().await;
        house
    }

    pub async fn at(folder: TempDir, over: Over) -> Self {
        Self::of_kind(folder, Kind { over, ..Kind::default() }).await
    }

    /// The same house, as its configuration says from now on.
    pub async fn becomes(self, kind: Kind) -> Self {
        self.desk.store().close().await;
        Self::of_kind(self.folder, kind).await
    }

    async fn of_kind(folder: TempDir, kind: Kind) -> Self {
        let Kind { over, proxy, read_only } = kind;
        let desk = desk_on(&data_in(folder.path())).await;
        let desk = Arc::new(if read_only { desk.read_only() } else { desk });
        desk.put_up(world::healthy(desk.estate(), chrono::Utc::now()));
        let site = folder.path().join("site");
        std::fs::create_dir_all(site.join("pkg")).unwrap();
        let chunks: BTreeMap<&str, [&str; 1]> = app::chunk::NAMES.iter().map(|chunk| (*chunk, [*chunk])).collect();
        std::fs::write(site.join("pkg/__wasm_split_manifest.json"), serde_json::to_string(&chunks).unwrap()).unwrap();
        std::fs::write(site.join("pkg/lifeboat.js"), "").unwrap();
        std::fs::write(site.join("icons.svg"), "").unwrap();
        let leptos = LeptosOptions::builder()
            .output_name("lifeboat")
            .site_root(site.to_string_lossy())
            .site_pkg_dir("pkg")
            .site_addr(SocketAddr::from(([127, 0, 0, 1], 0)))
            .env(Env::PROD)
            .build();
        let (end, ending) = tokio::sync::watch::channel(false);
        let setup = Arc::new(SetupToken::if_needed(&desk));
        let proxy = proxy.map(|proxy| Arc::new(Proxy::new(&proxy).unwrap()));
        let state = router::AppState { desk: desk.clone(), setup: setup.clone(), proxy, leptos, https: over == Over::Https, ending };
        Self { folder, desk, setup, router: router::router(state), _end: end }
    }

    pub fn data(&self) -> PathBuf {
        data_in(self.folder.path())
    }

    /// Makes the accounts, all with one password, hashed once: hashing is slow on purpose.
    pub async fn invite(&self) {
        for (name, role) in PEOPLE {
            let name: AccountName = id(name);
            self.desk.act(&command_line(), Command::AddAccount { name: name.clone(), roles: [role].into() }).await.unwrap();
            self.desk.store().set_password(&name, password_hash()).await.unwrap();
        }
    }

    /// A browser that nobody has signed in with, at an address of its own.
    pub fn browser(&self) -> Browser {
        static NEXT: AtomicU16 = AtomicU16::new(1);
        let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        Browser { router: self.router.clone(), peer: SocketAddr::from(([10, 0, high, low], 40_000)), cookies: BTreeMap::new(), headers: Vec::new() }
    }

    pub async fn signed_in(&self, name: &str) -> Browser {
        let mut browser = self.browser();
        let answer = browser.sign_in(name, PASSWORD).await;
        assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/"), "{name} signs in");
        browser
    }

    /// What the confirmation page would post now.
    pub fn wish(&self, id: OperationId, kind: OperationKind, node: &str) -> Wish {
        let node = world::id(node);
        let plan = self.desk.picture().plan(kind, &world::id("users"), Some(&node)).unwrap();
        Wish::Request {
            id,
            kind,
            cluster: world::id("users"),
            node: Some(node),
            plan_hash: plan.hash(),
            reason: "maintenance in the east".to_owned(),
            accept_loss: true,
            override_blockers: false,
        }
    }

    /// `ann` requests a switchover to the west; its id.
    pub async fn requested(&self) -> OperationId {
        let id = world::operation_id();
        self.wishes("ann", self.wish(id, OperationKind::Switchover, world::WEST)).await.unwrap();
        id
    }

    /// The same, with whatever comes of it.
    pub async fn requested_or_not(&self) -> Result<(), Fault> {
        self.wishes("ann", self.wish(world::operation_id(), OperationKind::Switchover, world::WEST)).await
    }

    pub async fn wishes(&self, name: &str, wish: Wish) -> Result<(), Fault> {
        Port::act(&*self.desk, &viewer(name), wish).await
    }

    /// Starts the run of a DR test whose page `routes` names.
    pub async fn starts_a_test(&self, name: &str) {
        let scenario = &self.desk.estate().scenarios[0];
        let wish = Wish::StartTest {
            run: id("01890a5d-ac96-774b-bcce-b302099a8057"),
            scenario: scenario.id.clone(),
            shown_version: scenario.version(),
            override_gates: false,
            accept_loss: false,
            reason: "quarterly".to_owned(),
        };
        self.wishes(name, wish).await.unwrap();
    }

    /// A backup of `users-daily`, whole in one place, that nobody has restored.
    pub async fn has_a_backup(&self) {
        let happened = [
            BackupEvent::Started { kind: BackupType::Full, trigger: Trigger::Asked { reason: "before the upgrade".to_owned() } },
            BackupEvent::CopyStored { destination: id("near") },
            BackupEvent::Completed,
        ];
        let backup = engine::id::BackupId("01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap());
        let event = |what: BackupEvent| Event::Backup { policy: id("users-daily"), id: backup, what: Box::new(what) };
        self.desk.record(&Actor::Lifeboat, |_| happened.clone().map(event).into()).await.unwrap();
    }

    pub async fn journal_length(&self) -> u64 {
        self.desk.store().journal_head().await.unwrap()
    }

    /// The last `limit` entries as JSON, newest first.
    pub async fn last_events(&self, limit: u32) -> Vec<String> {
        let entries = self.desk.store().history(None, limit, None).await.unwrap();
        entries.iter().map(|entry| format!("{} {}", entry.actor, serde_json::to_string(&entry.event).unwrap())).collect()
    }
}

pub fn data_in(folder: &Path) -> PathBuf {
    folder.join("data")
}

pub async fn desk_on(data: &Path) -> Desk {
    Desk::open(Store::open(data).await.unwrap(), world::estate()).await.unwrap()
}

pub fn command_line() -> Actor {
    Actor::CommandLine("tests".to_owned())
}

pub fn viewer(name: &str) -> Viewer {
    let roles = PEOPLE.iter().filter(|(known, _)| *known == name).map(|(_, role)| *role);
    Viewer { name: id(name), roles: roles.collect(), read_only: false }
}

/// One of those who hold `role` and did not request what `House::requested` requests.
pub fn somebody(role: Role) -> &'static str {
    PEOPLE.iter().rev().find(|(_, held)| *held == role).unwrap().0
}

fn password_hash() -> &'static str {
    static HASH: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    HASH.get_or_init(|| password_auth::generate_hash(PASSWORD))
}

/// Keeps cookies, follows no redirect, sends what a browser sends along from a page of the house itself.
#[derive(Clone)]
pub struct Browser {
    router: Router,
    pub peer: SocketAddr,
    pub cookies: BTreeMap<String, String>,
    /// What a proxy on the way adds to every request.
    pub headers: Vec<(&'static str, String)>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |value| value.to_str().unwrap())
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Browser {
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &[("accept", "text/html")], "").await
    }

    /// Posts a form as a script of the page would.
    pub async fn post(&mut self, path: &str, form: &str) -> Answer {
        let headers = [("origin", "http://house.test"), ("sec-fetch-site", "same-origin"), ("accept", "application/json")];
        self.send(Method::POST, path, &headers, form).await
    }

    pub async fn sign_in(&mut self, name: &str, password: &str) -> Answer {
        self.post("/login", &form(&[("name", name), ("password", password)])).await
    }

    /// Sends exactly this, with the cookies.
    pub async fn send(&mut self, method: Method, path: &str, headers: &[(&str, &str)], form: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "house.test");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value.as_str());
        }
        if !form.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").header(header::CONTENT_LENGTH, form.len());
        }
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        let mut request = request.body(Body::from(form.to_owned())).unwrap();
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        self.cookies.retain(|_, value| !value.is_empty());
        let streams = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let bytes = if streams { Default::default() } else { axum::body::to_bytes(body, 16 << 20).await.unwrap() };
        Answer { status: parts.status, headers: parts.headers, body: String::from_utf8_lossy(&bytes).into_owned() }
    }
}

/// A form as browsers encode it.
pub fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
