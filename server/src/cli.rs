//! The command line, beside `serve`: accounts, the journal, copies of the store, the status, checks.

use crate::{
    access, check,
    config::Config,
    desk::Desk,
    startup,
    status::{self, Source},
    store::Store,
};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use engine::{
    access::Role,
    id::{AccountName, OperationId},
    journal::{Actor, Command},
};
use std::{
    collections::BTreeSet,
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Which server is meant.
#[derive(Args, Debug, Clone)]
pub struct Which {
    /// The server's configuration file.
    #[arg(long, default_value = "lifeboat.toml")]
    pub config: PathBuf,
}

impl Which {
    fn read(&self) -> anyhow::Result<Config> {
        Config::read(&self.config)
    }
}

#[derive(Args, Debug)]
pub struct Serve {
    #[command(flatten)]
    pub which: Which,
    /// Listen here instead of where the configuration says.
    #[arg(long)]
    pub listen: Option<std::net::SocketAddr>,
    /// For tests in labs: end the process at a step boundary, STEP:intended, STEP:done or STEP:recorded.
    #[arg(long, hide = true)]
    pub crash_at: Option<crate::run::CrashAt>,
}

#[derive(Subcommand, Debug)]
pub enum User {
    /// Add an account.
    Add {
        name: AccountName,
        /// May be given several times: viewer, tester, operator, approver, admin.
        #[arg(long = "role", required = true)]
        roles: Vec<Role>,
        #[command(flatten)]
        password: Password,
        #[command(flatten)]
        which: Which,
    },
    /// Set the roles of an account; its sessions end.
    Role {
        name: AccountName,
        #[arg(long = "role", required = true)]
        roles: Vec<Role>,
        #[command(flatten)]
        which: Which,
    },
    /// Disable an account; its sessions end.
    Disable {
        name: AccountName,
        #[command(flatten)]
        which: Which,
    },
    /// Set a new password and enable the account again; its sessions end.
    Reset {
        name: AccountName,
        #[command(flatten)]
        password: Password,
        #[command(flatten)]
        which: Which,
    },
    /// List the accounts.
    List {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Args, Debug)]
pub struct Password {
    /// Read the password from standard input instead of making one up and printing it.
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Subcommand, Debug)]
pub enum Journal {
    /// Print entries, oldest first.
    Show {
        /// Only entries about this operation.
        #[arg(long)]
        operation: Option<OperationId>,
        /// At most so many of the newest entries.
        #[arg(long, default_value_t = 200)]
        limit: u32,
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Walk the chain of hashes and name the first broken entry.
    Verify {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Subcommand, Debug)]
pub enum StoreCommand {
    /// Write a consistent copy of the store to FILE, also while the server runs.
    Backup {
        file: PathBuf,
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Subcommand, Debug)]
pub enum Check {
    /// Sign in to every database node and say which right is missing where, what does not work without it, and the statement
    /// that grants it; exit code 0 nothing, 1 something is missing, 2 something is not known.
    Databases {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Args, Debug)]
pub struct StatusArguments {
    #[command(flatten)]
    which: Which,
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub struct PackArguments {
    /// Where to write it; what is there is replaced as a whole.
    file: PathBuf,
    #[command(flatten)]
    which: Which,
}

/// `lifeboat serve`.
pub async fn serve(arguments: Serve) -> anyhow::Result<ExitCode> {
    let mut config = arguments.which.read()?;
    if let Some(listen) = arguments.listen {
        if config.lab && !listen.ip().is_loopback() {
            bail!("a lab's dashboard has demo accounts and may listen on loopback only, not on {listen}");
        }
        config.listen = listen;
    }
    startup::serve(config, arguments.crash_at).await?;
    Ok(ExitCode::SUCCESS)
}

/// `lifeboat user …`.
pub async fn user(command: User) -> anyhow::Result<ExitCode> {
    match command {
        User::Add { name, roles, password, which } => {
            let (desk, actor) = (open(&which).await?, actor());
            let (password, made_up) = password.get()?;
            access::add_account(&desk, &actor, name.clone(), roles.into_iter().collect(), password.clone()).await?;
            println!("{name} was added{}", made_up_note(made_up, &password));
        }
        User::Role { name, roles, which } => {
            open(&which).await?.act(&actor(), Command::SetRoles { name: name.clone(), roles: roles.into_iter().collect() }).await?;
            println!("the roles of {name} were set; its sessions are over");
        }
        User::Disable { name, which } => {
            open(&which).await?.act(&actor(), Command::DisableAccount { name: name.clone() }).await?;
            println!("{name} was disabled; its sessions are over");
        }
        User::Reset { name, password, which } => {
            let desk = open(&which).await?;
            let (password, made_up) = password.get()?;
            access::reset_password(&desk, &actor(), name.clone(), password.clone()).await?;
            println!("{name} has a new password{}", made_up_note(made_up, &password));
        }
        User::List { which } => {
            for (name, account) in &open(&which).await?.picture().records.accounts {
                let roles: Vec<String> = account.roles.iter().map(Role::to_string).collect();
                println!("{name}\t{}\t{}", if account.enabled { "enabled" } else { "disabled" }, roles.join(","));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn made_up_note(made_up: bool, password: &str) -> String {
    if made_up { format!("; password: {password}") } else { String::new() }
}

impl Password {
    /// The password, and whether it was made up here (then somebody must be told).
    fn get(&self) -> anyhow::Result<(String, bool)> {
        if !self.password_stdin {
            return Ok((uuid::Uuid::new_v4().simple().to_string(), true));
        }
        let mut text = String::new();
        let most = access::LONGEST_PASSWORD as u64 + 2;
        std::io::stdin().take(most).read_to_string(&mut text).context("no password could be read from standard input")?;
        Ok((text.trim_end_matches(['\n', '\r']).to_owned(), false))
    }
}

/// `lifeboat journal …`.
pub async fn journal(command: Journal) -> anyhow::Result<ExitCode> {
    match command {
        Journal::Show { operation, limit, json, which } => show_journal(&which, operation, limit, json).await,
        Journal::Verify { which } => verify_journal(&which).await,
    }
}

async fn show_journal(which: &Which, operation: Option<OperationId>, limit: u32, json: bool) -> anyhow::Result<ExitCode> {
    let mut entries = Store::open_existing(&which.read()?.data).await?.history(None, limit, operation).await?;
    entries.reverse();
    if json {
        println!("{}", serde_json::to_string_pretty(&entries)?);
    } else {
        for entry in entries {
            println!("{:>6} {} {} {}", entry.seq, entry.at.format("%Y-%m-%d %H:%M:%S%.3f"), entry.actor, app::journal::words::in_words(&entry.event));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn verify_journal(which: &Which) -> anyhow::Result<ExitCode> {
    let store = Store::open_existing(&which.read()?.data).await?;
    match store.verify_journal().await? {
        Ok(entries) => {
            println!("the journal is whole: {entries} entries");
            Ok(ExitCode::SUCCESS)
        }
        Err(broken) => {
            println!("THE JOURNAL IS BROKEN: {broken}");
            Ok(ExitCode::from(2))
        }
    }
}

/// `lifeboat store …`.
pub async fn store(command: StoreCommand) -> anyhow::Result<ExitCode> {
    let StoreCommand::Backup { file, which } = command;
    Store::open_existing(&which.read()?.data).await?.copy_to(&file).await?;
    let copied = verify_copy(&file).await?;
    println!("the store was copied to {}; its journal is whole: {copied} entries", file.display());
    Ok(ExitCode::SUCCESS)
}

/// A copy nobody looked at is no copy: its chain is walked.
async fn verify_copy(file: &Path) -> anyhow::Result<u64> {
    let journal = Store::open_copy(file).await?.verify_journal().await?;
    journal.map_err(|broken| anyhow::anyhow!("the copy {} was written, but its journal is broken: {broken}", file.display()))
}

/// `lifeboat check …`.
pub async fn check(command: Check) -> anyhow::Result<ExitCode> {
    let Check::Databases { which } = command;
    let checked = check::databases(&which.read()?).await?;
    print!("{}", checked.text);
    Ok(ExitCode::from(checked.exit_code()))
}

/// `lifeboat status`.
pub async fn status(arguments: StatusArguments) -> anyhow::Result<ExitCode> {
    let status = status::ask(&arguments.which.read()?).await?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        println!("{}", status.in_words());
    }
    Ok(ExitCode::from(status.exit_code()))
}

/// `lifeboat pack`. The old pack stays until the new one is whole.
pub async fn pack(arguments: PackArguments) -> anyhow::Result<ExitCode> {
    let (source, text) = status::ask_for_pack(&arguments.which.read()?).await?;
    let file = &arguments.file;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = file.file_name().with_context(|| format!("{} names no file", file.display()))?.to_string_lossy();
    let draft = folder.join(format!(".{name}.{}", std::process::id()));
    let written = std::fs::write(&draft, &text).and_then(|()| std::fs::rename(&draft, file));
    if written.is_err() && draft.exists() {
        std::fs::remove_file(&draft).with_context(|| format!("{} is in the way", draft.display()))?;
    }
    written.with_context(|| format!("{} cannot be written", file.display()))?;
    println!(
        "the offline pack is in {}, {}; open it in any browser, and keep it where it can be read when nothing else can",
        file.display(),
        source.in_words()
    );
    Ok(match source {
        Source::Server => ExitCode::SUCCESS,
        Source::Store => ExitCode::from(2),
    })
}

async fn open(which: &Which) -> anyhow::Result<Desk> {
    let config = which.read()?;
    let (estate, _) = config.read_estate()?;
    Desk::open(Store::open(&config.data).await?, estate).await
}

/// Whoever runs the command, by the name the system knows.
fn actor() -> Actor {
    let name = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|variable| std::env::var(variable).ok()).filter(|name| !name.is_empty());
    Actor::CommandLine(name.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw())))
}

/// Makes the lab's demo accounts that are not there yet.
///
/// # Errors
/// A configuration that is no lab's, or a store that cannot be written.
pub async fn make_demo_accounts(config: &Path, accounts: &[(&str, Role, String)]) -> anyhow::Result<()> {
    let which = Which { config: config.to_owned() };
    if !which.read()?.lab {
        bail!("{} is not a lab's configuration; demo accounts exist only in labs", config.display());
    }
    let desk = open(&which).await?;
    for (name, role, password) in accounts {
        let name: AccountName = name.parse()?;
        if !desk.picture().records.accounts.contains_key(&name) {
            access::add_account(&desk, &Actor::CommandLine("lab".to_owned()), name, BTreeSet::from([*role]), password.clone()).await?;
        }
    }
    desk.store().close().await;
    Ok(())
}
