//! All keys of a Redis by `redis-cli --rdb`: the server sends what it would send a new replica. A proof loads it into a scratch
//! Redis on a socket of its own.

use super::{Broken, Climbed, Order, Source, Taken};
use crate::{
    backups::{daemon::Daemon, scratch, work::Folder},
    config::sources::{self, RedisSettings, find_program},
    connect::program,
};
use async_trait::async_trait;
use engine::{
    backups::{Count, ProofLevel},
    estate::Verification,
};
use std::time::{Duration, Instant as Moment};

const DUMP: &str = "dump.rdb";
const PATIENCE: Duration = Duration::from_secs(10);

/// See the module.
pub struct Redis(pub RedisSettings);

#[async_trait]
impl Source for Redis {
    async fn tool(&self) -> anyhow::Result<String> {
        let cli = find_program("redis-cli", "redis-tools")?;
        find_program("redis-check-rdb", "redis-tools")?;
        find_program("redis-server", "redis-server")?;
        Ok(program::run(&[cli, "--version".to_owned()], &[], PATIENCE).await?.trim().to_owned())
    }

    async fn take(&self, folder: &Folder, order: &Order) -> anyhow::Result<Taken> {
        let RedisSettings { host, port, user, ca_file, .. } = &self.0;
        folder.make("files")?;
        let mut line = vec![find_program("redis-cli", "redis-tools")?, "-h".to_owned(), host.clone(), "-p".to_owned(), port.to_string()];
        if let Some(user) = user {
            line.extend(["--user".to_owned(), user.clone()]);
        }
        if let Some(ca_file) = ca_file {
            line.extend(["--tls".to_owned(), "--cacert".to_owned(), ca_file.to_string_lossy().into_owned()]);
        }
        line.extend(["--rdb".to_owned(), folder.inside(&format!("files/{DUMP}"))]);
        // Whoever may see the arguments of programs does not see their environment.
        let password = sources::secret(self.0.password_file.as_ref(), self.0.password_env.as_ref())?;
        let mut variables = vec![("LC_ALL", "C"), folder.variable()];
        variables.extend(password.as_ref().map(|password| ("REDISCLI_AUTH", password.as_str())));
        // It forks when it is asked, which is later.
        let asked = chrono::Utc::now();
        order.told(folder, program::run_as(&line, &variables, folder.run_as(), order.patience)).await?;
        Ok(Taken { files: vec![DUMP.to_owned()], recoverable_to: Some(asked), source_bytes: None, wal: None, counts: Vec::new() })
    }

    async fn climb(&self, folder: &Folder, wanted: ProofLevel, _: &Verification, _: &[Count]) -> Climbed {
        let mut climbed = Climbed::default();
        let began = Moment::now();
        let outcome = check(folder).await;
        if !climbed.step(ProofLevel::Readable, began, outcome) || wanted < ProofLevel::Boots {
            return climbed;
        }
        let began = Moment::now();
        let outcome = boot(folder).await;
        if climbed.step(ProofLevel::Boots, began, outcome) {
            climbed.booted_at = Some(Moment::now());
        }
        climbed
    }
}

async fn check(folder: &Folder) -> Result<String, Broken> {
    let tool = find_program("redis-check-rdb", "redis-tools").map_err(|error| Broken::surroundings(format!("{error:#}")))?;
    // What it complains of it prints where others print their results, behind a line that says so.
    let (mut is_told, mut complaint) = (false, String::new());
    let line = [tool, folder.inside(&format!("files/{DUMP}"))];
    let environment = [("LC_ALL", "C"), folder.variable()];
    let checked = program::each_line(&line, &environment, folder.run_as(), scratch::PATIENCE, |line| {
        if is_told && complaint.is_empty() {
            complaint = line.trim().chars().take(300).collect();
        }
        is_told |= line.contains("ERROR DETECTED");
    })
    .await;
    match checked {
        Ok(()) => Ok("redis-check-rdb read all of it".to_owned()),
        Err(error) if complaint.is_empty() => Err(Broken::of_tool(error)),
        Err(error) => Err(Broken::of_tool(error.context(complaint))),
    }
}

async fn boot(folder: &Folder) -> Result<String, Broken> {
    let surroundings = |error: anyhow::Error| Broken::surroundings(format!("{error:#}"));
    let server = find_program("redis-server", "redis-server").map_err(surroundings)?;
    let cli = find_program("redis-cli", "redis-tools").map_err(surroundings)?;
    let sockets = Sockets::of(folder).map_err(surroundings)?;
    let socket = sockets.0.join("redis").to_string_lossy().into_owned();
    // It listens to nobody but this server, keeps nothing, and knows nothing of the source's settings.
    let arguments = [
        ["--port", "0"],
        ["--unixsocket", &socket],
        ["--unixsocketperm", "600"],
        ["--dir", &folder.inside("files")],
        ["--dbfilename", DUMP],
        ["--save", ""],
        ["--appendonly", "no"],
        ["--daemonize", "no"],
        ["--logfile", ""],
    ];
    let line: Vec<String> = std::iter::once(server).chain(arguments.into_iter().flatten().map(str::to_owned)).collect();
    let environment = [("LC_ALL", "C"), folder.variable()];
    let mut daemon = Daemon::start(&line, &environment, folder).map_err(surroundings)?;
    let ask = [cli, "-s".to_owned(), socket, "info".to_owned()];
    // As long as it loads it says so, and nothing else.
    let answered =
        daemon.ready(&ask, &environment, folder, |said| said.lines().any(|line| line.trim() == "loading:0").then(|| said.to_owned())).await;
    daemon.stop().await;
    let said = answered?;
    let version = said.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap_or("of an unknown version").trim().to_owned();
    Ok(format!("Redis {version} loaded it: {} keys", keys(&said)))
}

/// Keys of all databases, `db0:keys=3,expires=0,avg_ttl=0`.
fn keys(info: &str) -> u64 {
    let databases = info.lines().filter_map(|line| line.trim().strip_prefix("db")?.split_once(":keys="));
    databases.filter_map(|(_, rest)| rest.split(',').next()?.parse::<u64>().ok()).sum()
}

/// A folder for a socket, whose path must be short. It goes with this value.
struct Sockets(std::path::PathBuf);

impl Sockets {
    fn of(folder: &Folder) -> anyhow::Result<Self> {
        let path = scratch::sockets_of(folder);
        std::fs::create_dir_all(&path)?;
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        folder.own(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "the folder of a scratch server's socket is left");
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn keys_of_all_databases_are_added_up() {
        assert_eq!(super::keys("loading:0\r\n# Keyspace\r\ndb0:keys=3,expires=0,avg_ttl=0\r\ndb7:keys=40,expires=1,avg_ttl=9\r\n"), 43);
        assert_eq!(super::keys("loading:0\r\n# Keyspace\r\n"), 0);
    }
}
