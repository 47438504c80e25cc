//! A real BIND with one zone in a temporary folder, on a loopback address and port of its own.

use crate::place::{Place, until};
use std::{
    net::TcpListener,
    path::Path,
    process::{Command as StdCommand, Stdio},
};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

pub const KEY: &str = "lifeboat.example.";
const SECRET: &str = "c2VjcmV0IG9mIHRoZSB0ZXN0cyBvZiBsaWZlYm9hdCE=";
const OTHER_SECRET: &str = "YW5vdGhlciBzZWNyZXQgb2YgdGhlIHNhbWUgbGVuZ3Q=";

pub struct Named {
    pub place: Place,
    pub address: String,
    process: Child,
}

impl Named {
    /// Clients of `checkout.shop.example` are sent to the east: 192.0.2.1 and 2001:db8::1.
    pub async fn open() -> Self {
        let place = Place::new();
        place.write("key", &format!("{SECRET}\n"));
        place.write("other-key", &format!("{OTHER_SECRET}\n"));
        place.write(
            "zone",
            "$TTL 60\n@ SOA ns.shop.example. root.shop.example. 1 3600 600 86400 90\n@ NS ns\nns A 127.0.0.1\n\
             checkout A 192.0.2.1\ncheckout AAAA 2001:db8::1\n\
             mixed A 192.0.2.1\nmixed AAAA 2001:db8::1\nmixed TXT \"not about where clients go\"\n",
        );
        // A free port may be taken before BIND has it; then it ends, and another is tried.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(process) = start(&place, port).await {
                return Self { address: format!("127.0.0.1:{port}"), place, process };
            }
        }
        panic!("BIND does not start: {}", std::fs::read_to_string(place.path("log")).unwrap_or_default());
    }

    /// For a test that needs it silent.
    pub async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    pub fn config(&self, secret_file: &str) -> String {
        format!("[dns_key.\"{KEY}\"]\nsecret_file = \"{secret_file}\"\n")
    }

    pub fn means(&self) -> String {
        let (address, targets) =
            (&self.address, "us-east-1 = [\"192.0.2.1\", \"2001:db8::1\"], us-west-2 = [\"192.0.2.2\"], eu-north-1 = [\"edge.cdn.example.\"]");
        format!(
            "{{ dns = {{ server = \"{address}\", zone = \"shop.example\", name = \"checkout.shop.example\", ttl = \"30s\", key = \"{KEY}\", targets = {{ {targets} }} }} }}"
        )
    }
}

async fn start(place: &Place, port: u16) -> Option<Child> {
    let folder = place.folder.path().display();
    let key = |name: &str, secret: &str| format!("key \"{name}\" {{ algorithm hmac-sha256; secret \"{secret}\"; }};\n");
    let text = format!(
        "{}{}options {{ directory \"{folder}\"; pid-file none; session-keyfile none; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n\
         recursion no; dnssec-validation no; notify no; empty-zones-enable no; }};\ncontrols {{ }};\n\
         logging {{ channel l {{ file \"{folder}/log\"; severity info; }}; category default {{ l; }}; }};\n\
         zone \"shop.example\" {{ type primary; file \"{folder}/zone\"; update-policy {{ grant {KEY} zonesub A AAAA CNAME; }}; }};\n",
        key(KEY, SECRET),
        key("stranger.example.", SECRET),
    );
    place.write("named.conf", &text);
    // A copy, because Debian's AppArmor profile confines the program at its own path to its own folders.
    let copy = place.path("named");
    if !copy.exists() {
        let program = ["/usr/sbin/named", "/usr/local/sbin/named"].into_iter().find(|path| Path::new(path).is_file());
        let program = program.expect("BIND is missing: install the package bind9");
        // By another program: a file this one had open for writing might be held open by a process another test starts.
        assert!(StdCommand::new("/bin/cp").arg(program).arg(&copy).status().unwrap().success());
    }
    let mut command = Command::new(copy);
    command.args(["-f", "-n", "1", "-c"]).arg(place.path("named.conf")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = command.kill_on_drop(true).spawn().unwrap();
    let mut ended = false;
    until("BIND listens", async || {
        ended = process.try_wait().unwrap().is_some();
        ended || TcpStream::connect(("127.0.0.1", port)).await.is_ok()
    })
    .await;
    (!ended).then_some(process)
}
