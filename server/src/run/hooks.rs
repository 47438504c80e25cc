//! Hooks: programs of the server's configuration that run before and after an operation (row 89).

use super::{act::Acting, needs::Done};
use crate::connect::program;
use anyhow::Context;
use engine::{
    failover::{Change, HookMoment, Mode, Operation, State},
    id::{HookId, RegionId},
    time::Span,
};
use std::{collections::BTreeSet, time::Duration};

/// A program is stopped so much before its step is over, so that the step can say that it was.
const SLACK: Duration = Duration::from_millis(500);

impl Acting {
    pub(super) async fn run_hook(&self, operation: &Operation, hook: &HookId, moment: HookMoment, timeout: Span) -> anyhow::Result<Done> {
        let lines = self.connections.hooks.get(hook).with_context(|| format!("the hook {hook} is not declared any more"))?;
        let line = match moment {
            HookMoment::Before => lines.before.as_ref(),
            HookMoment::After => lines.after.as_ref(),
        };
        let line = line.with_context(|| format!("the hook {hook} has no program for {}", moment.as_str()))?;
        if operation.plan.mode() == Mode::Test {
            let name = line.first().context("no program is named")?;
            program::check(line).context("it would be run")?;
            return Ok(Done::because(format!("{name} is there; a test does not run it")));
        }
        let (from, to) = ends(operation);
        let (scope, id) = (operation.plan.scope().to_string(), operation.id.to_string());
        let kind = operation.plan.kind.to_string().replace(' ', "-");
        let mode = operation.mode().to_string();
        let outcome = match (moment, operation.state) {
            (HookMoment::Before, _) => "",
            (HookMoment::After, State::Compensating) => "undone",
            (HookMoment::After, State::Closed) => "closed",
            (HookMoment::After, _) => "done",
        };
        let variables = [
            ("LIFEBOAT_HOOK", hook.as_str()),
            ("LIFEBOAT_MOMENT", moment.as_str()),
            ("LIFEBOAT_OPERATION", &id),
            ("LIFEBOAT_KIND", &kind),
            ("LIFEBOAT_MODE", &mode),
            ("LIFEBOAT_SCOPE", &scope),
            ("LIFEBOAT_FROM", &from),
            ("LIFEBOAT_TO", &to),
            ("LIFEBOAT_OUTCOME", outcome),
        ];
        let printed = program::run(line, &variables, timeout.as_std().saturating_sub(SLACK)).await?;
        let said = program::last_line(&printed).map_or_else(String::new, |line| format!(", and said: {line}"));
        Ok(Done::because(format!("the hook {hook} ran{said}")))
    }
}

/// What is left, and what takes its place.
fn ends(operation: &Operation) -> (String, String) {
    let regions = |regions: &BTreeSet<RegionId>| regions.iter().map(RegionId::as_str).collect::<Vec<_>>().join(" ");
    match &operation.plan.change {
        Change::Traffic(change) => (regions(&change.from), regions(&change.to)),
        Change::Database(change) => {
            let name = |node: &Option<_>| node.as_ref().map(ToString::to_string).unwrap_or_default();
            (name(&change.source), name(&change.target))
        }
        Change::Evacuation(change) => (change.region.to_string(), String::new()),
        Change::Restore(change) => (change.policy.to_string(), change.folder.clone()),
    }
}
