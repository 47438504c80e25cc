//! `lifeboat check databases`, as a person runs it.

use crate::{node::Node, rights::documented};
use std::process::Command;
use tempfile::TempDir;

const PASSWORD: &str = "secret";

/// A configuration and an estate for one node.
fn place(port: u16) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("lifeboat.toml", "[database.users]\nuser = \"lifeboat\"\npassword_env = \"LIFEBOAT_TEST_PASSWORD\"\n");
    let estate = format!(
        "name = \"one\"\n[[region]]\nid = \"us-east-1\"\nname = \"US East\"\n\
         [[service]]\nid = \"users\"\ntier = 1\nrto = \"30m\"\nrpo = \"1m\"\nmtpd = \"4h\"\ndata_class = \"sensitive\"\n\
         [[cluster]]\nid = \"users\"\nservice = \"users\"\ndatabase = \"postgres\"\n\
         [[cluster.node]]\nid = \"pg-one\"\nregion = \"us-east-1\"\nhost = \"127.0.0.1\"\nport = {port}\nrole = \"primary\"\n"
    );
    write("estate.toml", &estate);
    folder
}

fn check(place: &TempDir) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
    command.args(["check", "databases"]).current_dir(place.path()).env("LIFEBOAT_TEST_PASSWORD", PASSWORD);
    let out = command.output().unwrap();
    (out.status.code().unwrap(), format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr)))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_exactly_what_is_missing_and_how_to_grant_it_and_knows_not_known_from_well() {
    let mut node = Node::with("").await;
    documented(&node).await;
    let place = place(node.port);
    if node.version().await >= 15_00_00 {
        let (code, said) = check(&place);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("pg-one of users: nothing is missing (PostgreSQL "), "{said}");
    }
    node.run(&["revoke execute on function pg_promote(boolean, integer) from lifeboat"]).await;
    let (code, said) = check(&place);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("pg-one of users: MISSING EXECUTE on pg_promote(boolean, integer) for lifeboat: Lifeboat cannot promote"), "{said}");
    let grant = "on the primary, in the database postgres: GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO lifeboat;";
    assert!(said.contains(grant), "{said}");
    assert!(!said.contains("nothing is missing") && !said.contains(PASSWORD), "{said}");
    node.stop();
    let (code, said) = check(&place);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("pg-one of users: NOT KNOWN what Lifeboat may do there:") && said.contains("refused"), "{said}");
}
