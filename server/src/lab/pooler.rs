//! PgBouncer before the router, in one region beside its agent: clients that come through it see a pause where others see an error.

use super::layout::Layout;
use super::map::{POOLER, POOLER_PLACE, POOLER_PORT, Place};
use super::platform::Platform;
use crate::agent::pooler::config::Pooler;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

/// The database that clients name, here as at the router.
const DATABASE: &str = "users";

/// Its socket, where the agent, which runs as the same user, needs no password.
fn socket_dir(layout: &Layout) -> PathBuf {
    layout.node_root.join("sockets").join(POOLER)
}

/// What the agent of a region knows of it.
pub fn of_agent(layout: &Layout, place: Place) -> Vec<Pooler> {
    let known = Pooler {
        id: POOLER.into(),
        console: socket_dir(layout).display().to_string(),
        port: POOLER_PORT,
        user: "pgbouncer".into(),
        password_file: None,
        database: DATABASE.into(),
        pause_file: layout.node_root.join("agent").join("pooler.paused"),
        nodes: None,
    };
    if place == POOLER_PLACE { vec![known] } else { Vec::new() }
}

pub fn start(platform: &Platform) -> anyhow::Result<()> {
    let layout = &platform.layout;
    let folder = layout.node_root.join("agent");
    let (config, users) = (folder.join("pgbouncer.ini"), folder.join("pgbouncer.users"));
    layout.make_for_nodes(&socket_dir(layout))?;
    layout.write_for_nodes(&users, &format!("\"app\" \"{}\"\n\"lifeboat\" \"{}\"\n", layout.secret("app")?, layout.secret("lifeboat")?))?;
    let (router, own) = (platform.map.haproxy(POOLER_PLACE), platform.map.pooler(POOLER_PLACE));
    let text = format!(
        "; Written by `lifeboat lab`.\n\
         [databases]\n\
         {DATABASE} = host={host} port={port} dbname={DATABASE}\n\
         [pgbouncer]\n\
         listen_addr = {own_host}\n\
         listen_port = {own_port}\n\
         unix_socket_dir = {socket}\n\
         auth_type = scram-sha-256\n\
         auth_file = {users}\n\
         pool_mode = transaction\n\
         default_pool_size = 10\n\
         max_client_conn = 200\n\
         ; Longer than any pause, so that none of them is an error.\n\
         query_wait_timeout = 60\n\
         ; A router that refused is asked again soon, or an emergency would last as long as this.\n\
         server_login_retry = 1\n\
         server_connect_timeout = 2\n\
         ; The agent asks once a second.\n\
         log_connections = 0\n\
         log_disconnections = 0\n",
        host = router.ip(),
        port = router.port(),
        own_host = own.ip(),
        own_port = own.port(),
        socket = socket_dir(layout).display(),
        users = users.display(),
    );
    layout.write_for_nodes(&config, &text)?;
    let mut command = Command::new(&platform.nodes.programs.pgbouncer);
    command.arg(&config);
    if let Some((uid, gid)) = layout.identity {
        command.uid(uid).gid(gid);
    }
    platform.spawn(POOLER, command)
}
