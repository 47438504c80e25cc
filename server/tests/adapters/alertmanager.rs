//! A real Alertmanager in a temporary folder, on a loopback port of its own; and one whose answers a test chooses.

use crate::place::{Place, until};
use engine::estate::{Estate, Monitoring};
use serde_json::Value;
use server::connect::alertmanager::Alertmanager as Adapter;
use std::{
    net::TcpListener,
    path::Path,
    process::{Command as StdCommand, Stdio},
};
use tokio::process::{Child, Command};

/// The hash is of the password, and a cheap one: Alertmanager computes it for every question.
const USERS: &str = "basic_auth_users:\n  lifeboat: $2b$04$ERZo7OJwPdDmMlXYhZc4uuAJi4/Yzw38z839yeUTmMMShs9QAAtzW\n";
pub const PASSWORD: &str = "test";

pub struct Alertmanager {
    pub place: Place,
    pub address: String,
    process: Child,
    password: Option<&'static str>,
}

impl Alertmanager {
    pub async fn open() -> Self {
        Self::begin(None).await
    }

    /// It wants a user and a password.
    pub async fn locked() -> Self {
        Self::begin(Some(PASSWORD)).await
    }

    async fn begin(password: Option<&'static str>) -> Self {
        let place = Place::new();
        place.write("config.yml", "route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n");
        place.write("web.yml", if password.is_some() { USERS } else { "" });
        place.write("password", &format!("{}\n", password.unwrap_or("none")));
        // A free port may be taken before Alertmanager has it; then it ends, and another is tried.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(process) = start(&place, port).await {
                return Self { address: format!("127.0.0.1:{port}"), place, process, password };
            }
        }
        panic!("Alertmanager does not start: {}", std::fs::read_to_string(place.path("log")).unwrap_or_default());
    }

    /// For a test that needs it gone.
    pub async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What an estate says of it, with these lines besides.
    pub fn declared(&self, lines: &str) -> Monitoring {
        declared(&self.url(), lines)
    }

    pub fn adapter(&self, lines: &str) -> Adapter {
        Adapter::new(&self.declared(lines), &self.place.config("").unwrap()).unwrap()
    }

    /// Asks it as a person would, apart from the adapter.
    pub async fn list(&self, what: &str) -> Vec<Value> {
        let request = reqwest::Client::builder().no_proxy().build().unwrap().get(format!("{}/api/v2/{what}", self.url()));
        let request = self.password.iter().fold(request, |request, password| request.basic_auth("lifeboat", Some(password)));
        request.send().await.unwrap().json().await.unwrap()
    }
    /// The silences in a state.
    pub async fn silences(&self, state: &str) -> Vec<Value> {
        self.list("silences").await.into_iter().filter(|silence| silence["status"]["state"] == state).collect()
    }
    /// Has an alert fire.
    pub async fn alert(&self, labels: Value) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.post(format!("{}/api/v2/alerts", self.url())).json(&serde_json::json!([{ "labels": labels }])).send().await.unwrap();
        assert!(answer.status().is_success());
    }
}

pub fn declared(url: &str, lines: &str) -> Monitoring {
    let text = format!("name = \"x\"\n[[monitoring]]\nid = \"alerts\"\nurl = \"{url}\"\n{lines}");
    Estate::from_toml(&text).unwrap().monitoring.remove(0)
}

async fn start(place: &Place, port: u16) -> Option<Child> {
    let log = std::fs::File::create(place.path("log")).unwrap();
    let mut command = Command::new("prometheus-alertmanager");
    command.arg(format!("--config.file={}", place.path("config.yml").display()));
    command.arg(format!("--storage.path={}", place.path("data").display()));
    command.arg(format!("--web.config.file={}", place.path("web.yml").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg("--cluster.listen-address=");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let process = command.kill_on_drop(true).spawn();
    let mut process = process.expect("Alertmanager is missing: install the package prometheus-alertmanager");
    let mut ended = false;
    until("Alertmanager answers", async || {
        ended = process.try_wait().unwrap().is_some();
        let ready = reqwest::Client::builder().no_proxy().build().unwrap().get(format!("http://127.0.0.1:{port}/-/ready"));
        // Where it wants a password it says so, which is an answer too.
        ended || ready.send().await.is_ok()
    })
    .await;
    (!ended).then_some(process)
}

/// Where amtool, Debian's own client, disagrees with the adapter, the adapter is wrong.
pub fn amtool(url: &str, arguments: &[&str]) -> String {
    let program = ["/usr/bin/amtool", "/usr/local/bin/amtool"].into_iter().find(|path| Path::new(path).is_file());
    let program = program.expect("amtool is missing: it comes with the package prometheus-alertmanager");
    let output = StdCommand::new(program).args(arguments).arg(format!("--alertmanager.url={url}")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
