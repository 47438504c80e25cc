//! What the agent's configuration says of a PgBouncer on its host.

use super::super::config::is_plain_name;
use anyhow::bail;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A PgBouncer of this host.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pooler {
    pub id: String,
    /// Folder of its Unix socket, or the address it listens on.
    pub console: String,
    pub port: u16,
    /// One of its `admin_users`. Through the socket `pgbouncer` needs no password, where the agent runs as PgBouncer's own user.
    #[serde(default = "pgbouncer")]
    pub user: String,
    /// File with the password of that user, and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The database of its `[databases]` that clients of the cluster use.
    pub database: String,
    /// Where a pause is written down before it begins, so that an agent that is killed meanwhile ends it when it is back.
    pub pause_file: PathBuf,
    /// Only of one that follows nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Nodes>,
}

/// How it is told to which node it leads.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nodes {
    /// The file that says so. The agent writes it, and PgBouncer's configuration includes it as its last line.
    pub databases_file: PathBuf,
    /// The database on the nodes.
    pub server_database: String,
}

fn pgbouncer() -> String {
    "pgbouncer".to_owned()
}

impl Pooler {
    /// # Errors
    /// A name that PgBouncer's files or its console could take for something else, or a path that is not absolute.
    pub fn check(&self) -> anyhow::Result<()> {
        for name in [&self.id, &self.database].into_iter().chain(self.nodes.as_ref().map(|nodes| &nodes.server_database)) {
            if !is_plain_name(name) {
                bail!("`{name}` is no name for a pooler or its database: use letters, digits, `-` and `_`, at most 63");
            }
        }
        for path in [&self.pause_file].into_iter().chain(self.nodes.as_ref().map(|nodes| &nodes.databases_file)) {
            if !path.is_absolute() {
                bail!("{} of the pooler {} must be an absolute path", path.display(), self.id);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pooler(text: &str) -> Result<(), String> {
        let text = format!("id = \"front\"\nconsole = \"/run\"\nport = 6432\ndatabase = \"users\"\npause_file = \"/x/front.paused\"\n{text}");
        let mut lines: Vec<&str> = Vec::new();
        // A later line for the same key takes the place of the one above.
        for line in text.lines() {
            lines.retain(|above| above.split(" = ").next() != line.split(" = ").next());
            lines.push(line);
        }
        let pooler: Pooler = toml::from_str(&lines.join("\n")).map_err(|error| error.to_string())?;
        pooler.check().map_err(|error| error.to_string())
    }

    #[test]
    fn names_and_paths_that_could_be_taken_for_something_else_are_refused() {
        assert_eq!(pooler(""), Ok(()));
        assert_eq!(pooler("nodes = { databases_file = \"/x/databases.ini\", server_database = \"app\" }"), Ok(()));
        for wrong in [
            r#"database = "users\"; SHUTDOWN; \"""#,
            r#"database = "users\nevil""#,
            r#"id = "../front""#,
            r#"pause_file = "front.paused""#,
            r#"nodes = { databases_file = "databases.ini", server_database = "app" }"#,
            r#"nodes = { databases_file = "/x/databases.ini", server_database = "app' user='postgres" }"#,
            r#"surprise = 1"#,
        ] {
            assert!(pooler(wrong).is_err(), "{wrong}");
        }
    }
}
