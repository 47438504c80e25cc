//! What will hurt a cluster later, read at a calmer pace than its probes: slots, archive, disks, history, rights. What could
//! not be read is said, and never counts as well.

use super::{Complaint, Severity, clusters::Found};
use crate::{
    databases::{Archive, CatalogReading, ClusterView, MissingRight, NodeView, Slot, SlotWal},
    id::NodeId,
};
use std::collections::BTreeMap;

impl Found<'_> {
    pub(super) fn details(&mut self, view: &ClusterView) {
        for node in &view.nodes {
            self.disks(view, node);
            self.lease(view, node);
            self.history(view, node);
            if node.answers() {
                self.connections(view, node);
                self.catalog(node);
            }
        }
        self.versions(view);
        self.rights(view);
    }

    /// Said of a node that is down, too: it may be down for want of room.
    fn disks(&mut self, view: &ClusterView, node: &NodeView) {
        let leads = view.primary().is_some_and(|primary| primary.node == node.node);
        for (place, room) in node.rooms(&self.rule, self.picture.now) {
            if room.is_low() {
                let severity = if room.is_full() && leads { Severity::Lost } else { Severity::Act };
                let complaint = Complaint::DiskLow { node: node.node.clone(), place: place.to_owned(), free: room.free, limit: room.limit() };
                self.add(severity, None, complaint);
            }
        }
        if let Some(files) = node.files(&self.rule, self.picture.now) {
            let wal = files.wal.as_ref().and_then(|wal| wal.as_ref().err()).map(|why| ("the disk of pg_wal", why));
            for (what, why) in files.data.as_ref().err().map(|why| ("the disk of its data folder", why)).into_iter().chain(wal) {
                self.unread(node, what, why);
            }
        }
    }

    /// Said before it is needed: without it a host that cannot be reached is not provably stopped.
    fn lease(&mut self, view: &ClusterView, node: &NodeView) {
        let is_leased = self.picture.estate.cluster(&view.cluster).is_some_and(|cluster| cluster.lease.is_some());
        if !is_leased || !node.is_writable() {
            return;
        }
        if let Some(why) = node.lease_unkept() {
            self.add(Severity::Act, None, Complaint::LeaseNotKept { node: node.node.clone(), why });
        }
    }

    fn history(&mut self, view: &ClusterView, node: &NodeView) {
        if let (Some(clash), Some(primary)) = (view.clash(node), view.primary()) {
            let (node, primary) = (node.node.clone(), primary.node.clone());
            let complaint = Complaint::HistoriesClash { node, primary, timeline: clash.timeline, own: clash.own, leading: clash.leading };
            self.add(Severity::Act, None, complaint);
        }
        if let Some(Err(why)) = node.files(&self.rule, self.picture.now).map(|files| &files.forks) {
            self.unread(node, "its timeline history", why);
        }
    }

    fn connections(&mut self, view: &ClusterView, node: &NodeView) {
        let Some(reading) = node.reading.as_ref().filter(|_| !node.is_stale(&self.rule, self.picture.now)) else { return };
        if u64::from(reading.connections) * 10 > u64::from(reading.connections_max) * 9 {
            let leads = view.primary().is_some_and(|primary| primary.node == node.node);
            let (used, most) = (reading.connections, reading.connections_max);
            let complaint = Complaint::ConnectionsScarce { node: node.node.clone(), used, most };
            self.add(if leads { Severity::Act } else { Severity::Watch }, None, complaint);
        }
    }

    fn catalog(&mut self, node: &NodeView) {
        let Some(catalog) = node.catalog(&self.rule, self.picture.now) else {
            let old = node.details.catalog.as_ref().map(|read| format!("nothing was read since {}", read.at.format("%H:%M:%S UTC")));
            if let Some(why) = node.details.unread.clone().or(old) {
                self.unread(node, "its slots, archive and rights", &why);
            }
            return;
        };
        self.slots(node, catalog);
        self.archive(node, catalog);
        if let Err(why) = &catalog.rights {
            self.unread(node, "the rights of Lifeboat's role", why);
        }
        if let Err(why) = &catalog.streaming_rights {
            self.unread(node, "the rights of the role that streams", why);
        }
    }

    fn slots(&mut self, node: &NodeView, catalog: &CatalogReading) {
        let slots = match &catalog.slots {
            Ok(slots) => slots,
            Err(why) => return self.unread(node, "its replication slots", why),
        };
        for slot in slots.iter().filter(|slot| !slot.temporary) {
            let (node, name) = (node.node.clone(), slot.name.clone());
            match slot.wal {
                Some(SlotWal::Lost) => {
                    let of = self.cluster.nodes.iter().find(|other| Slot::name_for(&other.id) == name).map(|other| other.id.clone());
                    self.add(Severity::Act, None, Complaint::SlotLost { node, slot: name, of });
                }
                Some(SlotWal::Unreserved) => self.add(Severity::Act, None, Complaint::SlotLosing { node, slot: name }),
                Some(SlotWal::Reserved | SlotWal::Extended) | None => {
                    if let Some(kept) = slot.kept.filter(|_| slot.is_hoarding()) {
                        self.add(Severity::Act, None, Complaint::SlotUnused { node, slot: name, kept });
                    }
                }
            }
        }
    }

    fn archive(&mut self, node: &NodeView, catalog: &CatalogReading) {
        match &catalog.archive {
            Ok(Archive::Off | Archive::WhenPromoted) => {}
            Ok(Archive::Nowhere) => self.add(Severity::Act, None, Complaint::ArchivesNowhere { node: node.node.clone() }),
            Ok(Archive::On(archiver)) => {
                if let Some(failed) = archiver.failing() {
                    let since = archiver.last.as_ref().map(|last| last.at);
                    let (node, segment) = (node.node.clone(), failed.segment.clone());
                    let complaint = Complaint::ArchiveFails { node, segment, tried: failed.at, waiting: archiver.waiting };
                    self.add(Severity::Act, since, complaint);
                }
            }
            Err(why) => self.unread(node, "its WAL archive", why),
        }
    }

    fn versions(&mut self, view: &ClusterView) {
        for node in &view.nodes {
            if let Some((own, needed)) = view.major_differs(node) {
                self.add(Severity::Act, None, Complaint::MajorDiffers { node: node.node.clone(), own, needed });
            }
        }
        let versions: BTreeMap<&NodeId, &str> =
            view.nodes.iter().filter_map(|node| Some((&node.node, node.reading.as_ref()?.version.split(' ').next()?))).collect();
        let mut distinct: Vec<&str> = versions.values().copied().collect();
        distinct.sort_unstable();
        distinct.dedup();
        let same_major = !view.nodes.iter().any(|node| view.major_differs(node).is_some());
        if distinct.len() > 1 && same_major {
            let versions = versions.into_iter().map(|(node, version)| format!("{node} {version}")).collect();
            self.add(Severity::Watch, None, Complaint::VersionsDiffer { versions });
        }
    }

    /// Rights are granted once for all copies; what is missing on several nodes is one finding.
    fn rights(&mut self, view: &ClusterView) {
        let mut missing: Vec<(MissingRight, Vec<NodeId>)> = Vec::new();
        for node in view.nodes.iter().filter(|node| node.answers()) {
            let Some(catalog) = node.catalog(&self.rule, self.picture.now) else { continue };
            for right in catalog.missing_rights() {
                match missing.iter_mut().find(|(known, _)| known == right) {
                    Some((_, nodes)) => nodes.push(node.node.clone()),
                    None => missing.push((right.clone(), vec![node.node.clone()])),
                }
            }
        }
        for (right, nodes) in missing {
            self.add(Severity::Act, None, Complaint::RightMissing { nodes, right });
        }
    }

    fn unread(&mut self, node: &NodeView, what: &str, why: &str) {
        let complaint = Complaint::DetailUnknown { node: node.node.clone(), what: what.to_owned(), why: why.to_owned() };
        self.add(Severity::Unknown, None, complaint);
    }
}
