//! State as a person reads it: glyph, word and colour from one scale, never colour alone.

use super::icon::Icon;
use crate::ui::settled::IntoSettled as _;
use engine::{databases::NodeStanding, findings::Severity, health::Health};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// The one scale of the product, best first. `Unknown` ranks above `Watch`: what is not known is never better than a small worry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    Ok,
    /// Worth knowing.
    Watch,
    /// Not known, stale or never measured.
    Unknown,
    /// A person must act.
    Act,
    /// Service or data is lost, or about to be.
    Lost,
}

impl Tone {
    /// Names the glyph in the sprite and the class in the style sheet.
    pub fn name(self) -> &'static str {
        match self {
            Tone::Ok => "ok",
            Tone::Watch => "watch",
            Tone::Unknown => "unknown",
            Tone::Act => "act",
            Tone::Lost => "lost",
        }
    }
    /// The worst of several; `Ok` where there is nothing to be worse.
    pub fn worst(tones: impl IntoIterator<Item = Tone>) -> Tone {
        tones.into_iter().max().unwrap_or(Tone::Ok)
    }
}

impl From<Severity> for Tone {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Lost => Tone::Lost,
            Severity::Act => Tone::Act,
            Severity::Unknown => Tone::Unknown,
            Severity::Watch => Tone::Watch,
        }
    }
}

impl From<Health> for Tone {
    fn from(health: Health) -> Self {
        match health {
            Health::Ok => Tone::Ok,
            Health::Degraded => Tone::Watch,
            Health::Down => Tone::Lost,
            Health::Unknown => Tone::Unknown,
        }
    }
}

/// A node's standing in the scale and in a word or two.
pub fn standing(standing: NodeStanding) -> (Tone, &'static str) {
    match standing {
        NodeStanding::Primary => (Tone::Ok, "primary"),
        NodeStanding::Streaming => (Tone::Ok, "streaming"),
        NodeStanding::SecondPrimary => (Tone::Lost, "second primary"),
        NodeStanding::NotStreaming => (Tone::Act, "not streaming"),
        NodeStanding::NeedsRewind => (Tone::Act, "NEEDS REWIND"),
        NodeStanding::PrimaryDown => (Tone::Lost, "primary down"),
        NodeStanding::Down => (Tone::Act, "down"),
        NodeStanding::Unknown => (Tone::Unknown, "unknown"),
    }
}

/// Glyph and word.
#[component]
pub fn Badge(tone: Tone, #[prop(into)] word: String) -> impl IntoView {
    view! { <span class=format!("badge {}", tone.name())><Icon name=tone.name()/>{word}</span> }.settled()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_never_good() {
        assert_eq!(Tone::from(Health::Unknown), Tone::Unknown);
        assert_eq!(Tone::worst([Tone::Ok, Tone::Unknown, Tone::Watch]), Tone::Unknown);
        assert_eq!(Tone::worst([Tone::Unknown, Tone::Act]), Tone::Act);
        assert_eq!(standing(NodeStanding::Unknown).0, Tone::Unknown);
    }
}
