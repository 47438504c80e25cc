//! How to sign in to the nodes of a cluster: by a password from a file or the environment, by a certificate, or by both.

use super::read_secret;
use crate::connect::postgres::{Shown, Tls, Trust};
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Credentials come from files or the environment, never from the estate, the store or the journal.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseLogin {
    pub user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The name of an environment variable that holds the password; read once, at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// Towards the nodes, and through the router.
    #[serde(default)]
    pub tls: DatabaseTls,
    /// The authorities that sign the nodes' certificates, in PEM: for `verify-full`, and only that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// A certificate for servers that ask for one, and its key, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_cert_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_key_file: Option<PathBuf>,
    /// The name that the certificates behind the router are for, where it is not the host of the router's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router_name: Option<String>,
}

/// As PostgreSQL's own clients call it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatabaseTls {
    #[default]
    Off,
    /// Encrypted or not at all; whose certificate it is is not checked.
    Require,
    /// Encrypted, and the certificate must be signed by an authority of `ca_file` for the host that is connected to.
    VerifyFull,
}

impl DatabaseLogin {
    pub fn with_password_file(user: &str, file: PathBuf) -> Self {
        Self { user: user.to_owned(), password_file: Some(file), ..Self::default() }
    }

    /// Makes the paths absolute.
    pub(super) fn resolve(&mut self, base: &Path) {
        for path in [&mut self.password_file, &mut self.ca_file, &mut self.client_cert_file, &mut self.client_key_file].into_iter().flatten() {
            *path = base.join(&*path);
        }
    }

    /// Whether the settings fit each other; no file is read.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        match (&self.password_file, &self.password_env, &self.client_cert_file) {
            (Some(_), Some(_), _) => bail!("`password_file` and `password_env` are two passwords; keep one"),
            (None, None, None) => bail!("says how to sign in by nothing; name a `password_file`, a `password_env`, or a client certificate"),
            _ => {}
        }
        if self.client_cert_file.is_some() != self.client_key_file.is_some() {
            bail!("`client_cert_file` and `client_key_file` belong together");
        }
        match self.tls {
            DatabaseTls::VerifyFull if self.ca_file.is_none() => bail!("`tls = \"verify-full\"` needs a `ca_file` with the authorities to believe"),
            DatabaseTls::Off | DatabaseTls::Require if self.ca_file.is_some() => {
                bail!("`ca_file` is believed with `tls = \"verify-full\"` only; without it no certificate is checked")
            }
            DatabaseTls::Off if self.client_cert_file.is_some() => bail!("a client certificate needs `tls = \"require\"` or `\"verify-full\"`"),
            _ if self.router_name.is_some() && self.tls != DatabaseTls::VerifyFull => {
                bail!("`router_name` is checked with `tls = \"verify-full\"` only")
            }
            _ => Ok(()),
        }
    }

    /// The password, where one is used.
    ///
    /// # Errors
    /// A secret that is missing or empty, by the name of its file or variable.
    pub fn password(&self) -> anyhow::Result<Option<String>> {
        if let Some(file) = &self.password_file {
            return Ok(Some(read_secret(file)?));
        }
        let Some(name) = &self.password_env else { return Ok(None) };
        match std::env::var(name) {
            Ok(secret) if !secret.is_empty() => Ok(Some(secret)),
            _ => bail!("the environment has no {name}, which `password_env` names"),
        }
    }

    /// The TLS of the nodes' connections, and that of connections through the router.
    ///
    /// # Errors
    /// A file that is missing or holds something else.
    pub fn encryption(&self) -> anyhow::Result<Option<(Tls, Tls)>> {
        let trust = match (self.tls, &self.ca_file) {
            (DatabaseTls::Off, _) => return Ok(None),
            (DatabaseTls::Require, _) => Trust::Any,
            (DatabaseTls::VerifyFull, ca_file) => Trust::Full { ca_file: ca_file.as_deref().context("verify-full without a `ca_file`")? },
        };
        let files = self.client_cert_file.as_deref().zip(self.client_key_file.as_deref());
        let nodes = Tls::new(trust, files.map(|(cert_file, key_file)| Shown { cert_file, key_file }))?;
        let router = match &self.router_name {
            Some(name) => nodes.for_name(name).context("`router_name`")?,
            None => nodes.clone(),
        };
        Ok(Some((nodes, router)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let login: DatabaseLogin = toml::from_str(&format!("user = \"lifeboat\"\n{text}")).unwrap();
        login.check().expect_err(text).to_string()
    }

    #[test]
    fn settings_that_do_not_fit_each_other_are_refused_by_name() {
        for (text, says) in [
            ("", "by nothing"),
            ("password_file = \"a\"\npassword_env = \"B\"", "keep one"),
            ("password_file = \"a\"\ntls = \"verify-full\"", "needs a `ca_file`"),
            ("password_file = \"a\"\ntls = \"require\"\nca_file = \"ca\"", "`verify-full\"`"),
            ("password_file = \"a\"\nca_file = \"ca\"", "only; without it no certificate is checked"),
            ("tls = \"require\"\nclient_cert_file = \"c\"", "belong together"),
            ("client_cert_file = \"c\"\nclient_key_file = \"k\"", "needs `tls"),
            ("password_file = \"a\"\ntls = \"require\"\nrouter_name = \"db\"", "`router_name`"),
        ] {
            let said = refused(text);
            assert!(said.contains(says.trim_start_matches('`')), "{text}: {said}");
        }
        for text in [
            "password_env = \"B\"",
            "tls = \"require\"\nclient_cert_file = \"c\"\nclient_key_file = \"k\"",
            "password_file = \"a\"\ntls = \"verify-full\"\nca_file = \"ca\"\nrouter_name = \"db\"",
        ] {
            toml::from_str::<DatabaseLogin>(&format!("user = \"lifeboat\"\n{text}")).unwrap().check().unwrap();
        }
        toml::from_str::<DatabaseLogin>("user = \"a\"\npassword_file = \"b\"\ntls = \"prefer\"").expect_err("a TLS that may be none is none");
    }
}
