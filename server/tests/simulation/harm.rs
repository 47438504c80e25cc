//! Harm done on purpose to what surrounds the engine and the executor: the laws must notice each of these, or they notice nothing.

use crate::diary::Law;

/// What is done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// A host's agent says that a node is fenced, and leaves it as it is.
    FenceLies,
    /// What waits for approvals is approved by nobody.
    ApprovalSkipped,
    /// Agents and servers carry out orders however late they come.
    LateOrdersObeyed,
    /// The rehearsal of a move moves.
    RehearsalMoves,
    /// What sends the clients says that it did, and did not; and so does the proof.
    MoveLies,
    /// What restrains the product is not shown to it.
    RestraintsNotShown,
    /// What has been done is not shown to the product, so that nothing cools down.
    PastNotShown,
    /// The undoing of a step is said to be done.
    UndoLies,
    /// The last byte is said to have arrived.
    CatchUpLies,
    /// The log of a fenced primary is said to hold nothing that is not on the standby.
    LogLies,
    /// Clients that wait are said to have been let through.
    WaitForgotten,
    /// An entry of the journal is changed after it was written.
    EntryChanged,
    /// The last entry of the journal is lost when the server is killed.
    EntryLost,
}

impl Harm {
    pub const ALL: [Harm; 13] = [
        Harm::FenceLies,
        Harm::ApprovalSkipped,
        Harm::LateOrdersObeyed,
        Harm::RehearsalMoves,
        Harm::MoveLies,
        Harm::RestraintsNotShown,
        Harm::PastNotShown,
        Harm::UndoLies,
        Harm::CatchUpLies,
        Harm::LogLies,
        Harm::WaitForgotten,
        Harm::EntryChanged,
        Harm::EntryLost,
    ];

    /// The laws of which one must be found broken.
    pub fn breaks(self) -> &'static [Law] {
        match self {
            Harm::FenceLies => &[Law::ProvenFence, Law::OneWriter],
            Harm::ApprovalSkipped => &[Law::Approved],
            Harm::LateOrdersObeyed => &[Law::NothingAfterTheEnd],
            Harm::RehearsalMoves => &[Law::TestsChangeNothing],
            Harm::MoveLies => &[Law::TruthfulSuccess],
            Harm::RestraintsNotShown | Harm::PastNotShown => &[Law::SafetyRules],
            Harm::UndoLies => &[Law::TruthfulFailure],
            Harm::CatchUpLies | Harm::LogLies => &[Law::NoLossWhereNoneWasSaid],
            Harm::WaitForgotten => &[Law::NobodyLeftWaiting],
            Harm::EntryChanged | Harm::EntryLost => &[Law::Journal],
        }
    }
}
