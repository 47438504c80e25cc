//! The file that says to which node a pooler leads. PgBouncer knows no way to write a quote or the end of a line in a name, so what
//! has one is refused.

use super::super::config::Peer;
use super::super::refusal::Refusal;
use super::note::sync_folder;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

/// Replaces the file as a whole, durably: PgBouncer never reads half of it, and reads the same after a power cut.
pub fn write(path: &Path, database: &str, server_database: &str, peer: &Peer) -> Result<(), Refusal> {
    let text = text(database, server_database, peer)?;
    let fresh = path.with_extension("fresh");
    let write = || {
        let mut file = File::create(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        sync_folder(path)
    };
    write().map_err(|error| Refusal::io("write", path, &error))
}

fn text(database: &str, server_database: &str, peer: &Peer) -> Result<String, Refusal> {
    let (database, host, server) = (key(database)?, value(&peer.host)?, value(server_database)?);
    Ok(format!(
        "; Written by `lifeboat agent`: {} takes the writes.\n[databases]\n{database} = host={host} port={} dbname={server}\n",
        key(&peer.id)?,
        peer.port
    ))
}

/// A word of letters, digits, `-`, `_` and `.`: what PgBouncer reads as the name of a database.
fn key(name: &str) -> Result<&str, Refusal> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.is_empty() && name.chars().all(plain) { Ok(name) } else { Err(refused(name)) }
}

fn value(text: &str) -> Result<String, Refusal> {
    let strange = |c: char| c.is_control() || matches!(c, '\'' | '"' | '\\');
    if text.is_empty() || text.chars().any(strange) { Err(refused(text)) } else { Ok(format!("'{text}'")) }
}

fn refused(text: &str) -> Refusal {
    Refusal::bad_request(format!("{text:?} cannot stand in PgBouncer's configuration"), "use names without quotes, backslashes and line ends")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(id: &str, host: &str) -> Peer {
        Peer { id: id.to_owned(), host: host.to_owned(), port: 5432 }
    }

    #[test]
    fn nothing_can_stand_in_the_file_but_one_database() {
        let written = text("users", "app", &peer("pg-1", "10.1.0.5")).unwrap();
        assert_eq!(written.lines().skip(1).collect::<Vec<_>>(), ["[databases]", "users = host='10.1.0.5' port=5432 dbname='app'"]);
        for (database, server, id, host) in [
            ("users", "app", "pg-1", "h' user='postgres"),
            ("users", "app", "pg-1", "h\nevil = host=x"),
            ("users", "app", "pg-1", "h\\"),
            ("users", "app", "pg-1", ""),
            ("users", "app'", "pg-1", "h"),
            ("users\nevil", "app", "pg-1", "h"),
            ("users = host=x ;", "app", "pg-1", "h"),
            ("users", "app", "pg-1\nevil = host=x", "h"),
        ] {
            assert!(text(database, server, &peer(id, host)).is_err(), "{database:?} {server:?} {id:?} {host:?}");
        }
    }
}
