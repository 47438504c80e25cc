//! What the hands do about the clients of a service.

use super::Played;
use crate::{
    harm::Harm,
    orders::{Order, Parcel},
    world::Service,
};
use anyhow::ensure;
use engine::{
    databases::{NodeReading, NodeRole},
    failover::{HookMoment, Mode, Operation},
    id::{ClusterId, RegionId, ServiceId},
    time::Span,
};
use server::run::needs::Done;
use std::{collections::BTreeSet, time::Duration};

impl Played {
    pub(super) async fn check_regions(&self, service: &ServiceId, regions: &BTreeSet<RegionId>) -> anyhow::Result<Done> {
        self.takes(1, 50).await;
        for region in regions {
            let answer = self.stage().world().answer(service, region);
            ensure!(answer == Ok(Service::Well), "{service} does not answer well in {region}");
        }
        Ok(Done::because("they answer well"))
    }

    pub(super) async fn check_data(&self, clusters: &[ClusterId]) -> anyhow::Result<Done> {
        self.takes(1, 50).await;
        let (world, now) = (self.stage().world(), self.stage().now());
        for cluster in clusters {
            let nodes = world.cluster(cluster).nodes.keys();
            let writable = nodes.filter(|node| matches!(world.read(cluster, node, now), Ok(NodeReading { role: NodeRole::Primary { .. }, .. })));
            ensure!(writable.count() == 1, "not exactly one node of {cluster} takes writes");
        }
        Ok(Done::because("the writes have a place"))
    }

    pub(super) async fn send_clients(
        &self,
        operation: &Operation,
        service: &ServiceId,
        to: &BTreeSet<RegionId>,
        timeout: Span,
    ) -> anyhow::Result<Done> {
        if self.stage().harm == Some(Harm::MoveLies) {
            return Ok(Done::because("it says so"));
        }
        let last_try = tokio::time::Instant::now() + timeout.as_std().saturating_sub(Duration::from_millis(400));
        loop {
            let order = Order::Send { service: service.clone(), to: to.clone() };
            let parcel = Parcel { operation: operation.id, mode: operation.mode(), cluster: None, order, stamp: None };
            match self.over_a_socket(parcel).await {
                Ok(said) => return Ok(Done::because(said)),
                Err(error) if to.is_empty() || tokio::time::Instant::now() >= last_try => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    pub(super) async fn rehearse(&self, operation: &Operation, service: &ServiceId, to: &BTreeSet<RegionId>) -> anyhow::Result<Done> {
        if self.stage().harm == Some(Harm::RehearsalMoves) {
            return self.send_clients(operation, service, to, Span::from_secs(5)).await;
        }
        self.takes(1, 50).await;
        ensure!(!self.stage().world().controls[service].silent, "what sends the clients does not answer");
        Ok(Done::because("it would"))
    }

    pub(super) async fn prove_clients(&self, operation: &Operation, service: &ServiceId, to: &BTreeSet<RegionId>) -> anyhow::Result<Done> {
        if self.stage().harm == Some(Harm::MoveLies) {
            return Ok(Done::because("clients were answered"));
        }
        let deadline = tokio::time::Instant::now() + Duration::from_secs(25);
        let mut answers = 0;
        while answers < 3 {
            ensure!(tokio::time::Instant::now() <= deadline, "not proven");
            self.takes(1, 60).await;
            let forgotten = {
                let world = self.stage().world();
                let control = &world.controls[service];
                !control.silent && control.on != *to
            };
            if forgotten {
                answers = 0;
                self.send_clients(operation, service, to, Span::from_secs(5)).await?;
            }
            let served = {
                let mut dice = self.stage().dice();
                self.stage().world().serve(service, &mut dice)
            };
            answers = if served.is_ok_and(|by| to.contains(&by)) { answers + 1 } else { 0 };
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let on = self.stage().world().controls[service].on.clone();
        ensure!(on == *to, "clients are sent elsewhere");
        Ok(Done::because("clients were answered"))
    }

    pub(super) async fn run_hook(&self, operation: &Operation, moment: HookMoment) -> anyhow::Result<Done> {
        if operation.mode() == Mode::Test {
            return Ok(Done::because("a test does not run it"));
        }
        self.takes(10, 3_000).await;
        ensure!(!self.stage().dice().permille(60), "the hook {} failed", moment.as_str());
        Ok(Done::because("the hook ran"))
    }
}
