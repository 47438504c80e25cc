//! The first account: while there is none, a link printed at the start lets one person make themselves admin, once.

use super::{LONGEST_PASSWORD, SHORTEST_PASSWORD, add_account};
use crate::{desk::Desk, router::AppState};
use axum::{
    Form,
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use engine::{access::Role, id::AccountName, journal::Actor};
use serde::Deserialize;
use std::{collections::BTreeSet, sync::Mutex};

/// The one-time token; absent once used, or when accounts existed at the start.
#[derive(Default)]
pub struct SetupToken(Mutex<Option<String>>);

impl SetupToken {
    /// A token, if nobody has an account yet. Two version 4 UUIDs: 244 random bits from the system's generator.
    pub fn if_needed(desk: &Desk) -> Self {
        let needed = desk.picture().records.accounts.is_empty();
        Self(Mutex::new(needed.then(|| format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple()))))
    }

    pub fn value(&self) -> Option<String> {
        self.0.lock().ok()?.clone()
    }

    /// Takes the token away if it is this one.
    fn redeem(&self, offered: &str) -> bool {
        let Ok(mut held) = self.0.lock() else { return false };
        let fits = held.as_deref() == Some(offered);
        if fits {
            *held = None;
        }
        fits
    }

    fn give_back(&self, token: String) {
        if let Ok(mut held) = self.0.lock() {
            *held = Some(token);
        }
    }
}

#[derive(Deserialize)]
pub struct SetupForm {
    token: String,
    name: String,
    password: String,
}

/// `POST /setup`.
pub async fn make_first_account(State(state): State<AppState>, Form(form): Form<SetupForm>) -> Response {
    let back = |error: &str| {
        let token: String = url::form_urlencoded::byte_serialize(form.token.as_bytes()).collect();
        Redirect::to(&format!("/setup?token={token}&error={error}")).into_response()
    };
    let Ok(name) = form.name.trim().parse::<AccountName>() else {
        return back("name");
    };
    if form.password.chars().count() < SHORTEST_PASSWORD || form.password.len() > LONGEST_PASSWORD {
        return back("password");
    }
    if !state.setup.redeem(&form.token) {
        return back("token");
    }
    match make(&state.desk, name, form.password.clone()).await {
        Ok(Made::First) => Redirect::to("/login?error=made").into_response(),
        Ok(Made::NotNeeded) => back("exists"),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the first account could not be made");
            state.setup.give_back(form.token.clone());
            back("failed")
        }
    }
}

enum Made {
    First,
    /// Somebody has an account by now: the command line can make one as well.
    NotNeeded,
}

/// The admin can make others; operating and approving take roles of their own.
async fn make(desk: &Desk, name: AccountName, password: String) -> anyhow::Result<Made> {
    desk.read_on().await?;
    if !desk.picture().records.accounts.is_empty() {
        return Ok(Made::NotNeeded);
    }
    add_account(desk, &Actor::CommandLine("setup link".to_owned()), name, BTreeSet::from([Role::Admin]), password).await?;
    Ok(Made::First)
}
