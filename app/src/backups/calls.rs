//! What the backup pages ask of the server.

use super::{
    restore::view::RestorePage,
    view::{Listing, PolicyView},
};
use crate::fault::Fault;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

#[cfg(feature = "ssr")]
use crate::{
    port::{Wish, port},
    session::viewer,
};
#[cfg(feature = "ssr")]
use engine::{
    backups::ledger::BackupCommand,
    failover::restore::RestoreWish,
    id::{BackupId, PolicyId, ProofId},
};

/// What is to be restored, as an address or a form has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WishText {
    pub policy: String,
    pub backup: String,
    /// Empty where no log is replayed.
    #[serde(default)]
    pub last: String,
    pub from: String,
    /// RFC 3339.
    pub before: String,
    pub folder: String,
}

#[cfg(feature = "ssr")]
impl WishText {
    /// # Errors
    /// The field that cannot be read.
    pub fn read(&self) -> Result<RestoreWish, Fault> {
        let bad = |what: &str, value: &str| Fault::BadInput(format!("“{}” is no {what}", value.chars().take(40).collect::<String>()));
        let last = (!self.last.is_empty()).then(|| self.last.parse().map_err(|_| bad("backup", &self.last))).transpose()?;
        Ok(RestoreWish {
            policy: self.policy.parse().map_err(|_| bad("backup policy", &self.policy))?,
            backup: self.backup.parse().map_err(|_| bad("backup", &self.backup))?,
            last,
            from: self.from.parse().map_err(|_| bad("destination", &self.from))?,
            before: moment(&self.before)?,
            folder: self.folder.clone(),
        })
    }
}

/// The plan as it would be made now, with an operation id for the form.
#[server(endpoint = "restore_plan")]
pub async fn restore_plan(wish: WishText) -> Result<RestorePage, Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let picture = port.look(&viewer).await?;
    RestorePage::of(&picture, &viewer, &wish.read()?, port.new_id()).ok_or(Fault::NotFound { what: "backup".to_owned(), id: wish.backup })
}

/// The hash of that plan: only whether it is still the same.
#[server(endpoint = "restore_plan_hash")]
pub async fn restore_plan_hash(wish: WishText) -> Result<String, Fault> {
    let picture = port()?.look(&viewer()?).await?;
    picture.restore_plan(&wish.read()?).map(|plan| plan.hash()).ok_or(Fault::NotFound { what: "backup".to_owned(), id: wish.backup })
}

#[server(endpoint = "backups")]
pub async fn backups() -> Result<Listing, Fault> {
    let picture = port()?.look(&viewer()?).await?;
    Ok(Listing::of(&picture))
}

/// `at` is the moment that something is to be restored for, RFC 3339 or as a browser's field writes it, in UTC.
#[server(endpoint = "backup_policy")]
pub async fn backup_policy(id: String, at: Option<String>) -> Result<PolicyView, Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let picture = port.look(&viewer).await?;
    let asked = at.filter(|at| !at.is_empty()).map(|at| moment(&at)).transpose()?;
    let new_id = BackupId(port.new_id().0);
    let page = id.parse().ok().and_then(|id| PolicyView::of(&picture, &viewer, &id, new_id, asked));
    page.ok_or(Fault::NotFound { what: "backup policy".to_owned(), id })
}

/// `what` is `start`, `stop`, `prove`, `hold` or `release`. A proof is taken from the destination whose turn it is.
#[server(endpoint = "keep_backup")]
pub async fn keep_backup(policy: String, backup: String, what: String, reason: String) -> Result<(), Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let picture = port.look(&viewer).await?;
    let missing = |what: &str, id: &str| Fault::NotFound { what: what.to_owned(), id: id.to_owned() };
    let policy: PolicyId = policy.parse().map_err(|_| missing("backup policy", &policy))?;
    let declared = picture.estate.backup_policy(&policy).ok_or_else(|| missing("backup policy", policy.as_str()))?;
    let id: BackupId = backup.parse().map_err(|_| missing("backup", &backup))?;
    let command = match what.as_str() {
        "start" if !declared.source.is_made_here() => {
            return Err(Fault::BadInput(format!("{policy} is backed up by a job of its own; start it where it runs")));
        }
        "start" => BackupCommand::Start { kind: declared.kind, reason },
        "stop" => BackupCommand::Stop { reason },
        "prove" => {
            let backups = picture.records.backups.of(&policy);
            let known = backups.iter().find(|known| known.id == id).ok_or_else(|| missing("backup", &backup))?;
            let from = engine::backups::health::next_to_prove(declared, backups, known)
                .ok_or_else(|| Fault::BadInput("no destination has a copy of this backup".to_owned()))?;
            let wanted = declared.verification.as_ref().map_or(engine::backups::ProofLevel::Boots, |verification| verification.level);
            BackupCommand::Prove { proof: ProofId(port.new_id().0), from, wanted, reason }
        }
        "hold" => BackupCommand::Hold { reason },
        "release" => BackupCommand::Release { reason },
        other => return Err(Fault::BadInput(format!("“{other}” is nothing that can be done with a backup"))),
    };
    let to = format!("/backups/{policy}");
    port.act(&viewer, Wish::Backup { policy, id, command }).await?;
    leptos_axum::redirect(&to);
    Ok(())
}

#[cfg(feature = "ssr")]
fn moment(text: &str) -> Result<engine::time::Instant, Fault> {
    let whole = text.parse::<engine::time::Instant>().ok();
    let bare =
        || ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"].iter().find_map(|form| chrono::NaiveDateTime::parse_from_str(text, form).ok());
    whole
        .or_else(|| bare().map(|bare| bare.and_utc()))
        .ok_or_else(|| Fault::BadInput(format!("“{}” is no moment; write 2026-11-23T14:05 (UTC)", text.chars().take(40).collect::<String>())))
}
