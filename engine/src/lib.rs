//! Lifeboat's recovery engine: pure rules that turn facts into verdicts, plans and events.
//!
//! # Glossary
//! - **service**: one part of the platform with its objectives. **region**: a place whose parts can fail together.
//!   **tier**: how much a service matters, 1 to 4.
//! - **objective**: what was promised: RTO (time until it works again), RPO (stretch of data that may be lost), MTPD
//!   (longest tolerable disruption). **dependency**: a service another one needs. **strategy**: how a group of services
//!   is meant to survive.
//! - **observation**: one probe result. **health**: the verdict over several of them.
//! - **run**, **stretch**: rounds in a row that were alike, as they are recorded. **replay**: recorded rounds judged again.
//! - **cluster**, **node**: a database and its servers. **manager**: who starts, stops and promotes them, Lifeboat or Patroni. **primary**: the node that takes writes. **standby**: one that follows.
//! - **operation**: something that changes the world; **plan**: what it would do, as a value; **step**: one part of it.
//!   **approval**: a second person's consent to one exact plan. **override**: a check that two people set aside, on record.
//! - **traffic**: how clients of a service are sent to regions. **mode**: test, planned or emergency: how errors are treated.
//! - **decision**: what the product does about a failure by itself, and what holds it back. **restraint**: what people put
//!   in its way on purpose (pause, master switch, maintenance). **safety rule**: what no plan may break without break-glass.
//! - **incident**: what people outside of the pages are told about, from its beginning to its end; **channel**: a way to tell
//!   them; **delivery**: one message on its way.
//! - **policy**: what is backed up, how often, and where to. **backup**: what one job left behind; **destination**: a place for copies;
//!   **copy**: the backup in one of them. **proof**: a verification of a backup up to a level; **restored**: a scratch server ran on it.
//! - **runbook**: what people do in a disaster, as typed steps; **version**: one text of it; **run**: somebody works by it, on a frozen copy.
//!   **lint**: what is wrong with a runbook before it is needed.
//! - **scenario**: a DR test as it is declared; **DR test run**: one time that it is carried out, on a frozen copy. **criterion**: what a run must
//!   achieve. **gate**: what must be so before it starts; **guardrail**: what ends it at once. **verdict**: what follows from the criteria.
//! - **finding**: a complaint of the product. **exposure**: the time in which a failure would hurt.
//! - **journal**: every command, decision and transition, in order, chained by hashes. **evidence**: what was seen.
//!
//! # Architecture invariants
//! - No clock, disk, network, database or thread: `now` and new ids are arguments. No tokio, no sqlx.
//! - It compiles to WebAssembly and runs in the browser.
//! - The server carries out steps; it takes no decision of its own.
//! - Unknown is a value of its own and never counts as good. Absence is `None`, zero is a value.

pub mod abilities;
pub mod access;
pub mod automation;
pub mod backups;
pub mod databases;
pub mod dependencies;
pub mod dr_tests;
pub mod estate;
pub mod failover;
pub mod findings;
pub mod health;
pub mod history;
pub mod id;
pub mod journal;
pub mod look;
pub mod noticing;
pub mod notifications;
pub mod objectives;
pub mod patroni;
pub mod picture;
pub mod poolers;
pub mod restraints;
pub mod runbooks;
pub mod shared;
pub mod strategies;
mod survey;
pub mod time;
