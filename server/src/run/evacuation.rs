//! One wave of an evacuation: each member is moved by an operation of its own, some at a time. What has moved already, in
//! an earlier try or by somebody else, is left as it is.

use super::needs::{Done, Ledger};
use anyhow::{Context, bail};
use engine::{
    failover::{
        Mode, Operation, Plan, State,
        evacuation::{self, AT_A_TIME, Turn},
        halting,
        plan::Member,
    },
    id::{OperationId, Scope},
    journal::{Actor, Event},
    picture::Picture,
};
use futures::StreamExt;
use std::time::Duration;

/// For how long a member is waited for that is not well where it is to go.
const PATIENCE: Duration = Duration::from_secs(60);

/// Moves these members and waits for all of them.
pub(super) async fn move_wave(ledger: &impl Ledger, operation: &Operation, members: &[Scope]) -> anyhow::Result<Done> {
    let change = operation.plan.evacuation().context("a wave in a plan that is no evacuation")?;
    let known = evacuation::members(change);
    let wave: Vec<Member> = members.iter().filter_map(|scope| known.get(scope).map(|member| (*member).clone())).collect();
    let moving = wave.into_iter().enumerate().map(|(place, member)| {
        let whole = operation.id;
        async move {
            let moved = move_member(ledger, whole, &member).await;
            (place, moved.map_err(|error| format!("{}: {error:#}", member.scope.name())))
        }
    });
    // One that is waited for must not keep those behind it from their turn; said is it in the order of the plan.
    let mut outcomes: Vec<(usize, Result<String, String>)> = futures::stream::iter(moving).buffer_unordered(AT_A_TIME).collect().await;
    outcomes.sort_by_key(|(place, _)| *place);
    let outcomes = outcomes.into_iter().map(|(_, outcome)| outcome);
    let (well, bad): (Vec<_>, Vec<_>) = outcomes.partition(Result::is_ok);
    let words = |outcomes: Vec<Result<String, String>>| outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|why| why)).collect::<Vec<_>>();
    let (well, bad) = (words(well), words(bad));
    if bad.is_empty() {
        return Ok(Done::because(well.join("; ")));
    }
    let rest = if well.is_empty() { String::new() } else { format!(". The others: {}", well.join("; ")) };
    bail!("{}{rest}", bad.join("; "))
}

/// Moves one member and waits for the end of that.
async fn move_member(ledger: &impl Ledger, whole: OperationId, member: &Member) -> anyhow::Result<String> {
    let mut changed = ledger.listen();
    let mut asked: Option<OperationId> = None;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        changed.mark_unchanged();
        let picture = ledger.picture();
        let id = match asked {
            Some(id) => id,
            None => match Turn::of(&picture, picture.operation(&whole).context("the evacuation is not in the records")?, member) {
                Turn::Moved(said) => return Ok(said),
                Turn::Cannot(why) => bail!("{why}"),
                Turn::NotYet(why) => {
                    match tokio::time::timeout_at(deadline, changed.changed()).await {
                        Ok(changed) => changed.context("the server ends")?,
                        Err(_) => bail!("waited {} s for it: {why}", PATIENCE.as_secs()),
                    }
                    continue;
                }
                Turn::Wait(id) if picture.operation(&id).is_some_and(|holder| holder.parent == Some(whole)) => id,
                // Somebody else's: where that leads is looked at when it has ended.
                Turn::Wait(_) => {
                    changed.changed().await.context("the server ends")?;
                    continue;
                }
                Turn::Ask(plan) => match request(ledger, whole, plan, member).await? {
                    Some(id) => id,
                    None => continue,
                },
            },
        };
        asked = Some(id);
        let child = ledger.picture().operation(&id).cloned().context("the operation of a member is not in the records")?;
        let name = format!("{} {}", child.plan.kind, id.short());
        let outcome = || child.outcome.clone().unwrap_or_else(|| "no reason is recorded".to_owned());
        match child.state {
            State::Succeeded => return Ok(format!("{} went to {} ({name})", member.scope.name(), member.to)),
            // Those who need it need not wait until it has tidied up behind itself.
            State::Running if child.is_proven() => return Ok(format!("{} went to {} and tidies up ({name})", member.scope.name(), member.to)),
            State::InDoubt => bail!("the {name} stands IN DOUBT: {}", outcome()),
            state if !state.is_active() => bail!("the {name} ended: {state}: {}", outcome()),
            _ => changed.changed().await.context("the server ends")?,
        }
    }
}

/// Files the member's own operation; a test that holds the member gives way. `None` where something has come up in between, so
/// that it must be looked at anew.
async fn request(ledger: &impl Ledger, whole: OperationId, plan: Box<Plan>, member: &Member) -> anyhow::Result<Option<OperationId>> {
    let id = ledger.new_operation();
    let (plan_hash, scope) = (plan.hash(), plan.scope());
    let overridden: Vec<String> = plan.overridable_blockers().iter().map(ToString::to_string).collect();
    let reason = format!("part of the evacuation {}", whole.short());
    let loss_accepted = !member.loss.is_zero();
    let event = Event::OperationRequested { id, plan, plan_hash, reason: reason.clone(), loss_accepted, overridden, parent: Some(whole) };
    let events = |picture: &Picture| -> Option<Vec<Event>> {
        let goes_on =
            |operation: &&Operation| operation.state == State::Running && halting::told_to_stop(operation, &picture.records, picture.now).is_none();
        let rehearses = picture.operation(&whole).filter(goes_on)?.mode() == Mode::Test;
        let mut events = match picture.records.holder_of(&scope) {
            None => Vec::new(),
            Some(test) if test.mode() == Mode::Test && !rehearses => halting::make_way(test, &format!("a real move takes its place: {reason}")),
            Some(_) => return None,
        };
        events.push(event.clone());
        Some(events)
    };
    ledger.record(&Actor::Lifeboat, |picture| events(picture).unwrap_or_default()).await?;
    Ok(ledger.picture().operation(&id).map(|filed| filed.id))
}
