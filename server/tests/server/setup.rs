//! The set-up link: it makes the first account, once, and only while there is none.

use crate::{
    house::{House, Over, command_line, form},
    world::id,
};
use engine::{access::Role, journal::Command};

fn filled(token: &str, name: &str, password: &str) -> String {
    form(&[("token", token), ("name", name), ("password", password)])
}

const GOOD: &str = "long enough to count";

#[tokio::test]
async fn the_link_makes_one_admin_once() {
    let house = House::empty().await;
    let token = house.setup.value().expect("nobody has an account, so there is a link");
    assert!(token.len() >= 32);
    let mut browser = house.browser();
    assert!(browser.get(&format!("/setup?token={token}")).await.body.contains("Make the account"));
    for (form, error) in [
        (filled("wrong", "root", GOOD), "token"),
        (filled("", "root", GOOD), "token"),
        (filled(&token[1..], "root", GOOD), "token"),
        (filled(&token, "No Name!", GOOD), "name"),
        (filled(&token, "root", "short"), "password"),
        (filled(&token, "root", &"x".repeat(300)), "password"),
    ] {
        let answer = browser.post("/setup", &form).await;
        assert!(answer.location().ends_with(&format!("&error={error}")), "{form}: {}", answer.location());
    }
    assert_eq!(house.journal_length().await, 0, "none of that made an account");
    // A name the engine refuses does not use the link up.
    assert!(browser.post("/setup", &filled(&token, "nobody", GOOD)).await.location().ends_with("error=failed"));

    // Two at the same moment: one account.
    let (mut here, mut there) = (house.browser(), house.browser());
    let (forms, other) = (filled(&token, "root", GOOD), filled(&token, "mallory", GOOD));
    let (one, two) = tokio::join!(here.post("/setup", &forms), there.post("/setup", &other));
    let made = [&one, &two].iter().filter(|answer| answer.location() == "/login?error=made").count();
    assert_eq!(made, 1, "{} and {}", one.location(), two.location());
    let accounts = house.desk.picture().records.accounts.clone();
    assert_eq!(accounts.len(), 1, "{accounts:?}");
    let (name, account) = accounts.first_key_value().unwrap();
    assert_eq!(account.roles, [Role::Admin].into());
    assert!(browser.post("/setup", &filled(&token, "again", GOOD)).await.location().ends_with("error=token"));
    assert_eq!(house.browser().sign_in(name.as_str(), GOOD).await.location(), "/");

    // After a restart there are accounts, so there is no link.
    house.desk.store().close().await;
    let house = House::at(house.folder, Over::Http).await;
    assert_eq!(house.setup.value(), None);
    assert!(house.browser().post("/setup", &filled(&token, "again", GOOD)).await.location().ends_with("error=token"));
    assert!(house.browser().post("/setup", &filled("", "again", GOOD)).await.location().ends_with("error=token"));
}

/// The link is printed, and then the first account is made on the command line instead: the link must be dead.
#[tokio::test]
async fn the_link_is_worth_nothing_once_somebody_has_an_account() {
    let house = House::empty().await;
    let token = house.setup.value().unwrap();
    let shell = crate::house::desk_on(&house.data()).await;
    shell.act(&command_line(), Command::AddAccount { name: id("root"), roles: [Role::Admin].into() }).await.unwrap();
    let answer = house.browser().post("/setup", &filled(&token, "mallory", GOOD)).await;
    assert!(answer.location().ends_with("error=exists"), "{}", answer.location());
    house.desk.read_on().await.unwrap();
    assert!(!house.desk.picture().records.accounts.contains_key(&id("mallory")));
}
