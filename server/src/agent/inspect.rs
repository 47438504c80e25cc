//! Looks at one node from the outside and says what is there.

use super::config::{Config, Node};
use super::wire::{ControlData, NodeStatus};
use super::{control_data, fence, files, processes};
use chrono::Utc;

pub async fn status(config: &Config, node: &Node) -> NodeStatus {
    let data_dir_exists = node.data_dir.is_dir();
    let (control, control_problem) = match control_data::read(&config.bin_dir, &node.data_dir).await {
        Ok(control) => (Some(control), None),
        Err(refusal) => (None, Some(refusal.error)),
    };
    let forks = files::forks(node, control.as_ref().ok_or(control_problem.as_deref().unwrap_or("the control file was not read")));
    let postmaster = processes::postmaster(&node.data_dir);
    NodeStatus {
        id: node.id.clone(),
        running: postmaster.is_some(),
        stopped_by_signal: postmaster.as_ref().is_some_and(|p| p.is_stopped_by_signal()),
        pid: postmaster.as_ref().map(|p| p.pid),
        processes: processes::of_data_dir(&node.data_dir).map_or(0, |found| found.len()),
        control,
        control_problem,
        data_dir_exists,
        fenced: fence::read(&node.data_dir),
        unfinished_rewind: fence::guard(&node.data_dir).exists(),
        data_room: files::data_room(node),
        wal_room: files::wal_room(node),
        forks,
        at: Utc::now(),
    }
}

/// Whether the node is, or when started would be, a standby: both the signal file and the control file must not object.
pub fn is_standby(node: &Node, control: &ControlData) -> bool {
    node.data_dir.join("standby.signal").exists() && control.state != "in production"
}
