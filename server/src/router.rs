//! Every URL of the product.

use crate::{
    access::{
        login,
        proxy::Proxy,
        setup::{self, SetupToken},
    },
    desk::Desk,
    guard, live,
};
use app::{
    port::{HistoryQuery, Port},
    session::Viewer,
};
use axum::{
    Extension, Router,
    extract::{FromRef, Path, State},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use engine::dr_tests::report::Report;
use http::{HeaderValue, StatusCode, header, request::Parts};
use leptos::{config::LeptosOptions, nonce::use_nonce, prelude::*};
use leptos_axum::{AxumRouteListing, ErrorHandler, LeptosRoutes, ResponseOptions, generate_route_list, site_pkg_dir_service};
use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};
use tokio::sync::watch;
use tower_governor::{GovernorLayer, governor::GovernorConfigBuilder};
use tower_http::{compression::CompressionLayer, csrf::CsrfLayer, limit::RequestBodyLimitLayer, trace::TraceLayer};
use tower_sessions::{Expiry, SessionManagerLayer, cookie::SameSite};

/// What handlers share.
#[derive(Clone)]
pub struct AppState {
    pub desk: Arc<Desk>,
    pub setup: Arc<SetupToken>,
    /// Whose word is taken for who people are, besides passwords or instead of them.
    pub proxy: Option<Arc<Proxy>>,
    pub leptos: LeptosOptions,
    /// Browsers come over TLS.
    pub https: bool,
    /// Becomes true when the server is asked to stop; live streams end then.
    pub ending: watch::Receiver<bool>,
}

impl FromRef<AppState> for LeptosOptions {
    fn from_ref(state: &AppState) -> Self {
        state.leptos.clone()
    }
}

/// Largest request body.
const LARGEST_BODY: usize = 64 * 1024;
/// A session ends when it was not used for this long.
const SESSION_IDLE_HOURS: i64 = 12;
/// Sign-ins from one address: this many at once, then one in so many seconds.
const LOGIN_BURST: u32 = 20;
const LOGIN_SECONDS: u64 = 3;

/// The whole product as one service.
pub fn router(state: AppState) -> Router {
    let context = page_context(state.desk.clone());
    let shell = {
        let options = state.leptos.clone();
        move || app::shell::shell(options.clone())
    };
    let not_found = ErrorHandler::new_with_context(context.clone(), app::shell::shell, state.leptos.clone());
    Router::new()
        .route("/login", post(login::sign_in).layer(login_limit()))
        .route("/logout", post(login::sign_out))
        .route("/setup", post(setup::make_first_account).layer(login_limit()))
        .route("/live", get(live::stream))
        .route("/pack", get(offline_pack))
        .route("/runbooks/{name}/export", get(runbook_text))
        .route("/evidence/{run}/{form}", get(evidence))
        .leptos_routes_with_context(&state, pages(), context, shell)
        .fallback_service(site_pkg_dir_service(&state.leptos).fallback(not_found))
        .layer(middleware::from_fn(guard::own_no_reactive_scope))
        .layer(middleware::from_fn(guard::tell_faults_apart))
        .layer(middleware::from_fn_with_state(state.clone(), guard::identify))
        .layer(sessions(&state))
        .layer(CsrfLayer::new())
        // Server functions read the body themselves; a limit on extractors alone would not hold for them.
        .layer(RequestBodyLimitLayer::new(LARGEST_BODY))
        // Whether the server works is nobody's secret, and asked by machines that cannot sign in.
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .layer(middleware::from_fn_with_state(state.clone(), guard::harden))
        .layer(CompressionLayer::new())
        .layer(TraceLayer::new_for_http())
        .with_state(state)
}

/// The pages of the app. They are listed once in a process, for Leptos lists them by rendering the app with every resource
/// held back, and a page that another thread renders in that moment would never be finished (leptos-rs/leptos#4773).
pub fn pages() -> Vec<AxumRouteListing> {
    static PAGES: LazyLock<Vec<AxumRouteListing>> = LazyLock::new(|| generate_route_list(app::App));
    PAGES.clone()
}

/// The offline pack as a file.
async fn offline_pack(State(state): State<AppState>, Extension(viewer): Extension<Option<Viewer>>) -> Response {
    let Some(viewer) = viewer else { return StatusCode::UNAUTHORIZED.into_response() };
    match state.desk.look(&viewer).await {
        Ok(picture) => {
            let kept = HeaderValue::from_static("attachment; filename=\"lifeboat-offline-pack.html\"");
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            let document = app::pack::document(&picture, "from the running server", true);
            ([(header::CONTENT_DISPOSITION, kept), (header::CONTENT_TYPE, html)], document).into_response()
        }
        Err(fault) => (StatusCode::FORBIDDEN, fault.to_string()).into_response(),
    }
}

/// The newest version of a runbook as a file, byte for byte.
async fn runbook_text(State(state): State<AppState>, Extension(viewer): Extension<Option<Viewer>>, Path(name): Path<String>) -> Response {
    let Some(viewer) = viewer else { return StatusCode::UNAUTHORIZED.into_response() };
    let picture = match state.desk.look(&viewer).await {
        Ok(picture) => picture,
        Err(fault) => return (StatusCode::FORBIDDEN, fault.to_string()).into_response(),
    };
    let known = name.parse().ok().and_then(|name| Some((picture.records.runbooks.newest(&name)?.text.clone(), name)));
    let Some((text, name)) = known else { return (StatusCode::NOT_FOUND, "there is no such runbook").into_response() };
    // A name has letters, digits and hyphens only.
    let kept = HeaderValue::from_str(&format!("attachment; filename=\"{name}.md\"")).unwrap_or(HeaderValue::from_static("attachment"));
    let markdown = HeaderValue::from_static("text/markdown; charset=utf-8");
    ([(header::CONTENT_DISPOSITION, kept), (header::CONTENT_TYPE, markdown)], text).into_response()
}

/// The evidence of a run, as `markdown` or `json`: of the same run always the same bytes.
async fn evidence(
    State(state): State<AppState>,
    Extension(viewer): Extension<Option<Viewer>>,
    Path((run, form)): Path<(String, String)>,
) -> Response {
    let Some(viewer) = viewer else { return StatusCode::UNAUTHORIZED.into_response() };
    let picture = match state.desk.look(&viewer).await {
        Ok(picture) => picture,
        Err(fault) => return (StatusCode::FORBIDDEN, fault.to_string()).into_response(),
    };
    let Some(run) = run.parse().ok().and_then(|id| picture.records.dr_tests.get(&id)) else { return StatusCode::NOT_FOUND.into_response() };
    // The entry that the run ends with so far stands right before the next one.
    let query = HistoryQuery { before: Some(run.entries.1 + 1), limit: 1, operation: None };
    let hash = match state.desk.history(&viewer, query).await {
        Ok(entries) => entries.into_iter().next().map(|entry| entry.hash).unwrap_or_default(),
        Err(fault) => return (StatusCode::INTERNAL_SERVER_ERROR, fault.to_string()).into_response(),
    };
    let report = Report { run, journal_hash: &hash };
    match form.as_str() {
        "markdown" => ([(header::CONTENT_TYPE, HeaderValue::from_static("text/markdown; charset=utf-8"))], report.markdown()).into_response(),
        "json" => match report.json() {
            Ok(text) => ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        },
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Healthy means that what is shown is being judged: a server that only answers would be left alone by whoever restarts it.
async fn healthy(axum::extract::State(state): axum::extract::State<AppState>) -> (StatusCode, &'static str) {
    match state.desk.is_judging() {
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "watching has stalled"),
    }
}

/// Ready means that the journal can be read and is whole.
async fn ready(axum::extract::State(state): axum::extract::State<AppState>) -> (StatusCode, String) {
    match (state.desk.store().journal_head().await, state.desk.picture().journal_break) {
        (Ok(_), None) => (StatusCode::OK, "ready".to_owned()),
        (Ok(_), Some(broken)) => (StatusCode::SERVICE_UNAVAILABLE, format!("the journal is broken: {broken}")),
        (Err(error), _) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}")),
    }
}

/// What pages and server functions find in their context: the port, who asks, and a content policy with this page's nonce.
fn page_context(desk: Arc<Desk>) -> impl Fn() + Clone + Send + Sync + 'static {
    move || {
        provide_context::<Arc<dyn Port>>(desk.clone());
        provide_context::<Option<Viewer>>(use_context::<Parts>().and_then(|parts| parts.extensions.get::<Option<Viewer>>().cloned().flatten()));
        if let (Some(nonce), Some(response)) = (use_nonce(), use_context::<ResponseOptions>())
            && let Ok(policy) = HeaderValue::from_str(&guard::content_policy(&nonce))
        {
            response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
        }
    }
}

fn sessions(state: &AppState) -> SessionManagerLayer<crate::store::Store> {
    // `__Host-` needs Secure, which browsers keep to TLS; on plain loopback the cookie has no prefix.
    let name = if state.https { "__Host-lifeboat" } else { "lifeboat" };
    SessionManagerLayer::new(state.desk.store().clone())
        .with_name(name)
        .with_secure(state.https)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_expiry(Expiry::OnInactivity(tower_sessions::cookie::time::Duration::hours(SESSION_IDLE_HOURS)))
}

type LoginLimit = GovernorLayer<
    tower_governor::key_extractor::PeerIpKeyExtractor,
    governor::middleware::NoOpMiddleware<governor::clock::QuantaInstant>,
    axum::body::Body,
>;

fn login_limit() -> LoginLimit {
    let limits = GovernorConfigBuilder::default().period(Duration::from_secs(LOGIN_SECONDS)).burst_size(LOGIN_BURST).finish();
    // Both numbers above are not zero, which is all that `finish` asks.
    let limits = limits.unwrap_or_default();
    GovernorLayer::new(limits).error_handler(|_| login::too_many())
}
