//! Signing in and out: plain forms that work without JavaScript.

use super::{Held, KEY, is_right, proxy::ByProxy};
use crate::{desk::Desk, router::AppState};
use app::session::Viewer;
use axum::{
    Extension, Form,
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use engine::{
    id::AccountName,
    journal::{Actor, Event, SignInMeans},
};
use http::StatusCode;
use serde::Deserialize;
use std::sync::Arc;
use tower_sessions::Session;

#[derive(Deserialize)]
pub struct LoginForm {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// `POST /login`.
pub async fn sign_in(State(state): State<AppState>, session: Session, Form(form): Form<LoginForm>) -> Response {
    match try_sign_in(&state.desk, &session, &form).await {
        Ok(true) => Redirect::to(inside(&form.next)).into_response(),
        Ok(false) => Redirect::to(&back("wrong", &form.next)).into_response(),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "a sign-in failed");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Lifeboat could not sign you in; its log says why. `lifeboat status` on the server works without signing in.",
            )
                .into_response()
        }
    }
}

async fn try_sign_in(desk: &Arc<Desk>, session: &Session, form: &LoginForm) -> anyhow::Result<bool> {
    desk.read_on().await?;
    let name = form.name.trim().parse::<AccountName>().ok();
    let account = name.as_ref().and_then(|name| desk.picture().records.accounts.get(name).cloned()).filter(|account| account.enabled);
    let right = is_right(desk.store(), name.as_ref().filter(|_| account.is_some()), form.password.clone()).await?;
    match (name.clone(), account) {
        (Some(name), Some(account)) if right => {
            // A new session id at every change of rights: an id planted before is worth nothing.
            session.cycle_id().await?;
            session.insert(KEY, Held { name: name.clone(), changed: account.changed }).await?;
            desk.record(&Actor::Person(name.clone()), |_| vec![Event::SignedIn { name: name.clone(), by: SignInMeans::Password }]).await?;
            Ok(true)
        }
        _ => {
            let name = name.filter(|name| desk.picture().records.accounts.contains_key(name));
            desk.record(&Actor::Lifeboat, |_| vec![Event::SignInFailed { name: name.clone(), by: SignInMeans::Password }]).await?;
            Ok(false)
        }
    }
}

/// `POST /logout`.
pub async fn sign_out(
    State(state): State<AppState>,
    Extension(viewer): Extension<Option<Viewer>>,
    by_proxy: Option<Extension<ByProxy>>,
    session: Session,
) -> Response {
    let held = session.get::<Held>(KEY).await;
    if let Err(error) = session.flush().await {
        tracing::error!(%error, "a session could not be ended");
        return (StatusCode::INTERNAL_SERVER_ERROR, "Lifeboat could not end your session; close the browser and tell an admin.").into_response();
    }
    if let (Some(proxy), Some(_)) = (&state.proxy, by_proxy) {
        return proxy.sign_out(&state.desk, viewer).await;
    }
    if let Ok(Some(held)) = held {
        let recorded = state.desk.record(&Actor::Person(held.name.clone()), |_| vec![Event::SignedOut { name: held.name.clone() }]).await;
        if let Err(error) = recorded {
            tracing::error!(error = format!("{error:#}"), "a sign-out could not be recorded");
        }
    }
    Redirect::to("/login").into_response()
}

fn back(error: &str, next: &str) -> String {
    let next: String = url::form_urlencoded::byte_serialize(inside(next).as_bytes()).collect();
    format!("/login?error={error}&next={next}")
}

/// Where too many sign-ins from one address are sent.
pub fn too_many() -> Response {
    Redirect::to("/login?error=slow").into_response()
}

/// Only a path of this dashboard: a link must not lead a fresh session elsewhere.
fn inside(next: &str) -> &str {
    let plain = next.starts_with('/') && !next.starts_with("//") && !next.contains('\\') && !next.contains(char::is_control);
    if plain { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn next_stays_inside() {
        assert_eq!(inside("/databases/x?kind=failover"), "/databases/x?kind=failover");
        for outside in ["", "//evil.example", "https://evil.example", "/\\evil.example", "\\/evil", "/\n/evil"] {
            assert_eq!(inside(outside), "/", "{outside:?}");
        }
    }
}
