//! The configuration files of the lab's database nodes.

use super::layout::Layout;
use super::map::{Map, POSTGRES_PORT, PgNode};
use std::path::Path;

/// `postgresql.conf` of one node; it replaces the one initdb wrote.
pub fn postgresql_conf(layout: &Layout, map: Map, node: &PgNode) -> String {
    let address = map.pg(node.place, node).ip();
    let sockets = layout.socket_dir(node);
    format!(
        "# Written by `lifeboat lab`; changed only by building the lab anew.\n\
         cluster_name = '{id}'\n\
         listen_addresses = '{address}'\n\
         port = {POSTGRES_PORT}\n\
         unix_socket_directories = '{sockets}'\n\
         max_connections = 60\n\
         shared_buffers = '32MB'\n\
         fsync = on\n\
         full_page_writes = on\n\
         wal_level = replica\n\
         wal_log_hints = on\n\
         wal_keep_size = '256MB'\n\
         max_wal_senders = 10\n\
         max_replication_slots = 10\n\
         hot_standby = on\n\
         archive_mode = on\n\
         archive_command = '{archive}'\n\
         wal_retrieve_retry_interval = '200ms'\n\
         wal_receiver_timeout = '5s'\n\
         wal_sender_timeout = '5s'\n\
         wal_receiver_status_interval = '1s'\n\
         tcp_keepalives_idle = 2\n\
         tcp_keepalives_interval = 1\n\
         tcp_keepalives_count = 3\n\
         password_encryption = 'scram-sha-256'\n\
         log_timezone = 'UTC'\n\
         timezone = 'UTC'\n\
         lc_messages = 'C'\n\
         log_line_prefix = '%m [%p] %q%u@%d %h '\n\
         log_checkpoints = on\n",
        id = node.id,
        sockets = sockets.display(),
        archive = archive_command(&layout.archive(node)).replace('\'', "''"),
    )
}

/// Never overwrites: an existing file counts as archived only when it is the same. The copy is on disk before it gets its name.
fn archive_command(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "if test -e \"{folder}/%f\"; then cmp -s \"%p\" \"{folder}/%f\"; \
         else cp \"%p\" \"{folder}/.%f.part\" && sync \"{folder}/.%f.part\" && mv \"{folder}/.%f.part\" \"{folder}/%f\"; fi"
    )
}

/// The superuser enters only through the local socket, by operating-system user; everybody else with a password.
pub fn pg_hba_conf(map: Map) -> String {
    let number = map.number;
    let mut text = "# Written by `lifeboat lab`.\nlocal all postgres peer map=lab\n".to_owned();
    // Within one region connections come from 127.0.0.1, from elsewhere out of the lab's own range.
    for network in [format!("127.{number}.0.0/16"), "127.0.0.1/32".to_owned()] {
        text.push_str(&format!("host all postgres {network} reject\n"));
        text.push_str(&format!("host replication replicator,lifeboat {network} scram-sha-256\n"));
        text.push_str(&format!("host all lifeboat,replicator,app {network} scram-sha-256\n"));
    }
    text
}

pub fn pg_ident_conf(layout: &Layout) -> String {
    let mut text = format!("# Written by `lifeboat lab`.\nlab \"{}\" postgres\n", layout.node_user);
    if layout.caller != layout.node_user {
        text.push_str(&format!("lab \"{}\" postgres\n", layout.caller));
    }
    text
}

/// Roles, rights and tables. Passwords are hexadecimal, so they need no escaping.
pub fn roles(lifeboat: &str, replicator: &str, app: &str) -> String {
    format!(
        "CREATE ROLE lifeboat LOGIN REPLICATION PASSWORD '{lifeboat}';
         GRANT pg_monitor, pg_checkpoint TO lifeboat;
         GRANT ALTER SYSTEM ON PARAMETER synchronous_standby_names, default_transaction_read_only TO lifeboat;
         GRANT pg_signal_backend TO lifeboat;
         GRANT pg_read_all_data TO lifeboat;
         CREATE ROLE replicator LOGIN REPLICATION PASSWORD '{replicator}';
         CREATE ROLE app LOGIN PASSWORD '{app}';"
    )
}

/// The same where Patroni has made the role that streams: Lifeboat promotes nothing there, and needs no right to.
pub fn managed_roles(lifeboat: &str, app: &str) -> String {
    format!(
        "CREATE ROLE lifeboat LOGIN PASSWORD '{lifeboat}';
         GRANT pg_monitor TO lifeboat;
         CREATE ROLE app LOGIN PASSWORD '{app}';"
    )
}

/// Rights on functions belong to one database; this runs in each that the roles connect to.
pub const RIGHTS: &str = "
    GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer), pg_reload_conf(), pg_switch_wal() TO lifeboat;
    GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean),
        pg_read_binary_file(text), pg_read_binary_file(text, bigint, bigint, boolean) TO replicator;";

/// In the database `users`.
pub const TABLES: &str = "
    CREATE SCHEMA lifeboat AUTHORIZATION lifeboat;
    CREATE SCHEMA app AUTHORIZATION app;
    CREATE TABLE app.load_rows (
        run bigint NOT NULL, number bigint NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (run, number));
    ALTER TABLE app.load_rows OWNER TO app;";
