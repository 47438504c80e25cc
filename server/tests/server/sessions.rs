//! Signing in and out, what the session cookie is like, and what ends a session.

use crate::{
    house::{House, Over, PASSWORD, command_line, form},
    world::id,
};
use engine::{access::Role, journal::Command};
use http::{StatusCode, header};

#[tokio::test]
async fn the_right_password_opens_and_nothing_else_does() {
    let house = House::with_people().await;
    house.desk.act(&command_line(), Command::DisableAccount { name: id("tom") }).await.unwrap();
    let long = "x".repeat(5_000);
    let wrong = [
        ("ann", "wrong horse battery"),
        ("ann", ""),
        ("ANN", PASSWORD),
        ("nobody", PASSWORD),
        ("' or 1=1 --", PASSWORD),
        ("ann", &long),
        ("tom", PASSWORD),
    ];
    for (name, password) in wrong {
        let mut browser = house.browser();
        let answer = browser.sign_in(name, password).await;
        // A disabled account and one that never was look the same as a wrong password: names cannot be guessed.
        assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/login?error=wrong&next=%2F"), "{name}");
        assert!(browser.cookies.is_empty(), "{name}: no session");
        assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER, "{name}");
        let last = house.last_events(1).await.remove(0);
        assert!(last.contains("sign-in-failed") && !last.contains("horse"), "{last}");
        // What is no account's name may be a password, typed into the wrong field: the journal keeps it from nobody.
        let named = last.contains(&format!("\"{name}\""));
        assert_eq!(named, ["ann", "tom"].contains(&name), "{last}");
    }
    let mut ann = house.browser();
    let answer = ann.post("/login", &form(&[("name", " ann "), ("password", PASSWORD), ("next", "/databases/users")])).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/databases/users"));
    assert!(ann.get("/").await.body.contains("ann"));
    assert!(house.last_events(1).await.remove(0).contains("signed-in"));
    // No fields at all: an answer, not a crash.
    assert!(house.browser().post("/login", "x=y").await.status.is_client_error());
}

#[tokio::test]
async fn the_session_cookie_is_out_of_reach_of_scripts_and_other_sites() {
    for (over, name) in [(Over::Http, "lifeboat"), (Over::Https, "__Host-lifeboat")] {
        let house = House::at(tempfile::tempdir().unwrap(), over).await;
        house.invite().await;
        let mut ann = house.browser();
        let answer = ann.sign_in("ann", PASSWORD).await;
        let cookie = answer.headers.get(header::SET_COOKIE).unwrap().to_str().unwrap();
        let flags: Vec<String> = cookie.split(';').skip(1).map(|flag| flag.trim().to_lowercase()).collect();
        let has = |flag: &str| flags.iter().any(|held| held == flag);
        assert!(cookie.starts_with(&format!("{name}=")), "{cookie}");
        assert!(has("httponly") && has("path=/") && (has("samesite=lax") || has("samesite=strict")), "{cookie}");
        assert_eq!(has("secure"), over == Over::Https, "{cookie}");
        assert!(!flags.iter().any(|flag| flag.starts_with("domain")), "{cookie}");
        assert!(ann.cookies[name].len() >= 20, "an id nobody guesses: {cookie}");
        let safe = answer.header("strict-transport-security");
        assert_eq!(safe.starts_with("max-age="), over == Over::Https, "{safe}");
    }
}

#[tokio::test]
async fn a_planted_session_id_is_worth_nothing() {
    let house = House::with_people().await;
    let mut ann = house.browser();
    ann.cookies.insert("lifeboat".to_owned(), "AAAAAAAAAAAAAAAAAAAAAA".to_owned());
    assert_eq!(ann.get("/").await.status, StatusCode::SEE_OTHER);
    ann.sign_in("ann", PASSWORD).await;
    let first = ann.cookies["lifeboat"].clone();
    assert_ne!(first, "AAAAAAAAAAAAAAAAAAAAAA");
    // Signing in once more changes the id as well, and the one before is worth nothing.
    ann.sign_in("ann", PASSWORD).await;
    assert_ne!(ann.cookies["lifeboat"], first);
    let mut thief = house.browser();
    thief.cookies.insert("lifeboat".to_owned(), first);
    assert_eq!(thief.get("/").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn signing_out_ends_the_session_everywhere() {
    let house = House::with_people().await;
    let mut ann = house.signed_in("ann").await;
    let mut copy = ann.clone();
    assert_eq!(copy.get("/").await.status, StatusCode::OK);
    let answer = ann.post("/logout", "").await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/login"));
    assert!(house.last_events(1).await.remove(0).contains("signed-out"));
    for browser in [&mut ann, &mut copy] {
        assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER, "the cookie opens nothing any more");
        assert_eq!(browser.post("/api/overview", "").await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(house.browser().post("/logout", "").await.location(), "/login", "a stranger may say goodbye too");
}

#[tokio::test]
async fn a_changed_role_a_new_password_and_disabling_end_sessions() {
    let house = House::with_people().await;
    let changes: [(&str, Command); 3] = [
        ("ann", Command::SetRoles { name: id("ann"), roles: [Role::Operator, Role::Admin].into() }),
        ("otto", Command::ResetPassword { name: id("otto") }),
        ("abe", Command::DisableAccount { name: id("abe") }),
    ];
    let mut untouched = house.signed_in("vera").await;
    for (name, change) in changes {
        let (mut here, mut there) = (house.signed_in(name).await, house.signed_in(name).await);
        house.desk.act(&command_line(), change).await.unwrap();
        for browser in [&mut here, &mut there] {
            assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER, "{name}");
            assert_eq!(browser.post("/api/overview", "").await.status, StatusCode::UNAUTHORIZED, "{name}");
        }
    }
    assert_eq!(untouched.get("/").await.status, StatusCode::OK, "nobody else is sent away");
    assert_eq!(house.signed_in("ann").await.get("/").await.status, StatusCode::OK, "and one can sign in again");
}

/// Sessions are in the store: a restart of the server sends nobody away.
#[tokio::test]
async fn a_restart_ends_no_session() {
    let house = House::with_people().await;
    let cookies = house.signed_in("ann").await.cookies;
    house.desk.store().close().await;
    let house = House::at(house.folder, Over::Http).await;
    let mut ann = house.browser();
    ann.cookies = cookies;
    assert_eq!(ann.get("/").await.status, StatusCode::OK);
}
