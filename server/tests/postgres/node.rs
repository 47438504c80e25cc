//! A PostgreSQL of the test's own, in a folder of its own, which ends with the test.

use server::connect::postgres::Address;
use std::{
    fs::OpenOptions,
    io::Write as _,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// The folder of PostgreSQL's programs.
pub fn programs() -> PathBuf {
    std::env::var_os("LIFEBOAT_TEST_POSTGRES").map_or_else(|| PathBuf::from("/usr/lib/postgresql/15/bin"), PathBuf::from)
}

pub struct Node {
    pub folder: TempDir,
    pub port: u16,
    process: Option<Child>,
}

/// PostgreSQL does not run as root; where the tests do, its nodes run as the user the package made.
pub fn identity() -> Option<(u32, u32)> {
    let is_root = rustix::process::geteuid().is_root();
    is_root.then(|| {
        let users = std::fs::read_to_string("/etc/passwd").unwrap();
        let line = users.lines().find(|line| line.starts_with("postgres:")).expect("the package postgresql makes the user postgres");
        let fields: Vec<&str> = line.split(':').collect();
        (fields[2].parse().unwrap(), fields[3].parse().unwrap())
    })
}

fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = identity() {
        command.uid(uid).gid(gid);
    }
    command.stdin(Stdio::null()).current_dir("/").env("LC_ALL", "C");
    command
}

fn make_folder() -> TempDir {
    // Short, because a Unix socket's path may have 107 bytes at most.
    let folder = tempfile::Builder::new().prefix("lb").tempdir().unwrap();
    if let Some((uid, gid)) = identity() {
        chown(folder.path(), Some(uid), Some(gid)).unwrap();
    }
    folder
}

impl Node {
    /// A new one that runs with these settings. Anybody enters by the socket, and from the network with a password.
    pub async fn with(settings: &str) -> Self {
        let folder = make_folder();
        let made = command(&programs().join("initdb"))
            .args(["--no-sync", "-U", "postgres", "-E", "UTF8", "--locale=C", "-A", "trust", "-D"])
            .arg(folder.path().join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut node = Self { folder, port: 0, process: None };
        let hba = "local all all trust\nlocal replication all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(node.data().join("pg_hba.conf"), hba).unwrap();
        node.set(settings);
        node.start().await;
        node
    }

    /// A copy of this one that streams from it. This one is stopped while it is copied.
    pub async fn standby(&mut self) -> Self {
        self.stop();
        let folder = make_folder();
        let copied = command(Path::new("/bin/cp")).arg("-a").arg(self.data()).arg(folder.path().join("data")).status().unwrap();
        assert!(copied.success());
        let mut standby = Self { folder, port: 0, process: None };
        std::fs::remove_file(standby.data().join("postmaster.pid"))
            .or_else(|error| if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
            .unwrap();
        std::fs::write(standby.data().join("standby.signal"), "").unwrap();
        if let Some((uid, gid)) = identity() {
            chown(standby.data().join("standby.signal"), Some(uid), Some(gid)).unwrap();
        }
        self.start().await;
        standby.set(&format!("primary_conninfo = 'host={} port={} user=postgres'\n", self.folder.path().display(), self.port));
        standby.start().await;
        standby
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Adds settings; they count from the next start or reload on.
    pub fn set(&self, settings: &str) {
        let mut file = OpenOptions::new().append(true).open(self.data().join("postgresql.conf")).unwrap();
        file.write_all(settings.as_bytes()).unwrap();
    }

    pub async fn start(&mut self) {
        if self.port == 0 {
            self.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        }
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let process = command(&programs().join("postgres"))
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string(), "-k"])
            .arg(self.folder.path())
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "password_encryption=scram-sha-256", "-c", "timezone=UTC"])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(process);
        let deadline = Instant::now() + Duration::from_secs(30);
        while let Err(error) = self.try_admin().await {
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(Instant::now() < deadline, "it does not start: {error}: {}", log());
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {}", std::fs::read_to_string(self.folder.path().join("log")).unwrap());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Cleanly, so that its folder can be copied.
    pub fn stop(&mut self) {
        self.end(rustix::process::Signal::INT);
    }

    fn end(&mut self, signal: rustix::process::Signal) {
        let Some(mut process) = self.process.take() else { return };
        if let Some(pid) = rustix::process::Pid::from_raw(process.id() as i32) {
            rustix::process::kill_process(pid, signal).unwrap();
        }
        process.wait().unwrap();
    }

    async fn try_admin(&self) -> Result<Client, tokio_postgres::Error> {
        let mut config = tokio_postgres::Config::new();
        config.host_path(self.folder.path()).port(self.port).user("postgres").dbname("postgres");
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// A superuser, in the database `postgres`.
    pub async fn admin(&self) -> Client {
        self.try_admin().await.unwrap()
    }

    /// Statement by statement, as a superuser: none of them in a transaction with another.
    pub async fn run(&self, statements: &[&str]) {
        let admin = self.admin().await;
        for statement in statements {
            admin.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
        }
    }

    /// How a role with the password `secret` signs in.
    pub fn address(&self, user: &str) -> Address {
        Address {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            database: "postgres".to_owned(),
            user: user.to_owned(),
            password: Some("secret".to_owned()),
            tls: None,
        }
    }

    pub async fn version(&self) -> i32 {
        self.admin().await.query_one("select current_setting('server_version_num')::int", &[]).await.unwrap().get(0)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.end(rustix::process::Signal::QUIT);
    }
}
