//! Every source beside PostgreSQL's own, each by its real tool: what it makes is restored by that tool and compared, the product's own
//! proof climbs as far as there are rungs, and what was damaged is found. Only Qdrant is a stand-in, which says so.

use crate::{
    Server,
    place::{self, EAST, Lab, id},
};
use axum::{
    Router,
    extract::{Path as At, State},
    http::{HeaderMap, StatusCode},
    routing::{delete, get, post},
};
use engine::{
    access::Role,
    backups::{BackupCopy, BackupState, Fault, ProofLevel},
    estate::Estate,
    findings::Complaint,
    journal::{Actor, Command as Order},
};
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

/// Nothing but backups: a configuration, an estate with one policy, and two places for copies.
pub struct Place {
    home: tempfile::TempDir,
}

impl Place {
    pub fn new(source: &str, kind: &str, level: &str, config: &str) -> Self {
        let home = tempfile::Builder::new().prefix("lb").tempdir().unwrap();
        // Whoever the tools run as reads it.
        std::fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let place = Self { home };
        for name in ["near", "far", "work"] {
            std::fs::create_dir(place.path(name)).unwrap();
        }
        let folders = config.contains("[repository.").then(String::new).unwrap_or_else(|| {
            ["near", "far"].map(|name| format!("[destination.{name}]\nurl = \"file://{}\"\n", place.path(name).display())).concat()
        });
        place.write("lifeboat.toml", &format!("{folders}{config}\n[backups]\nwork = \"{}\"\n", place.path("work").display()));
        place.write("estate.toml", &ESTATE.replace("SOURCE", source).replace("TYPE", kind).replace("LEVEL", level));
        place
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }
    pub async fn server(&self) -> Server {
        let server = Server::of(&self.path("lifeboat.toml"), |_: &mut Estate| ()).await;
        if server.picture().records.accounts.is_empty() {
            let roles = [Role::Operator, Role::Tester].into();
            server.desk.act(&Actor::CommandLine("setup".to_owned()), Order::AddAccount { name: id("olga"), roles }).await.unwrap();
        }
        server
    }
    /// Whether a text is anywhere in the journal's files.
    fn journal_has(&self, text: &str) -> bool {
        fn search(folder: &Path, text: &[u8]) -> bool {
            std::fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
                let path = entry.path();
                if path.is_dir() {
                    search(&path, text)
                } else {
                    std::fs::read(&path).unwrap_or_default().windows(text.len()).any(|part| part == text)
                }
            })
        }
        search(&self.path("data"), text.as_bytes())
    }
}

pub const POLICY: &str = "nightly";
const ESTATE: &str = r#"
name = "tools"
[[region]]
id = "east"
name = "East"
[[region]]
id = "west"
name = "West"
[[service]]
id = "cache"
tier = 3
rto = "1h"
rpo = "24h"
mtpd = "48h"
data_class = "standard"
[[destination]]
id = "near"
region = "east"
[[destination]]
id = "far"
region = "west"
[[backup_policy]]
id = "nightly"
service = "cache"
type = "TYPE"
source = SOURCE
schedule = "0 2 * * *"
retention = "7d"
destinations = ["near", "far"]
[backup_policy.verification]
level = "LEVEL"
every = "7d"
"#;

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
fn run(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let out = Command::new(program).args(arguments).envs(variables.iter().copied()).output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{program} {arguments:?}: {said}{complained}");
    said.into_owned()
}

/// A program of the test's own; it ends with it.
struct Daemon(Child);

impl Daemon {
    fn start(program: &str, arguments: &[&str]) -> Self {
        Self(Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}
impl Drop for Daemon {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

const SECRET: &str = "canary-of-the-tools-5d1f";

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_dumped_loaded_into_a_scratch_redis_and_a_changed_byte_is_found() {
    let port = free_port().to_string();
    let config = format!("[backup_source.cache]\nkind = \"redis\"\nhost = \"127.0.0.1\"\nport = {port}\npassword_file = \"redis-password\"\n");
    let place = Place::new("{ by = \"redis\", name = \"cache\" }", "snapshot", "boots", &config);
    place.write("redis-password", &format!("{SECRET}\n"));
    place.write("redis.conf", &format!("port {port}\nbind 127.0.0.1\nsave \"\"\ndir {}\nrequirepass {SECRET}\n", place.path("").display()));
    let _redis = Daemon::start("redis-server", &[place.path("redis.conf").to_str().unwrap()]);
    let cli = |arguments: &[&str]| run("redis-cli", &[&["-p", &*port], arguments].concat(), &[("REDISCLI_AUTH", SECRET)]);
    place::until("Redis answers", async || {
        let out = Command::new("redis-cli").args(["-p", &port, "ping"]).env("REDISCLI_AUTH", SECRET).output().unwrap();
        out.stdout.starts_with(b"PONG").then_some(())
    })
    .await;
    for (key, value) in [("one", "1"), ("two", "zwei"), ("three", "drei")] {
        cli(&["set", key, value]);
    }
    let server = place.server().await;
    server
        .until("its tool is told", |picture| picture.observed.backups.tools.get(&id(POLICY)).is_some_and(|tool| tool.starts_with("redis-cli ")))
        .await;
    let backup = server.back_up(POLICY).await;
    assert_eq!((backup.state, &backup.why), (BackupState::Completed, &None));
    let result = server.proven(&backup, 1).await;
    assert_eq!((result.reached(), &result.failure), (Some(ProofLevel::Boots), &None));
    assert!(result.rungs.last().unwrap().said.contains("loaded it: 3 keys"), "{:#?}", result.rungs);

    // By the tool itself, and the source may go on meanwhile.
    cli(&["set", "four", "4"]);
    let other = free_port().to_string();
    let folder = server.copy(&backup, "far");
    let restored = Daemon::start("redis-server", &["--port", &other, "--dir", folder.to_str().unwrap(), "--dbfilename", "dump.rdb", "--save", ""]);
    let value = place::until("the restored Redis answers", async || {
        let out = Command::new("redis-cli").args(["-p", &other, "get", "two"]).output().unwrap();
        let said = String::from_utf8(out.stdout).unwrap();
        said.starts_with("zwei").then_some(said)
    });
    assert_eq!(value.await.trim(), "zwei");
    assert_eq!(run("redis-cli", &["-p", &other, "dbsize"], &[]).trim(), "3");
    drop(restored);

    // Whole by its checksum, and no RDB: as if it had been written so.
    let mut bytes = std::fs::read(folder.join("dump.rdb")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(folder.join("dump.rdb"), &bytes).unwrap();
    let failure = server.prove(&backup, "far").await.failure.unwrap();
    assert_eq!((failure.level, failure.fault), (ProofLevel::Checksum, Fault::Backup));
    assert_eq!(server.left_at_work(), Vec::<String>::new());
    assert!(!place.journal_has(SECRET));

    // A wrong password is the tool's own complaint, and no backup.
    place.write("redis-password", "wrong\n");
    let refused = server.back_up(POLICY).await;
    assert_eq!(refused.state, BackupState::Failed);
    assert!(refused.why.as_ref().unwrap().contains("redis-cli"), "{refused:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn etcd_is_snapshot_restored_into_a_scratch_etcd_and_its_keys_are_there() {
    let (clients, peers) = (format!("http://127.0.0.1:{}", free_port()), format!("http://127.0.0.1:{}", free_port()));
    let config = format!("[backup_source.settings]\nkind = \"etcd\"\nendpoint = \"{clients}\"\n");
    let place = Place::new("{ by = \"etcd\", name = \"settings\" }", "snapshot", "boots", &config);
    let start = |data: &str, clients: &str, peers: &str, name: &str| {
        let (cluster, folder) = (format!("{name}={peers}"), place.path(data));
        let arguments = [
            ["--name", name],
            ["--data-dir", folder.to_str().unwrap()],
            ["--listen-client-urls", clients],
            ["--advertise-client-urls", clients],
            ["--listen-peer-urls", peers],
            ["--initial-advertise-peer-urls", peers],
            ["--initial-cluster", &cluster],
        ]
        .concat();
        Daemon::start("etcd", &arguments)
    };
    let _etcd = start("etcd", &clients, &peers, "one");
    let ctl = |endpoint: &str, arguments: &[&str]| run("etcdctl", arguments, &[("ETCDCTL_API", "3"), ("ETCDCTL_ENDPOINTS", endpoint)]);
    let answers = async |endpoint: &str| {
        place::until("etcd answers", async || {
            let out =
                Command::new("etcdctl").args(["endpoint", "health"]).env("ETCDCTL_API", "3").env("ETCDCTL_ENDPOINTS", endpoint).output().unwrap();
            out.status.success().then_some(())
        })
        .await;
    };
    answers(&clients).await;
    for n in 0..5 {
        ctl(&clients, &["put", &format!("/flags/{n}"), "on"]);
    }
    let server = place.server().await;
    let backup = server.back_up(POLICY).await;
    assert_eq!((backup.state, &backup.why), (BackupState::Completed, &None));
    assert!(backup.contents.as_ref().unwrap().tool.starts_with("etcdctl version"), "{backup:#?}");
    let result = server.proven(&backup, 1).await;
    assert_eq!((result.reached(), &result.failure), (Some(ProofLevel::Boots), &None));
    assert!(result.rungs.last().unwrap().said.contains("has 5 keys"), "{:#?}", result.rungs);

    // By the tool itself.
    ctl(&clients, &["del", "--prefix", "/flags/"]);
    let (second, second_peers) = (format!("http://127.0.0.1:{}", free_port()), format!("http://127.0.0.1:{}", free_port()));
    let snapshot = server.copy(&backup, "near").join("snapshot.db");
    let (data, cluster) = (place.path("restored"), format!("two={second_peers}"));
    let line = ["snapshot", "restore", snapshot.to_str().unwrap(), "--data-dir", data.to_str().unwrap(), "--name", "two"];
    ctl(&clients, &[&line[..], &["--initial-cluster", &cluster, "--initial-advertise-peer-urls", &second_peers]].concat());
    let _restored = start("restored", &second, &second_peers, "two");
    answers(&second).await;
    assert_eq!(ctl(&second, &["get", "/flags/3", "--print-value-only"]).trim(), "on");
    assert_eq!(server.left_at_work(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_kept_by_restic_in_two_repositories_checked_and_restored() {
    let place = Place::new(
        "{ by = \"restic\", name = \"config\" }",
        "snapshot",
        "boots",
        "[repository.near]\nby = \"restic\"\nurl = \"NEAR\"\npassword_file = \"restic-password\"\n[repository.far]\nby = \"restic\"\nurl = \"FAR\"\npassword_file = \"restic-password\"\n[backup_source.config]\nkind = \"files\"\npaths = [\"etc\"]\nexclude = [\"*.tmp\"]\n",
    );
    let text = std::fs::read_to_string(place.path("lifeboat.toml")).unwrap();
    let text = text.replace("NEAR", place.path("near").to_str().unwrap()).replace("FAR", place.path("far").to_str().unwrap());
    place.write("lifeboat.toml", &text);
    place.write("restic-password", &format!("{SECRET}\n"));
    std::fs::create_dir_all(place.path("etc/deep")).unwrap();
    place.write("etc/a.conf", "listen = true\n");
    place.write("etc/deep/b.conf", &"x".repeat(300_000));
    place.write("etc/scrap.tmp", "not this");
    let restic = |at: &str, arguments: &[&str]| {
        run("restic", arguments, &[("RESTIC_REPOSITORY", place.path(at).to_str().unwrap()), ("RESTIC_PASSWORD", SECRET), ("HOME", "/nonexistent")])
    };
    let server = place.server().await;
    let cannot =
        |picture: &engine::picture::Picture| picture.observed.backups.troubles.get(&id(POLICY)).is_some_and(|why| why.contains("restic init"));
    server.until("a repository that is not there is told", cannot).await;
    for at in ["near", "far"] {
        restic(at, &["init", "--no-cache"]);
    }
    let backup = server.back_up(POLICY).await;
    assert_eq!((backup.state, &backup.why), (BackupState::Completed, &None));
    assert!(backup.copies.values().all(BackupCopy::is_stored), "{backup:#?}");
    let contents = backup.contents.as_ref().unwrap();
    assert_eq!((contents.files.len(), contents.bytes(), contents.source_bytes), (1, 300_014, Some(300_014)), "{contents:#?}");
    for at in ["near", "far"] {
        let result = server.prove(&backup, at).await;
        assert_eq!((result.reached(), &result.failure), (Some(ProofLevel::Boots), &None));
        let rungs: Vec<ProofLevel> = result.rungs.iter().map(|rung| rung.level).collect();
        assert_eq!(rungs, [ProofLevel::Exists, ProofLevel::Readable, ProofLevel::Boots], "what is not available is not green");
        assert!(result.rungs[2].said.contains("2 files"), "{:#?}", result.rungs);
    }
    // By the tool itself, from the second repository, and compared.
    let back = place.path("back");
    restic("far", &["restore", "latest", "--no-cache", "--target", back.to_str().unwrap()]);
    let was = place.path("etc");
    let restored = back.join(was.strip_prefix("/").unwrap());
    assert_eq!(run("diff", &["-r", "--exclude=*.tmp", was.to_str().unwrap(), restored.to_str().unwrap()], &[]), "");

    // A pack that is cut off is found, and said by restic.
    let packs = std::fs::read_dir(place.path("near/data")).unwrap().flatten().flat_map(|folder| std::fs::read_dir(folder.path()).unwrap().flatten());
    let pack = packs.max_by_key(|file| file.metadata().unwrap().len()).unwrap().path();
    let whole = std::fs::read(&pack).unwrap();
    std::fs::set_permissions(&pack, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(&pack, &whole[..whole.len() / 2]).unwrap();
    let failure = server.prove(&backup, "near").await.failure.unwrap();
    assert_eq!((failure.level, failure.fault), (ProofLevel::Readable, Fault::Backup), "{failure:?}");
    // Somebody forgets it: listed and gone.
    restic("far", &["forget", "--no-cache", "latest"]);
    let failure = server.prove(&backup, "far").await.failure.unwrap();
    assert_eq!(failure.level, ProofLevel::Exists);
    server
        .until("its copy is missing", |picture| {
            let known = picture.records.backups.get(&id(POLICY), &backup.id).unwrap();
            matches!(known.copies[&id("far")], BackupCopy::Missing { .. })
        })
        .await;
    assert_eq!(server.left_at_work(), Vec::<String>::new());
    assert!(!place.journal_has(SECRET));
    // What is not there is no backup of it.
    std::fs::rename(place.path("etc"), place.path("elsewhere")).unwrap();
    let failed = server.back_up(POLICY).await;
    assert!(failed.state == BackupState::Failed && failed.why.as_ref().unwrap().contains("etc is not there"), "{failed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_of_ones_own_makes_checks_and_restores_and_a_rung_without_one_is_not_available() {
    let config = "[backup_source.notes]\nkind = \"command\"\ncommand = [\"COMMAND\"]\nversion = [\"/bin/echo\", \"notes 1.2\"]\ncheck = [\"/bin/grep\", \"-q\", \"-r\", \"whole\", \"FROM\"]\nsecret_files = { NOTES_TOKEN = \"token\" }\n";
    let place = Place::new("{ by = \"command\", name = \"notes\" }", "full", "boots", config);
    let script = |name: &str, body: &str| {
        place.write(name, &format!("#!/bin/sh\nset -eu\n{body}\n"));
        std::fs::set_permissions(place.path(name), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        place.path(name).to_str().unwrap().to_owned()
    };
    let make = script("make", &format!("test \"$NOTES_TOKEN\" = {SECRET}\ntest -z \"${{HOME:-}}\"\necho whole > \"$LIFEBOAT_INTO/notes.txt\""));
    let check = script("check", "grep -q whole \"$LIFEBOAT_FROM/notes.txt\"\necho one note");
    let text = std::fs::read_to_string(place.path("lifeboat.toml")).unwrap().replace("COMMAND", &make);
    let without = text.replace("[\"/bin/grep\", \"-q\", \"-r\", \"whole\", \"FROM\"]", &format!("[\"{check}\"]"));
    place.write("lifeboat.toml", &without);
    place.write("token", &format!("{SECRET}\n"));
    let server = place.server().await;
    let backup = server.back_up(POLICY).await;
    assert_eq!((backup.state, &backup.why), (BackupState::Completed, &None));
    assert_eq!(backup.contents.as_ref().unwrap().tool, "notes 1.2");
    let result = server.proven(&backup, 1).await;
    assert_eq!(result.reached(), Some(ProofLevel::Readable));
    assert!(result.rungs[2].said.contains("one note"), "{:#?}", result.rungs);
    let failure = result.failure.unwrap();
    assert_eq!((failure.level, failure.fault), (ProofLevel::Boots, Fault::Surroundings), "unknown, and not bad");
    assert!(failure.why.contains("not available: [backup_source.notes] names no `restore`"), "{failure:?}");
    assert!(!place.journal_has(SECRET));
    drop(server);

    // With a command for it, in another place.
    let restore = script("restore", "cp \"$LIFEBOAT_FROM/notes.txt\" \"$LIFEBOAT_INTO\"\ngrep -c whole \"$LIFEBOAT_INTO/notes.txt\"");
    let again = Place::new("{ by = \"command\", name = \"notes\" }", "full", "boots", "");
    let with = without.replace("secret_files", &format!("restore = [\"{restore}\"]\nsecret_files"));
    let with = with.replace(place.path("").to_str().unwrap().trim_end_matches('/'), again.path("").to_str().unwrap().trim_end_matches('/'));
    let with = [("make", &make), ("check", &check), ("restore", &restore)].iter().fold(with, |text, (name, path)| {
        std::fs::copy(path, again.path(name)).unwrap();
        text
    });
    again.write("lifeboat.toml", &with);
    again.write("token", &format!("{SECRET}\n"));
    let server = again.server().await;
    let backup = server.back_up(POLICY).await;
    let result = server.proven(&backup, 1).await;
    assert_eq!((result.reached(), &result.failure), (Some(ProofLevel::Boots), &None));
    // What leaves nothing is no backup, whatever its exit code.
    std::fs::write(again.path("make"), "#!/bin/sh\nexit 0\n").unwrap();
    let failed = server.back_up(POLICY).await;
    assert!(failed.state == BackupState::Failed && failed.why.as_ref().unwrap().contains("put nothing into LIFEBOAT_INTO"), "{failed:#?}");
}

/// A stand-in for Qdrant, after its API reference (“Snapshots”): it makes, sends and deletes snapshots, and knows one API key.
#[derive(Default)]
struct StandIn {
    snapshots: Vec<String>,
    deleted: Vec<String>,
    /// What it sends is not what it said.
    damaged: bool,
}

type Shared = Arc<Mutex<StandIn>>;
const VECTORS: &[u8] = b"vectors, as Qdrant keeps them in a tar";

async fn stand_in() -> (Shared, String) {
    use sha2::Digest as _;
    fn allowed(headers: &HeaderMap) -> bool {
        headers.get("api-key").is_some_and(|key| key == SECRET)
    }
    let shared = Shared::default();
    let make = async |State(shared): State<Shared>, At(collection): At<String>, headers: HeaderMap| {
        if !allowed(&headers) {
            return (StatusCode::FORBIDDEN, "Must provide an API key".to_owned());
        }
        if collection != "documents" {
            return (StatusCode::NOT_FOUND, r#"{"status":{"error":"Not found: Collection"},"time":0.1}"#.to_owned());
        }
        let mut known = shared.lock().unwrap();
        let name = format!("documents-{}.snapshot", known.snapshots.len());
        known.snapshots.push(name.clone());
        let hash: String = sha2::Sha256::digest(VECTORS).iter().map(|byte| format!("{byte:02x}")).collect();
        let size = VECTORS.len();
        (
            StatusCode::OK,
            format!(
                r#"{{"result":{{"name":"{name}","creation_time":"2026-11-27T02:00:00","size":{size},"checksum":"{hash}"}},"status":"ok","time":0.2}}"#
            ),
        )
    };
    let send = async |State(shared): State<Shared>, At((_, name)): At<(String, String)>| {
        let known = shared.lock().unwrap();
        assert!(known.snapshots.contains(&name));
        let mut bytes = VECTORS.to_vec();
        bytes[0] ^= u8::from(known.damaged);
        bytes
    };
    let remove = async |State(shared): State<Shared>, At((_, name)): At<(String, String)>| {
        shared.lock().unwrap().deleted.push(name);
        r#"{"result":true,"status":"ok","time":0.1}"#
    };
    let app = Router::new()
        .route("/", get(async || r#"{"title":"qdrant - vector search engine","version":"1.12.4"}"#))
        .route("/collections/{collection}/snapshots", post(make))
        .route("/collections/{collection}/snapshots/{name}", get(send))
        .route("/collections/{collection}/snapshots/{name}", delete(remove))
        .with_state(shared.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (shared, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_a_stand_in_for_qdrant_is_fetched_checked_and_deleted_there_and_its_ladder_ends_early() {
    let (qdrant, url) = stand_in().await;
    let config = format!("[backup_source.vectors]\nkind = \"qdrant\"\nurl = \"{url}\"\napi_key_file = \"key\"\n");
    let place = Place::new("{ by = \"qdrant\", name = \"vectors\", collection = \"documents\" }", "snapshot", "boots", &config);
    place.write("key", &format!("{SECRET}\n"));
    let server = place.server().await;
    let backup = server.back_up(POLICY).await;
    assert_eq!((backup.state, &backup.why), (BackupState::Completed, &None));
    assert_eq!(backup.contents.as_ref().unwrap().tool, "Qdrant 1.12.4");
    assert_eq!(std::fs::read(server.copy(&backup, "far").join("snapshot")).unwrap(), VECTORS);
    assert_eq!(qdrant.lock().unwrap().deleted, ["documents-0.snapshot"]);
    // More is declared than there is: told, never reached, never green.
    let result = server.proven(&backup, 1).await;
    assert_eq!((result.reached(), &result.failure), (Some(ProofLevel::Checksum), &None));
    let told = |complaint: &Complaint| matches!(complaint, Complaint::RungNotAvailable { highest: Some(ProofLevel::Checksum), .. });
    let found = server.findings(POLICY);
    assert!(found.iter().any(|finding| told(&finding.complaint)), "{found:#?}");
    assert!(found.iter().any(|finding| matches!(finding.complaint, Complaint::NotProvenYet)), "{found:#?}");

    qdrant.lock().unwrap().damaged = true;
    let failed = server.back_up(POLICY).await;
    assert!(failed.state == BackupState::Failed && failed.why.as_ref().unwrap().contains("has the checksum"), "{failed:#?}");
    assert_eq!(qdrant.lock().unwrap().deleted.len(), 2, "it is taken away there all the same");
    place.write("key", "wrong\n");
    let refused = server.back_up(POLICY).await;
    assert!(refused.why.as_ref().unwrap().contains("403") && !place.journal_has(SECRET), "{refused:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_kept_by_pgbackrest_in_two_repositories_verified_and_boots_without_its_archive() {
    let lab = Lab::up(&[]);
    lab.write(EAST, 7, 40).await;
    // Owned by whoever owns the cluster, whom pgBackRest runs as.
    let home = tempfile::Builder::new().prefix("lb").tempdir().unwrap();
    std::fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(lab.data(EAST)).unwrap());
    for name in ["repo1", "repo2", "lock", "spool"] {
        std::fs::create_dir(home.path().join(name)).unwrap();
        std::os::unix::fs::chown(home.path().join(name), Some(owner), None).unwrap();
    }
    let sockets = lab.text(EAST, "select setting from pg_settings where name = 'unix_socket_directories'").await;
    let port = lab.text(EAST, "select setting from pg_settings where name = 'port'").await;
    let at = home.path().display();
    let config = home.path().join("pgbackrest.conf");
    let text = format!(
        "[global]\nrepo1-path={at}/repo1\nrepo2-path={at}/repo2\nrepo1-retention-full=9\nrepo2-retention-full=9\nlock-path={at}/lock\nlog-level-file=off\ncompress-type=zst\n\
         [users]\npg1-path={}\npg1-port={port}\npg1-socket-path={sockets}\npg1-user=postgres\npg1-database=users\n",
        lab.data(EAST).display()
    );
    std::fs::write(&config, text).unwrap();
    let admin = lab.admin(EAST).await;
    admin.batch_execute("alter system set archive_mode = on").await.unwrap();
    let push = format!("alter system set archive_command = 'pgbackrest --config={} --stanza=users archive-push %p'", config.display());
    admin.batch_execute(&push).await.unwrap();
    lab.run(&["kill", EAST]);
    lab.run(&["heal", EAST]);
    let line = format!("pgbackrest --config={} --stanza=users --log-level-console=off stanza-create", config.display());
    let made = place::until("the stanza is made", async || {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &line]).current_dir("/");
        std::os::unix::process::CommandExt::uid(&mut command, owner);
        command.status().unwrap().success().then_some(())
    });
    made.await;

    let file = lab.folder.join("lifeboat.toml");
    let mut settings = std::fs::read_to_string(&file).unwrap();
    for (id, number) in [("first", 1), ("second", 2)] {
        settings += &format!("\n[repository.{id}]\nby = \"pgbackrest\"\nnumber = {number}\nconfig_file = \"{}\"\n", config.display());
    }
    std::fs::write(&file, settings).unwrap();
    let server = Server::start(&lab, |estate| {
        let mut kept = estate.backup_policies[0].clone();
        kept.id = id(POLICY);
        kept.source = engine::estate::BackupSource::Pgbackrest { cluster: id("user-database"), stanza: "users".to_owned() };
        kept.destinations = vec![id("first"), id("second")];
        kept.verification.as_mut().unwrap().assertions[0].sql = "select count(*) = 40 from app.load_rows where run = 7".to_owned();
        for (at, declared) in [(0, "first"), (1, "second")] {
            let mut destination = estate.destinations[at].clone();
            destination.id = id(declared);
            estate.destinations.push(destination);
        }
        estate.backup_policies.push(kept);
    })
    .await;
    let backup = server.back_up(POLICY).await;
    assert_eq!((backup.state, &backup.why), (BackupState::Completed, &None));
    assert!(backup.copies.values().all(BackupCopy::is_stored), "{backup:#?}");
    assert!(backup.contents.as_ref().unwrap().tool.starts_with("pgBackRest 2."), "{backup:#?}");
    lab.write(EAST, 8, 1).await;
    for at in ["first", "second"] {
        let result = server.prove(&backup, at).await;
        assert_eq!((result.reached(), &result.failure), (Some(ProofLevel::Answers), &None), "{result:#?}");
        let rungs: Vec<ProofLevel> = result.rungs.iter().map(|rung| rung.level).collect();
        assert_eq!(rungs, [ProofLevel::Exists, ProofLevel::Readable, ProofLevel::Boots, ProofLevel::Answers]);
    }
    // `pgbackrest verify` ends with success here; what it says is what counts.
    let label = &backup.contents.as_ref().unwrap().files[0].name;
    let base = home.path().join("repo1/backup/users").join(label).join("pg_data/base");
    let file = std::fs::read_dir(base).unwrap().flatten().find_map(|folder| {
        let files = std::fs::read_dir(folder.path()).unwrap().flatten();
        files.map(|file| file.path()).find(|path| std::fs::metadata(path).unwrap().len() > 500)
    });
    let file = file.unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let failure = server.prove(&backup, "first").await.failure.unwrap();
    assert_eq!((failure.level, failure.fault), (ProofLevel::Readable, Fault::Backup), "{failure:?}");
    assert!(failure.why.contains("checksum invalid: 1"), "{failure:?}");
    assert_eq!(server.left_at_work(), Vec::<String>::new());
}
