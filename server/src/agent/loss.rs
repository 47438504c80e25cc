//! Measures what a dead node wrote and the promoted one never received, by reading the dead node's WAL.

use super::command::{Run, last_part};
use super::config::{Config, Node};
use super::control_data;
use super::refusal::Refusal;
use super::rewind::must_be_stopped;
use super::wire::{Loss, LossQuestion, parse_lsn, show_lsn};
use chrono::{DateTime, NaiveDateTime, Utc};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// WAL is written in pages of 8 KiB with a header each; a segment's first page has a longer one. These are the build
/// defaults that Debian uses, and the control file check refuses other segment sizes implicitly (pg_waldump reads them itself).
const PAGE: u64 = 8192;
const SEGMENT: u64 = 16 * 1024 * 1024;

pub async fn measure(config: &Config, node: &Node, question: &LossQuestion) -> Result<Loss, Refusal> {
    let Some(from) = parse_lsn(&question.lsn) else {
        return Err(Refusal::bad_request(format!("`{}` is not an LSN", question.lsn), "write it as PostgreSQL does, for example 0/3000148"));
    };
    must_be_stopped(node)?;
    let deadline = Instant::now() + Duration::from_millis(question.timeout_ms);
    let after = read_wal(config, node, question.timeline, from, deadline).await?;
    if let Some(end) = after.end {
        return Ok(Loss {
            end_lsn: show_lsn(end),
            bytes_after: end.saturating_sub(from),
            commits_after: after.commits,
            first_commit: after.first,
            last_commit: after.last,
        });
    }
    // No record begins at or after the LSN. Make sure that the WAL really ends there: read it from the last checkpoint on.
    let checkpoint = control_data::read(&config.bin_dir, &node.data_dir).await?.checkpoint_lsn;
    let start = parse_lsn(&checkpoint).filter(|start| *start < from);
    let Some(start) = start else {
        return Err(no_wal(node, question, &after.complaint));
    };
    let all = read_wal(config, node, question.timeline, start, deadline).await?;
    match all.end {
        Some(end) => Ok(Loss { end_lsn: show_lsn(end), bytes_after: 0, commits_after: 0, first_commit: None, last_commit: None }),
        None => Err(no_wal(node, question, &all.complaint)),
    }
}

struct Wal {
    /// End of the last valid record; `None` when there was none.
    end: Option<u64>,
    commits: u64,
    first: Option<DateTime<Utc>>,
    last: Option<DateTime<Utc>>,
    complaint: String,
}

async fn read_wal(config: &Config, node: &Node, timeline: u32, from: u64, deadline: Instant) -> Result<Wal, Refusal> {
    let left = deadline.saturating_duration_since(Instant::now());
    let mut child = Run::new(config.bin_dir.join("pg_waldump"), left)
        .arg("--path")
        .arg(node.data_dir.join("pg_wal"))
        .args(["--timeline", &timeline.to_string(), "--start", &show_lsn(from)])
        .spawn()?;
    let Some(stdout) = child.stdout.take() else {
        return Err(Refusal::failed("pg_waldump has no output stream", "try again"));
    };
    let stderr = child.stderr.take();
    let read = async {
        let mut wal = Wal { end: None, commits: 0, first: None, last: None, complaint: String::new() };
        let mut lines = BufReader::new(stdout).lines();
        let records = async {
            while let Some(line) = lines.next_line().await? {
                if let Some((start, length)) = parse_record(&line) {
                    wal.end = Some(record_end(start, length));
                    // A record that began before the LSN is not after it; pg_waldump starts at the first full one.
                    if start >= from && is_commit(&line) {
                        wal.commits += 1;
                        wal.last = commit_time(&line).or(wal.last);
                        wal.first = wal.first.or(wal.last);
                    }
                }
            }
            Ok::<_, std::io::Error>(())
        };
        let (records, complaint) = tokio::join!(records, last_part(stderr));
        records?;
        wal.complaint = complaint?;
        child.wait().await?;
        Ok::<_, std::io::Error>(wal)
    };
    let wal = match tokio::time::timeout(left, read).await {
        Ok(Ok(wal)) => wal,
        Ok(Err(error)) => return Err(Refusal::failed(format!("cannot read the output of pg_waldump: {error}"), "try again")),
        Err(_) => return Err(Refusal::not_proven_in_time("pg_waldump did not end in time", "try again with a longer timeout_ms")),
    };
    if !is_end_of_wal(&wal.complaint, wal.end) {
        return Err(Refusal::failed(format!("pg_waldump failed: {}", wal.complaint.trim()), "the loss is unknown; keep the data folder"));
    }
    Ok(wal)
}

/// WAL always ends in something that is not a record. Which complaint that gives depends on what lay there before.
fn is_end_of_wal(complaint: &str, end: Option<u64>) -> bool {
    let line = complaint.trim();
    line.is_empty()
        || line.contains("error in WAL record at")
        || line.contains("could not find a valid record after")
        // The next segment was never begun: the end only if the records reached its border.
        || (line.contains("could not find file") && end.is_some_and(|end| end % SEGMENT < PAGE || SEGMENT - end % SEGMENT < PAGE))
}

/// `rmgr: Heap  len (rec/tot):  54/  150, tx: 735, lsn: 0/0152F608, prev …, desc: …` → where it begins, how long it is.
fn parse_record(line: &str) -> Option<(u64, u64)> {
    let (lengths, rest) = line.strip_prefix("rmgr: ")?.split_once("len (rec/tot):")?.1.split_once(',')?;
    let total = lengths.split_once('/')?.1.trim().parse().ok()?;
    let lsn = rest.split_once("lsn: ")?.1.split(',').next()?;
    Some((parse_lsn(lsn.trim())?, total))
}

fn is_commit(line: &str) -> bool {
    // What was prepared was acknowledged too.
    let ends_well = |desc: &str| desc.starts_with("COMMIT") || desc.starts_with("PREPARE");
    line.starts_with("rmgr: Transaction") && line.split_once("desc: ").is_some_and(|(_, desc)| ends_well(desc))
}

/// `desc: COMMIT 2026-01-01 00:00:00.123456 UTC; …`: what was prepared says no time.
fn commit_time(line: &str) -> Option<DateTime<Utc>> {
    let (date, rest) = line.split_once("desc: COMMIT ")?.1.trim_start_matches("PREPARED ").split_once(' ')?;
    let (time, zone) = rest.split_once(' ')?;
    let at = NaiveDateTime::parse_from_str(&format!("{date} {time}"), "%Y-%m-%d %H:%M:%S%.f").ok()?;
    zone.starts_with("UTC").then(|| at.and_utc())
}

/// Where a record of this length ends, page headers in between included, aligned to 8 bytes.
fn record_end(start: u64, length: u64) -> u64 {
    let mut at = start;
    let mut left = length;
    loop {
        let room = PAGE - at % PAGE;
        if left <= room {
            return (at + left).div_ceil(8) * 8;
        }
        left -= room;
        at += room;
        at += if at.is_multiple_of(SEGMENT) { 40 } else { 24 };
    }
}

fn no_wal(node: &Node, question: &LossQuestion, complaint: &str) -> Refusal {
    Refusal::failed(
        format!("{} has no readable WAL of timeline {} around {}: {}", node.id, question.timeline, question.lsn, complaint.trim()),
        "check timeline and LSN; if the WAL is gone, the loss is unknown",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_lines_of_pg_waldump() {
        let commit =
            "rmgr: Transaction len (rec/tot):     34/    34, tx:        735, lsn: 0/0152F6A0, prev 0/0152F608, desc: COMMIT 2026-01-01 00:00:00 UTC";
        assert_eq!(parse_record(commit), Some((0x0152F6A0, 34)));
        assert!(is_commit(commit));
        assert!(!is_commit(&commit.replace("COMMIT ", "ABORT ")));
        assert_eq!(commit_time(commit).map(|at| at.to_rfc3339()).as_deref(), Some("2026-01-01T00:00:00+00:00"));
        assert_eq!(commit_time(&commit.replace("UTC", "CET")), None, "a time of day that nobody knows the zone of is none");
        assert_eq!(parse_record("pg_waldump: error"), None);
    }

    #[test]
    fn records_end_behind_page_headers() {
        assert_eq!(record_end(0x1000, 34), 0x1028);
        assert_eq!(record_end(PAGE - 16, 32), PAGE + 24 + 16);
        assert_eq!(record_end(SEGMENT - 16, 32), SEGMENT + 40 + 16);
    }
}
