//! The commit window of a planned move (row 44): clients are served where they were sent, and until it is over people can take
//! the move back.

use super::needs::{Done, Ledger};
use anyhow::{Context, bail};
use engine::{
    automation,
    estate::AtEnd,
    failover::{Mode, Operation, halting, traffic::health_in},
    health::Judgement,
    id::{RegionId, ServiceId},
    time::Span,
};
use std::collections::BTreeSet;

/// Waits for a decision. An error rolls the move back.
///
/// # Errors
/// Why the move is rolled back.
pub async fn await_commit(ledger: &impl Ledger, operation: &Operation, service: &ServiceId, from: &BTreeSet<RegionId>) -> anyhow::Result<Done> {
    let mut changed = ledger.listen();
    let of = |id| ledger.picture().operation(id).cloned().context("the operation is not in the records");
    if operation.mode() == Mode::Emergency {
        return Ok(Done::because("made an emergency on its way: there is nothing to go back to"));
    }
    let awaited = of(&operation.id)?.awaits_commit().context("it does not wait for a commit")?;
    // What is left is measured once by the clock, and waited for without it: a clock that is set commits nothing.
    let left = Span::between(ledger.picture().now, awaited.until).as_std();
    let deadline = tokio::time::Instant::now() + left;
    loop {
        let (now, picture) = (of(&operation.id)?, ledger.picture());
        if let Some(committed) = &now.committed {
            return Ok(Done::because(format!("committed by {}: {}", committed.by, committed.reason)));
        }
        if let Some(why) = halting::told_to_stop(&now, &picture.records, picture.now) {
            bail!("rolled back: {why}");
        }
        match tokio::time::timeout_at(deadline, changed.changed()).await {
            Ok(changed) => changed.context("the server ends")?,
            Err(_) => break,
        }
    }
    if awaited.then == AtEnd::Commit {
        return Ok(Done::because("nobody rolled it back in time, so it is final"));
    }
    let picture = ledger.picture();
    if let Some(why) = automation::held_from_moving(&picture, service).first() {
        return Ok(Done::because(format!("nobody committed it in time; it is NOT rolled back, for Lifeboat may not move clients now: {why}")));
    }
    let bad = |region: &&RegionId| !health_in(&picture, service, region).is_some_and(Judgement::is_ok);
    match from.iter().find(bad) {
        Some(region) => {
            Ok(Done::because(format!("nobody committed it in time; it is NOT rolled back, for {service} is not known to be well in {region}")))
        }
        None => bail!("rolled back: nobody committed it in time"),
    }
}
