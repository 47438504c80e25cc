//! Operations in words: what a step does, what a button will do, how much is at stake. Read at 3 a.m. by somebody who was
//! asleep a minute ago, so every sentence names the node and says what follows.

use engine::{
    databases::{LossBound, ZeroLoss},
    failover::{Action, Blocker, FenceMeans, OnFailure, OperationKind, Plan, State, StepState},
    id::NodeId,
    time::Span,
};

/// What a step does, as a sentence without its full stop.
pub fn step_in_words(action: &Action) -> String {
    match action {
        Action::CheckTarget { node } => format!("Read {node} afresh and stop here if it could not take over"),
        Action::CloseRoute { was: Some(was) } => format!("Close the route to {was}: no client reaches a database node, open connections end"),
        Action::CloseRoute { was: None } => "Close the route: no client reaches a database node, open connections end".to_owned(),
        Action::OpenRoute { node } => format!("Route clients to {node}"),
        Action::StopNode { node } => format!("Stop {node} cleanly through its host agent"),
        Action::StartNode { node } => format!("Start {node} again"),
        Action::CatchUp { source, target } => format!("Wait until {target} holds every byte {source} wrote"),
        Action::Fence { node, by: FenceMeans::HostAgent } => format!("Fence {node}: its host agent ends the processes and proves them gone"),
        Action::Fence { node, by: FenceMeans::RouterAndSynchronousStandby } => {
            format!("Fence {node}: clients are cut at the router, and without its synchronous standby it can acknowledge nothing")
        }
        Action::Fence { node, by: FenceMeans::Overridden } => {
            format!("{node} is NOT fenced: nothing proves that it cannot take writes; two people must accept that")
        }
        Action::Promote { node } => format!("Promote {node}: from here on there is no way back"),
        Action::VerifyWritable { node } => format!("Ask {node} whether it is writable"),
        Action::ProveWrite { node } => format!("Write a row through the router as a client would, and read it back from {node}"),
        Action::Repoint { nodes, upstream } => format!("Let {} follow {upstream}", names(nodes)),
        Action::MeasureLoss { source, target, .. } => format!("Count what {source} wrote that {target} does not have"),
        Action::Checkpoint { node } => format!("Write a checkpoint on {node}"),
        Action::Rewind { node, from } => format!("Rewind {node} to the history of {from}; copy it anew where that is not possible"),
        Action::Follow { node, upstream } => format!("Start {node} as a standby of {upstream}"),
        Action::ProveStreaming { nodes, upstream } => format!("Prove that {} from {upstream}", streams(nodes)),
    }
}

fn names(nodes: &[NodeId]) -> String {
    nodes.iter().map(NodeId::to_string).collect::<Vec<_>>().join(" and ")
}

fn streams(nodes: &[NodeId]) -> String {
    format!("{} {}", names(nodes), if nodes.len() == 1 { "streams" } else { "stream" })
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
    let name = |node: &Option<NodeId>| node.as_ref().map_or_else(|| "no node".to_owned(), NodeId::to_string);
    match plan.kind {
        OperationKind::Switchover => format!("Switchover from {} to {}", name(&plan.source), name(&plan.target)),
        OperationKind::Failover => format!("Failover from {} to {}", name(&plan.source), name(&plan.target)),
        OperationKind::Rejoin => format!("Rejoin {} to {}", name(&plan.source), name(&plan.target)),
    }
}

/// What the button that asks for `plan` will do.
pub fn request_in_words(plan: &Plan) -> String {
    let name = |node: &Option<NodeId>| node.as_ref().map_or_else(String::new, NodeId::to_string);
    match plan.kind {
        OperationKind::Switchover => format!("Request the switchover to {}", name(&plan.target)),
        OperationKind::Failover => format!("Request the failover to {}", name(&plan.target)),
        OperationKind::Rejoin => format!("Rejoin {} to {} now", name(&plan.source), name(&plan.target)),
    }
}

/// What approving `plan` will do.
pub fn approval_in_words(plan: &Plan) -> String {
    match (&plan.kind, &plan.target) {
        (OperationKind::Rejoin, _) | (_, None) => "Approve".to_owned(),
        (OperationKind::Switchover | OperationKind::Failover, Some(target)) => format!("Approve, and promote {target}"),
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
        (_, LossBound::Zero { because: ZeroLoss::SynchronousPeer }) => {
            "None that was acknowledged. The target is a confirmed synchronous standby.".to_owned()
        }
        (_, LossBound::AtMost { bytes, unseen }) => {
            let known = if *bytes == 0 {
                "No write-ahead log is known to be missing".to_owned()
            } else {
                format!("At most {} of write-ahead log known to be missing", bytes_in_words(*bytes))
            };
            format!("{known}, and whatever was acknowledged in up to {} that no sample shows.", unseen.rough())
        }
        (_, LossBound::Unknown { why }) => format!("Not known: {why}. Any amount may be lost."),
    }
}

/// Bytes with a unit: `0 B`, `812 B`, `1.5 KiB`, `16 MiB`. Exact below 1 KiB, one decimal above.
pub fn bytes_in_words(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.into_iter().find(|(_, size)| bytes >= *size) {
        None => format!("{bytes} B"),
        Some((unit, size)) => {
            // In 128 bits, so that no size overflows; rounded up, because these numbers are bounds.
            let tenths = (u128::from(bytes) * 10).div_ceil(u128::from(size));
            if tenths.is_multiple_of(10) { format!("{} {unit}", tenths / 10) } else { format!("{}.{} {unit}", tenths / 10, tenths % 10) }
        }
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
        Blocker::PrimaryNotWritable { .. } => "Plan a failover if the primary will not come back by itself.",
        Blocker::PrimaryHealthy { .. } => "Plan a switchover instead, unless you know better than the probes.",
        Blocker::FenceUnproven { .. } => "Bring the host agent back, or make sure by other means that the node is off, and say how in the reason.",
        Blocker::NoHostAgent { .. } => "Start the host agent in that region.",
        Blocker::NoRouter => "Declare the cluster's router in the estate.",
        Blocker::RouterSilent { .. } => "Bring the router's runtime socket back.",
        Blocker::IsThePrimary { .. } => "Nothing needs doing to it.",
        Blocker::AlreadyStreaming { .. } => "Nothing needs doing to it.",
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
    }
}

/// What the state of an operation means for the person who looks at it.
pub fn state_explained(state: State) -> &'static str {
    match state {
        State::Requested => "A second person must approve it. Nothing has been done yet.",
        State::Approved => "It starts by itself. Nothing has been done yet.",
        State::Running => {
            "It goes on by itself, also when nobody looks. If Lifeboat's server dies, it resumes when the server is back, or stands IN DOUBT."
        }
        State::Compensating => "A step before the promotion failed. What was done is being undone.",
        State::InDoubt => "Lifeboat does not know the truth, or must not go on alone. A person must look, then resume or close it.",
        State::Succeeded => "Every step that matters was done, and the end was proven.",
        State::Failed => "It ended before the promotion. What was done was undone.",
        State::Declined => "Nothing was done.",
        State::Cancelled => "Nothing was done.",
        State::Void => "What it rested on changed, or nobody approved it in time. Nothing was done.",
        State::Closed => "It stood in doubt; a person looked and closed it.",
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
    fn a_short_time_keeps_its_milliseconds() {
        assert_eq!([7, 1_846, 61_000].map(|millis| took_in_words(Span::from_millis(millis))), ["7 ms", "1.84 s", "1m 1s"]);
    }
}
