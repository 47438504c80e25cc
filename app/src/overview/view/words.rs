//! The overview in a few lines, for a person in a shell.

use super::{NodeLine, Overview, ProtectionLine};
use crate::ui::{
    state::Tone,
    time::{age, clock, date},
};
use engine::{health::Health, time::Span};

impl Overview {
    /// The worst of everything, as a verdict for scripts: what is merely worth knowing does not spoil it, what is not
    /// known does.
    pub fn worst(&self) -> Health {
        match self.worst {
            Tone::Ok | Tone::Watch => Health::Ok,
            Tone::Unknown => Health::Unknown,
            Tone::Act => Health::Degraded,
            Tone::Lost => Health::Down,
        }
    }

    /// What needs a person, clusters with their nodes, operations, and how many findings there are.
    pub fn in_words(&self) -> String {
        let now = self.generated_at;
        let mut lines = vec![format!("{}, {} {} UTC: {}", self.estate, date(now), clock(now), self.worst.name())];
        for need in &self.needs_a_person {
            let since = need.since.map(|since| format!(" (for {})", age(since, now))).unwrap_or_default();
            lines.push(format!("needs a person: {}{since}", need.what));
        }
        for cluster in &self.clusters {
            let (state, missing) = match &cluster.protection {
                ProtectionLine::Protected => ("protected", String::new()),
                ProtectionLine::Reduced(missing) => ("reduced protection", missing.join("; ")),
                ProtectionLine::Unprotected(missing) => ("UNPROTECTED", missing.join("; ")),
                ProtectionLine::Unknown => ("protection not known", String::new()),
            };
            let since = cluster.exposed_since.map(|since| format!(" since {}", clock(since))).unwrap_or_default();
            lines.push(format!("{}: {state}{since}{}{missing}", cluster.cluster, if missing.is_empty() { "" } else { ": " }));
            lines.extend(cluster.nodes.iter().map(|node| node.in_words(now)));
        }
        for operation in self.pending_approvals.iter().chain(&self.running) {
            lines.push(format!("operation {}: {} of {}, {:?}", operation.id, operation.kind, operation.scope.name(), operation.state));
        }
        lines.push(format!(
            "findings: {}; journal: {} entries{}",
            self.findings_total,
            self.journal.seq,
            match &self.journal.broken {
                None => String::new(),
                Some(why) => format!(", BROKEN: {why}"),
            }
        ));
        lines.join("\n")
    }
}

impl NodeLine {
    fn in_words(&self, now: engine::time::Instant) -> String {
        let lag = match (self.lag_bytes, self.lag_millis) {
            (Some(bytes), Some(millis)) => format!(", {bytes} bytes / {} behind", Span::from_millis(millis).rough()),
            (Some(bytes), None) => format!(", {bytes} bytes behind, in time not known"),
            _ => String::new(),
        };
        let sample = self.sampled_at.map_or("never read".to_owned(), |at| format!("read {} ago", age(at, now)));
        format!("  {} ({}): {}{lag}, {sample}", self.node, self.region, self.standing)
    }
}
