//! What the URL asks the tier matrix for. Unknown values are as good as none: an old link still opens.

use leptos_router::params::ParamsMap;
use serde::{Deserialize, Serialize};

/// Column to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// Tier, then name.
    #[default]
    Tier,
    Name,
    Rto,
    Rpo,
    Mtpd,
    Health,
    Findings,
}

impl Sort {
    pub const ALL: [Sort; 7] = [Sort::Name, Sort::Tier, Sort::Rto, Sort::Rpo, Sort::Mtpd, Sort::Health, Sort::Findings];

    pub fn name(self) -> &'static str {
        match self {
            Sort::Tier => "tier",
            Sort::Name => "name",
            Sort::Rto => "rto",
            Sort::Rpo => "rpo",
            Sort::Mtpd => "mtpd",
            Sort::Health => "health",
            Sort::Findings => "findings",
        }
    }
    /// What a first press on the header should show first: the worst, the strictest, the alphabet's beginning.
    fn starts_down(self) -> bool {
        matches!(self, Sort::Health | Sort::Findings)
    }
}

/// Which services, in which order, and which page of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Query {
    /// Part of a name, an owner, a compliance mark or a dependency.
    #[serde(default)]
    pub text: String,
    #[serde(default)]
    pub tier: Option<u8>,
    /// Only those that are not ok.
    #[serde(default)]
    pub troubled: bool,
    #[serde(default)]
    pub sort: Sort,
    #[serde(default)]
    pub down: bool,
    /// Counts from 1.
    #[serde(default)]
    pub page: usize,
}

impl Query {
    /// The longest search text taken.
    pub const TEXT_MAX: usize = 80;

    pub fn of(params: &ParamsMap) -> Self {
        let sort = params.get("sort").and_then(|name| Sort::ALL.into_iter().find(|sort| sort.name() == name)).unwrap_or_default();
        let down = match params.get("order").as_deref() {
            Some("down") => true,
            Some("up") => false,
            _ => sort.starts_down(),
        };
        Self {
            text: params.get("q").unwrap_or_default().trim().chars().take(Self::TEXT_MAX).collect(),
            tier: params.get("tier").and_then(|tier| tier.parse().ok()).filter(|tier| (1..=4).contains(tier)),
            troubled: params.get("show").is_some_and(|show| show == "troubled"),
            sort,
            down,
            page: params.get("page").and_then(|page| page.parse().ok()).filter(|page| *page > 0).unwrap_or(1),
        }
    }

    /// “?q=…&sort=…”, only what differs from the plain page; empty for that.
    pub fn to_url(&self) -> String {
        let mut parts = Vec::new();
        if !self.text.is_empty() {
            parts.push(format!("q={}", encode(&self.text)));
        }
        if let Some(tier) = self.tier {
            parts.push(format!("tier={tier}"));
        }
        if self.troubled {
            parts.push("show=troubled".to_owned());
        }
        if self.sort != Sort::default() {
            parts.push(format!("sort={}", self.sort.name()));
        }
        if self.down != self.sort.starts_down() {
            parts.push(format!("order={}", if self.down { "down" } else { "up" }));
        }
        if self.page > 1 {
            parts.push(format!("page={}", self.page));
        }
        if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
    }

    /// The same, sorted by `sort`; the other way round where it is already.
    pub fn sorted_by(&self, sort: Sort) -> Self {
        let down = if self.sort == sort { !self.down } else { sort.starts_down() };
        Self { sort, down, page: 1, ..self.clone() }
    }
    pub fn on_page(&self, page: usize) -> Self {
        Self { page, ..self.clone() }
    }
}

/// Percent-encodes everything but the unreserved characters of RFC 3986.
fn encode(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> ParamsMap {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_url_says_all_and_only_what_differs() {
        assert_eq!(Query::of(&params(&[])).to_url(), "");
        let query = Query::of(&params(&[("q", " a&b "), ("tier", "2"), ("sort", "findings"), ("page", "3")]));
        assert_eq!(query.to_url(), "?q=a%26b&tier=2&sort=findings&page=3");
        assert!(query.down, "worst first");
        assert_eq!(query.sorted_by(Sort::Findings).to_url(), "?q=a%26b&tier=2&sort=findings&order=up");
        assert_eq!(query.sorted_by(Sort::Rto).to_url(), "?q=a%26b&tier=2&sort=rto");
    }

    #[test]
    fn nonsense_is_as_good_as_nothing() {
        assert_eq!(Query::of(&params(&[("tier", "9"), ("sort", "x"), ("page", "0"), ("order", "?")])), Query::of(&params(&[])));
    }
}
