//! TLS towards a real PostgreSQL with `ssl = on` and authorities made here: what is refused, and that it says what to do.

use crate::node::{Node, identity};
use server::{config::DatabaseLogin, connect::postgres::Address};
use std::{
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;

/// A folder with an authority that signs certificates.
struct Authority(TempDir);

impl Authority {
    fn new() -> Self {
        let authority = Self(tempfile::Builder::new().prefix("lb").tempdir().unwrap());
        std::fs::set_permissions(authority.0.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        authority.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 2");
        authority
    }
    fn openssl(&self, arguments: &str) {
        let ran = Command::new("openssl").args(arguments.split(' ')).current_dir(self.0.path()).output().expect("the package openssl is installed");
        assert!(ran.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&ran.stderr));
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    /// A key and a certificate for `subject` under these alternative names.
    fn sign(&self, subject: &str, names: &str) -> (PathBuf, PathBuf) {
        let names = if names.is_empty() { "basicConstraints=CA:FALSE".to_owned() } else { format!("subjectAltName={names}") };
        std::fs::write(self.path("extensions"), names).unwrap();
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout {subject}.key -out {subject}.csr -subj /CN={subject}"
        ));
        self.openssl(&format!("x509 -req -in {subject}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out {subject}.pem"));
        (self.path(&format!("{subject}.pem")), self.path(&format!("{subject}.key")))
    }
    /// A server whose certificate has these names, which lets nobody in without TLS.
    async fn server(&self, names: &str) -> Node {
        let (certificate, key) = self.sign("server", names);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        if let Some((uid, gid)) = identity() {
            chown(&key, Some(uid), Some(gid)).unwrap();
        }
        let settings = format!(
            "ssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'\nssl_ca_file = '{}'\n",
            certificate.display(),
            key.display(),
            self.path("ca.pem").display()
        );
        let node = Node::with(&settings).await;
        let hba = "local all all trust\nhostssl all certified 127.0.0.1/32 cert\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(node.data().join("pg_hba.conf"), hba).unwrap();
        node.run(&["select pg_reload_conf()", "create role lifeboat login password 'secret'", "create role certified login"]).await;
        node
    }
}

fn login(settings: &str) -> DatabaseLogin {
    toml::from_str(&format!("user = \"lifeboat\"\n{settings}")).unwrap()
}
fn verify_full(ca_file: &Path) -> DatabaseLogin {
    login(&format!("password_env = \"UNUSED\"\ntls = \"verify-full\"\nca_file = {ca_file:?}"))
}

/// Signs in to `host` as the settings say, and asks the server whether the connection is encrypted.
async fn encrypted(node: &Node, host: &str, login: &DatabaseLogin) -> Result<bool, String> {
    let tls = login.encryption().map_err(|error| format!("{error:#}"))?.map(|(nodes, _)| nodes);
    through(Address { host: host.to_owned(), user: login.user.clone(), tls, ..node.address(&login.user) }).await
}
async fn through(address: Address) -> Result<bool, String> {
    let client = address.connect(Duration::from_secs(5)).await.map_err(|error| format!("{error:#}"))?;
    Ok(client.query_one("select ssl from pg_stat_ssl where pid = pg_backend_pid()", &[]).await.unwrap().get(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_full_takes_the_right_name_under_a_known_authority_and_nothing_else() {
    let authority = Authority::new();
    let node = authority.server("DNS:localhost,IP:127.0.0.1").await;
    let ca = authority.path("ca.pem");
    for host in ["127.0.0.1", "localhost"] {
        assert_eq!(encrypted(&node, host, &verify_full(&ca)).await, Ok(true), "{host}");
    }
    let stranger = Authority::new();
    let refused = encrypted(&node, "127.0.0.1", &verify_full(&stranger.path("ca.pem"))).await.unwrap_err();
    assert!(refused.contains("the certificate of 127.0.0.1 is signed by no authority in ca_file: add the one"), "{refused}");

    let elsewhere = authority.server("DNS:db.example.org").await;
    let refused = encrypted(&elsewhere, "127.0.0.1", &verify_full(&ca)).await.unwrap_err();
    assert!(refused.contains("not for 127.0.0.1 but for") && refused.contains("db.example.org"), "{refused}");
    assert!(refused.contains("make one with subjectAltName 127.0.0.1"), "{refused}");
    // Behind a router the name is not the address.
    let named = DatabaseLogin { router_name: Some("db.example.org".to_owned()), ..verify_full(&ca) };
    let (nodes, router) = named.encryption().unwrap().unwrap();
    assert_eq!(through(Address { tls: Some(router), ..elsewhere.address("lifeboat") }).await, Ok(true));
    through(Address { tls: Some(nodes), ..elsewhere.address("lifeboat") }).await.expect_err("of the nodes it is");
    // A name in the subject is none: it stands in no alternative name.
    let unnamed = authority.server("").await;
    let refused = encrypted(&unnamed, "127.0.0.1", &verify_full(&ca)).await.unwrap_err();
    assert!(refused.contains("subjectAltName"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn require_encrypts_whosever_certificate_it_is_and_refuses_a_server_without_tls() {
    let authority = Authority::new();
    let node = authority.server("DNS:db.example.org").await;
    let require = login("password_env = \"UNUSED\"\ntls = \"require\"");
    assert_eq!(encrypted(&node, "127.0.0.1", &require).await, Ok(true));
    let off = encrypted(&node, "127.0.0.1", &login("password_env = \"UNUSED\"")).await.unwrap_err();
    assert!(off.contains("no encryption") || off.contains("SSL off"), "{off}");

    let plain = Node::with("").await;
    plain.run(&["create role lifeboat login password 'secret'"]).await;
    for settings in [&require, &verify_full(&authority.path("ca.pem"))] {
        let refused = encrypted(&plain, "127.0.0.1", settings).await.unwrap_err();
        assert!(refused.contains("does not support TLS: set ssl = on there"), "{refused}");
    }
    assert_eq!(encrypted(&plain, "127.0.0.1", &login("password_env = \"UNUSED\"")).await, Ok(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_signs_in_without_a_password() {
    let authority = Authority::new();
    let node = authority.server("IP:127.0.0.1").await;
    let (certificate, key) = authority.sign("certified", "");
    let ca = authority.path("ca.pem");
    let shown = |certificate: &Path, key: &Path| DatabaseLogin {
        user: "certified".to_owned(),
        password_env: None,
        client_cert_file: Some(certificate.to_owned()),
        client_key_file: Some(key.to_owned()),
        ..verify_full(&ca)
    };
    let connect = async |login: &DatabaseLogin| {
        let tls = login.encryption().map_err(|error| format!("{error:#}"))?.map(|(nodes, _)| nodes);
        through(Address { tls, password: login.password().unwrap(), ..node.address("certified") }).await
    };
    assert_eq!(connect(&shown(&certificate, &key)).await, Ok(true));
    let without = DatabaseLogin { client_cert_file: None, client_key_file: None, ..shown(&certificate, &key) };
    let without = encrypted(&node, "127.0.0.1", &without).await.unwrap_err();
    assert!(without.contains("certificate"), "{without}");
    let swapped = connect(&shown(&certificate, &authority.path("ca.key"))).await.unwrap_err();
    assert!(swapped.contains("cannot be used together"), "{swapped}");
    let no_key = connect(&shown(&certificate, &ca)).await.unwrap_err();
    assert!(no_key.contains("ca.pem holds no private key"), "{no_key}");
    let missing = verify_full(Path::new("/nowhere/ca.pem")).encryption().err().unwrap();
    assert!(format!("{missing:#}").contains("/nowhere/ca.pem"), "{missing:#}");
    let empty = verify_full(&key).encryption().err().unwrap();
    assert!(format!("{empty:#}").contains("holds no certificate"), "{empty:#}");
}
