//! The router in front of the writable node. It has no health checks: who is writable is decided elsewhere and told it.

use super::layout::Layout;
use super::map::{Map, PG_NODES, Place};

/// The configuration, with exactly the given nodes taking clients. HAProxy forgets runtime changes when it is killed, so a
/// healed one gets what is true at that moment.
pub fn config(layout: &Layout, map: Map, ready: Option<&str>) -> String {
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
    text
}

/// Asks for the servers' states over the runtime socket: name and words such as `ready` or `maint`.
pub async fn servers(layout: &Layout) -> anyhow::Result<Vec<(String, &'static str)>> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut socket = tokio::net::UnixStream::connect(layout.run("haproxy.sock")).await?;
    socket.write_all(b"show servers state user-database\n").await?;
    let mut text = String::new();
    socket.read_to_string(&mut text).await?;
    // Columns: be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state …; bit 1, 2 and 4 of the latter mean maintenance.
    let line = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let admin: u32 = fields.get(6)?.parse().ok()?;
        let state = match admin {
            a if a & 0x27 != 0 => "maint",
            a if a & 0x18 != 0 => "drain",
            _ => "ready",
        };
        Some(((*fields.get(3)?).to_owned(), state))
    };
    Ok(text.lines().skip(2).filter_map(line).collect())
}
