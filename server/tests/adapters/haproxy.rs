//! A real HAProxy, its front and its three servers on Unix sockets, so that no port is fought over.

use crate::place::{EAST, NORTH, Place, WEST, assert_says, regions, until, why};
use server::connect::traffic::TrafficControl;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    process::{Child, Command},
};

struct House {
    place: Place,
    process: Child,
}

impl House {
    /// Clients are sent to the east alone when it starts, as its configuration says.
    async fn open() -> Self {
        let place = Place::new();
        for region in [EAST, WEST, NORTH] {
            serve(&place.path(region), region);
        }
        let front = place.path("front");
        let server = |region: &str, state: &str| format!("    server {region} unix@{} {state}\n", place.path(region).display());
        let text = format!(
            "global\n    stats socket {} mode 600 level admin\n    hard-stop-after 1s\n\
             defaults\n    mode tcp\n    timeout connect 1s\n    timeout client 1m\n    timeout server 1m\n\
             frontend clients\n    bind unix@{}\n    default_backend checkout\n\
             backend checkout\n    balance roundrobin\n{}{}{}",
            place.path("control").display(),
            front.display(),
            server(EAST, ""),
            server(WEST, "disabled"),
            server(NORTH, "disabled"),
        );
        place.write("haproxy.cfg", &text);
        let process = start(&place).await;
        Self { place, process }
    }

    fn control(&self) -> Arc<dyn TrafficControl> {
        let socket = self.place.path("control");
        self.place.control(&format!("{{ haproxy = {{ socket = {socket:?}, backend = \"checkout\" }} }}"), "").unwrap()
    }

    /// Comes in as a client; the region it is served by.
    async fn come_in(&self) -> Option<(UnixStream, String)> {
        let mut client = UnixStream::connect(self.place.path("front")).await.ok()?;
        let name = hear(&mut client).await?;
        Some((client, name))
    }

    /// What the control socket answers; as somebody at a terminal would, beside Lifeboat.
    async fn tell(&self, command: &str) -> String {
        let mut socket = UnixStream::connect(self.place.path("control")).await.unwrap();
        socket.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn served_by(&self, clients: usize) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for _ in 0..clients {
            names.extend(self.come_in().await.map(|(_, name)| name));
        }
        names
    }
}

async fn start(place: &Place) -> Child {
    let program = ["/usr/sbin/haproxy", "/usr/local/sbin/haproxy", "/usr/bin/haproxy"].into_iter().find(|path| Path::new(path).is_file());
    let mut command = Command::new(program.expect("HAProxy is missing: install the package haproxy"));
    command.args(["-db", "-f"]).arg(place.path("haproxy.cfg")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let process = command.kill_on_drop(true).spawn().unwrap();
    until("HAProxy listens", async || UnixStream::connect(place.path("control")).await.is_ok()).await;
    process
}

/// Tells every client its name, then repeats what it hears.
fn serve(socket: &Path, name: &'static str) {
    let listener = UnixListener::bind(PathBuf::from(socket)).unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                client.write_all(format!("{name}\n").as_bytes()).await.unwrap_or_default();
                let (mut hears, mut says) = client.split();
                tokio::io::copy(&mut hears, &mut says).await.unwrap_or_default();
            });
        }
    });
}

/// The next line; none where the connection has ended.
async fn hear(client: &mut UnixStream) -> Option<String> {
    let mut line = String::new();
    loop {
        match client.read_u8().await {
            Ok(b'\n') => return Some(line),
            Ok(byte) => line.push(char::from(byte)),
            Err(_) => return None,
        }
    }
}

async fn echoes(client: &mut UnixStream) -> bool {
    client.write_all(b"still there\n").await.is_ok() && hear(client).await.as_deref() == Some("still there")
}

#[tokio::test]
async fn several_regions_are_open_at_once_and_sessions_on_those_that_stay_survive() {
    let house = House::open().await;
    let control = house.control();
    assert_eq!(control.regions().await.unwrap(), regions([EAST]));
    assert_says(&control.send_to(&regions([EAST, WEST])).await.unwrap(), &["us-east-1 and us-west-2", "read back"]);
    assert_eq!(house.served_by(4).await, [EAST, WEST].map(str::to_owned).into());

    let (mut east, mut west) = (None, None);
    while east.is_none() || west.is_none() {
        let (client, name) = house.come_in().await.unwrap();
        *(if name == EAST { &mut east } else { &mut west }) = Some(client);
    }
    let (mut east, mut west) = (east.unwrap(), west.unwrap());
    control.send_to(&regions([WEST, NORTH])).await.unwrap();
    assert!(echoes(&mut west).await, "the west stayed open: its session goes on");
    assert!(!echoes(&mut east).await, "the east was closed: its session ended");
    assert_eq!(house.served_by(4).await, [NORTH, WEST].map(str::to_owned).into());

    control.send_to(&regions([WEST, NORTH])).await.unwrap();
    assert!(echoes(&mut west).await, "being told twice ends nothing");
    control.send_to(&regions([])).await.unwrap();
    assert_eq!(control.regions().await.unwrap(), regions([]));
    assert!(house.served_by(2).await.is_empty(), "nobody is served");
}

#[tokio::test]
async fn a_rehearsal_changes_nothing_and_names_what_is_missing() {
    let house = House::open().await;
    let control = house.control();
    assert_says(&control.rehearse(&regions([WEST])).await.unwrap(), &["close us-east-1", "open us-west-2"]);
    assert_says(&control.rehearse(&regions([EAST])).await.unwrap(), &["change nothing"]);
    assert_eq!(control.regions().await.unwrap(), regions([EAST]));
    for answer in [control.rehearse(&regions(["mars"])).await, control.send_to(&regions([WEST, "mars"])).await] {
        assert_says(&why(answer), &["no server mars"]);
    }
    assert_eq!(control.regions().await.unwrap(), regions([EAST]), "what cannot be done whole is not begun");
}

#[tokio::test]
async fn a_restart_forgets_what_it_was_told_and_telling_it_again_helps() {
    let mut house = House::open().await;
    let control = house.control();
    control.send_to(&regions([WEST])).await.unwrap();
    house.process.kill().await.unwrap();
    assert_says(&why(control.regions().await), &["does not answer"]);
    assert_says(&why(control.send_to(&regions([WEST])).await), &["does not answer"]);
    house.process = start(&house.place).await;
    assert_eq!(control.regions().await.unwrap(), regions([EAST]), "it is read, not remembered");
    control.send_to(&regions([WEST])).await.unwrap();
    assert_eq!(house.served_by(2).await, [WEST.to_owned()].into());
}

#[tokio::test]
async fn a_drained_server_gets_no_new_clients_and_can_be_opened_and_closed() {
    let house = House::open().await;
    let control = house.control();
    house.tell("set server checkout/us-east-1 state drain").await;
    assert_eq!(control.regions().await.unwrap(), regions([]), "nobody is sent there any more");
    house.tell("set server checkout/us-west-2 state drain").await;
    control.send_to(&regions([WEST])).await.unwrap();
    assert_eq!(control.regions().await.unwrap(), regions([WEST]));
    assert_eq!(house.served_by(2).await, [WEST.to_owned()].into());
    // What was drained is closed like the others: its sessions have ended.
    assert!(house.tell("show servers state checkout").await.lines().any(|line| line.contains(" us-east-1 ") && line.split(' ').nth(6) == Some("1")));
}
