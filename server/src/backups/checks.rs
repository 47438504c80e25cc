//! When policies are due, and whether their tools and destinations can be used: looked at while nothing runs, so that it is known
//! before the next job needs it.

use super::{AnyKeeper, Backups, keeper};
use anyhow::Context as _;
use engine::{
    backups::{BackupState, schedule::times_of},
    estate::BackupPolicy,
    id::DestinationId,
};
use std::collections::BTreeMap;

impl Backups {
    /// Reckons when everything is due.
    pub(super) fn reckon(&self) {
        let picture = self.desk.picture();
        let times = |policy: &BackupPolicy| {
            let record = picture.records.backups.policy(&policy.id)?;
            let success = record.backups.iter().rev().find(|backup| matches!(backup.state, BackupState::Completed | BackupState::Deleting));
            let ended = success.and_then(|backup| backup.ended_at);
            let quiet = self.quiet_of(&policy.id).filter(|_| ended.is_some()).map(|quiet| quiet.at);
            let since = ended.max(quiet).unwrap_or(record.since);
            Some((policy.id.clone(), times_of(policy, since, picture.now)))
        };
        let times = picture.estate.backup_policies.iter().filter_map(times).collect();
        self.seen(|sights| sights.times = times);
    }

    /// Looks at tools and destinations.
    pub(super) async fn check(&self) {
        let (mut troubles, mut tools) = (BTreeMap::new(), BTreeMap::new());
        let mut silent: BTreeMap<&DestinationId, String> = BTreeMap::new();
        for (id, destination) in &self.destinations {
            let answer = match destination {
                Ok(destination) => destination.answers().await.map_err(|error| format!("{error:#}")),
                Err(why) => Err(why.clone()),
            };
            if let Err(why) = answer {
                silent.insert(id, why);
            }
        }
        for policy in self.desk.estate().backup_policies.iter().filter(|policy| policy.source.is_made_here()) {
            if let Some(keeper) = self.keeper(&policy.id) {
                match self.check_keeper(policy, keeper).await {
                    Ok(tool) => drop(tools.insert(policy.id.clone(), tool)),
                    Err(error) => drop(troubles.insert(policy.id.clone(), format!("{error:#}"))),
                }
                continue;
            }
            let tool = match self.sources.get(&policy.id) {
                Some(Ok(source)) => source.tool().await.map_err(|error| format!("{error:#}")),
                Some(Err(why)) => Err(why.clone()),
                None => continue,
            };
            let unreachable = policy.destinations.iter().find_map(|id| Some(format!("the destination {id} cannot be used: {}", silent.get(id)?)));
            match (tool, unreachable) {
                (Err(why), _) | (Ok(_), Some(why)) => {
                    troubles.insert(policy.id.clone(), why);
                }
                (Ok(tool), None) => {
                    tools.insert(policy.id.clone(), tool);
                }
            }
        }
        self.seen(|sights| (sights.troubles, sights.tools) = (troubles, tools));
        self.tell_lists();
        self.look_at_restores();
    }

    pub(super) async fn check_keeper(&self, policy: &BackupPolicy, keeper: anyhow::Result<&AnyKeeper>) -> anyhow::Result<String> {
        let keeper = keeper?;
        let tool = keeper.tool().await?;
        for id in &policy.destinations {
            let listed = keeper.list(&keeper::apart(self)?, id).await;
            listed.with_context(|| format!("the destination {id} cannot be used"))?;
        }
        Ok(tool)
    }
}
