//! The lab's geography: which thing lives where, and by which address a place sees another one.
//!
//! Host `h` in place `P` of lab `N` really is `127.N.P.h`. From another place `R` it is seen only as `127.N.(100+10*R+P).h`,
//! an address where the lab's relays listen. So several labs run side by side, and a cut needs no right to change the network.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

pub const POSTGRES_PORT: u16 = 5432;
pub const AGENT_PORT: u16 = 7700;
pub const SERVICE_PORT: u16 = 8080;
const AGENT_HOST: u8 = 5;
const HAPROXY_HOST: u8 = 5;
const DASHBOARD_HOST: u8 = 6;
const DASHBOARD_PORT: u16 = 8420;
/// Address a place's own relays connect from.
const RELAY_HOST: u8 = 1;
/// The nodes of the second cluster in their regions, and its front in control.
const PATRONI_HOST: u8 = 40;
const PATRONI_PORT: u16 = 8008;
const ETCD_HOST: u8 = 9;
const ETCD_PORT: u16 = 2379;
/// PgBouncer before the router, beside the agent of a region.
pub const POOLER: &str = "pooler";
pub const POOLER_PLACE: Place = Place::UsWest2;
const POOLER_HOST: u8 = 12;
pub const POOLER_PORT: u16 = 6432;
/// The guide's service `i` is host `20 + i`.
const FIRST_SERVICE_HOST: u8 = 20;

/// Control is where the dashboard and HAProxy live; it belongs to no region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Control,
    UsEast1,
    UsWest2,
    EuWest1,
}

pub const REGIONS: [Place; 3] = [Place::UsEast1, Place::UsWest2, Place::EuWest1];
pub const PLACES: [Place; 4] = [Place::Control, Place::UsEast1, Place::UsWest2, Place::EuWest1];

impl Place {
    pub fn number(self) -> u8 {
        match self {
            Place::Control => 0,
            Place::UsEast1 => 1,
            Place::UsWest2 => 2,
            Place::EuWest1 => 3,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Place::Control => "control",
            Place::UsEast1 => "us-east-1",
            Place::UsWest2 => "us-west-2",
            Place::EuWest1 => "eu-west-1",
        }
    }

    pub fn region(name: &str) -> Option<Self> {
        REGIONS.into_iter().find(|r| r.name() == name)
    }

    /// A region, or control: what can be cut off.
    pub fn named(name: &str) -> Option<Self> {
        PLACES.into_iter().find(|place| place.name() == name)
    }
}

#[derive(Debug, Clone, Copy)]
pub struct PgNode {
    pub id: &'static str,
    pub place: Place,
    pub host: u8,
}

impl PgNode {
    /// Physical slot of this node on its upstream.
    pub fn slot(&self) -> String {
        self.id.replace('-', "_")
    }
}

/// The first one is the primary when the lab is built.
pub const PG_NODES: [PgNode; 3] = [
    PgNode { id: "pg-primary-east", place: Place::UsEast1, host: 10 },
    PgNode { id: "pg-replica-east", place: Place::UsEast1, host: 11 },
    PgNode { id: "pg-standby-west", place: Place::UsWest2, host: 10 },
];

/// A node of the second cluster, which Patroni runs.
#[derive(Debug, Clone, Copy)]
pub struct PatroniNode {
    pub id: &'static str,
    pub place: Place,
}

/// The first one leads when the lab is built.
pub const PATRONI_NODES: [PatroniNode; 3] = [
    PatroniNode { id: "orders-east", place: Place::UsEast1 },
    PatroniNode { id: "orders-west", place: Place::UsWest2 },
    PatroniNode { id: "orders-eu", place: Place::EuWest1 },
];

pub fn pg_node(id: &str) -> Option<&'static PgNode> {
    PG_NODES.iter().find(|n| n.id == id)
}

#[derive(Debug, Clone, Copy)]
pub struct Service {
    pub name: &'static str,
    host: u8,
    pub places: &'static [Place],
    pub needs_database: bool,
    /// Clients are sent to all of its places, not to the first alone.
    pub rotates: bool,
}

const EVERYWHERE: &[Place] = &REGIONS;
const EAST_AND_WEST: &[Place] = &[Place::UsEast1, Place::UsWest2];

const fn service(index: u8, name: &'static str, places: &'static [Place], needs_database: bool) -> Service {
    Service { name, host: FIRST_SERVICE_HOST + index, places, needs_database, rotates: false }
}

const fn rotating(service: Service) -> Service {
    Service { rotates: true, ..service }
}

/// The guide's services that are processes; `user-database`, number 3, is the PostgreSQL cluster itself.
pub const SERVICES: [Service; 9] = [
    rotating(service(0, "api-gateway", EVERYWHERE, false)),
    rotating(service(1, "model-router", EVERYWHERE, false)),
    rotating(service(2, "authentication", EVERYWHERE, true)),
    service(4, "vector-database", EAST_AND_WEST, false),
    service(5, "analytics-database", EAST_AND_WEST, false),
    service(6, "dashboard", EAST_AND_WEST, true),
    service(7, "billing-service", EAST_AND_WEST, true),
    service(8, "webhook-service", EVERYWHERE, false),
    service(9, "logging-service", EAST_AND_WEST, false),
];

/// Name of a service's process in one region.
pub fn instance(service: &Service, place: Place) -> String {
    format!("{}.{}", service.name, place.name())
}

/// What the observer in a region is called.
pub fn observer_name(place: Place) -> String {
    format!("in-{}", place.name())
}

pub fn agent_name(place: Place) -> String {
    format!("agent.{}", place.name())
}

/// One lab's addresses. The number is 1 to 254.
#[derive(Debug, Clone, Copy)]
pub struct Map {
    pub number: u8,
}

impl Map {
    fn real(self, place: Place, host: u8, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, self.number, place.number(), host)), port)
    }

    /// How `from` reaches a host: directly at home, through a relay elsewhere.
    fn seen(self, from: Place, place: Place, host: u8, port: u16) -> SocketAddr {
        if from == place {
            return self.real(place, host, port);
        }
        let side = 100 + 10 * from.number() + place.number();
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, self.number, side, host)), port)
    }

    pub fn haproxy(self, from: Place) -> SocketAddr {
        self.seen(from, Place::Control, HAPROXY_HOST, POSTGRES_PORT)
    }

    pub fn pooler(self, from: Place) -> SocketAddr {
        self.seen(from, POOLER_PLACE, POOLER_HOST, POOLER_PORT)
    }

    /// Where the dashboard hears of observers.
    pub fn dashboard(self, from: Place) -> SocketAddr {
        self.seen(from, Place::Control, DASHBOARD_HOST, DASHBOARD_PORT)
    }

    /// What the addresses of `to`, as control sees them, begin with when seen from `from`.
    pub fn network(self, from: Place, to: Place) -> String {
        let SocketAddr::V4(address) = self.seen(from, to, 0, 0) else { return String::new() };
        let [a, b, c, _] = address.ip().octets();
        format!("{a}.{b}.{c}.")
    }

    pub fn agent(self, from: Place, place: Place) -> SocketAddr {
        self.seen(from, place, AGENT_HOST, AGENT_PORT)
    }

    pub fn pg(self, from: Place, node: &PgNode) -> SocketAddr {
        self.seen(from, node.place, node.host, POSTGRES_PORT)
    }

    pub fn patroni_pg(self, from: Place, node: &PatroniNode) -> SocketAddr {
        self.seen(from, node.place, PATRONI_HOST, POSTGRES_PORT)
    }

    /// The REST API of a node's Patroni.
    pub fn patroni(self, from: Place, node: &PatroniNode) -> SocketAddr {
        self.seen(from, node.place, PATRONI_HOST, PATRONI_PORT)
    }

    /// Where clients of the second cluster come in.
    pub fn patroni_front(self) -> SocketAddr {
        self.real(Place::Control, PATRONI_HOST, POSTGRES_PORT)
    }

    /// Where those come in that follow Patroni's own word, as clients do where nothing but Patroni moves them.
    pub fn patroni_own_front(self) -> SocketAddr {
        self.real(Place::Control, PATRONI_HOST, POSTGRES_PORT + 1)
    }

    pub fn etcd(self) -> SocketAddr {
        self.real(Place::Control, ETCD_HOST, ETCD_PORT)
    }

    pub fn etcd_peers(self) -> SocketAddr {
        self.real(Place::Control, ETCD_HOST, ETCD_PORT + 1)
    }

    /// What the second cluster listens on beside what is there always.
    pub fn patroni_listeners(self) -> Vec<(String, SocketAddr)> {
        let mut all = vec![
            ("etcd".to_owned(), self.etcd()),
            ("etcd".to_owned(), self.etcd_peers()),
            ("the front of orders".to_owned(), self.patroni_front()),
            ("the front of orders that follows Patroni".to_owned(), self.patroni_own_front()),
        ];
        for node in &PATRONI_NODES {
            all.push((node.id.to_owned(), self.patroni_pg(node.place, node)));
            all.push((node.id.to_owned(), self.patroni(node.place, node)));
        }
        all
    }

    /// How the dashboard and HAProxy reach it.
    pub fn patroni_relays(self) -> Vec<Relay> {
        let source = IpAddr::V4(Ipv4Addr::new(127, self.number, Place::Control.number(), RELAY_HOST));
        let relay = |node: &PatroniNode, at: fn(Map, Place, &PatroniNode) -> SocketAddr| Relay {
            from: Place::Control,
            to: node.place,
            listen: at(self, Place::Control, node),
            upstream: at(self, node.place, node),
            source,
        };
        PATRONI_NODES.iter().flat_map(|node| [relay(node, Map::patroni_pg), relay(node, Map::patroni)]).collect()
    }

    pub fn service(self, from: Place, service: &Service, place: Place) -> SocketAddr {
        self.seen(from, place, service.host, SERVICE_PORT)
    }

    /// Where clients of a service come in: HAProxy in control, which sends them to regions.
    pub fn front(self, service: &Service) -> SocketAddr {
        self.real(Place::Control, service.host, SERVICE_PORT)
    }

    /// The fronts of all services, with their names.
    pub fn fronts(self) -> Vec<(String, SocketAddr)> {
        SERVICES.iter().map(|service| (format!("the front of {}", service.name), self.front(service))).collect()
    }

    /// Every address something of the lab itself listens on, relays and the dashboard apart, with its name.
    pub fn listeners(self) -> Vec<(String, SocketAddr)> {
        let mut all = vec![("haproxy".to_owned(), self.haproxy(Place::Control)), (POOLER.to_owned(), self.pooler(POOLER_PLACE))];
        all.extend(REGIONS.map(|p| (agent_name(p), self.agent(p, p))));
        all.extend(PG_NODES.iter().map(|n| (n.id.to_owned(), self.pg(n.place, n))));
        for service in &SERVICES {
            all.extend(service.places.iter().map(|p| (instance(service, *p), self.service(*p, service, *p))));
        }
        all
    }

    /// Every relay that some place needs: everybody sees all nodes and services, control the agents, regions what is in control.
    pub fn relays(self) -> Vec<Relay> {
        let mut relays = Vec::new();
        for from in PLACES {
            let mut add = |to: Place, listen: SocketAddr, upstream: SocketAddr| {
                if from != to {
                    let source = IpAddr::V4(Ipv4Addr::new(127, self.number, from.number(), RELAY_HOST));
                    relays.push(Relay { from, to, listen, upstream, source });
                }
            };
            for node in &PG_NODES {
                add(node.place, self.pg(from, node), self.pg(node.place, node));
            }
            for service in &SERVICES {
                for place in service.places {
                    add(*place, self.service(from, service, *place), self.service(*place, service, *place));
                }
            }
            if from == Place::Control {
                add(POOLER_PLACE, self.pooler(from), self.pooler(POOLER_PLACE));
                for place in REGIONS {
                    add(place, self.agent(from, place), self.agent(place, place));
                }
            } else {
                add(Place::Control, self.haproxy(from), self.haproxy(Place::Control));
                add(Place::Control, self.dashboard(from), self.dashboard(Place::Control));
            }
        }
        relays
    }

    /// Every name that `kill`, `hang` and `heal` accept.
    pub fn names(self) -> Vec<String> {
        self.listeners().into_iter().map(|(name, _)| name).collect()
    }
}

/// One way from a place to a host elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Relay {
    pub from: Place,
    pub to: Place,
    pub listen: SocketAddr,
    pub upstream: SocketAddr,
    /// The address its connections come from.
    pub source: IpAddr,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_address_is_given_twice() {
        let map = Map { number: 77 };
        let listeners = map.listeners().into_iter().chain(map.fronts());
        let listeners = listeners.chain(map.patroni_listeners());
        let relays = map.relays().into_iter().chain(map.patroni_relays());
        let addresses: Vec<SocketAddr> = listeners.map(|(_, a)| a).chain(relays.map(|r| r.listen)).collect();
        assert_eq!(addresses.iter().collect::<BTreeSet<_>>().len(), addresses.len());
        assert_eq!(map.pg(Place::Control, &PG_NODES[0]).to_string(), "127.77.101.10:5432");
        assert_eq!(map.haproxy(Place::UsWest2).to_string(), "127.77.120.5:5432");
        assert_eq!(map.pg(Place::UsWest2, &PG_NODES[1]).to_string(), "127.77.121.11:5432");
        assert_eq!(map.network(Place::Control, Place::UsEast1), "127.77.101.");
        assert_eq!(map.network(Place::UsWest2, Place::UsEast1), "127.77.121.");
        assert_eq!(map.network(Place::UsEast1, Place::UsEast1), "127.77.1.");
    }
}
