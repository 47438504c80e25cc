//! The estate that is played on, and what each seed makes of it: modes, waits, windows, how many must approve.

use crate::dice::Dice;
use engine::{
    estate::{AtEnd, Blackout, CommitWindow, Estate, FailoverMode},
    time::{Instant, Span},
};
use std::sync::OnceLock;

/// The three regions; nothing that keeps nodes runs in the last.
pub const EAST: &str = "east";
pub const WEST: &str = "west";
pub const EU: &str = "eu";

/// One cluster of three nodes and one of two, a service in one region at a time that moves by itself, one in several at once,
/// and one that people move and commit.
const ESTATE: &str = r#"
name = "a simulated platform"
[[region]]
id = "east"
name = "East"
agent = "http://127.0.0.1:1"
[[region]]
id = "west"
name = "West"
agent = "http://127.0.0.1:2"
[[region]]
id = "eu"
name = "Europe"
[[strategy]]
id = "data"
kind = "active-passive"
primary_region = "east"
recovery_regions = ["west"]
failover = "semi-automatic"
failback = "manual"
replication = "asynchronous"
lag_tolerance = "30s"
[[strategy]]
id = "alone"
kind = "active-passive"
primary_region = "east"
recovery_regions = ["west", "eu"]
failover = "automatic"
failback = "manual"
replication = "asynchronous"
lag_tolerance = "30s"
[[strategy]]
id = "rotation"
kind = "active-active"
primary_region = "east"
recovery_regions = ["west", "eu"]
failover = "automatic"
failback = "automatic"
replication = "asynchronous"
lag_tolerance = "30s"
[[strategy]]
id = "asked"
kind = "active-passive"
primary_region = "east"
recovery_regions = ["west"]
failover = "semi-automatic"
failback = "manual"
replication = "asynchronous"
lag_tolerance = "30s"
[[service]]
id = "users"
tier = 1
rto = "15m"
rpo = "1m"
mtpd = "4h"
data_class = "sensitive"
[[service]]
id = "orders"
tier = 1
rto = "15m"
rpo = "1m"
mtpd = "4h"
data_class = "standard"
[[service]]
id = "api"
tier = 1
rto = "15m"
rpo = "1m"
mtpd = "4h"
data_class = "standard"
strategy = "alone"
depends_on = ["users"]
traffic = { address = "http://127.0.0.1:3/", by = { haproxy = { socket = "/run/api.sock", backend = "api" } } }
[[service.endpoint]]
region = "east"
target = "http://127.0.0.1:4/"
[[service.endpoint]]
region = "west"
target = "http://127.0.0.1:5/"
[[service.endpoint]]
region = "eu"
target = "http://127.0.0.1:6/"
[[service]]
id = "shop"
tier = 1
rto = "15m"
rpo = "1m"
mtpd = "4h"
data_class = "standard"
strategy = "rotation"
traffic = { address = "http://127.0.0.1:3/", by = { haproxy = { socket = "/run/shop.sock", backend = "shop" } } }
[[service.endpoint]]
region = "east"
target = "http://127.0.0.1:4/"
[[service.endpoint]]
region = "west"
target = "http://127.0.0.1:5/"
[[service.endpoint]]
region = "eu"
target = "http://127.0.0.1:6/"
[[service]]
id = "web"
tier = 2
rto = "15m"
rpo = "1m"
mtpd = "4h"
data_class = "standard"
strategy = "asked"
depends_on = ["api"]
traffic = { address = "http://127.0.0.1:3/", by = { haproxy = { socket = "/run/web.sock", backend = "web" } } }
[[service.endpoint]]
region = "east"
target = "http://127.0.0.1:4/"
[[service.endpoint]]
region = "west"
target = "http://127.0.0.1:5/"
[[hook]]
id = "freeze"
services = ["web"]
[[cluster]]
id = "users"
service = "users"
database = "users"
strategy = "data"
router = { socket = "/run/users.sock", backend = "users", address = "127.0.0.1:7" }
[[cluster.node]]
id = "users-east-1"
region = "east"
host = "127.0.0.1"
port = 1
role = "primary"
[[cluster.node]]
id = "users-east-2"
region = "east"
host = "127.0.0.1"
port = 2
role = "replica"
[[cluster.node]]
id = "users-west"
region = "west"
host = "127.0.0.1"
port = 3
role = "standby"
[[cluster.pooler]]
id = "front"
address = "127.0.0.1:9"
region = "west"
follows = "router"
[[cluster]]
id = "orders"
service = "orders"
database = "orders"
strategy = "data"
router = { socket = "/run/orders.sock", backend = "orders", address = "127.0.0.1:8" }
[[cluster.node]]
id = "orders-east"
region = "east"
host = "127.0.0.1"
port = 4
role = "primary"
[[cluster.node]]
id = "orders-west"
region = "west"
host = "127.0.0.1"
port = 5
role = "standby"
"#;

/// The estate of one seed. `begins` is when its simulation does.
pub fn estate(dice: &mut Dice, begins: Instant) -> Estate {
    static WRITTEN: OnceLock<Estate> = OnceLock::new();
    let mut estate = WRITTEN.get_or_init(|| Estate::from_toml(ESTATE).expect("the estate above is sound")).clone();
    for strategy in &mut estate.strategies {
        strategy.wait = Span::from_secs(*dice.pick(&[0, 0, 10, 30]));
        strategy.cooldown = Span::from_secs(*dice.pick(&[0, 60, 300]));
        strategy.dwell = Span::from_secs(*dice.pick(&[0, 30, 90]));
        strategy.approvals = *dice.pick(&[1, 1, 1, 2]);
        match strategy.id.as_str() {
            "rotation" => strategy.minimum_on = *dice.pick(&[1, 2, 2]),
            "asked" => {
                let then = if dice.one_in(2) { AtEnd::Commit } else { AtEnd::RollBack };
                strategy.commit = if dice.one_in(3) { None } else { Some(CommitWindow { window: Span::from_secs(40), then }) };
                strategy.failover = *dice.pick(&[FailoverMode::SemiAutomatic, FailoverMode::Manual, FailoverMode::Automatic]);
            }
            "data" => strategy.failover = *dice.pick(&[FailoverMode::SemiAutomatic, FailoverMode::Automatic, FailoverMode::Manual]),
            _ => strategy.failover = *dice.pick(&[FailoverMode::Automatic, FailoverMode::Automatic, FailoverMode::SemiAutomatic]),
        }
        strategy.failback = *dice.pick(&[FailoverMode::Manual, FailoverMode::Automatic]);
    }
    if dice.one_in(4) {
        let from = begins + Span::from_secs(dice.up_to(300)).as_delta();
        estate.blackouts.push(Blackout { from, until: from + Span::from_secs(120).as_delta(), reason: "a sale".to_owned() });
    }
    if dice.one_in(2) {
        estate.hooks.clear();
    }
    estate
}
