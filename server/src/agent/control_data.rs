//! Reads `pg_controldata`: what the node itself last wrote about its state, also when it is dead.

use super::command::Run;
use super::refusal::Refusal;
use super::wire::ControlData;
use std::path::Path;
use std::time::Duration;

/// # Errors
/// When the program cannot run or the folder has no readable control file.
pub async fn read(bin_dir: &Path, data_dir: &Path) -> Result<ControlData, Refusal> {
    let output = Run::new(bin_dir.join("pg_controldata"), Duration::from_secs(5))
        .arg("-D")
        .arg(data_dir)
        .success("the data folder may be absent or damaged: rebuild the node")
        .await?;
    parse(&output.stdout).ok_or_else(|| {
        Refusal::failed("pg_controldata printed something this agent does not understand", "check that bin_dir has the major version of the node")
    })
}

fn parse(text: &str) -> Option<ControlData> {
    let value = |key: &str| text.lines().find_map(|line| Some(line.strip_prefix(key)?.strip_prefix(':')?.trim().to_owned()));
    let min_recovery_end = value("Minimum recovery ending location")?;
    Some(ControlData {
        state: value("Database cluster state")?,
        system_identifier: value("Database system identifier")?,
        timeline: value("Latest checkpoint's TimeLineID")?.parse().ok()?,
        checkpoint_lsn: value("Latest checkpoint location")?,
        min_recovery_end: (min_recovery_end != "0/0").then_some(min_recovery_end),
        data_checksums: value("Data page checksum version")? != "0",
    })
}
