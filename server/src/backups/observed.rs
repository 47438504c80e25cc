//! Backups that others make: the list that their tool prints is read every minute, and what is new in it or gone from it is written
//! down. A list that cannot be read says nothing, and that is told; nothing is a success by it.

use super::{Backups, keeper::LONGEST_LIST, setup};
use crate::{
    config::{
        SourceSettings,
        sources::{self, ListingSettings},
    },
    connect::program,
};
use anyhow::{Context, bail};
use engine::{
    backups::{
        BackupState, Contents, StoredFile,
        ledger::BackupEvent,
        listing::{self, Listed},
    },
    estate::{BackupPolicy, BackupSource, ListingFormat},
    journal::{Actor, Event},
    picture::Picture,
    time::Span,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// How long the tool may take to print its list.
const PATIENCE: Duration = Duration::from_secs(60);
/// So many are written down at once.
const AT_ONCE: usize = 100;

impl Backups {
    /// Reads every list.
    pub(super) async fn read_lists(self: Arc<Self>) -> anyhow::Result<()> {
        let picture = self.desk.picture();
        if picture.journal_break.is_some() || picture.read_only {
            return Ok(());
        }
        for policy in &picture.estate.backup_policies {
            let BackupSource::Observed { name, format } = &policy.source else { continue };
            match self.list(name, *format).await {
                Ok(listed) => {
                    self.take_over(policy, &listed, format.tool()).await?;
                    self.lists.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(policy.id.clone(), Ok(version(&listed, *format)));
                }
                Err(error) => {
                    let why = format!("the list of {} says nothing: {error:#}", format.tool());
                    self.lists.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(policy.id.clone(), Err(why));
                }
            }
        }
        self.tell_lists();
        Ok(())
    }

    async fn list(&self, name: &str, format: ListingFormat) -> anyhow::Result<Vec<Listed>> {
        let settings = match self.listings.get(name) {
            Some(Ok(settings)) => settings,
            Some(Err(why)) => bail!("{why}"),
            None => bail!("the configuration has no [backup_source.{name}]"),
        };
        let secrets = sources::secrets(&settings.secret_files)?;
        let mut variables = vec![("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C")];
        variables.extend(secrets.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let printed = program::run_long(&settings.command, &variables, self.run_as, PATIENCE, LONGEST_LIST).await?;
        listing::read(format, printed.as_bytes(), chrono::Utc::now()).map_err(anyhow::Error::from)
    }

    /// Writes down what is new and what is gone.
    async fn take_over(&self, policy: &BackupPolicy, listed: &[Listed], tool: &str) -> anyhow::Result<()> {
        loop {
            let events = |picture: &Picture| news(picture, policy, listed, tool);
            if news(&self.desk.picture(), policy, listed, tool).is_empty() {
                return Ok(());
            }
            self.desk.record(&Actor::Lifeboat, events).await?;
        }
    }

    /// Passes on what was made of the lists.
    pub(super) fn tell_lists(&self) {
        let lists = self.lists.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        self.seen(|sights| {
            for (policy, told) in lists {
                match told {
                    Ok(tool) => {
                        sights.troubles.remove(&policy);
                        sights.tools.insert(policy, tool);
                    }
                    Err(why) => {
                        sights.tools.remove(&policy);
                        sights.troubles.insert(policy, why);
                    }
                }
            }
        });
    }
}

/// The settings of every list that the estate names.
pub(super) fn listings(config: &crate::config::Config, estate: &engine::estate::Estate) -> setup::Found<String, ListingSettings> {
    let named = estate.backup_policies.iter().filter_map(|policy| match &policy.source {
        BackupSource::Observed { name, .. } => Some(name),
        _ => None,
    });
    let read = |name: &String| match setup::settings(config, name)? {
        SourceSettings::Listing(settings) => Ok(settings.clone()),
        _ => anyhow::Result::Err(anyhow::anyhow!("it is of another kind; write kind = \"listing\"")),
    };
    named.map(|name| (name.clone(), read(name).with_context(|| format!("[backup_source.{name}]")).map_err(|error| format!("{error:#}")))).collect()
}

fn version(listed: &[Listed], format: ListingFormat) -> String {
    let newest = listed.iter().rev().find_map(|one| one.version.as_ref());
    newest.map_or_else(|| format.tool().to_owned(), |version| format!("{} {version}", format.tool()))
}

/// What follows from a list, oldest first; only so much at once.
fn news(picture: &Picture, policy: &BackupPolicy, listed: &[Listed], tool: &str) -> Vec<Event> {
    let of = |id, what| Event::Backup { policy: policy.id.clone(), id, what: Box::new(what) };
    let known = picture.records.backups.of(&policy.id);
    let is_known = |one: &Listed| known.iter().any(|backup| backup.id == one.id(&policy.id));
    // Of what its owners keep for longer than is declared here, the newest ones are enough.
    let floor = listed.len().saturating_sub(policy.at_least.max(1) as usize);
    let counts = |(at, one): &(usize, &Listed)| *at >= floor || Span::between(one.ended, picture.now) <= policy.retention;
    let new = listed.iter().enumerate().filter(counts).map(|(_, one)| one).filter(|one| !is_known(one));
    let mut events: Vec<Event> = new.take(AT_ONCE).map(|one| of(one.id(&policy.id), seen(one, tool))).collect();
    let there: BTreeSet<_> = listed.iter().map(|one| one.id(&policy.id)).collect();
    for gone in known.iter().filter(|backup| backup.state == BackupState::Completed && !there.contains(&backup.id)).take(AT_ONCE) {
        events.push(of(gone.id, BackupEvent::Deleting { why: format!("the list of {tool} has it no more") }));
        events.push(of(gone.id, BackupEvent::Deleted));
    }
    events
}

fn seen(one: &Listed, tool: &str) -> BackupEvent {
    let bytes = one.source_bytes.or(one.bytes);
    let files = bytes.map(|bytes| StoredFile { name: one.label.clone(), bytes, sha256: String::new() }).into_iter().collect();
    let tool = one.version.as_ref().map_or_else(|| tool.to_owned(), |version| format!("{tool} {version}"));
    let contents = Contents { files, tool, recoverable_to: one.recoverable_to, source_bytes: one.source_bytes, wal: None, counts: Vec::new() };
    BackupEvent::Seen { kind: one.kind, began: one.began, ended: one.ended, contents, broken: one.broken.clone() }
}
