//! What is wrong with a runbook before anybody needs it: one variant per complaint. The rules about commands are what went
//! wrong elsewhere (traps R1-R23); they look at the commands that people are told to run as well as at those of the server.

use super::{
    Action, Disaster, Parameter, ParameterType, Prose, Rollback, Runbook, Step, messages,
    placeholders::names,
    resolve::check,
    sights::{RunbookSights, origin_of},
};
use crate::{estate::Estate, findings::Severity, id::RunbookName, time::Span};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

mod shell;

/// One complaint, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lint {
    pub at: Place,
    pub complaint: LintComplaint,
}

/// The part of a runbook that a complaint is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "part", content = "id")]
pub enum Place {
    Head,
    /// By its id.
    Step(String),
    /// By its name.
    Message(String),
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "complaint")]
pub enum LintComplaint {
    #[error("nobody owns it")]
    NoOwner,
    #[error("no day is set by which it is read again")]
    NoReviewDate,
    #[error("it promises no time, so whether its steps fit into one is not known")]
    NoObjective,
    #[error("its steps may take {longest}, and it must be over within {rto}")]
    TimeoutsAboveRto { longest: Span, rto: Span },
    #[error("its steps take {usual} as a rule, and it must be over within {rto}")]
    UsualAboveRto { usual: Span, rto: Span },
    #[error("it says that it takes {estimate}, and its steps take {usual} as a rule")]
    EstimateTooShort { estimate: Span, usual: Span },
    #[error("it promises {rto}, and the estate promises {promised} for {service}")]
    LongerThanPromised { service: String, rto: Span, promised: Span },
    #[error("{{{{{name}}}}} stands for nothing: no parameter has that name")]
    UndeclaredPlaceholder { name: String },
    #[error("“{text}” was never filled in")]
    UnresolvedPlaceholder { text: String },
    #[error("the shell variable {name} is set nowhere in the step")]
    UnsetVariable { name: String },
    #[error("the parameter {name} is used nowhere")]
    UnusedParameter { name: String },
    #[error("the default of the parameter {name}: {why}")]
    BadDefault { name: String, why: String },
    #[error("the role {role} is not among those that it asks for")]
    UndeclaredRole { role: String },
    #[error("it does not say what it acts on: region, service, cluster or node")]
    NoTarget,
    #[error("it acts on a {missing}, and names none")]
    TargetMissing { missing: String },
    #[error("{kind} {name} is not declared in the estate")]
    NotDeclared { kind: String, name: String },
    #[error("it does not say by what its success is seen")]
    NoSuccessTest,
    #[error("it changes something, and names no way back, nor says that there is none")]
    NoRollback,
    #[error("the command {name} is not in the server's configuration, so it cannot be run: {why}")]
    UnknownCommand { name: String, why: String },
    #[error("the server's configuration has no [runbook_origin] for {origin}, so nothing is sent there")]
    UnknownOrigin { origin: String },
    #[error("the runbook {name} is not there")]
    UnknownRunbook { name: RunbookName },
    #[error("a placeholder stands between quotes in SQL: it is bound as a value, and needs none")]
    QuotedPlaceholder,
    #[error("a disabled health check counts as healthy at Route 53, so clients are still sent there")]
    Route53Disabled,
    #[error("PostgreSQL 12 and later do not start where there is a recovery.conf")]
    RecoveryConf,
    #[error("the latest backup may hold the corruption")]
    LatestRestored,
    #[error("the moment {text} is written into the command; it is another one each time")]
    FixedMoment { text: String },
    #[error("the target action “promote” makes the data final before anybody has looked at it")]
    PromotedUnseen,
    #[error("it works on the disk of whoever types it, and not on that of the server")]
    OwnDisk,
    #[error("the pod is bare and has no volume: what is restored is gone when it moves")]
    NoVolume,
    #[error("ALTER SYSTEM does nothing before the configuration is loaded again")]
    NotReloaded,
    #[error("ALTER SYSTEM makes a default, which sessions may set aside: it is no fence")]
    NoFence,
    #[error("it waits for a length of time, and not for what it needs")]
    Sleeps,
    #[error("kubectl names no --context: the command goes wherever the shell happens to point")]
    NoKubectlContext,
    #[error("it takes whichever comes first (`head -1`), and not the one that is meant")]
    TakesAny,
    #[error("sessions are ended while new ones are let in: they are back at once")]
    TerminatedNotBlocked,
    #[error("maintenance is switched on and never off")]
    MaintenanceNeverOff,
    #[error("{name} between single quotes is not expanded: that is sent as it stands")]
    QuotedVariable { name: String },
    #[error("the application signs in as the superuser")]
    SuperuserUrl,
    #[error("{name} is an estimate of the statistics, not a count of the data")]
    StatisticsAsData { name: String },
    #[error("it starts {replicas} instances, however many there were")]
    FixedReplicas { replicas: String },
    #[error("it restarts what was scaled to none: nothing is started by that")]
    RestartedAtZero,
    #[error("curl without --fail takes an error page for success")]
    CurlIgnoresStatus,
    #[error("braces in an address without quotes are taken by curl and the shell for patterns")]
    BareBraces,
    #[error("a silence is made by hand, without knowing whoever may make it: it needs a login")]
    SilenceWithoutLogin,
    #[error("the API of {region} is asked, which is presumed lost: its silence proves nothing")]
    AsksTheLostRegion { region: String },
    #[error("commands stand in the text of a manual step; nothing runs or checks them there")]
    CommandsInProse,
}

impl LintComplaint {
    pub fn severity(&self) -> Severity {
        use LintComplaint as C;
        match self {
            C::NoOwner
            | C::NoReviewDate
            | C::NoObjective
            | C::EstimateTooShort { .. }
            | C::LongerThanPromised { .. }
            | C::UnusedParameter { .. }
            | C::UndeclaredRole { .. }
            | C::NoSuccessTest
            | C::CommandsInProse
            | C::NoFence
            | C::StatisticsAsData { .. }
            | C::SilenceWithoutLogin => Severity::Watch,
            _ => Severity::Act,
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        use LintComplaint as C;
        match self {
            C::NoOwner => "Name an `owner` in the head.",
            C::NoReviewDate => "Set `review_by` in the head, a day within a year.",
            C::NoObjective => "Say in the head within what `rto` it must be over.",
            C::TimeoutsAboveRto { .. } | C::UsualAboveRto { .. } => "Shorten steps, have Lifeboat carry them out, or promise less.",
            C::EstimateTooShort { .. } => "Correct `estimate`, or the `takes` of the steps.",
            C::LongerThanPromised { .. } => "Promise what the estate does, or change it there.",
            C::UndeclaredPlaceholder { .. } => "Declare it as a [[parameter]] of the head, or correct its name.",
            C::UnresolvedPlaceholder { .. } | C::UnsetVariable { .. } => {
                "Write {{name}} and declare the parameter: a run asks for it before it begins."
            }
            C::UnusedParameter { .. } => "Take it out, or use it.",
            C::BadDefault { .. } => "Correct the default, or leave it out.",
            C::UndeclaredRole { .. } => "Add it as a [[role]] of the head.",
            C::NoTarget | C::TargetMissing { .. } => "Name it in the step; `nowhere` with a reason where there is none.",
            C::NotDeclared { .. } => "Correct the name, or use a parameter.",
            C::NoSuccessTest => "Say in `success` what is seen then.",
            C::NoRollback => "Add a [rollback] with `command`, `manual`, or `none` and the reason.",
            C::UnknownCommand { .. } => "Add a [runbook_command.NAME] to the server's configuration.",
            C::UnknownOrigin { .. } => "Add a [runbook_origin.NAME] to the server's configuration.",
            C::UnknownRunbook { .. } => "Save it first, or correct the name.",
            C::QuotedPlaceholder => "Take the quotes away.",
            C::Route53Disabled => "Invert the check, or use a routing control; better an operation step.",
            C::RecoveryConf => "Use recovery.signal and settings of the server.",
            C::LatestRestored => "Take the newest backup from before the moment that was proven by restoring it.",
            C::FixedMoment { .. } => "Make it a parameter of the type instant.",
            C::PromotedUnseen => "Pause at the target, look, agree, then promote.",
            C::OwnDisk => "Run it on the server that the step names.",
            C::NoVolume => "Give it a durable volume, or use a StatefulSet.",
            C::NotReloaded => "Call pg_reload_conf() in the same step.",
            C::NoFence => "End or block the sessions too, or have Lifeboat fence the node.",
            C::Sleeps => "Use a step of the type wait, with what must be so.",
            C::NoKubectlContext => "Name the context of the step's region.",
            C::TakesAny => "Name it.",
            C::TerminatedNotBlocked => "Refuse new connections first (ALLOW_CONNECTIONS false, REVOKE CONNECT).",
            C::MaintenanceNeverOff => "Add the step that switches it off.",
            C::QuotedVariable { .. } => "Use a reference to the secret.",
            C::SuperuserUrl => "Use a role of the application's own.",
            C::StatisticsAsData { .. } => "Count, or compare sums.",
            C::FixedReplicas { .. } => "Note how many there were before, and start as many.",
            C::RestartedAtZero => "Scale up instead.",
            C::CurlIgnoresStatus => "Use `curl --fail`, or a step of the type http.",
            C::BareBraces => "Put the address between single quotes.",
            C::SilenceWithoutLogin => "Declare the monitoring in the estate: an operation silences it, with an end.",
            C::AsksTheLostRegion { .. } => "Ask something that does not depend on that region.",
            C::CommandsInProse => "Make it a step of the type command, http or sql.",
        }
    }
}

/// What a runbook is held against.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    pub estate: &'a Estate,
    pub sights: &'a RunbookSights,
    /// The names of all runbooks.
    pub runbooks: &'a BTreeSet<RunbookName>,
}

/// Everything that is wrong with it, in the order of the text.
pub fn lint(runbook: &Runbook, around: Surroundings<'_>) -> Vec<Lint> {
    let mut linter = Linter { runbook, around, found: Vec::new() };
    linter.head();
    for step in &runbook.steps {
        linter.step(step);
    }
    linter.across();
    linter.messages();
    linter.unused();
    linter.found
}

struct Linter<'a> {
    runbook: &'a Runbook,
    around: Surroundings<'a>,
    found: Vec<Lint>,
}

impl Linter<'_> {
    fn add(&mut self, at: Place, complaint: LintComplaint) {
        let lint = Lint { at, complaint };
        if !self.found.contains(&lint) {
            self.found.push(lint);
        }
    }

    fn head(&mut self) {
        let head = &self.runbook.head;
        if head.owner.as_ref().is_none_or(|owner| owner.trim().is_empty()) {
            self.add(Place::Head, LintComplaint::NoOwner);
        }
        if head.review_by.is_none() {
            self.add(Place::Head, LintComplaint::NoReviewDate);
        }
        let promised = self.promised();
        let (usual, longest) = (self.runbook.usual(), self.runbook.longest());
        match head.rto.into_iter().chain(promised.as_ref().map(|(_, promised)| *promised)).min() {
            None => self.add(Place::Head, LintComplaint::NoObjective),
            Some(rto) if usual > rto => self.add(Place::Head, LintComplaint::UsualAboveRto { usual, rto }),
            Some(rto) if longest > rto => self.add(Place::Head, LintComplaint::TimeoutsAboveRto { longest, rto }),
            Some(_) => {}
        }
        if let (Some(rto), Some((service, promised))) = (head.rto, promised)
            && rto > promised
        {
            self.add(Place::Head, LintComplaint::LongerThanPromised { service, rto, promised });
        }
        if let Some(estimate) = head.estimate.filter(|estimate| *estimate < usual) {
            self.add(Place::Head, LintComplaint::EstimateTooShort { estimate, usual });
        }
        for Parameter { name, kind, default, .. } in &head.parameters {
            if let Some(why) = default.as_ref().and_then(|default| check(*kind, default, self.around.estate).err()) {
                self.add(Place::Head, LintComplaint::BadDefault { name: name.clone(), why });
            }
        }
        let texts: Vec<String> = [&head.lost, &head.service, &head.scenario].into_iter().flatten().cloned().collect();
        self.placeholders(&Place::Head, &texts, &[]);
        let introduction = self.runbook.introduction.as_str().to_owned();
        self.placeholders(&Place::Head, &[introduction, self.runbook.afterwards.as_str().to_owned()], &[]);
    }

    /// What the estate promises for the service, where the runbook names one: against corruption no recovery time of a
    /// failover can be promised, so the tolerable disruption counts.
    fn promised(&self) -> Option<(String, Span)> {
        let name = self.runbook.head.service.as_ref()?;
        let service = self.around.estate.service(&name.parse().ok()?)?;
        let corrupt = self.runbook.head.disaster == Some(Disaster::DataCorruption);
        Some((name.clone(), if corrupt { service.mtpd } else { service.rto }))
    }

    fn step(&mut self, step: &Step) {
        let at = Place::Step(step.id.clone());
        let texts = texts_of(step);
        self.placeholders(&at, &texts, &[]);
        self.target(&at, step);
        if let Some(role) = step.role.as_ref().filter(|role| !self.runbook.head.roles.iter().any(|known| known.name == **role)) {
            self.add(at.clone(), LintComplaint::UndeclaredRole { role: role.clone() });
        }
        let is_seen = matches!(step.action, Action::Wait { .. } | Action::Approval { .. } | Action::Runbook { .. } | Action::Operation { .. });
        if !is_seen && step.success.as_ref().is_none_or(|success| success.trim().is_empty()) {
            self.add(at.clone(), LintComplaint::NoSuccessTest);
        }
        let told = shell::commands_of(step.prose.as_str());
        if step.action == Action::Manual && !told.is_empty() {
            self.add(at.clone(), LintComplaint::CommandsInProse);
        }
        if step.rollback.is_none() && (step.action.changes() || shell::changes(&told)) {
            self.add(at.clone(), LintComplaint::NoRollback);
        }
        self.means(&at, step);
        let mut lines = told;
        lines.extend(machine_lines(step));
        let facts =
            shell::Facts { lost: self.runbook.head.lost.as_deref(), corruption: self.runbook.head.disaster == Some(Disaster::DataCorruption) };
        for complaint in shell::complaints(&lines, facts) {
            self.add(at.clone(), complaint);
        }
    }

    /// What is told of other things than commands, that only what is before or after shows.
    fn across(&mut self) {
        let all: Vec<(String, Vec<String>)> = self
            .runbook
            .steps
            .iter()
            .map(|step| {
                let mut lines = shell::commands_of(step.prose.as_str());
                lines.extend(machine_lines(step));
                (step.id.clone(), lines)
            })
            .collect();
        for (step, complaint) in shell::across(&all) {
            self.add(Place::Step(step), complaint);
        }
    }

    /// What a step acts on, and whether that is enough for what it does.
    fn target(&mut self, at: &Place, step: &Step) {
        let target = &step.target;
        if !target.is_named() {
            return self.add(at.clone(), LintComplaint::NoTarget);
        }
        let named: Vec<&str> = target.parts().into_iter().map(|(kind, _)| kind).collect();
        let missing = match &step.action {
            Action::Sql { .. } => (!named.contains(&"cluster")).then(|| "cluster".to_owned()),
            Action::Operation { operation, .. } => (!named.contains(&operation.needs())).then(|| operation.needs().to_owned()),
            Action::Wait { until } => {
                let enough = until.needs().iter().any(|kind| named.contains(kind));
                (!enough).then(|| until.needs().join(" or "))
            }
            _ => None,
        };
        if let Some(missing) = missing {
            self.add(at.clone(), LintComplaint::TargetMissing { missing });
        }
        for (kind, value) in target.parts() {
            let of = match kind {
                "region" => ParameterType::Region,
                "service" => ParameterType::Service,
                "cluster" => ParameterType::Cluster,
                _ => ParameterType::Node,
            };
            if names(value).is_empty() && check(of, value, self.around.estate).is_err() {
                self.add(at.clone(), LintComplaint::NotDeclared { kind: kind.to_owned(), name: value.to_owned() });
            }
        }
    }

    /// Whether the server can carry it out.
    fn means(&mut self, at: &Place, step: &Step) {
        let command = |name: &str, sights: &RunbookSights| match sights.commands.get(name) {
            None => Some("there is no such section".to_owned()),
            Some(Err(why)) => Some(why.clone()),
            Some(Ok(())) => None,
        };
        let wanted = match (&step.action, &step.rollback) {
            (Action::Command { command, .. }, Some(Rollback::Command { name, .. })) => vec![command, name],
            (Action::Command { command, .. }, _) => vec![command],
            (_, Some(Rollback::Command { name, .. })) => vec![name],
            _ => Vec::new(),
        };
        for name in wanted {
            if let Some(why) = command(name, self.around.sights) {
                self.add(at.clone(), LintComplaint::UnknownCommand { name: name.clone(), why });
            }
        }
        match &step.action {
            Action::Http { url, .. } => {
                let origin = origin_of(url);
                if origin.as_ref().is_none_or(|origin| !self.around.sights.origins.contains(origin)) {
                    self.add(at.clone(), LintComplaint::UnknownOrigin { origin: origin.unwrap_or_else(|| url.clone()) });
                }
            }
            Action::Sql { statement, .. } if statement.contains("'{{") => self.add(at.clone(), LintComplaint::QuotedPlaceholder),
            Action::Runbook { runbook, .. } if !self.around.runbooks.contains(runbook) => {
                self.add(at.clone(), LintComplaint::UnknownRunbook { name: runbook.clone() });
            }
            _ => {}
        }
    }

    fn messages(&mut self) {
        for message in &self.runbook.messages {
            let at = Place::Message(message.name.clone());
            let mut live = messages::LIVE.to_vec();
            if message.next_update.is_none() {
                live.retain(|name| *name != "next_update");
            }
            self.placeholders(&at, &[message.text.as_str().to_owned()], &live);
        }
    }

    /// What looks like a placeholder and is not filled in by anything.
    fn placeholders(&mut self, at: &Place, texts: &[String], live: &[&str]) {
        for text in texts {
            for name in names(text) {
                if self.runbook.parameter(name).is_none() && !live.contains(&name) {
                    self.add(at.clone(), LintComplaint::UndeclaredPlaceholder { name: name.to_owned() });
                }
            }
            for left in shell::left_open(text) {
                self.add(at.clone(), LintComplaint::UnresolvedPlaceholder { text: left });
            }
        }
    }

    fn unused(&mut self) {
        let head = &self.runbook.head;
        let prose = |prose: &Prose| prose.as_str().to_owned();
        let mut texts: Vec<String> = [&head.lost, &head.service, &head.scenario].into_iter().flatten().cloned().collect();
        texts.extend([prose(&self.runbook.introduction), prose(&self.runbook.afterwards)]);
        texts.extend(self.runbook.messages.iter().map(|message| prose(&message.text)));
        texts.extend(self.runbook.steps.iter().flat_map(texts_of));
        let used: BTreeSet<&str> = texts.iter().flat_map(|text| names(text)).collect();
        for parameter in head.parameters.iter().filter(|parameter| !used.contains(parameter.name.as_str())) {
            self.add(Place::Head, LintComplaint::UnusedParameter { name: parameter.name.clone() });
        }
    }
}

/// Every text of a step in which a placeholder may stand.
fn texts_of(step: &Step) -> Vec<String> {
    let mut texts = vec![step.title.clone(), step.prose.as_str().to_owned()];
    texts.extend(step.target.parts().into_iter().map(|(_, value)| value.to_owned()));
    texts.extend(step.success.clone());
    match &step.action {
        Action::Command { arguments, expect, .. } => texts.extend(arguments.iter().cloned().chain(expect.clone())),
        Action::Http { url, body, expect, .. } => texts.extend(std::iter::once(url.clone()).chain(body.clone()).chain(expect.clone())),
        Action::Sql { statement, expect, .. } => texts.extend(std::iter::once(statement.clone()).chain(expect.clone())),
        Action::Runbook { with, .. } => texts.extend(with.values().cloned()),
        Action::Operation { to, .. } => texts.extend(to.clone()),
        Action::Manual | Action::Wait { .. } | Action::Approval { .. } => {}
    }
    match &step.rollback {
        Some(Rollback::Command { arguments, .. }) => texts.extend(arguments.iter().cloned()),
        Some(Rollback::Manual(text) | Rollback::None(text)) => texts.push(text.clone()),
        None => {}
    }
    texts
}

/// What the server is told to run, as a line that can be looked at like any other.
fn machine_lines(step: &Step) -> Vec<String> {
    match &step.action {
        Action::Command { command, arguments, .. } => vec![format!("{command} {}", arguments.join(" "))],
        Action::Sql { statement, .. } => statement.lines().map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}
