//! What every request passes: who it is, where strangers may go, and the headers every answer carries.

use crate::{
    access::{
        self,
        proxy::{self, ByProxy, Said},
    },
    router::AppState,
};
use app::{fault::Fault, session::Viewer};
use axum::{
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderValue, Method, StatusCode, header};
use leptos::prelude::Owner;
use std::net::SocketAddr;
use tower_sessions::Session;

/// Paths that need no sign-in. Everything else does, also what is added tomorrow.
fn is_public(path: &str) -> bool {
    let files = ["/favicon.svg", "/favicon.ico", "/icons.svg", "/manifest.webmanifest", "/robots.txt"];
    matches!(path, "/login" | "/logout" | "/setup" | "/healthz" | "/readyz")
        || files.contains(&path)
        || ["/pkg/", "/fonts/"].iter().any(|folder| path.starts_with(folder))
}

/// Finds out who asks, for pages and server functions to read as `Option<Viewer>`; sends strangers to the sign-in page. Whoever
/// comes by the proxy is whom it names, whatever session they bring along.
pub async fn identify(State(state): State<AppState>, session: Session, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let said = state.proxy.as_ref().map_or(Said::Nothing, |proxy| proxy.says(request.headers(), peer));
    let takes_passwords = state.proxy.as_ref().is_none_or(|proxy| proxy.takes_passwords());
    let path = request.uri().path();
    if !takes_passwords && matches!(path, "/login" | "/setup") {
        return proxy::only_by_proxy();
    }
    let viewer = match (&state.proxy, said) {
        (_, Said::Unclear(why)) => return proxy::unclear(&why),
        (Some(_), Said::Name(_)) if !proxy::says_where_from(request.method(), request.headers()) => {
            return (StatusCode::FORBIDDEN, "say where this comes from: a request that changes something needs the header Origin").into_response();
        }
        (Some(proxy), Said::Name(name)) => {
            let viewer = match proxy.let_in(&state.desk, &name).await {
                Ok(viewer) => Some(viewer),
                Err(_) if is_public(path) => None,
                Err(turned_away) => return turned_away,
            };
            request.extensions_mut().insert(ByProxy(name));
            viewer
        }
        _ if takes_passwords => match access::viewer_of(&state.desk, &session).await {
            Ok(viewer) => viewer,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "sessions cannot be read");
                let says = "Lifeboat cannot read its sessions. `lifeboat status` on the server works without signing in.";
                return (StatusCode::SERVICE_UNAVAILABLE, says).into_response();
            }
        },
        _ => None,
    };
    if viewer.is_none() && !is_public(request.uri().path()) {
        return if takes_passwords { stranger(&request) } else { proxy::only_by_proxy() };
    }
    request.extensions_mut().insert::<Option<Viewer>>(viewer);
    next.run(request).await
}

fn stranger(request: &Request) -> Response {
    if request.method() == Method::GET && !request.uri().path().starts_with("/api/") && request.uri().path() != "/live" {
        let wanted = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let wanted: String = url::form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
        return Redirect::to(&format!("/login?next={wanted}")).into_response();
    }
    (StatusCode::UNAUTHORIZED, "sign in first").into_response()
}

/// Leptos leaves the reactive scope of a page that is being rendered behind on its thread, and a server function that begins
/// there becomes a part of it: it would lose its context when that page is done. So every request begins without one.
/// (Leptos' own handler for files even takes the waiting headers of that page, its content policy among them; files are
/// therefore served without it.)
pub async fn own_no_reactive_scope(request: Request, next: Next) -> Response {
    Owner::new_root(None).unset();
    next.run(request).await
}

/// Server functions answer every fault with 500. A refusal is no failure of the server, so here the status says which it was;
/// the browser's side reads the fault itself and takes any of them.
pub async fn tell_faults_apart(request: Request, next: Next) -> Response {
    let function = request.uri().path().starts_with("/api/");
    let response = next.run(request).await;
    if !function || response.status() != StatusCode::INTERNAL_SERVER_ERROR {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, LARGEST_FAULT).await else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "Lifeboat itself failed; its log says more.").into_response();
    };
    if let Ok(fault) = serde_json::from_slice(&bytes) {
        parts.status = match fault {
            Fault::NotSignedIn => StatusCode::UNAUTHORIZED,
            Fault::Refused(_) => StatusCode::CONFLICT,
            Fault::NotFound { .. } => StatusCode::NOT_FOUND,
            Fault::BadInput(_) => StatusCode::BAD_REQUEST,
            Fault::Broken(_) | Fault::Unreachable(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// A fault is a sentence or a list of reasons.
const LARGEST_FAULT: usize = 256 * 1024;

/// Headers that hold for every answer. The content policy of pages carries a nonce and is set where they are rendered.
pub async fn harden(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let cache = match request.uri().path() {
        path if path.starts_with("/pkg/") || path.starts_with("/fonts/") => "public, max-age=31536000, immutable",
        // A page whose server is gone goes on showing states; without this their icons would vanish.
        "/icons.svg" => "public, max-age=86400",
        _ => "no-store",
    };
    let mut response = next.run(request).await;
    // That a file is not there holds for this build only: kept for a year, it would outlast the build that has the file.
    let is_there = response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED;
    let cache = if is_there { cache } else { "no-store" };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    if state.https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static(cache));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    response
}

/// The content policy of a page: scripts only with this page's nonce, WebAssembly, nothing inline, nothing from elsewhere.
pub fn content_policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}
