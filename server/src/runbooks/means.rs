//! What a step of a runbook is carried out with: programs and requests of the server's configuration, and statements on the
//! nodes of the estate. Whatever comes back is bounded, and secrets are masked before anybody sees it.

use crate::{
    config::{Config, read_secret},
    connect::{
        postgres::{self, Address},
        program,
    },
    connections::Connections,
};
use anyhow::{Context, bail, ensure};
use engine::{
    id::{ClusterId, NodeId},
    picture::Picture,
    runbooks::{
        Action, Method, Rollback,
        run::{FrozenStep, Run},
        sights::origin_of,
    },
};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

/// An answer that is longer fails.
const LONGEST_ANSWER: usize = 64 * 1024;
/// So much of what came back is kept.
const LINES_KEPT: usize = 20;
/// Rows of an answer that are kept.
const ROWS_KEPT: usize = 20;
/// Functions that change something whatever the transaction says: PostgreSQL lets them through where only reading is allowed.
const CHANGING: [&str; 8] = [
    "pg_promote",
    "pg_terminate_backend",
    "pg_cancel_backend",
    "pg_reload_conf",
    "pg_switch_wal",
    "pg_wal_replay_pause",
    "pg_wal_replay_resume",
    "pg_drop_replication_slot",
];

struct Program {
    line: Vec<String>,
    secrets: Vec<(String, String)>,
}

/// See the module.
pub(super) struct Means {
    programs: BTreeMap<String, Program>,
    /// By their origins: the token.
    origins: BTreeMap<String, Option<String>>,
    connections: Arc<Connections>,
    client: reqwest::Client,
}

impl Means {
    pub(super) fn new(config: &Config, connections: Arc<Connections>) -> anyhow::Result<Self> {
        let mut programs = BTreeMap::new();
        for (name, command) in &config.runbook_command {
            let secret = |(variable, file): (&String, &PathBuf)| anyhow::Ok((variable.clone(), read_secret(file)?));
            let secrets = command.secret_files.iter().map(secret).collect::<anyhow::Result<_>>();
            let secrets = secrets.with_context(|| format!("[runbook_command.{name}]"))?;
            programs.insert(name.clone(), Program { line: command.command.clone(), secrets });
        }
        let mut origins = BTreeMap::new();
        for (name, to) in &config.runbook_origin {
            let token = to.token_file.as_deref().map(read_secret).transpose().with_context(|| format!("[runbook_origin.{name}]"))?;
            origins.insert(to.origin.clone(), token);
        }
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().context("requests of runbooks")?;
        Ok(Self { programs, origins, connections, client })
    }

    /// What there is, or why it cannot be run.
    pub(super) fn commands(&self) -> BTreeMap<String, Result<(), String>> {
        let usable = |program: &Program| program::check(&program.line).map_err(|why| format!("{why:#}"));
        self.programs.iter().map(|(name, program)| (name.clone(), usable(program))).collect()
    }

    /// Carries a step out, or its way back. Returns what was seen.
    ///
    /// # Errors
    /// Why it did not succeed, in words.
    pub(super) async fn carry_out(&self, picture: &Picture, run: &Run, place: usize, undo: bool) -> anyhow::Result<String> {
        let step = run.plan.get(place).context("there is no such step")?;
        if undo {
            return match &step.rollback {
                Some(Rollback::Command { name, arguments }) => self.run(run, step, name, arguments, None).await,
                Some(Rollback::Manual(_) | Rollback::None(_)) | None => bail!("a person does this"),
            };
        }
        match &step.action {
            Action::Command { command, arguments, expect } => self.run(run, step, command, arguments, expect.as_deref()).await,
            Action::Http { method, url, body, status, expect } => {
                let asking = self.ask(*method, url, body.as_deref(), *status, expect.as_deref());
                within(step.timeout.as_std(), asking).await
            }
            Action::Sql { statement, writes, expect } => {
                let asking = self.query(picture, step, statement, *writes, expect.as_deref());
                within(step.timeout.as_std(), asking).await
            }
            Action::Manual | Action::Wait { .. } | Action::Approval { .. } | Action::Runbook { .. } | Action::Operation { .. } => {
                bail!("this is nothing that is carried out")
            }
        }
    }

    async fn run(&self, run: &Run, step: &FrozenStep, name: &str, arguments: &[String], expect: Option<&str>) -> anyhow::Result<String> {
        let program =
            self.programs.get(name).with_context(|| format!("the server's configuration has no [runbook_command.{name}], so nothing was run"))?;
        let line: Vec<String> = program.line.iter().chain(arguments).cloned().collect();
        let id = run.id.to_string();
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        let (region, service) = (part(&step.target.region), part(&step.target.service));
        let (cluster, node) = (part(&step.target.cluster), part(&step.target.node));
        let mut variables = vec![
            ("LIFEBOAT_RUN", id.as_str()),
            ("LIFEBOAT_RUNBOOK", run.runbook.as_str()),
            ("LIFEBOAT_STEP", step.id.as_str()),
            ("LIFEBOAT_REGION", region.as_str()),
            ("LIFEBOAT_SERVICE", service.as_str()),
            ("LIFEBOAT_CLUSTER", cluster.as_str()),
            ("LIFEBOAT_NODE", node.as_str()),
        ];
        variables.extend(program.secrets.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let hide = |text: &str| program.secrets.iter().fold(text.to_owned(), |text, (_, secret)| text.replace(secret.as_str(), "…"));
        let printed =
            program::run(&line, &variables, step.timeout.as_std()).await.map_err(|error| anyhow::anyhow!("{}", hide(&format!("{error:#}"))))?;
        let printed = hide(&printed);
        if let Some(expect) = expect.filter(|expect| !printed.contains(expect)) {
            bail!("it ended well and did not say “{expect}”: {}", program::last_lines(&printed, LINES_KEPT));
        }
        Ok(or_nothing(program::last_lines(&printed, LINES_KEPT)))
    }

    async fn ask(&self, method: Method, url: &str, body: Option<&str>, status: u16, expect: Option<&str>) -> anyhow::Result<String> {
        let origin = origin_of(url).with_context(|| format!("{url} is no address of http or https"))?;
        let token = self.origins.get(&origin);
        let token = token.with_context(|| format!("the server's configuration has no [runbook_origin] for {origin}, so nothing was sent"))?;
        let method_name = method.to_string();
        let verb = reqwest::Method::from_bytes(method_name.as_bytes()).context("a method")?;
        let mut request = self.client.request(verb, url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            let kind = if body.trim_start().starts_with(['{', '[']) { "application/json" } else { "text/plain; charset=utf-8" };
            request = request.header("content-type", kind).body(body.to_owned());
        }
        let hide = |text: &str| token.as_ref().map_or_else(|| text.to_owned(), |token| text.replace(token.as_str(), "…"));
        let mut answer = request.send().await.map_err(|error| anyhow::anyhow!("{}", hide(&innermost(&error))))?;
        let got = answer.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.context("the answer broke off")? {
            bytes.extend_from_slice(&chunk);
            ensure!(bytes.len() <= LONGEST_ANSWER, "it answered {got} with more than {} KiB", LONGEST_ANSWER / 1024);
        }
        let text = hide(&String::from_utf8_lossy(&bytes));
        let shown = program::last_lines(&text, LINES_KEPT);
        ensure!(got == status, "it answered {got}, and not {status}: {}", or_nothing(shown));
        if let Some(expect) = expect.filter(|expect| !text.contains(expect)) {
            bail!("it answered {got} and did not say “{expect}”: {}", or_nothing(shown));
        }
        Ok(format!("{got}\n{shown}").trim_end().to_owned())
    }

    async fn query(&self, picture: &Picture, step: &FrozenStep, statement: &str, writes: bool, expect: Option<&str>) -> anyhow::Result<String> {
        let cluster: ClusterId = step.target.cluster.as_deref().context("the step names no cluster")?.parse().context("the cluster")?;
        let node = match step.target.node.as_deref() {
            Some(node) => node.parse::<NodeId>().context("the node")?,
            None => {
                let (_, view) = picture.cluster(&cluster).with_context(|| format!("nothing was seen of {cluster} yet"))?;
                let writable = view.writable();
                let [only] = writable[..] else { bail!("{} nodes of {cluster} take writes, so it is not known which one is meant", writable.len()) };
                only.node.clone()
            }
        };
        let address: &Address =
            self.connections.nodes.get(&(cluster.clone(), node.clone())).with_context(|| format!("{node} is no node of {cluster}"))?;
        let low = statement.to_lowercase();
        if let Some(name) = CHANGING.iter().find(|name| !writes && low.contains(**name)) {
            bail!("nothing was run: {name} changes something, and the step does not say `writes = true`");
        }
        let answer = postgres::ask(address, statement, &step.values, writes, step.timeout.as_std(), ROWS_KEPT).await?;
        let said = answer.in_words(node.as_str());
        if let Some(expect) = expect {
            let got = answer.only_value().context("`expect` takes a statement with exactly one column and at least one row")?;
            ensure!(got == expect, "the answer is “{got}”, and not “{expect}”; {said}");
        }
        Ok(said)
    }
}

async fn within<T>(patience: Duration, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    match tokio::time::timeout(patience, work).await {
        Ok(result) => result,
        Err(_) => bail!("it did not end within {} s", patience.as_secs()),
    }
}

fn or_nothing(said: String) -> String {
    if said.is_empty() { "it said nothing".to_owned() } else { said }
}

/// The innermost cause says most, and holds no address with what may stand in it.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
