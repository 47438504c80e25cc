//! Operations in words: what a step does, what a button will do, how much is at stake. Read at 3 a.m. by somebody who was
//! asleep a minute ago, so every sentence names the node and says what follows.

use crate::ui::time::{clock, date};
use engine::{
    databases::{LossBound, ZeroLoss},
    estate::AtEnd,
    failover::{
        Action, Blocker, Change, FenceMeans, HookMoment, Mode, OnFailure, OperationKind, Plan, State, StepState, plan::names_or_none,
        restore::RestoreWish, traffic,
    },
    id::{MonitoringId, NodeId, PoolerId, RegionId, ServiceId},
    time::Span,
};
use std::collections::BTreeSet;

pub use engine::databases::bytes_in_words;

/// What a step of `plan` does. Where only a simulator is told, that is said before anything else.
pub fn step_of(plan: &Plan, action: &Action) -> String {
    let moves = matches!(action, Action::SendClients { .. } | Action::Rehearse { .. } | Action::ProveClients { .. });
    let simulated = if moves && plan.is_simulated() { "SIMULATED: " } else { "" };
    format!("{simulated}{}", step_in_words(action))
}

/// What a step does, as a sentence without its full stop.
fn step_in_words(action: &Action) -> String {
    match action {
        Action::CheckTarget { node } => format!("Read {node} afresh and stop here if it could not take over"),
        Action::CloseRoute { was: Some(was) } => format!("Close the route to {was}: no client reaches a database node, open connections end"),
        Action::CloseRoute { was: None } => "Close the route: no client reaches a database node, open connections end".to_owned(),
        Action::OpenRoute { node } => format!("Route clients to {node}"),
        Action::StopNode { node } => format!("Stop {node} cleanly through its host agent"),
        Action::StartNode { node } => format!("Start {node} again"),
        Action::CatchUp { source, target } => format!("Wait until {target} holds every byte {source} wrote"),
        Action::Fence { node, by: FenceMeans::HostAgent } => {
            format!("Fence {node}: its host agent ends the processes and proves them gone, and there is no way back")
        }
        Action::Fence { node, by: FenceMeans::Command { fence } } => {
            format!("Fence {node}: the command {fence} turns it off, and nothing may answer there any more; there is no way back")
        }
        Action::Fence { node, by: FenceMeans::RouterAndSynchronousStandby } => {
            format!("Fence {node}: clients are cut at the router, and without its synchronous standby it can acknowledge nothing")
        }
        Action::Fence { node, by: FenceMeans::Lease } => {
            format!("Wait until the lease of {node} has run out: its host has stopped it by then, for it has heard nothing from here")
        }
        Action::Fence { node, by: FenceMeans::ReadOnly } => {
            format!("Have {node} refuse writes and end the sessions of all its clients")
        }
        Action::Fence { node, by: FenceMeans::Overridden } => {
            format!("{node} is NOT fenced: nothing proves that it cannot take writes; two people must accept that")
        }
        Action::AllowWrites { node } => format!("Let {node} take writes again"),
        Action::HoldsAll { source, target, .. } => {
            format!("Read the write-ahead log of {source}, and go on only if {target} holds every transaction that was acknowledged")
        }
        Action::Promote { node } => format!("Promote {node}: there is no way back from that"),
        Action::VerifyWritable { node } => format!("Ask {node} whether it is writable"),
        Action::ProveWrite { node } => format!("Write a row through the router as a client would, and read it back from {node}"),
        Action::PausePoolers { poolers, lasts } => {
            format!("Let clients wait at {}, for {lasts} at most: what runs ends first", pooler_names(poolers))
        }
        Action::CutPoolers { poolers, node, .. } => {
            format!("Lead {} to {node}, end their connections, and let their clients wait", pooler_names(poolers))
        }
        Action::RepointPoolers { poolers, node } => format!("Lead {} to {node}, and let their clients through", pooler_names(poolers)),
        Action::ResumePoolers { poolers } => format!("Let clients through again at {}", pooler_names(poolers)),
        Action::ProvePoolers { poolers, node } => {
            format!("Write a row through {} as a client would, and read it back from {node}", pooler_names(poolers))
        }
        Action::Repoint { nodes, upstream } => format!("Let {} follow {upstream}", names(nodes)),
        Action::MeasureLoss { source, target, .. } => format!("Count what {source} wrote that {target} does not have"),
        Action::Checkpoint { node } => format!("Write a checkpoint on {node}"),
        Action::Rewind { node, from } => format!("Rewind {node} to the history of {from}; copy it anew where that is not possible"),
        Action::Follow { node, upstream } => format!("Start {node} as a standby of {upstream}"),
        Action::ProveStreaming { nodes, upstream } => format!("Prove that {} from {upstream}", streams(nodes)),
        Action::RestoreSynchronous { node, standbys, .. } if standbys.is_empty() => {
            format!("Commits on {node} WAIT FOR NOBODY until a standby is back: see that they do not hang")
        }
        Action::RestoreSynchronous { node, standbys, confirm } => {
            format!("Have commits on {node} wait for {confirm} of {} again, as far as they stream", names(standbys))
        }
        Action::CheckPatroni { candidate, .. } => format!("Ask Patroni how things stand, and stop here if it would not hand over to {candidate}"),
        Action::AskPatroni { leader: Some(leader), candidate } => {
            format!("Ask Patroni to switch over from {leader} to {candidate}: there is no way back from that")
        }
        Action::AskPatroni { leader: None, candidate } => format!("Ask Patroni to fail over to {candidate}: there is no way back from that"),
        Action::ProvePromoted { node, .. } => format!("Ask {node} itself whether it takes writes, on a new timeline"),
        Action::ProveWriteOn { node } => format!("Write a row on {node} itself, and read it back: no router leads there"),
        Action::ProveNotWritable { node } => format!("Ask {node} itself whether it follows now and takes no writes"),
        Action::CheckRegions { service, regions } => format!("Ask {service} in {} afresh, and stop here if it is not well", names_or_none(regions)),
        Action::CheckData { clusters, .. } => {
            let names: Vec<&str> = clusters.iter().map(|cluster| cluster.as_str()).collect();
            format!("Look where {} takes its writes", names.join(" and "))
        }
        Action::SendClients { service, to } if to.is_empty() => format!("Send clients of {service} nowhere, and end their sessions"),
        Action::SendClients { service, to } => format!("Send clients of {service} to {}, and to no other region", names_or_none(to)),
        Action::Rehearse { service, to } => format!("Rehearse sending clients of {service} to {}: everything but the sending", names_or_none(to)),
        Action::MoveWave { region, wave, members } => {
            let names: Vec<&str> = members.iter().map(|member| member.name()).collect();
            format!("Wave {wave} out of {region}: move {}, each by an operation of its own", names.join(", "))
        }
        Action::ProveClients { service, to } => format!("Come in as a client of {service} does, and see that {} answers", names_or_none(to)),
        Action::AwaitCommit { from, window, then, .. } => {
            let end = match then {
                AtEnd::Commit => "it is final".to_owned(),
                AtEnd::RollBack => format!("clients are sent back to {}, if it is well there", names_or_none(from)),
            };
            format!("Wait up to {window} for somebody to commit it or roll it back; after that {end}")
        }
        Action::CheckRestore { folder } => format!("Look whether the destination answers, there is room, and {folder} is new"),
        Action::FetchBackup { from, folder } => {
            format!("Bring the backup and its log from {from} into {folder}, and hold every checksum against the journal")
        }
        Action::UnpackBackup { .. } => "Unpack it, and have PostgreSQL's own tools read every file and every record".to_owned(),
        Action::RecoverBefore { before, .. } => {
            format!(
                "Start a PostgreSQL of its own on it, replay the log up to the last commit before {} {} UTC, and stand still there",
                date(*before),
                clock(*before)
            )
        }
        Action::AwaitInspection { window, .. } => {
            format!("Wait up to {} for somebody to look at it and commit it; after that, or when it is rolled back, it is discarded", window.rough())
        }
        Action::PromoteRestored { folder } => format!("Let the server on {folder} take writes; nobody is sent there"),
        Action::DiscardRestored { folder } => format!("End its server, and remove {folder}"),
        Action::RunHook { hook, moment: HookMoment::Before } => format!("Run the hook {hook}, which may still refuse"),
        Action::RunHook { hook, moment: HookMoment::After } => format!("Run the hook {hook} again, now that it is over"),
        Action::SilenceAlerts { monitoring, services, regions, lasts } => {
            let (who, what) = (monitors(monitoring), alerts(services, regions));
            format!("Tell {who} to be silent about {what}, for {lasts} at most; it ends with the operation")
        }
        Action::EndSilence { monitoring } => format!("End the silence of this operation in {}", monitors(monitoring)),
        Action::Annotate { monitoring } => format!("Tell {} what was done", monitors(monitoring)),
        Action::RehearseMonitoring { monitoring, services, regions } if regions.is_empty() || services.is_empty() => {
            format!("Ask {} whether it would hear of this: nothing is written", monitors(monitoring))
        }
        Action::RehearseMonitoring { monitoring, services, regions } => {
            format!("Ask {} whether it would be silent about {}: nothing is written", monitors(monitoring), alerts(services, regions))
        }
    }
}

fn monitors(monitoring: &BTreeSet<MonitoringId>) -> String {
    format!("monitoring ({})", monitoring.iter().map(MonitoringId::as_str).collect::<Vec<_>>().join(", "))
}

fn alerts(services: &BTreeSet<ServiceId>, regions: &BTreeSet<RegionId>) -> String {
    format!("{} in {}", services.iter().map(ServiceId::as_str).collect::<Vec<_>>().join(", "), names_or_none(regions))
}

/// The page that shows what would be done now in the place of `plan`.
pub fn plan_href(plan: &Plan) -> String {
    match &plan.change {
        Change::Database(change) if plan.kind == OperationKind::Rejoin => format!("/databases/{}", change.cluster),
        Change::Database(change) => format!("/databases/{}/plan?kind={}", change.cluster, plan.kind),
        Change::Traffic(change) => traffic_plan_href(&change.service, change.mode, change.to.iter()),
        Change::Evacuation(change) => evacuation_href(&change.region, change.mode),
        Change::Restore(change) => restore_href(&change.wish()),
    }
}

/// The plan page that restores a backup.
pub fn restore_href(wish: &RestoreWish) -> String {
    let last = wish.last.map(|last| format!("&last={last}")).unwrap_or_default();
    let RestoreWish { policy, backup, from, before, folder, .. } = wish;
    format!("/backups/{policy}/plan?backup={backup}&from={from}&before={}&folder={folder}{last}", before.format("%Y-%m-%dT%H:%M:%S%.3fZ"))
}

/// The plan page that empties a region.
pub fn evacuation_href(region: &RegionId, mode: Mode) -> String {
    format!("/failover/evacuate/{region}?mode={mode}")
}

/// The plan page that sends clients of `service` to these regions; where none is named, to where they should go.
pub fn traffic_plan_href<'a>(service: &ServiceId, mode: Mode, to: impl Iterator<Item = &'a RegionId>) -> String {
    let to: Vec<&str> = to.map(RegionId::as_str).collect();
    let to = if to.is_empty() { String::new() } else { format!("&to={}", to.join(",")) };
    format!("/failover/{service}/plan?mode={mode}{to}")
}

fn pooler_names(poolers: &[PoolerId]) -> String {
    poolers.iter().map(PoolerId::as_str).collect::<Vec<_>>().join(" and ")
}

fn names(nodes: &[NodeId]) -> String {
    nodes.iter().map(NodeId::to_string).collect::<Vec<_>>().join(" and ")
}

fn streams(nodes: &[NodeId]) -> String {
    format!("{} {}", names(nodes), if nodes.len() == 1 { "streams" } else { "stream" })
}

/// A node, or that there is none.
pub fn node_name(node: &Option<NodeId>) -> String {
    node.as_ref().map_or_else(|| "no node".to_owned(), NodeId::to_string)
}

/// Who has to agree before anything is done, to `what`, and for how long that can be waited for.
pub fn consent_in_words(plan: &Plan, what: &str) -> String {
    let role = if plan.rules_to_break().is_empty() { "" } else { " with the role approver" };
    let who = match plan.approvals {
        0 | 1 => format!("a second person{role} approves"),
        people => format!("{people} other people{role} approve"),
    };
    format!("Nothing is done until {who} exactly {what}, within {}.", engine::failover::Operation::APPROVAL_WAITS.rough())
}

/// What follows when the step fails.
pub fn failure_in_words(on_failure: OnFailure) -> &'static str {
    match on_failure {
        OnFailure::Compensate => "everything done so far is undone and the operation ends as failed",
        OnFailure::StandInDoubt => "the operation stands IN DOUBT and asks a person",
        OnFailure::GoOn => "it is recorded, and the operation goes on",
    }
}

/// The kind with its nodes: the heading of a plan and of its operation.
pub fn title(plan: &Plan) -> String {
    let name = node_name;
    match &plan.change {
        Change::Database(change) if plan.kind == OperationKind::Rejoin => format!("Rejoin {} to {}", name(&change.source), name(&change.target)),
        Change::Database(change) if plan.kind == OperationKind::Reroute => {
            format!("Route of {} set again, to {}", change.cluster, name(&change.target))
        }
        Change::Database(change) => {
            let kind = if plan.kind == OperationKind::Failover { "Failover" } else { "Switchover" };
            format!("{kind} from {} to {}", name(&change.source), name(&change.target))
        }
        Change::Traffic(change) => {
            let kind = match (change.mode, plan.kind) {
                (Mode::Test, _) => "Test of a move",
                (_, OperationKind::Failback) => "Failback",
                (Mode::Planned, _) => "Planned move",
                (Mode::Emergency, _) => "Region failover",
            };
            format!("{kind} of {}: {}", change.service, traffic::in_words(change))
        }
        Change::Evacuation(change) => {
            let kind = if change.mode == Mode::Test { "Test of the evacuation" } else { "Evacuation" };
            format!("{kind} of {}: {} in {} waves", change.region, change.waves.iter().flatten().count(), change.waves.len())
        }
        Change::Restore(change) => format!("Restore of {} to before {} {}", change.policy, date(change.before), clock(change.before)),
    }
}

/// What the button that asks for `plan` will do.
pub fn request_in_words(plan: &Plan) -> String {
    let name = |node: &Option<NodeId>| node.as_ref().map_or_else(String::new, NodeId::to_string);
    match &plan.change {
        Change::Database(change) if plan.kind == OperationKind::Rejoin => format!("Rejoin {} to {} now", name(&change.source), name(&change.target)),
        Change::Database(change) if plan.kind == OperationKind::Reroute => format!("Send clients to {} now", name(&change.target)),
        Change::Database(change) => format!("Request the {} to {}", plan.kind, name(&change.target)),
        Change::Evacuation(change) if change.mode == Mode::Test => format!("Rehearse the evacuation of {} now", change.region),
        Change::Evacuation(change) => format!("Request the evacuation of {}", change.region),
        Change::Restore(change) => format!("Request the restore into {}", change.folder),
        Change::Traffic(change) if change.mode == Mode::Test => format!("Rehearse sending clients to {} now", names_or_none(&change.to)),
        Change::Traffic(change) if plan.requires_approval() => format!("Request sending clients to {}", names_or_none(&change.to)),
        Change::Traffic(change) => format!("Send clients to {} now", names_or_none(&change.to)),
    }
}

/// What approving `plan` will do.
pub fn approval_in_words(plan: &Plan) -> String {
    match &plan.change {
        Change::Database(change) => match &change.target {
            Some(target) if plan.kind == OperationKind::Reroute => format!("Approve, and send clients to {target}"),
            Some(target) if plan.kind != OperationKind::Rejoin => format!("Approve, and promote {target}"),
            _ => "Approve".to_owned(),
        },
        Change::Traffic(change) => format!("Approve, and send clients to {}", names_or_none(&change.to)),
        Change::Evacuation(change) => format!("Approve, and evacuate {}", change.region),
        Change::Restore(change) => format!("Approve, and restore into {}", change.folder),
    }
}

/// How much acknowledged data is at stake, for people: rounded units, the bound never rounded down.
pub fn loss_in_words(kind: OperationKind, loss: &LossBound) -> String {
    match (kind, loss) {
        (OperationKind::Rejoin, LossBound::Zero { .. }) => {
            "Nothing that clients can read now is lost. What the node wrote alone, after another one took over, is taken back; it is counted first."
                .to_owned()
        }
        (_, LossBound::Zero { because: ZeroLoss::WaitsForLastByte }) => {
            "None. Writes stop first, and the target is promoted only when it holds every byte.".to_owned()
        }
        (_, LossBound::Zero { because: ZeroLoss::NewFolder }) => "None. It comes into a new folder; the source is not touched.".to_owned(),
        (_, LossBound::Zero { because: ZeroLoss::MovesNoData }) => "None. Clients are sent elsewhere; the data stays where it is.".to_owned(),
        (_, LossBound::Zero { because: ZeroLoss::ProvenBeforePromotion }) => {
            "None. The primary is fenced first, and the target is promoted only when it is proven to hold every acknowledged transaction of it."
                .to_owned()
        }
        (_, LossBound::Zero { because: ZeroLoss::SynchronousPeer }) => {
            "None that was acknowledged. The target is a confirmed synchronous standby.".to_owned()
        }
        (_, LossBound::Zero { because: ZeroLoss::HandedOver }) => {
            "None. Patroni stops the leader cleanly, and PostgreSQL ends only once the streaming target has confirmed every byte.".to_owned()
        }
        (_, LossBound::AtMost { bytes, unseen }) => {
            format!("{}, and whatever was acknowledged in up to {} that no sample shows.", known_missing(*bytes), unseen.rough())
        }
        (_, LossBound::Open { bytes, since }) => {
            let since = clock(*since);
            format!(
                "{}, and whatever it has acknowledged since {since} UTC, when it was last read, and acknowledges until it is fenced.",
                known_missing(*bytes)
            )
        }
        (_, LossBound::Unknown { why }) => format!("Not known: {why}. Any amount may be lost."),
    }
}

fn known_missing(bytes: u64) -> String {
    if bytes == 0 {
        "No write-ahead log is known to be missing".to_owned()
    } else {
        format!("At most {} of write-ahead log known to be missing", bytes_in_words(bytes))
    }
}

/// A measured time with the precision that matters: `12 ms`, `1.84 s`, `2m 5s`.
pub fn took_in_words(span: Span) -> String {
    let millis = span.as_millis();
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{:02} s", millis / 1_000, millis % 1_000 / 10),
        _ => span.rough(),
    }
}

/// What to do about a blocker.
pub fn way_out(blocker: &Blocker) -> &'static str {
    match blocker {
        Blocker::NoCandidate { .. } => "Bring one of these nodes back, then look at this page again.",
        Blocker::TargetExcluded { .. } => "Choose another target below, or put right what excludes this one.",
        Blocker::UnknownNode { .. } => "Choose a node of this cluster.",
        Blocker::NoPrimary => {
            "Wait until the nodes have been read once; if that does not happen, check the addresses and the password of the probe account."
        }
        Blocker::TwoWritable { .. } => "Stop all but one of them on its host by hand, at once: two writers make two histories.",
        Blocker::PromotedUnseen { .. } => {
            "Wait until it has been read; if that does not happen, bring it back or make sure by hand who takes the writes."
        }
        Blocker::LeaderUnknown { .. } => {
            "Bring the node back that leads the later timeline, or make sure by hand that it is off, and say how in the reason."
        }
        Blocker::PrimaryNotWritable { .. } => "Plan a failover if the primary will not come back by itself.",
        Blocker::PrimaryHealthy { .. } => "Plan a switchover instead, unless you know better than the probes.",
        Blocker::FenceUnproven { .. } => "Bring the host agent back, or make sure by other means that the node is off, and say how in the reason.",
        Blocker::NoHostAgent { .. } => "Start the host agent in that region.",
        Blocker::HistoriesClash { .. } => "Keep its folder if what only it holds may be needed, and build the node anew with pg_basebackup.",
        Blocker::NoRouter => "Declare the cluster's router in the estate.",
        Blocker::PoolerSilent { .. } => "Bring PgBouncer and the host agent beside it back, or take it out of the estate.",
        Blocker::RouterSilent { .. } => "Bring the router's runtime socket back.",
        Blocker::IsThePrimary { .. } => "Nothing needs doing to it.",
        Blocker::AlreadyStreaming { .. } => "Nothing needs doing to it.",
        Blocker::TwoManagers { .. } => "Declare in the estate who runs the cluster; only that one moves its writes.",
        Blocker::PatroniRejoins { .. } => "Look at its Patroni; where that cannot bring it back: patronictl reinit.",
        Blocker::PatroniUnknown { .. } => "Make Patroni's REST API reachable; it is the one who moves the writes here.",
        Blocker::PatroniPaused => "Ask who paused it; resume it with: patronictl resume.",
        Blocker::FailoverInPause { .. } => "Ask who paused it, and why, and say so in the reason; or resume it, and it fails over itself.",
        Blocker::PatroniDisagrees { .. } => "Look with patronictl list which of them is right, and wait until both say the same.",
        Blocker::PatroniScheduled { .. } => "Wait for it, or take it back with: patronictl flush.",
        Blocker::NoTraffic { .. } => "Declare in the estate what sends its clients to regions.",
        Blocker::TrafficUnknown { .. } => "Bring back what sends the clients; until it answers nothing can be moved.",
        Blocker::UnknownRegion { .. } => "Choose a region in which the service has an endpoint.",
        Blocker::NoRegion { .. } => "Bring one of these regions back, then look at this page again.",
        Blocker::RegionNotWell { .. } => "Choose another region, or put right what is wrong there.",
        Blocker::RegionUnknown { .. } => "Make sure by other means that it works there, and say how in the reason.",
        Blocker::TooManyRegions { .. } => "Choose one of them.",
        Blocker::NothingFails { .. } => "Plan it as planned instead, unless you know better than the probes.",
        Blocker::AlreadyThere => "Nothing needs doing.",
        Blocker::DwellNotOver { .. } => "Wait: what has just come back may go again.",
        Blocker::EvacuatedLately { .. } => "Wait, or acknowledge the evacuation once the reason for it is gone.",
        Blocker::DataNotBack { .. } => "Rejoin these nodes first, so that clients find their data near.",
        Blocker::NothingToEvacuate { .. } => "Nothing needs doing.",
        Blocker::MemberStays { .. } => "Bring another region up for it, or choose an emergency: that takes what can be moved.",
        Blocker::MemberCheck { .. } => "Put it right first, or make sure by other means, and say how in the reason.",
        Blocker::TooFewRegions { .. } => "Bring another region in first.",
        Blocker::MasterSwitchOff { .. } => "Ask who switched it off; breaking this rule takes an approver, and is loud.",
        Blocker::Blackout { .. } => "Wait until it is over; an emergency is not held up by it.",
        Blocker::TestsStopped { .. } => "Ask who stopped the tests, and why.",
        Blocker::NotRestoredHere { .. } => "Fetch it from its destination, and restore it with its own tool.",
        Blocker::LogNotWhole { .. } => "Choose a moment before the gap, or after the next full backup.",
        Blocker::NoWholeCopy { .. } => "Choose another destination, or another backup.",
        Blocker::NeverRestored { .. } => "Prove it first: that takes about as long, and touches nothing.",
        Blocker::NowhereToRestore => "Name a folder with enough room as `restores` in [backups] of the configuration, and start the server again.",
        Blocker::NoRoomToRestore { .. } => "Make room there, or name another folder as `restores` in [backups].",
        Blocker::FolderTaken { .. } => "Choose another name for the folder.",
        Blocker::NoFolderName { .. } => "Choose another name for the folder.",
    }
}

/// A step's state in words.
pub fn step_state_in_words(state: StepState) -> &'static str {
    match state {
        StepState::Pending => "not started",
        StepState::Running => "running",
        StepState::Done => "done",
        StepState::Overridden => "OVERRIDDEN, not done",
        StepState::Failed => "failed",
        StepState::Undone => "undone",
        StepState::UndoFailed => "UNDO FAILED",
        StepState::Skipped => "LEFT OUT, not done",
    }
}

/// What it means that nobody carries out what the journal says is under way.
pub const STANDS_STILL: &str =
    "This server is read-only, so nobody carries it out: it stands as it was left, and what it was at may have taken effect.";

/// What the state of an operation means for the person who looks at it. A test changes nothing, and proves nothing for later.
pub fn state_explained(state: State, mode: Mode) -> &'static str {
    match (state, mode) {
        (State::Succeeded, Mode::Test) => {
            "Every check was passed at the time, and nobody was moved. A pass is no guarantee: it says how things were then."
        }
        (State::Failed, Mode::Test) => "A check was not passed. Nobody was moved, so there was nothing to undo.",
        (State::Running, Mode::Test) => "It checks and rehearses, and moves nobody.",
        (State::Closed, Mode::Test) => "It stood in doubt; a person looked and closed it. Nobody was moved.",
        (State::Requested, _) => "It waits for approval. Nothing has been done yet.",
        (State::Approved, _) => "It starts by itself. Nothing has been done yet.",
        (State::Running, _) => {
            "It goes on by itself, also when nobody looks. If Lifeboat's server dies, it resumes when the server is back, or stands IN DOUBT."
        }
        (State::Compensating, _) => "A step failed that can be undone, or a person stopped it. What was done is being undone.",
        (State::InDoubt, _) => "Lifeboat does not know the truth, or must not go on alone. A person must look, then resume or close it.",
        (State::Succeeded, _) => "Every step that matters was done, and the end was proven.",
        (State::Failed, _) => "A step failed, and what was done before was undone.",
        (State::Declined | State::Cancelled, _) => "Nothing was done.",
        (State::Void, _) => "What it rested on changed, or nobody approved it in time. Nothing was done.",
        (State::Closed, _) => "It stood in doubt; a person looked and closed it.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_never_rounded_down() {
        let shown = [0, 812, 1_024, 1_025, 1_536, 16 << 20, (1 << 30) - 1, u64::MAX].map(bytes_in_words);
        assert_eq!(shown, ["0 B", "812 B", "1 KiB", "1.1 KiB", "1.5 KiB", "16 MiB", "1024 MiB", "16777216 TiB"]);
    }

    #[test]
    fn an_unfenced_step_never_reads_like_a_fence() {
        let node: NodeId = "pg-primary-east".parse().expect("an id");
        let words = step_in_words(&Action::Fence { node, by: FenceMeans::Overridden });
        assert!(words.contains("NOT fenced"), "{words}");
    }

    #[test]
    fn an_unknown_loss_is_never_small() {
        let words = loss_in_words(OperationKind::Failover, &LossBound::Unknown { why: "no position was read".into() });
        assert!(words.starts_with("Not known") && words.contains("Any amount"), "{words}");
    }

    #[test]
    fn row_39_a_test_that_passed_proves_nothing_for_later() {
        assert!(state_explained(State::Succeeded, Mode::Planned).contains("proven"));
        let rehearsed = state_explained(State::Succeeded, Mode::Test);
        assert!(!rehearsed.contains("proven") && rehearsed.contains("no guarantee"), "{rehearsed}");
    }

    #[test]
    fn a_short_time_keeps_its_milliseconds() {
        assert_eq!([7, 1_846, 61_000].map(|millis| took_in_words(Span::from_millis(millis))), ["7 ms", "1.84 s", "1m 1s"]);
    }
}
