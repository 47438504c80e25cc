//! What happened to backups, in sentences.

use engine::{
    backups::{Trigger, ledger::BackupEvent},
    databases::bytes_in_words,
    id::{BackupId, PolicyId},
};

/// As a sentence without its full stop.
pub(super) fn in_words(policy: &PolicyId, id: BackupId, what: &BackupEvent) -> String {
    let name = format!("Backup {} of {policy}", id.short());
    match what {
        BackupEvent::Started { kind, trigger } => match trigger {
            Trigger::Schedule { fire, missed: 0 } => format!("{name} ({kind}) began, due at {}", fire.format("%Y-%m-%d %H:%M UTC")),
            Trigger::Schedule { fire, missed } => {
                format!("{name} ({kind}) began, due at {}; it makes up for {missed} missed before", fire.format("%Y-%m-%d %H:%M UTC"))
            }
            Trigger::Asked { .. } => format!("{name} ({kind}) was asked for"),
            Trigger::Reported => format!("{name} ({kind}) began, as its own job says"),
        },
        BackupEvent::StopAsked { .. } => format!("{name} was told to stop"),
        BackupEvent::Taken { contents } => {
            let counted = if contents.files.len() == 1 { "file" } else { "files" };
            format!("{name}: {} in {} {counted} read by {}", bytes_in_words(contents.bytes()), contents.files.len(), contents.tool)
        }
        BackupEvent::CopyStored { destination } => format!("{name}: a copy is in {destination}"),
        BackupEvent::CopyFailed { destination, why } => format!("{name}: it could NOT be copied to {destination}: {why}"),
        BackupEvent::CopyMissing { destination, why } => format!("{name}: its copy in {destination} is GONE: {why}"),
        BackupEvent::Completed => format!("{name} is complete"),
        BackupEvent::Failed { why } => format!("{name} FAILED: {why}"),
        BackupEvent::ProofStarted { from, wanted, .. } => format!("{name} is being proven from {from}, up to: {wanted}"),
        BackupEvent::ProofEnded { result, .. } => match (&result.failure, result.reached()) {
            (Some(failure), _) => format!("{name} is NOT proven: it failed at “{}”: {}", failure.level, failure.why),
            (None, Some(reached)) => format!("{name} is proven: {reached}"),
            (None, None) => format!("{name} is not proven: nothing was tried"),
        },
        BackupEvent::Seen { kind, ended, contents, broken: None, .. } => {
            format!("{name} ({kind}) is in the list of {}, made by {}", contents.tool, ended.format("%Y-%m-%d %H:%M UTC"))
        }
        BackupEvent::Seen { contents, broken: Some(why), .. } => format!("{name} is in the list of {}, and BROKEN: {why}", contents.tool),
        BackupEvent::Held { .. } => format!("{name} is held: it is not deleted, whatever its age"),
        BackupEvent::HoldReleased { .. } => format!("{name} is held no more"),
        BackupEvent::Deleting { why } => format!("{name} is being deleted: {why}"),
        BackupEvent::Deleted => format!("{name} was deleted from every destination"),
    }
}

/// The reason that the person gave.
pub(super) fn reason(what: &BackupEvent) -> Option<String> {
    match what {
        BackupEvent::Started { trigger: Trigger::Asked { reason }, .. }
        | BackupEvent::StopAsked { reason }
        | BackupEvent::ProofStarted { reason, .. }
        | BackupEvent::Held { reason }
        | BackupEvent::HoldReleased { reason } => Some(reason.clone()),
        _ => None,
    }
}
