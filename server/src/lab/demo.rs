//! The lab together with its dashboard, for a person who wants to see it, and the demo accounts that exist only there.

use super::layout::{Layout, write_private};
use super::up::{self, Wishes};
use crate::{cli, config::Config, startup};
use anyhow::Context as _;
use engine::access::Role;
use std::{collections::BTreeMap, net::SocketAddr, path::Path};

/// Name and role of each demo account. Two operators, because one may not approve what he requested himself.
const ACCOUNTS: [(&str, Role); 6] = [
    ("vera", Role::Viewer),
    ("tom", Role::Tester),
    ("olga", Role::Operator),
    ("oskar", Role::Operator),
    ("anna", Role::Approver),
    ("adam", Role::Admin),
];

/// Makes the demo accounts in the lab's own store, with passwords of this lab alone, and writes them to `secrets/demo.json`.
pub async fn make_accounts(layout: &Layout) -> anyhow::Result<()> {
    let path = layout.secret_path("demo.json");
    let passwords: BTreeMap<String, String> = match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).with_context(|| format!("{} is not what `lab up` wrote", path.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let passwords = ACCOUNTS.map(|(name, _)| (name.to_owned(), password()));
            BTreeMap::from(passwords)
        }
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
    };
    write_private(&path, &serde_json::to_string_pretty(&passwords)?, 0o600, None)?;
    let accounts = ACCOUNTS.map(|(name, role)| (name, role, passwords.get(name).cloned().unwrap_or_else(password)));
    cli::make_demo_accounts(&layout.folder.join("lifeboat.toml"), &accounts).await
}

/// Short enough to type, and for a loopback demo long enough: 48 random bits.
fn password() -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("{}-{}-{}", &random[..4], &random[4..8], &random[8..12])
}

/// The lab in the background, the dashboard in the foreground; both end together.
pub async fn run(folder: &Path, wishes: Wishes, listen: Option<SocketAddr>) -> anyhow::Result<()> {
    up::up(folder, wishes).await?;
    let served = serve(folder, listen).await;
    up::down(folder, false).await?;
    served
}

async fn serve(folder: &Path, listen: Option<SocketAddr>) -> anyhow::Result<()> {
    let layout = Layout::open(folder)?;
    let mut config = Config::read(&layout.folder.join("lifeboat.toml"))?;
    if let Some(listen) = listen {
        anyhow::ensure!(listen.ip().is_loopback(), "a lab's dashboard has demo accounts and may listen on loopback only, not on {listen}");
        config.listen = listen;
    }
    let passwords: BTreeMap<String, String> = serde_json::from_str(&std::fs::read_to_string(layout.secret_path("demo.json"))?)?;
    println!("\nDemo accounts (this lab only):");
    for (name, role) in ACCOUNTS {
        println!("  {name:<6} {:<9} {}", role.to_string(), passwords.get(name).map_or("(unknown)", String::as_str));
    }
    println!("\nTry: target/release/lifeboat lab kill pg-primary-east   (then look at the dashboard)");
    println!("     target/release/lifeboat lab load --seconds 30      (writes through the router, and counts what is lost)\n");
    startup::serve(config, None).await
}
