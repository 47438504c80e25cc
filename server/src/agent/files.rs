//! What only the host can say of a node, also when it is down: the room on its disks, and where its timelines began.

use super::config::Node;
use super::wire::ControlData;
use engine::databases::{Detail, Fork, Room};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Of the file system of the data folder.
pub fn data_room(node: &Node) -> Detail<Room> {
    room(&node.data_dir)
}

/// Of the file system of `pg_wal`, where that is another one.
pub fn wal_room(node: &Node) -> Option<Detail<Room>> {
    let wal = node.data_dir.join("pg_wal");
    match (fs::metadata(&node.data_dir), fs::metadata(&wal)) {
        (Ok(data), Ok(apart)) => (data.dev() != apart.dev()).then(|| room(&wal)),
        // Of a data folder that is not there `data_room` says so.
        (Err(_), _) => None,
        (Ok(_), Err(error)) => Some(Err(format!("{}: {error}", wal.display()))),
    }
}

fn room(folder: &Path) -> Detail<Room> {
    let found = rustix::fs::statvfs(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    // What is kept back for root is no room for PostgreSQL.
    Ok(Room { free: found.f_bavail.saturating_mul(found.f_frsize), total: found.f_blocks.saturating_mul(found.f_frsize) })
}

/// Where each timeline of the node's history began. The control file's timeline is that of the last checkpoint; the node may
/// have been promoted, or have followed a promotion, since.
pub fn forks(node: &Node, control: Result<&ControlData, &str>) -> Detail<Vec<Fork>> {
    let checkpointed = control.map_err(str::to_owned)?.timeline;
    let mut newest = match history(node, checkpointed)? {
        Some(text) => parse(&text, checkpointed)?,
        None if checkpointed == 1 => Vec::new(),
        None => return Err(format!("pg_wal has no history file of timeline {checkpointed}")),
    };
    for timeline in checkpointed + 1.. {
        match history(node, timeline)? {
            Some(text) => newest = parse(&text, timeline)?,
            None => break,
        }
    }
    Ok(newest)
}

fn history(node: &Node, timeline: u32) -> Detail<Option<String>> {
    let file = node.data_dir.join(format!("pg_wal/{timeline:08X}.history"));
    match fs::read_to_string(&file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}

/// Each line of a history file names a timeline, where it was left, and why.
fn parse(text: &str, timeline: u32) -> Detail<Vec<Fork>> {
    let bad = |line: &str| format!("the history of timeline {timeline} has a line that is none: “{}”", line.chars().take(80).collect::<String>());
    let mut left = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let mut fields = line.split_ascii_whitespace();
        let parent = fields.next().and_then(|field| field.parse().ok()).ok_or_else(|| bad(line))?;
        let at = fields.next().and_then(|field| field.parse().ok()).ok_or_else(|| bad(line))?;
        left.push((parent, at));
    }
    let next = left.iter().skip(1).map(|(parent, _)| *parent).chain([timeline]);
    Ok(left.iter().zip(next).map(|((parent, at), timeline)| Fork { timeline, parent: *parent, at: *at }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::databases::Lsn;

    #[test]
    fn a_history_file_says_where_each_timeline_began() {
        let text = "1\t0/5000000\tno recovery target specified\n\n2\t16/B374D848\tno recovery target specified\n";
        let forks = [Fork { timeline: 2, parent: 1, at: Lsn(0x500_0000) }, Fork { timeline: 4, parent: 2, at: Lsn(0x16_B374_D848) }];
        assert_eq!(parse(text, 4).unwrap(), forks);
        assert_eq!(parse("", 4).unwrap(), []);
        for bad in ["1 x y", "one\t0/1\t", "1"] {
            assert!(parse(bad, 2).unwrap_err().contains("the history of timeline 2 has a line that is none"), "{bad}");
        }
    }
}
