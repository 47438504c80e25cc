//! What befalls the platform: servers that die, hang and come back, regions that go dark, networks that part, agents and
//! routers that fall silent, things in between that lie. Most of it ends by itself after a while.

use crate::{
    dice::Dice,
    laws::{control_of, router_of},
    postgres::Life,
    stage::Stage,
    world::{Lie, Place, Service, World},
};
use engine::{
    id::{ClusterId, NodeId, RegionId, ServiceId},
    time::{Instant, Span},
};

#[derive(Debug, Clone)]
enum Trouble {
    Dead(ClusterId, NodeId),
    Hung(ClusterId, NodeId),
    Dark(RegionId),
    Cut(Place, Place),
    AgentGone(RegionId),
    RouterSilent(ClusterId),
    ControlSilent(ServiceId),
    Ill(ServiceId, RegionId, bool),
    Lied(ClusterId, NodeId, bool),
    /// What sends clients was changed by hand, or forgot where it sent them.
    Strayed(ServiceId),
}

/// See the module.
#[derive(Default)]
pub struct Weather {
    next: Option<Instant>,
    ends: Vec<(Instant, Trouble)>,
}

impl Weather {
    pub fn blow(&mut self, stage: &Stage, dice: &mut Dice) {
        let now = stage.now();
        self.clear(stage, now);
        if self.next.is_none_or(|next| next <= now) {
            if self.next.is_some() {
                let trouble = trouble(stage, dice);
                let lasts = if dice.one_in(4) { dice.secs(60, 240) } else { dice.secs(3, 60) };
                stage.note(|| format!("     for {lasts}: {trouble:?}"));
                stage.count(format!("trouble: {}", kind_of(&trouble)));
                begin(stage, &mut stage.world(), &trouble, now);
                self.ends.push((now + lasts.as_delta(), trouble));
            }
            self.next = Some(now + dice.secs(4, 40).as_delta());
        }
    }

    /// Ends what has lasted long enough by `now`.
    fn clear(&mut self, stage: &Stage, now: Instant) {
        let (over, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.ends).into_iter().partition(|(at, _)| *at <= now);
        self.ends = rest;
        for (_, trouble) in over {
            stage.note(|| format!("     over: {trouble:?}"));
            let again = self.ends.iter().any(|(_, other)| format!("{other:?}") == format!("{trouble:?}"));
            if !again {
                end(stage, &mut stage.world(), &trouble, stage.now());
            }
        }
    }
    pub fn calm_down(&mut self, stage: &Stage) {
        self.clear(stage, stage.now() + Span::from_mins(24 * 60).as_delta());
    }
}

fn kind_of(trouble: &Trouble) -> String {
    let text = format!("{trouble:?}");
    text.split('(').next().unwrap_or_default().to_lowercase()
}

fn trouble(stage: &Stage, dice: &mut Dice) -> Trouble {
    let estate = &stage.estate;
    let cluster = dice.pick(&estate.clusters);
    let leads = |node: &&NodeId| !stage.world().node(&cluster.id, node).recovery;
    let nodes: Vec<NodeId> = cluster.nodes.iter().map(|node| node.id.clone()).collect();
    let primary = nodes.iter().find(leads).cloned();
    let node = primary.filter(|_| dice.permille(600)).unwrap_or_else(|| dice.pick(&nodes).clone());
    let id = cluster.id.clone();
    let regions: Vec<RegionId> = estate.regions.iter().map(|region| region.id.clone()).collect();
    let region = if dice.permille(600) { regions[0].clone() } else { dice.pick(&regions).clone() };
    let place = |region: &RegionId| Place::Region(region.clone());
    let services: Vec<_> = estate.services.iter().filter(|service| service.traffic.is_some()).collect();
    let service = dice.pick(&services);
    match dice.up_to(99) {
        0..=21 => Trouble::Dead(id, node),
        22..=31 => Trouble::Hung(id, node),
        32..=39 => Trouble::Dark(region),
        40..=49 => Trouble::Cut(Place::Dashboard, place(&region)),
        50..=53 => Trouble::Cut(place(&regions[0]), place(&regions[1])),
        54..=57 => Trouble::Cut(Place::Routers, place(&region)),
        58..=65 => Trouble::AgentGone(region),
        66..=70 => Trouble::RouterSilent(id),
        71..=74 => Trouble::ControlSilent(service.id.clone()),
        75..=90 => {
            let endpoint = dice.pick(&service.endpoints);
            Trouble::Ill(service.id.clone(), endpoint.region.clone(), dice.permille(800))
        }
        91..=96 => Trouble::Lied(id, node, dice.one_in(2)),
        _ => Trouble::Strayed(service.id.clone()),
    }
}

fn begin(stage: &Stage, world: &mut World, trouble: &Trouble, now: Instant) {
    match trouble {
        Trouble::Dead(cluster, node) => {
            world.touch(node, now);
            let own = world.node_mut(cluster, node);
            if own.life != Life::Gone {
                (own.life, own.clean) = (Life::Gone, false);
            }
        }
        Trouble::Hung(cluster, node) => {
            world.touch(node, now);
            let own = world.node_mut(cluster, node);
            if own.life == Life::Up {
                own.life = Life::Hung;
            }
        }
        Trouble::Dark(region) => {
            world.hosts.entry(region.clone()).and_modify(|host| host.dark = true);
            touch_region(world, region, now);
            for node in world.clusters.values_mut().flat_map(|cluster| cluster.nodes.values_mut()).filter(|node| node.region == *region) {
                if node.life != Life::Gone {
                    (node.life, node.clean) = (Life::Gone, false);
                }
            }
        }
        Trouble::Cut(one, other) => {
            world.touch(&"network", now);
            let pair = if one <= other { (one.clone(), other.clone()) } else { (other.clone(), one.clone()) };
            world.cut.insert(pair);
        }
        Trouble::AgentGone(region) => drop(world.hosts.entry(region.clone()).and_modify(|host| host.agent_gone = true)),
        Trouble::RouterSilent(cluster) => {
            world.touch(&router_of(cluster), now);
            world.cluster_mut(cluster).router_silent = true;
        }
        Trouble::ControlSilent(service) => world.controls.entry(service.clone()).or_default().silent = true,
        Trouble::Ill(service, region, dead) => {
            let how = if *dead { Service::Down } else { Service::Complains };
            world.services.insert((service.clone(), region.clone()), how);
        }
        Trouble::Lied(cluster, node, healthy) => {
            world.cluster_mut(cluster).lied_about = true;
            world.lies.insert(node.clone(), if *healthy { Lie::Healthy(None) } else { Lie::Dead });
        }
        Trouble::Strayed(service) => {
            world.touch(&control_of(service), now);
            let elsewhere = stage.estate.service(service).and_then(|service| service.endpoints.last()).map(|endpoint| endpoint.region.clone());
            world.controls.entry(service.clone()).or_default().on = elsewhere.into_iter().collect();
        }
    }
}

fn end(stage: &Stage, world: &mut World, trouble: &Trouble, now: Instant) {
    match trouble {
        // Its service manager starts what ended without being told to, unless it finds the fence.
        Trouble::Dead(cluster, node) => start_again(stage, world, cluster, node, now),
        Trouble::Hung(cluster, node) => {
            world.touch(node, now);
            let own = world.node_mut(cluster, node);
            if own.life == Life::Hung {
                own.life = Life::Up;
            }
        }
        Trouble::Dark(region) => {
            world.hosts.entry(region.clone()).and_modify(|host| {
                host.dark = false;
                if !host.agent_gone {
                    host.restart_agent(now);
                }
            });
            touch_region(world, region, now);
            for (cluster, node) in nodes_in(world, region) {
                start_again(stage, world, &cluster, &node, now);
            }
        }
        Trouble::Cut(one, other) => {
            world.touch(&"network", now);
            world.cut.retain(|(a, b)| (a, b) != (one, other) && (a, b) != (other, one));
        }
        Trouble::AgentGone(region) => drop(world.hosts.entry(region.clone()).and_modify(|host| host.restart_agent(now))),
        Trouble::RouterSilent(cluster) => world.cluster_mut(cluster).router_silent = false,
        Trouble::ControlSilent(service) => world.controls.entry(service.clone()).or_default().silent = false,
        Trouble::Ill(service, region, _) => drop(world.services.insert((service.clone(), region.clone()), Service::Well)),
        Trouble::Lied(_, node, _) => drop(world.lies.remove(node)),
        Trouble::Strayed(_) => {}
    }
}

fn nodes_in(world: &World, region: &RegionId) -> Vec<(ClusterId, NodeId)> {
    let nodes = world.clusters.iter().flat_map(|(id, cluster)| cluster.nodes.iter().map(move |(node, own)| (id, node, own)));
    nodes.filter(|(_, _, own)| own.region == *region).map(|(cluster, node, _)| (cluster.clone(), node.clone())).collect()
}

fn touch_region(world: &mut World, region: &RegionId, now: Instant) {
    for (_, node) in nodes_in(world, region) {
        world.touch(&node, now);
    }
    world.touch(&"network", now);
}

/// What a machine starts by itself is not the product's doing. Where that makes a second writer, it is counted: a node that was
/// shut down for a switchover carries no fence, and starts as it was when its machine does.
fn start_again(stage: &Stage, world: &mut World, cluster: &ClusterId, node: &NodeId, now: Instant) {
    let own = world.node(cluster, node);
    if own.life != Life::Gone || own.fenced || world.hosts[&own.region].dark {
        return;
    }
    let was_shut_down = own.clean;
    world.touch(node, now);
    world.node_mut(cluster, node).start();
    if was_shut_down && world.writers(cluster).len() > 1 {
        world.node_mut(cluster, node).excused = true;
        stage.count("second writers started by their machine");
    }
}
