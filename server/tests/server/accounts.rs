//! `lifeboat user …`: accounts from the command line, and what it refuses.

use crate::{
    house::{House, Over, form},
    program::Program,
};

#[tokio::test]
async fn accounts_are_made_changed_and_listed_on_the_command_line() {
    let program = Program::plain();
    let said = program.run(&["user", "add", "root", "--role", "admin"]).fine();
    let made_up = said.trim().split("password: ").nth(1).expect("a password was made up and is said once");
    assert!(made_up.len() >= 20, "{said}");
    let said = program.tell(&["user", "add", "ann", "--role", "operator", "--role", "viewer", "--password-stdin"], "a password of her own\n").fine();
    assert_eq!(said, "ann was added\n", "a password that was given is not repeated");
    program.run(&["user", "add", "vera", "--role", "viewer"]).fine();
    program.run(&["user", "role", "vera", "--role", "tester", "--role", "approver"]).fine();
    program.run(&["user", "disable", "ann"]).fine();
    let list = program.run(&["user", "list"]).fine();
    assert_eq!(list, "ann\tdisabled\tviewer,operator\nroot\tenabled\tadmin\nvera\tenabled\ttester,approver\n");

    // What was made there opens the door here.
    let Program { folder } = program;
    let house = House::at(folder, Over::Http).await;
    assert_eq!(house.browser().sign_in("root", made_up).await.location(), "/");
    assert!(house.browser().sign_in("ann", "a password of her own").await.location().contains("error=wrong"), "disabled");
    house.desk.store().close().await;
    let program = Program::around(house.folder, "", crate::program::PLAIN_ESTATE);
    program.tell(&["user", "reset", "ann", "--password-stdin"], "quite another password").fine();
    let house = House::at(program.folder, Over::Http).await;
    assert!(house.browser().sign_in("ann", "a password of her own").await.location().contains("error=wrong"));
    assert_eq!(house.browser().sign_in("ann", "quite another password").await.location(), "/", "reset enables again");
}

#[test]
fn what_would_lock_everyone_out_or_makes_no_sense_is_refused() {
    let program = Program::plain();
    program.run(&["user", "add", "root", "--role", "admin"]).fine();
    let last = "root is the last enabled admin";
    program.run(&["user", "disable", "root"]).refused(&[last]);
    program.run(&["user", "role", "root", "--role", "viewer"]).refused(&[last]);
    program.run(&["user", "add", "root", "--role", "viewer"]).refused(&["the account root exists already"]);
    program.run(&["user", "add", "nobody", "--role", "viewer"]).refused(&["kept for the product's own use"]);
    for command in ["disable", "reset"] {
        program.run(&["user", command, "missing"]).refused(&["there is no account missing"]);
    }
    program.run(&["user", "role", "missing", "--role", "viewer"]).refused(&["there is no account missing"]);
    let add = ["user", "add", "ann", "--role", "viewer", "--password-stdin"];
    program.tell(&add, "short\n").refused(&["the password has 5 characters; at least 12 are needed"]);
    program.tell(&add, "").refused(&["the password has 0 characters"]);
    program.tell(&add, &"x".repeat(100_000)).refused(&["longer than 256 bytes"]);
    assert_eq!(program.run(&["user", "list"]).fine(), "root\tenabled\tadmin\n", "nothing of that had an effect");
    // Every refusal of the engine is in the journal; a password that is no password never came that far.
    let said = program.run(&["journal", "verify"]).fine();
    assert_eq!(said, "the journal is whole: 8 entries\n");

    for arguments in [&["user", "add", "ann"][..], &["user", "add", "ann", "--role", "king"], &["user", "add", "Ann B.", "--role", "viewer"]] {
        let said = program.run(arguments);
        assert_eq!(said.code, 2, "a mistake in the call: {said:?}");
    }
    // With a second admin the first may go.
    program.run(&["user", "add", "rita", "--role", "admin"]).fine();
    program.run(&["user", "disable", "root"]).fine();
    program.run(&["user", "disable", "rita"]).refused(&["rita is the last enabled admin"]);
}

/// A running server learns what the command line did, without being asked anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_server_sends_away_whom_the_command_line_disabled() {
    let program = Program::plain();
    program.run(&["user", "add", "root", "--role", "admin"]).fine();
    program.tell(&["user", "add", "ann", "--role", "viewer", "--password-stdin"], "a password of her own").fine();
    let server = program.serve("info");
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let body = form(&[("name", "ann"), ("password", "a password of her own")]);
    let answer =
        client.post(format!("{}/login", server.address)).header("content-type", "application/x-www-form-urlencoded").body(body).send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let status = async || client.get(format!("{}/journal", server.address)).header("cookie", &cookie).send().await.unwrap().status().as_u16();
    assert_eq!(status().await, 200);
    program.run(&["user", "disable", "ann"]).fine();
    crate::program::until("ann is sent away", async || status().await == 303).await;
    let log = server.stop();
    assert!(!log.contains("a password of her own"));
}
