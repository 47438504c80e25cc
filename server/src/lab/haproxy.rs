//! The router in front of the writable node and of the services. It has no health checks: who is writable, and which
//! regions serve a service, is decided elsewhere and told it.

use super::layout::Layout;
use super::map::{Map, PG_NODES, Place, SERVICES, Service};

/// The header by which an answer says which region it came from.
pub const REGION_HEADER: &str = "x-served-by";

/// The configuration, with exactly the given node taking clients. HAProxy forgets runtime changes when it is killed, so a
/// healed one gets what is true at that moment.
pub fn config(layout: &Layout, map: Map, ready: Option<&str>, patroni: bool) -> String {
    let mut text = format!(
        "# Written by `lifeboat lab`.\n\
         global\n\
         \x20   log stdout format iso local0\n\
         \x20   maxconn 400\n\
         \x20   hard-stop-after 1s\n\
         \x20   stats socket {socket} mode 600 level admin\n\
         defaults\n\
         \x20   mode tcp\n\
         \x20   log global\n\
         \x20   option tcplog\n\
         \x20   retries 0\n\
         \x20   timeout connect 1s\n\
         \x20   timeout client 1h\n\
         \x20   timeout server 1h\n\
         \x20   timeout client-fin 1s\n\
         \x20   timeout server-fin 1s\n\
         frontend write\n\
         \x20   bind {bind}\n\
         \x20   default_backend user-database\n\
         backend user-database\n",
        socket = layout.run("haproxy.sock").display(),
        bind = map.haproxy(Place::Control),
    );
    for node in &PG_NODES {
        let state = if ready == Some(node.id) { "" } else { " disabled" };
        text.push_str(&format!("    server {} {} on-marked-down shutdown-sessions{state}\n", node.id, map.pg(Place::Control, node)));
    }
    if patroni {
        text.push_str(&super::patroni::haproxy(map));
    }
    for service in &SERVICES {
        text.push_str(&front(map, service));
    }
    text
}

/// The way to one service. HAProxy begins with the home regions, also when it was killed and comes back.
fn front(map: Map, service: &Service) -> String {
    let mut text = format!(
        "frontend {name}\n\
         \x20   mode http\n\
         \x20   option httplog\n\
         \x20   timeout client 10s\n\
         \x20   bind {bind}\n\
         \x20   default_backend {name}\n\
         backend {name}\n\
         \x20   mode http\n\
         \x20   timeout server 5s\n\
         \x20   balance roundrobin\n\
         \x20   http-response set-header {REGION_HEADER} %s\n",
        name = service.name,
        bind = map.front(service),
    );
    for (at, place) in service.places.iter().enumerate() {
        let state = if service.rotates || at == 0 { "" } else { " disabled" };
        text.push_str(&format!(
            "    server {} {} on-marked-down shutdown-sessions{state}\n",
            place.name(),
            map.service(Place::Control, service, *place)
        ));
    }
    text
}

/// Asks for the servers' states over the runtime socket: name and words such as `ready` or `maint`.
pub async fn servers(layout: &Layout) -> anyhow::Result<Vec<(String, &'static str)>> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut socket = tokio::net::UnixStream::connect(layout.run("haproxy.sock")).await?;
    socket.write_all(b"show servers state user-database\n").await?;
    let mut text = String::new();
    socket.read_to_string(&mut text).await?;
    // Columns: be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state …; bits 0x23 of the latter mean maintenance. Bit
    // 0x04 only remembers that the configuration began with it.
    let line = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let admin: u32 = fields.get(6)?.parse().ok()?;
        let state = match admin {
            a if a & 0x23 != 0 => "maint",
            a if a & 0x18 != 0 => "drain",
            _ => "ready",
        };
        Some(((*fields.get(3)?).to_owned(), state))
    };
    Ok(text.lines().skip(2).filter_map(line).collect())
}
