//! How PostgreSQL's own programs sign in: by the same settings as this server's connections, through files and variables that
//! only they see. A password never stands in an argument.

use super::work::Folder;
use crate::config::{DatabaseLogin, DatabaseTls};
use anyhow::Context;
use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _, path::PathBuf};

/// See the module.
#[derive(Clone)]
pub struct PgLogin {
    pub user: String,
    /// The database that questions are put to.
    pub database: String,
    password: Option<String>,
    tls: Vec<(&'static str, String)>,
}

impl PgLogin {
    /// # Errors
    /// A secret that is missing or empty.
    pub fn read(login: &DatabaseLogin, database: &str) -> anyhow::Result<Self> {
        let mode = match login.tls {
            DatabaseTls::Off => "disable",
            DatabaseTls::Require => "require",
            DatabaseTls::VerifyFull => "verify-full",
        };
        let file = |name: &'static str, path: &Option<PathBuf>| path.as_ref().map(|path| (name, path.to_string_lossy().into_owned()));
        let files = [file("PGSSLROOTCERT", &login.ca_file), file("PGSSLCERT", &login.client_cert_file), file("PGSSLKEY", &login.client_key_file)];
        let tls = std::iter::once(("PGSSLMODE", mode.to_owned())).chain(files.into_iter().flatten()).collect();
        Ok(Self { user: login.user.clone(), database: database.to_owned(), password: login.password()?, tls })
    }

    /// The variables of a program that signs in; its password file lies in `folder`, and goes with it.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn variables(&self, folder: &Folder) -> anyhow::Result<Vec<(&'static str, String)>> {
        let mut variables = self.tls.clone();
        variables.push(("PGCONNECT_TIMEOUT", "10".to_owned()));
        // A tool that is killed while it waits for a lock would leave its session waiting there.
        variables.push(("PGOPTIONS", "-c client_connection_check_interval=2s".to_owned()));
        if let Some(password) = &self.password {
            let path = folder.path().join("pgpass");
            let escaped = password.replace('\\', "\\\\").replace(':', "\\:");
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path).context("the password file cannot be written")?;
            writeln!(file, "*:*:*:*:{escaped}").context("the password file cannot be written")?;
            folder.own(&path)?;
            variables.push(("PGPASSFILE", path.to_string_lossy().into_owned()));
        }
        Ok(variables)
    }
}
