//! What a run begins with: the runbook that counts now, with everything filled in.

use super::Desk;
use app::{fault::Fault, session::Viewer};
use engine::{
    access::{Permission, may},
    id::{RunId, RunbookName},
    journal::Command,
    runbooks::{
        Runbook,
        resolve::{Resolved, Values, resolve},
        run::{Beginning, RunCommand},
        text,
    },
};

impl Desk {
    pub(super) fn start_of_a_run(
        &self,
        viewer: &Viewer,
        id: RunId,
        name: &RunbookName,
        version: u32,
        values: &Values,
        reason: String,
    ) -> Result<Command, Fault> {
        let picture = self.picture();
        let start = |with: Beginning| Command::Run { id, command: RunCommand::Start { with: Box::new(with) } };
        let nothing = |reason: String| Beginning {
            runbook: name.clone(),
            version,
            title: String::new(),
            values: Values::new(),
            steps: Vec::new(),
            messages: Vec::new(),
            roles: Vec::new(),
            rto: None,
            reason,
        };
        // Whoever may not is told that, and nothing of the runbook; the refusal is on record like any other.
        if !may(&picture.records.roles_of(&viewer.name), Permission::WorkRunbooks) || picture.read_only {
            return Ok(start(nothing(reason)));
        }
        let read = |name: &RunbookName| -> Option<(u32, Runbook)> {
            let newest = picture.records.runbooks.newest(name)?;
            Some((newest.number, text::parse(&newest.text).ok()?.runbook))
        };
        let (newest, runbook) = read(name).ok_or_else(|| Fault::NotFound { what: "runbook".to_owned(), id: name.to_string() })?;
        if newest != version {
            // Decided by the engine, which says which version is the newest.
            return Ok(start(nothing(reason)));
        }
        let Resolved { values, steps, messages } = resolve(&runbook, values, &read, &picture.estate).map_err(|wrong| {
            let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            Fault::BadInput(format!("the run cannot begin: {}", wrong.join("; ")))
        })?;
        let (title, rto) = (runbook.title.clone(), runbook.head.rto);
        let roles = runbook.head.roles.into_iter().map(|role| role.name).collect();
        Ok(start(Beginning { runbook: name.clone(), version, title, values, steps, messages, roles, rto, reason }))
    }
}
