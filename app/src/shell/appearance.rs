//! Light, dark, or as the device says. The choice is a cookie, so that the first byte of a page already has it and nothing
//! flashes; the forms work without JavaScript.

use crate::fault::Fault;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Theme {
    #[default]
    Device,
    Light,
    Dark,
}

impl Theme {
    pub const ALL: [Theme; 3] = [Theme::Device, Theme::Light, Theme::Dark];
    /// In the cookie and in `<html data-theme>`.
    pub fn name(self) -> &'static str {
        match self {
            Theme::Device => "device",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }
}

impl FromStr for Theme {
    type Err = Fault;
    fn from_str(text: &str) -> Result<Self, Fault> {
        Theme::ALL
            .into_iter()
            .find(|theme| theme.name() == text)
            .ok_or_else(|| Fault::BadInput("there are three appearances: device, light and dark".to_owned()))
    }
}

/// The choice of the present request.
#[cfg(feature = "ssr")]
pub fn chosen() -> Theme {
    let parts = use_context::<http::request::Parts>();
    let cookies = parts.as_ref().and_then(|parts| parts.headers.get(http::header::COOKIE)).and_then(|value| value.to_str().ok());
    let named = cookies.and_then(|cookies| cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix("theme=")));
    named.and_then(|name| name.parse().ok()).unwrap_or_default()
}

/// Remembers the choice for a year. It is no secret and decides nothing, so the cookie needs no protection.
#[server(endpoint = "choose_appearance")]
pub async fn choose_appearance(theme: String) -> Result<(), Fault> {
    let theme: Theme = theme.parse()?;
    let cookie = format!("theme={}; Path=/; Max-Age=31536000; SameSite=Lax", theme.name());
    let value = http::HeaderValue::from_str(&cookie).map_err(|error| Fault::Broken(error.to_string()))?;
    expect_context::<leptos_axum::ResponseOptions>().append_header(http::header::SET_COOKIE, value);
    Ok(())
}

/// Three buttons; each reloads the page in that appearance.
#[component]
pub fn Appearance(chosen: Theme) -> impl IntoView {
    let button = move |theme: Theme| {
        let label = match theme {
            Theme::Device => "As the device",
            Theme::Light => "Light",
            Theme::Dark => "Dark",
        };
        view! { <button type="submit" name="theme" value=theme.name() aria-pressed=if theme == chosen { "true" } else { "false" }>{label}</button> }
    };
    view! {
        <form method="post" action="/api/choose_appearance" class="appearance" aria-label="Appearance">
            {Theme::ALL.map(button).collect_view()}
        </form>
    }
}
