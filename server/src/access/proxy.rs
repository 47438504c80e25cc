//! Sign-in by an authenticating reverse proxy. Every request is authenticated anew by what the proxy says of it, so nothing
//! here outlives a sign-out at the proxy; what a person may do follows from the account of that name, as it stands now.

use crate::{
    config::{ProxySignIn, SHORTEST_PROXY_SECRET, proxy_header, read_secret},
    desk::Desk,
    token::TokenDigest,
};
use anyhow::ensure;
use app::session::Viewer;
use axum::response::{Html, IntoResponse, Response};
use engine::{
    id::AccountName,
    journal::{Actor, Event, SignInMeans},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use ipnet::IpNet;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// What is known of the proxy in front of the server.
pub struct Proxy {
    user_header: HeaderName,
    secret: Option<(HeaderName, TokenDigest)>,
    trusted: Vec<IpNet>,
    passwords: bool,
    sign_out: HeaderValue,
    sign_out_url: String,
    /// Who came, and when last: each person's coming and being turned away is in the journal once, not with every request.
    came: Mutex<HashMap<(AccountName, Entrance), Instant>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Entrance {
    Open,
    Closed,
}

/// Who stayed away for so long comes anew. As for a session.
const AWAY: Duration = Duration::from_secs(12 * 60 * 60);
/// Who is turned away is recorded again after this long.
const TURNED_AWAY: Duration = Duration::from_secs(60 * 60);

/// What the proxy says of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// It did not come by the proxy, whatever its headers say, or the proxy names nobody.
    Nothing,
    Name(AccountName),
    /// It came by the proxy, and who it is from cannot be told for certain.
    Unclear(String),
}

/// The name by which the proxy knows whoever sent a request.
#[derive(Debug, Clone)]
pub struct ByProxy(pub AccountName);

impl Proxy {
    /// # Errors
    /// A secret that cannot be read or is too short, or a setting with a mistake.
    pub fn new(config: &ProxySignIn) -> anyhow::Result<Self> {
        let secret = match (&config.secret_header, &config.secret_file) {
            (Some(name), Some(file)) => {
                let secret = read_secret(file)?;
                let length = secret.chars().count();
                ensure!(
                    length >= SHORTEST_PROXY_SECRET,
                    "the secret in {} has {length} characters; at least {SHORTEST_PROXY_SECRET} are needed (`openssl rand -hex 32`)",
                    file.display()
                );
                Some((proxy_header(name)?, TokenDigest::of(&secret)))
            }
            _ => None,
        };
        Ok(Self {
            user_header: proxy_header(&config.user_header)?,
            secret,
            trusted: config.networks()?,
            passwords: config.passwords,
            sign_out: config.sign_out()?,
            sign_out_url: config.sign_out_url.clone(),
            came: Mutex::default(),
        })
    }

    /// Whether people may sign in by password as well.
    pub fn takes_passwords(&self) -> bool {
        self.passwords
    }

    /// Who sent a request from `peer`. A name without the proof is as good as none; what a client has slipped in beside
    /// the proxy's own is refused, not chosen from.
    pub fn says(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Said {
        let near = self.trusted.is_empty() || peer.is_some_and(|peer| self.trusted.iter().any(|network| network.contains(&peer.to_canonical())));
        let shown = |(name, digest): &(HeaderName, TokenDigest)| {
            // All are compared, so that time tells nothing about which one was right.
            headers.get_all(name).iter().fold(false, |right, value| digest.matches(value.to_str().unwrap_or("")) | right)
        };
        if !near || !self.secret.as_ref().is_none_or(shown) {
            return Said::Nothing;
        }
        if let Some((name, _)) = self.secret.as_ref().filter(|(name, _)| headers.get_all(name).iter().count() > 1) {
            return Said::Unclear(format!("the header {name} came more than once; the proxy must replace what a client sends, not add to it"));
        }
        let name = &self.user_header;
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Said::Nothing,
            (Some(_), Some(_)) => {
                Said::Unclear(format!("the header {name} came more than once; the proxy must replace what a client sends, not add to it"))
            }
            (Some(value), None) => match String::from_utf8_lossy(value.as_bytes()).parse::<AccountName>() {
                Ok(known) if !known.is_reserved() => Said::Name(known),
                Ok(reserved) => Said::Unclear(format!("nobody can be called “{reserved}”")),
                Err(why) => Said::Unclear(format!("the header {name} holds no name of an account: {why}")),
            },
        }
    }

    /// The person of that name, as the account stands now, or the page that says why there is none.
    ///
    /// # Errors
    /// The answer in the place of what was asked for.
    pub async fn let_in(&self, desk: &Desk, name: &AccountName) -> Result<Viewer, Response> {
        let account = desk.picture().records.accounts.get(name).cloned();
        let by = SignInMeans::Proxy;
        match account {
            Some(account) if account.enabled => {
                self.record(desk, name, Entrance::Open, Event::SignedIn { name: name.clone(), by }).await;
                Ok(Viewer { name: name.clone(), roles: account.roles, read_only: desk.is_read_only() })
            }
            account => {
                let known = account.as_ref().map(|_| name.clone());
                self.record(desk, name, Entrance::Closed, Event::SignInFailed { name: known, by }).await;
                tracing::warn!(%name, known = account.is_some(), "the proxy let somebody in who has no enabled account");
                Err(self.turned_away(name, account.is_some()))
            }
        }
    }

    /// Where it cannot be recorded the log says so, and whoever may look still may: with a broken journal nobody can do more.
    async fn record(&self, desk: &Desk, name: &AccountName, entrance: Entrance, event: Event) {
        if !self.is_news(name, entrance) {
            return;
        }
        let actor = if entrance == Entrance::Open { Actor::Person(name.clone()) } else { Actor::Lifeboat };
        if let Err(error) = desk.record(&actor, |_| vec![event.clone()]).await {
            self.came().remove(&(name.clone(), entrance));
            tracing::error!(error = format!("{error:#}"), "a sign-in by the proxy could not be recorded");
        }
    }

    fn is_news(&self, name: &AccountName, entrance: Entrance) -> bool {
        let (now, mut came) = (Instant::now(), self.came());
        let lasts = |entrance: Entrance| if entrance == Entrance::Open { AWAY } else { TURNED_AWAY };
        came.retain(|(_, entrance), at| now.duration_since(*at) < lasts(*entrance));
        let is_news = !came.contains_key(&(name.clone(), entrance));
        // Being let in goes on with every request; being turned away is said again once in a while.
        if is_news || entrance == Entrance::Open {
            came.insert((name.clone(), entrance), now);
        }
        is_news
    }

    fn came(&self) -> MutexGuard<'_, HashMap<(AccountName, Entrance), Instant>> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signs somebody out here, and leads on to where the proxy does: as a page of its own, because the content policy forbids a
    /// form to end anywhere else.
    pub async fn sign_out(&self, desk: &Desk, viewer: Option<Viewer>) -> Response {
        if let Some(Viewer { name, .. }) = viewer {
            self.came().remove(&(name.clone(), Entrance::Open));
            if let Err(error) = desk.record(&Actor::Person(name.clone()), |_| vec![Event::SignedOut { name: name.clone() }]).await {
                tracing::error!(error = format!("{error:#}"), "a sign-out could not be recorded");
            }
        }
        let mut response = page(StatusCode::OK, "Signing out", &[format!("This leads on to where you sign out: {}", self.way_out())]);
        response.headers_mut().insert(header::REFRESH, self.sign_out.clone());
        response
    }

    fn turned_away(&self, name: &AccountName, known: bool) -> Response {
        let (what, then) = match known {
            true => {
                ("the account of that name is disabled", format!("An admin enables it again on the server: <code>lifeboat user reset {name}</code>"))
            }
            false => (
                "Lifeboat has no account of that name",
                format!("An admin makes one on the server: <code>lifeboat user add {name} --role viewer</code>"),
            ),
        };
        let who = format!("You are signed in at the proxy as <strong>{name}</strong>, and {what}.");
        page(StatusCode::FORBIDDEN, "No way in", &[who, then, format!("Somebody else? Sign out first: {}", self.way_out())])
    }

    fn way_out(&self) -> String {
        let url = escaped(&self.sign_out_url);
        format!("<a href=\"{url}\">{url}</a>")
    }
}

/// Who it is from cannot be told, so it is from nobody.
pub fn unclear(why: &str) -> Response {
    page(StatusCode::BAD_REQUEST, "Who are you?", &[format!("The proxy in front of Lifeboat does not say clearly who you are: {}.", escaped(why))])
}

/// Where nobody signs in by password, and the proxy names nobody.
pub fn only_by_proxy() -> Response {
    let says = "People sign in through the proxy in front of this server, and this request did not come by it. Open Lifeboat at the proxy's address.";
    let then = "Where the proxy fails, <code>lifeboat status</code> and <code>lifeboat pack</code> on the server work without signing in.";
    page(StatusCode::UNAUTHORIZED, "Sign in through the proxy", &[says.to_owned(), then.to_owned()])
}

/// A proxy's own cookie may be sent along by any site, so what changes something must say where it came from; every browser does.
/// That it came from here was checked before.
pub fn says_where_from(method: &Method, headers: &HeaderMap) -> bool {
    method.is_safe() || headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN)
}

/// A page that needs nothing else.
fn page(status: StatusCode, title: &str, paragraphs: &[String]) -> Response {
    let text: String = paragraphs.iter().map(|paragraph| format!("<p>{paragraph}</p>")).collect();
    let html = format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title} · Lifeboat</title></head><body><main><h1>{title}</h1>{text}</main></body></html>"
    );
    (status, Html(html)).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
