//! What backup jobs that others run say of themselves: that they began, succeeded or failed. Said twice is said once; what
//! nobody said anything about any more is failed when its grace is over, and what cannot be understood is never a success.

use super::{Api, bearer};
use crate::agent::refusal::Refusal;
use axum::{
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
};
use engine::{
    backups::{Backup, BackupState, Contents, StoredFile, Trigger, ledger::BackupEvent},
    estate::BackupPolicy,
    id::{BackupId, PolicyId},
    journal::{Actor, Event},
    picture::Picture,
    time::Instant,
};
use serde::Deserialize;
use std::sync::Arc;

/// The longest reason that is kept, in characters.
const LONGEST: usize = 1_000;

/// `?run=UUID`: so that what is sent again is known to be the same job.
#[derive(Deserialize)]
pub(super) struct Run {
    run: Option<uuid::Uuid>,
}

/// What a success says of what was written; everything may be left out, and is unknown then.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Success {
    bytes: Option<u64>,
    /// Of everything that was written, in hexadecimal.
    sha256: Option<String>,
    /// Everything that was committed before is in it.
    recoverable_to: Option<Instant>,
    /// The tool with its version.
    tool: Option<String>,
}

/// What a failure says.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Failure {
    why: Option<String>,
}

pub(super) async fn start(api: State<Arc<Api>>, policy: Path<String>, run: Query<Run>, headers: HeaderMap) -> Result<StatusCode, Refusal> {
    tell(api, policy, run, &headers, Said::Start).await
}

pub(super) async fn success(
    api: State<Arc<Api>>,
    policy: Path<String>,
    run: Query<Run>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let hint = r#"send nothing, or {"bytes": 1234, "sha256": "…", "recoverable_to": "2026-11-23T02:00:00Z", "tool": "…"}"#;
    let success: Success = read(&body, hint)?;
    if success.sha256.as_ref().is_some_and(|hash| hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        return Err(Refusal::bad_request("`sha256` is not 64 hexadecimal digits".to_owned(), hint));
    }
    tell(api, policy, run, &headers, Said::Success(success)).await
}

pub(super) async fn fail(
    api: State<Arc<Api>>,
    policy: Path<String>,
    run: Query<Run>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let failure: Failure = read(&body, r#"send nothing, or {"why": "…"}"#)?;
    tell(api, policy, run, &headers, Said::Failure(words(failure.why))).await
}

/// The exit code of the job, for a line at its end: `curl … /exit/$?`.
pub(super) async fn exit(
    api: State<Arc<Api>>,
    Path((policy, code)): Path<(String, u8)>,
    run: Query<Run>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    let said = if code == 0 { Said::Success(Success::default()) } else { Said::Failure(format!("it ended with the exit code {code}")) };
    tell(api, Path(policy), run, &headers, said).await
}

enum Said {
    Start,
    Success(Success),
    Failure(String),
}

fn read<T: for<'de> Deserialize<'de> + Default>(body: &Bytes, hint: &'static str) -> Result<T, Refusal> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|error| Refusal::bad_request(error.to_string(), hint))
}

fn words(why: Option<String>) -> String {
    let why: String = why.unwrap_or_default().chars().filter(|letter| !letter.is_control()).take(LONGEST).collect();
    if why.is_empty() { "it said so without a reason".to_owned() } else { why }
}

async fn tell(
    State(api): State<Arc<Api>>,
    Path(policy): Path<String>,
    Query(Run { run }): Query<Run>,
    headers: &HeaderMap,
    said: Said,
) -> Result<StatusCode, Refusal> {
    let policy: PolicyId = policy.parse().map_err(|_| Refusal::not_authorised())?;
    // A stranger does not learn which policies there are.
    if !api.jobs.get(&policy).is_some_and(|digest| digest.matches(bearer(headers))) {
        return Err(Refusal::not_authorised());
    }
    let declared = api.desk.estate().backup_policy(&policy).cloned().ok_or_else(Refusal::not_authorised)?;
    let fresh = BackupId(run.unwrap_or_else(uuid::Uuid::now_v7));
    let events = |picture: &Picture| events(picture, &declared, run.map(BackupId), fresh, &said);
    match api.desk.record(&Actor::Lifeboat, events).await {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(Refusal::failed(format!("it could not be recorded: {error:#}"), "send it again")),
    }
}

/// What follows from what was said, given what is known of the job.
fn events(picture: &Picture, policy: &BackupPolicy, run: Option<BackupId>, fresh: BackupId, said: &Said) -> Vec<Event> {
    let known = run.and_then(|id| picture.records.backups.get(&policy.id, &id));
    if known.is_some_and(|known| known.state != BackupState::Running) || (known.is_some() && matches!(said, Said::Start)) {
        // Said before.
        return Vec::new();
    }
    let running: Option<&Arc<Backup>> = picture.records.backups.running(&policy.id);
    let of = |id: BackupId, what: BackupEvent| Event::Backup { policy: policy.id.clone(), id, what: Box::new(what) };
    let mut events = Vec::new();
    let is_another = |running: &Backup| matches!(said, Said::Start) || run.is_some_and(|run| run != running.id);
    let id = match running {
        Some(running) if !is_another(running) => running.id,
        _ => {
            if let Some(left) = running {
                events.push(of(left.id, BackupEvent::Failed { why: "another one began before it said how it ended".to_owned() }));
            }
            events.push(of(fresh, BackupEvent::Started { kind: policy.kind, trigger: Trigger::Reported }));
            fresh
        }
    };
    match said {
        Said::Start => {}
        Said::Success(success) => {
            let contents = Contents {
                files: success
                    .bytes
                    .map(|bytes| StoredFile { name: "told".to_owned(), bytes, sha256: success.sha256.clone().unwrap_or_default() })
                    .into_iter()
                    .collect(),
                tool: success.tool.as_ref().map_or_else(|| "a job of its own".to_owned(), |tool| tool.chars().take(100).collect()),
                recoverable_to: success.recoverable_to.filter(|at| *at <= picture.now),
                source_bytes: None,
                wal: None,
                counts: Vec::new(),
            };
            events.push(of(id, BackupEvent::Taken { contents }));
            events.push(of(id, BackupEvent::Completed));
        }
        Said::Failure(why) => events.push(of(id, BackupEvent::Failed { why: why.clone() })),
    }
    events
}
