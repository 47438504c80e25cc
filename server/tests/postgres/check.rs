//! `lifeboat check databases`, as a person runs it.

use crate::{node::Node, rights::documented, watch::place};
use std::process::Command;
use tempfile::TempDir;

const PASSWORD: &str = "secret";

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
    let place = place(&[("pg-one", node.port)]);
    let config = "[database.users]\nuser = \"lifeboat\"\npassword_env = \"LIFEBOAT_TEST_PASSWORD\"\n";
    std::fs::write(place.path().join("lifeboat.toml"), config).unwrap();
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
