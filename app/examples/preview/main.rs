//! Serves the app with scripted pictures instead of a platform, so that every state can be looked at without breaking
//! anything: `cargo run --release -p app --features ssr --example preview`, then http://127.0.0.1:3100/scenes.
//!
//! Everything shown by it is made up. It changes nothing: every act is refused.

mod journal;
mod moves;
mod probes;
mod scenes;
mod telling;
mod world;

use app::{
    App,
    fault::Fault,
    port::{HistoryQuery, Port, ProbesQuery, Replayed, Wish},
    session::Viewer,
};
use async_trait::async_trait;
use axum::{
    Router,
    extract::Path,
    response::{
        Html, IntoResponse, Redirect,
        sse::{Event as Sent, Sse},
    },
    routing::{get, post},
};
use engine::{
    history::{Mark, Proposal, Track, replay},
    id::{ChannelName, OperationId},
    journal::{Entry, Subject},
    notifications::{IncidentKey, Notifications},
    picture::Picture,
    time::Instant,
};
use leptos::prelude::*;
use leptos_axum::{LeptosRoutes, file_and_error_handler_with_context, generate_route_list};
use scenes::Scene;
use std::{convert::Infallible, sync::Arc, time::Duration};

/// A port of one scene.
struct Stage {
    scene: Scene,
    begun: Instant,
}

#[async_trait]
impl Port for Stage {
    async fn look(&self, _viewer: &Viewer) -> Result<Picture, Fault> {
        match self.scene {
            Scene::Fault => Err(Fault::Broken("the store cannot be read: disk I/O error".to_owned())),
            scene => Ok(scene.picture(self.begun, now()).0),
        }
    }
    async fn act(&self, _viewer: &Viewer, _wish: Wish) -> Result<(), Fault> {
        Err(Fault::Refused("this is only a preview; nothing acts here".to_owned()))
    }
    async fn history(&self, _viewer: &Viewer, query: HistoryQuery) -> Result<Vec<Entry>, Fault> {
        let (_, entries) = self.scene.picture(self.begun, now());
        let wanted = |entry: &Entry| {
            let before = query.before.is_none_or(|before| entry.seq < before);
            before && query.operation.is_none_or(|id| app::journal::words::operation(&entry.event) == Some(id))
        };
        Ok(entries.into_iter().rev().filter(wanted).take(query.limit as usize).collect())
    }
    async fn probes(&self, _viewer: &Viewer, query: ProbesQuery) -> Result<Vec<Track>, Fault> {
        Ok(vec![probes::track(query.of, query.period)])
    }
    async fn replay(&self, _viewer: &Viewer, query: ProbesQuery, proposals: Vec<Proposal>) -> Result<Vec<Replayed>, Fault> {
        let track = probes::track(query.of, query.period);
        let replays = proposals.into_iter().map(|proposal| replay(&track.stretches, proposal, query.period)).collect();
        Ok(vec![Replayed { observer: Some(track.observer), replays, cut: None }])
    }
    fn recent(&self, _viewer: &Viewer, of: &[Subject]) -> Result<Vec<Vec<Mark>>, Fault> {
        Ok(of.iter().map(|of| probes::recent(of, now())).collect())
    }
    async fn notifications(&self, viewer: &Viewer) -> Result<Notifications, Fault> {
        Ok(telling::of(self.scene, &self.look(viewer).await?))
    }
    async fn test_channel(&self, _viewer: &Viewer, _channel: ChannelName) -> Result<(), Fault> {
        Err(Fault::Refused("this is only a preview; nothing is sent from here".to_owned()))
    }
    async fn acknowledge_incident(&self, _viewer: &Viewer, _incident: IncidentKey, _reason: String) -> Result<(), Fault> {
        Err(Fault::Refused("this is only a preview; nothing acts here".to_owned()))
    }
    fn new_id(&self) -> OperationId {
        OperationId(uuid::Uuid::from_u128(now().timestamp_nanos_opt().unwrap_or_default().unsigned_abs().into()))
    }
}

/// The machine's clock.
fn now() -> Instant {
    Instant::from(std::time::SystemTime::now())
}

#[tokio::main]
async fn main() {
    let port = std::env::var("PREVIEW_PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3100u16);
    let root = std::env::var("LEPTOS_SITE_ROOT").unwrap_or_else(|_| "target/site".to_owned());
    let hashes = std::env::current_dir().unwrap().join("target/release/hash.txt");
    let options = LeptosOptions::builder()
        .output_name("lifeboat")
        .site_root(root)
        .site_pkg_dir("pkg")
        .hash_files(true)
        .hash_file(hashes.to_string_lossy().into_owned().into())
        .build();
    let begun = now();
    let context = move || {
        let cookies = use_context::<http::request::Parts>()
            .and_then(|parts| parts.headers.get(http::header::COOKIE).and_then(|value| value.to_str().ok().map(str::to_owned)))
            .unwrap_or_default();
        let read = |name: &str| cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix(name).map(str::to_owned));
        let scene = read("scene=").and_then(|name| Scene::named(&name)).unwrap_or(Scene::Full);
        let viewer = world::viewer(&read("viewer=").unwrap_or_else(|| "olga".to_owned()));
        provide_context::<Arc<dyn Port>>(Arc::new(Stage { scene, begun }));
        provide_context::<Option<Viewer>>(Some(viewer));
        if let (Some(nonce), Some(response)) = (leptos::nonce::use_nonce(), use_context::<leptos_axum::ResponseOptions>()) {
            let policy = format!(
                "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
            );
            response.insert_header(http::header::CONTENT_SECURITY_POLICY, http::HeaderValue::from_str(&policy).unwrap());
        }
    };
    let shell = {
        let options = options.clone();
        move || app::shell::shell(options.clone())
    };
    let router = Router::new()
        .route("/scenes", get(list))
        .route("/scene/{name}", get(choose))
        .route("/login", post(async || Redirect::to("/login?error=wrong")))
        .route("/logout", post(async || Redirect::to("/login")))
        .route("/setup", post(async || Redirect::to("/setup?token=abc&error=password")))
        .route("/live", get(live))
        .leptos_routes_with_context(&options, generate_route_list(App), context, shell)
        .fallback(file_and_error_handler_with_context::<LeptosOptions, _>(context, app::shell::shell))
        .with_state(options);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    println!("http://127.0.0.1:{port}/scenes");
    axum::serve(listener, router).await.unwrap();
}

async fn list() -> impl IntoResponse {
    let link = |scene: Scene| format!("<li><a href=/scene/{0}>{0}</a>", scene.name());
    Html(format!("<!DOCTYPE html><title>Scenes</title><ul>{}</ul>", Scene::ALL.map(link).join("")))
}

/// `?then=/path` opens another page than the overview; `&viewer=anna` looks as somebody else.
async fn choose(Path(name): Path<String>, axum::extract::RawQuery(query): axum::extract::RawQuery) -> impl IntoResponse {
    let query = query.unwrap_or_default();
    let read = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name).map(str::to_owned));
    let cookie = |text: String| (http::header::SET_COOKIE, text);
    let viewer = read("viewer=").unwrap_or_else(|| "olga".to_owned());
    let headers = axum::response::AppendHeaders([cookie(format!("scene={name}; Path=/")), cookie(format!("viewer={viewer}; Path=/"))]);
    (headers, Redirect::to(&read("then=").unwrap_or_else(|| "/".to_owned())))
}

/// A change every two seconds.
async fn live() -> impl IntoResponse {
    let ticks = futures::stream::unfold(0u64, |tick| async move {
        if tick > 0 {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        let sent = Sent::default().event("changed").id(tick.to_string()).data(format!("{{\"seq\":1,\"tick\":{tick}}}"));
        Some((Ok::<_, Infallible>(sent), tick + 1))
    });
    Sse::new(ticks)
}
