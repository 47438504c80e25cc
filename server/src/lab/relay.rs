//! The only way between two places: a TCP relay that can fall silent like a broken network.
//!
//! Open, it passes bytes. When the host behind it does not listen, the relay does not either, so a caller is refused as it would
//! be by the host. Cut, it is a black hole: bytes of existing connections stop where they are (and go on after the mend), and a
//! new connection gets no answer at all, because the accept queue is made one place long and filled, upon which the kernel
//! drops further SYNs. Bytes the kernel had already handed to the receiver when the cut came are as good as delivered.

use super::map::Relay;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What the relays listen to: which places are cut off, and who listens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct World {
    /// Numbers of the places that are cut off.
    pub cut: BTreeSet<u8>,
    /// Pairs of places between which nothing passes, the smaller number first.
    pub links_cut: BTreeSet<(u8, u8)>,
    pub listening: BTreeSet<SocketAddr>,
    /// How often the host at an address lost its power. What it had sent into a cut then never arrives: a dead machine does
    /// not send again.
    pub power_lost: BTreeMap<SocketAddr, u32>,
}

impl World {
    fn power_losses(&self, relay: &Relay) -> u32 {
        self.power_lost.get(&relay.upstream).copied().unwrap_or(0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    /// The host behind refuses connections, so the relay does as well.
    Refusing,
    BlackHole,
}

const BACKLOG: i32 = 1024;

/// Runs one relay for as long as its task lives.
pub async fn run(relay: Relay, mut world: watch::Receiver<World>) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let mode = mode_of(&relay, &world.borrow_and_update());
        match mode {
            Mode::Refusing => {
                if world.changed().await.is_err() {
                    return Ok(());
                }
            }
            Mode::Open => {
                let listener = listen(relay.listen, BACKLOG)?;
                accept_while_open(&relay, &listener, &mut world, &mut connections).await?;
                // A cut keeps the socket: between closing it and opening another one a caller would be refused.
                if mode_of(&relay, &world.borrow()) == Mode::BlackHole {
                    swallow(&relay, listener, &mut world).await?;
                }
            }
            Mode::BlackHole => {
                let listener = listen(relay.listen, 1)?;
                swallow(&relay, listener, &mut world).await?;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

fn mode_of(relay: &Relay, world: &World) -> Mode {
    let (from, to) = (relay.from.number(), relay.to.number());
    if world.cut.contains(&from) || world.cut.contains(&to) || world.links_cut.contains(&(from.min(to), from.max(to))) {
        Mode::BlackHole
    } else if world.listening.contains(&relay.upstream) {
        Mode::Open
    } else {
        Mode::Refusing
    }
}

fn listen(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog as u32)
}

async fn accept_while_open(
    relay: &Relay,
    listener: &TcpListener,
    world: &mut watch::Receiver<World>,
    connections: &mut JoinSet<()>,
) -> io::Result<()> {
    while mode_of(relay, &world.borrow_and_update()) == Mode::Open {
        tokio::select! {
            changed = world.changed() => if changed.is_err() { return Ok(()) },
            accepted = listener.accept() => {
                // A caller who has gone again, or a moment without free descriptors, must not end the relay.
                if let Ok((client, _)) = accepted {
                    connections.spawn(connect(*relay, client, world.clone()));
                }
                while connections.try_join_next().is_some() {}
            }
        }
    }
    Ok(())
}

/// Stays a black hole until the world changes to something else.
async fn swallow(relay: &Relay, listener: TcpListener, world: &mut watch::Receiver<World>) -> io::Result<()> {
    rustix::net::listen(&listener, 0)?;
    let plug = plug(relay.listen).await;
    let plug_address = plug.as_ref().and_then(|p| p.local_addr().ok());
    while mode_of(relay, &world.borrow_and_update()) == Mode::BlackHole {
        if world.changed().await.is_err() {
            return Ok(());
        }
    }
    rustix::net::listen(&listener, BACKLOG)?;
    // Whoever waited in the queue beside the plug is a caller like any other; he will call again.
    if let Some(address) = plug_address {
        let found = async { while listener.accept().await.is_ok_and(|(_, peer)| peer != address) {} };
        // Nothing depends on it: the queue is closed with the socket in a moment.
        if tokio::time::timeout(Duration::from_millis(50), found).await.is_err() {
            drop(plug);
        }
    }
    Ok(())
}

/// Fills the only place in the queue; none when a caller was quicker, which fills it as well.
async fn plug(address: SocketAddr) -> Option<TcpStream> {
    tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await.ok()?.ok()
}

/// Joins a caller with the host behind the relay. A host that refuses gives the caller a reset.
async fn connect(relay: Relay, client: TcpStream, world: watch::Receiver<World>) {
    let opened = async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(relay.source, 0))?;
        socket.connect(relay.upstream).await
    };
    let Ok(host) = opened.await else {
        // A reset is all that can be said; if even that fails, closing says it.
        if client.set_zero_linger().is_err() {
            drop(client);
        }
        return;
    };
    if client.set_nodelay(true).is_err() || host.set_nodelay(true).is_err() {
        return;
    }
    let (client_reads, client_writes) = client.into_split();
    let (host_reads, host_writes) = host.into_split();
    let forth = pump(relay, client_reads, host_writes, world.clone());
    let back = pump(relay, host_reads, client_writes, world);
    // An end of stream closes one direction; an error ends both, as a broken connection does.
    let both = async { tokio::try_join!(forth, back) };
    if both.await.is_err() {
        tracing::debug!(listen = %relay.listen, "a relayed connection broke");
    }
}

/// Passes bytes one way, and none while the relay is cut.
async fn pump(relay: Relay, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut world: watch::Receiver<World>) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let losses = world.borrow().power_losses(&relay);
    loop {
        wait_until_passable(&relay, &mut world, losses).await?;
        let read = tokio::select! {
            biased;
            () = cut(&relay, &mut world) => continue,
            read = from.read(&mut buffer) => read?,
        };
        let mut rest = &buffer[..read];
        while !rest.is_empty() {
            wait_until_passable(&relay, &mut world, losses).await?;
            let written = tokio::select! {
                biased;
                () = cut(&relay, &mut world) => continue,
                written = to.write(rest) => written?,
            };
            rest = &rest[written..];
        }
        if read == 0 {
            wait_until_passable(&relay, &mut world, losses).await?;
            return to.shutdown().await;
        }
    }
}

async fn wait_until_passable(relay: &Relay, world: &mut watch::Receiver<World>, losses: u32) -> io::Result<()> {
    match world.wait_for(|w| mode_of(relay, w) != Mode::BlackHole).await {
        Ok(now) if now.power_losses(relay) == losses => Ok(()),
        Ok(_) => Err(io::ErrorKind::ConnectionReset.into()),
        Err(_) => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

async fn cut(relay: &Relay, world: &mut watch::Receiver<World>) {
    // When the lab ends, so does its last word: treat it as a cut, the pump then ends.
    if world.wait_for(|w| mode_of(relay, w) == Mode::BlackHole).await.is_err() {
        tracing::debug!("the lab is ending");
    }
}

/// Tells the relays who listens, by the kernel's own list, until the task ends.
pub async fn watch_listeners(number: u8, world: watch::Sender<World>) {
    loop {
        let now = listening(number);
        if let Ok(now) = now {
            world.send_if_modified(|w| {
                let changed = w.listening != now;
                w.listening = now;
                changed
            });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Which addresses of this lab somebody listens on. The kernel lists listening sockets first, so reading stops early.
fn listening(number: u8) -> io::Result<BTreeSet<SocketAddr>> {
    use std::io::BufRead as _;
    let mut found = BTreeSet::new();
    let lines = io::BufReader::new(std::fs::File::open("/proc/net/tcp")?).lines();
    for line in lines.skip(1) {
        let line = line?;
        let mut fields = line.split_ascii_whitespace();
        let (Some(local), Some(state)) = (fields.nth(1), fields.nth(1)) else { continue };
        if state != "0A" {
            break;
        }
        if let Some(address) = parse_address(local)
            && address.ip().octets()[..2] == [127, number]
        {
            found.insert(SocketAddr::V4(address));
        }
    }
    Ok(found)
}

/// `0A014D7F:1538`: the address in the machine's byte order, the port in hexadecimal.
fn parse_address(text: &str) -> Option<SocketAddrV4> {
    let (ip, port) = text.split_once(':')?;
    let ip = u32::from_str_radix(ip, 16).ok()?.to_ne_bytes();
    Some(SocketAddrV4::new(Ipv4Addr::from(ip), u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::map::Place;
    use super::*;

    #[tokio::test]
    async fn a_cut_swallows_bytes_and_callers_and_a_mend_delivers() {
        let host = TcpListener::bind("127.219.1.10:0").await.unwrap();
        let upstream = host.local_addr().unwrap();
        let relay = Relay {
            from: Place::Control,
            to: Place::UsEast1,
            listen: format!("127.219.101.10:{}", upstream.port()).parse().unwrap(),
            upstream,
            source: "127.219.0.1".parse().unwrap(),
        };
        let (world, seen) = watch::channel(World { listening: [upstream].into(), ..World::default() });
        let task = tokio::spawn(run(relay, seen));
        let short = Duration::from_millis(300);
        let mut client = loop {
            if let Ok(client) = TcpStream::connect(relay.listen).await {
                break client;
            }
        };
        let (mut server, peer) = host.accept().await.unwrap();
        assert_eq!(peer.ip(), relay.source);
        client.write_all(b"one").await.unwrap();
        let mut buffer = [0; 3];
        server.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"one");

        world.send_modify(|w| assert!(w.cut.insert(1)));
        client.write_all(b"two").await.unwrap();
        assert!(tokio::time::timeout(short, server.read_exact(&mut buffer)).await.is_err(), "bytes passed a cut");
        assert!(tokio::time::timeout(short, TcpStream::connect(relay.listen)).await.is_err(), "a cut answered a caller");

        world.send_modify(|w| assert!(w.cut.remove(&1)));
        tokio::time::timeout(Duration::from_secs(2), server.read_exact(&mut buffer)).await.unwrap().unwrap();
        assert_eq!(&buffer, b"two");
        drop(host);
        world.send_modify(|w| w.listening.clear());
        let refused = tokio::time::timeout(Duration::from_secs(5), async {
            while TcpStream::connect(relay.listen).await.is_ok() {
                tokio::task::yield_now().await;
            }
        });
        refused.await.unwrap();
        task.abort();
    }
}
