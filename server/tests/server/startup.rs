//! What keeps the server from starting is said in one sentence, with exit code 1.

use crate::{
    program::{PLAIN_ESTATE, Program},
    world::ESTATE,
};

#[test]
fn a_data_folder_that_cannot_be_used_is_named() {
    let program = Program::new("data = \"occupied/data\"\n", PLAIN_ESTATE);
    program.write("occupied", "a file where a folder should be");
    let sentence = ["the data folder", "occupied/data", "cannot be made; choose another one with `data` in the configuration"];
    program.run(&["serve"]).refused(&sentence);
    program.run(&["user", "add", "root", "--role", "admin"]).refused(&sentence);
    program.run(&["journal", "verify"]).refused(&["there is no store in", "occupied/data", "--config"]);
    // Not even root may make a folder there.
    Program::new("data = \"/proc/lifeboat\"\n", PLAIN_ESTATE).run(&["serve"]).refused(&["/proc/lifeboat cannot be made"]);
}

#[test]
fn what_is_no_store_is_not_taken_for_one() {
    let program = Program::plain();
    std::fs::create_dir(program.data()).unwrap();
    std::fs::write(program.data().join("lifeboat.db"), "these are not the bytes of a database, and there are quite a few of them".repeat(100))
        .unwrap();
    program.run(&["serve"]).refused(&["lifeboat.db"]);
    program.run(&["journal", "verify"]).refused(&["lifeboat.db"]);
    let empty = Program::plain();
    for arguments in [&["journal", "verify"][..], &["store", "backup", "copy.db"], &["status", "--json"]] {
        empty.run(arguments).refused(&["there is no store in"]);
    }
    assert!(!empty.data().exists(), "asking makes no store");
}

#[test]
fn mistakes_in_configuration_and_estate_are_shown_with_their_line() {
    let missing = Program::plain();
    missing
        .run(&["serve", "--config", "elsewhere.toml"])
        .refused(&["the configuration elsewhere.toml cannot be read; name another one with --config"]);
    std::fs::remove_file(missing.path("estate.toml")).unwrap();
    missing.run(&["serve"]).refused(&["the estate", "estate.toml cannot be read"]);

    Program::new("\nlissten = 3\n", PLAIN_ESTATE).run(&["serve"]).refused(&["lifeboat.toml has a mistake", "line 4", "lissten"]);
    Program::new("data = \n", PLAIN_ESTATE).run(&["serve"]).refused(&["lifeboat.toml has a mistake", "line 3"]);
    Program::new("public_url = 7\n", PLAIN_ESTATE).run(&["serve"]).refused(&["lifeboat.toml has a mistake", "line 3"]);
    let far = "[database.users]\nuser = \"x\"\npassword_file = \"nowhere\"\n";
    Program::new(&format!("agent_token_file = \"nowhere\"\n{far}"), ESTATE).run(&["serve"]).refused(&["the secret file", "nowhere cannot be read"]);
    Program::new("", ESTATE).run(&["serve"]).refused(&["no [database.users] with user and password_file"]);

    let broken = PLAIN_ESTATE.replace("tier = 3", "tier = 9");
    Program::new("", &broken).run(&["serve"]).refused(&["estate.toml has a mistake", "line 8", "tier 9 does not exist"]);
    let broken = PLAIN_ESTATE.replace("rto = \"1h\"", "rto = \"soon\"");
    Program::new("", &broken).run(&["serve"]).refused(&["estate.toml has a mistake", "line 9"]);
    Program::new("", "this is no estate").run(&["serve"]).refused(&["estate.toml has a mistake", "line 1"]);
    let none = Program::plain();
    std::fs::remove_dir_all(none.path("site")).unwrap();
    none.run(&["serve"]).refused(&["the built site is not at", "make build"]);
}

#[test]
fn a_lab_listens_on_loopback_only() {
    let program = Program::new("lab = true\n", PLAIN_ESTATE);
    program.run(&["serve", "--listen", "0.0.0.0:0"]).refused(&["loopback only"]);
    program.write("lifeboat.toml", "lab = true\nlisten = \"0.0.0.0:0\"\n");
    program.run(&["serve"]).refused(&["loopback only"]);
    Program::plain().run(&["serve", "--crash-at", "1:done"]).refused(&["--crash-at is for labs"]);
}

#[test]
fn a_second_server_is_refused_and_the_first_goes_on() {
    let program = Program::plain();
    let first = program.serve("info");
    program.run(&["serve"]).refused(&["another Lifeboat server uses", "data; stop it, or choose another data folder"]);
    // Another folder, but the same port.
    let port = first.address.strip_prefix("http://").unwrap();
    Program::plain().run(&["serve", "--listen", port]).refused(&[&format!("{port} is in use by another program; stop it, or set `listen`")]);
    let status = program.run(&["status", "--json"]);
    assert!(status.out.contains("\"source\": \"server\""), "{status:?}");
    let said = first.stop();
    assert!(said.contains("No account exists yet. Make the first one, once, at: http://127.0.0.1:"), "{said}");
    // Its place is free again, and the journal tells of both starts, and of the two runbooks that came with the first.
    program.serve("info").stop();
    assert_eq!(program.run(&["journal", "verify"]).fine(), "the journal is whole: 6 entries\n");
}
