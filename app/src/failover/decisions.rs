//! The ledger of decisions as data: what was decided, what held it back, and what people restrained. It answers “why did
//! nothing fail over at 02:13?”.

use super::{evidence::Shown, moment::AtView};
use crate::{
    journal::{view::Reading, words},
    ui::state::Tone,
};
use engine::{
    automation::Verdict,
    estate::Detection,
    id::Scope,
    journal::{Entry, Event, ObserverStanding, Subject},
    picture::Picture,
    time::Instant,
};
use serde::{Deserialize, Serialize};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Ledger {
    pub now: Instant,
    pub lines: Vec<DecisionLine>,
    /// Read on before this entry.
    pub older: Option<u64>,
    pub looked_at: u64,
    /// What can be asked for.
    pub scopes: Vec<String>,
    /// What was asked for as a time, and what is wrong with it.
    pub asked_at: String,
    pub mistake: Option<String>,
    /// Of the instant that was asked for.
    pub at: Option<AtView>,
}

/// One entry of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionLine {
    pub seq: u64,
    pub at: Instant,
    pub actor: String,
    pub tone: Tone,
    pub word: String,
    /// The id of what it is about, and its page.
    pub about: String,
    pub href: String,
    pub says: String,
    pub reason: Option<String>,
    /// What fails: samples counted against thresholds.
    pub trouble: Vec<String>,
    /// Everything that held Lifeboat back.
    pub holds: Vec<String>,
    /// What the probes of it showed when it was taken, against the threshold; filled in for decisions.
    pub shown: Vec<Shown>,
    /// The thresholds it was taken by, where they were recorded. Stays on the server, as does what follows.
    #[serde(skip)]
    pub rule: Option<Detection>,
    /// What it is about; absent for everything.
    #[serde(skip)]
    pub scope: Option<Scope>,
    /// A decision, rather than what is said around it.
    #[serde(skip)]
    pub is_decision: bool,
    /// A decision, or the end of what was decided about: after it the one before stands no more.
    #[serde(skip)]
    pub settles: bool,
}

impl Ledger {
    pub fn of(picture: &Picture, reading: Reading<DecisionLine>) -> Self {
        let estate = &picture.estate;
        let services = estate.services.iter().filter(|service| service.traffic.is_some()).map(|service| Scope::Service(service.id.clone()));
        let clusters = estate.clusters.iter().map(|cluster| Scope::Cluster(cluster.id.clone()));
        let regions = estate.regions.iter().map(|region| Scope::Region(region.id.clone()));
        Self {
            now: picture.now,
            older: reading.older(),
            looked_at: reading.looked_at,
            lines: reading.lines,
            scopes: services.chain(clusters).chain(regions).map(|scope| scope.to_string()).collect(),
            asked_at: String::new(),
            mistake: None,
            at: None,
        }
    }
}

impl DecisionLine {
    /// `None` for entries that are no decision, or about something else than `wanted`. What is restrained everywhere is about
    /// everything.
    pub fn of(entry: &Entry, wanted: Option<&Scope>) -> Option<Self> {
        let scope = scope(&entry.event)?;
        if wanted.is_some_and(|wanted| scope.as_ref().is_some_and(|scope| scope != wanted)) {
            return None;
        }
        let (mut trouble, mut holds) = (Vec::new(), Vec::new());
        let (tone, word, says) = match &entry.event {
            Event::Decided { decision } => {
                trouble.clone_from(&decision.trouble);
                holds = decision.holds.iter().map(ToString::to_string).collect();
                let target = decision.target.as_ref().filter(|_| decision.verdict != Verdict::Hold).map(|to| format!(" to {to}")).unwrap_or_default();
                let simulated = if decision.simulated { "SIMULATED: " } else { "" };
                (tone(decision.verdict), word(decision.verdict), format!("{simulated}Lifeboat {}{target}", decision.verdict))
            }
            event @ Event::CaseClosed { .. } => (Tone::Ok, "over", words::in_words(event)),
            event @ Event::Wavered { .. } => (Tone::Watch, "no verdict", words::in_words(event)),
            event @ Event::Restrained { .. } => (Tone::Watch, "restrained", words::in_words(event)),
            Event::ObserverChanged { to, .. } => {
                let (tone, word) = if *to == ObserverStanding::Sees { (Tone::Ok, "seen again") } else { (Tone::Watch, "not seen") };
                (tone, word, words::in_words(&entry.event))
            }
            event => (Tone::Ok, "released", words::in_words(event)),
        };
        let (about, href) = match &scope {
            Some(scope) => (scope.name().to_owned(), crate::operations::line::about_href(scope)),
            None => ("everything".to_owned(), "/failover".to_owned()),
        };
        Some(Self {
            seq: entry.seq,
            at: entry.at,
            actor: entry.actor.to_string(),
            tone,
            word: word.to_owned(),
            about,
            href,
            says,
            reason: words::reason(&entry.event),
            trouble,
            holds,
            shown: Vec::new(),
            rule: match &entry.event {
                Event::Decided { decision } => decision.rule,
                _ => None,
            },
            is_decision: matches!(entry.event, Event::Decided { .. }),
            settles: matches!(entry.event, Event::Decided { .. } | Event::CaseClosed { .. }),
            scope,
        })
    }
}

/// What an entry of the ledger is about; inside, `None` where about everything. Outside, where it is no such entry.
fn scope(event: &Event) -> Option<Option<Scope>> {
    Some(match event {
        Event::Decided { decision } => Some(decision.scope.clone()),
        Event::CaseClosed { scope, .. } => Some(scope.clone()),
        Event::Restrained { what, .. } | Event::Released { what, .. } | Event::RestraintEnded { what, .. } => what.scope().cloned(),
        // While an observer's word does not count, that holds for all it looks at.
        Event::ObserverChanged { .. } => None,
        Event::Wavered { of, .. } => Some(match of {
            Subject::Node { cluster, .. } | Subject::Router { cluster } | Subject::Patroni { cluster } | Subject::Pooler { cluster, .. } => {
                Scope::Cluster(cluster.clone())
            }
            Subject::Endpoint { service, .. } | Subject::Traffic { service } => Scope::Service(service.clone()),
            Subject::Agent { region } => Scope::Region(region.clone()),
        }),
        _ => return None,
    })
}

pub fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Start => Tone::Watch,
        Verdict::Request | Verdict::Recommend | Verdict::Hold => Tone::Act,
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Start => "acted",
        Verdict::Request => "asked",
        Verdict::Recommend => "recommended",
        Verdict::Hold => "held",
    }
}
