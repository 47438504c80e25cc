//! What is told of operations: an Alertmanager, in which the alerts to be expected of what is left are silenced for as long as
//! an operation runs, and in which stands afterwards what was done.

use crate::id::{MonitoringId, ServiceId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One Alertmanager (its API version 2), `[[monitoring]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Monitoring {
    pub id: MonitoringId,
    /// Its base address, `https://alertmanager.example.org`, with the path of `--web.route-prefix` where it has one.
    pub url: String,
    /// Name of the login; what it is stands in the server's configuration, `[monitoring_login.NAME]`, with where it may be sent.
    /// Without one, Alertmanager is asked without saying who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// The label of alerts that holds the id of a service. A silence always names services by it …
    #[serde(default = "Monitoring::default_service_label")]
    pub service_label: String,
    /// … and regions by this one: there is none for a service as a whole.
    #[serde(default = "Monitoring::default_region_label")]
    pub region_label: String,
    /// Labels that alerts must carry besides, with their values, to be silenced: `severity = "page"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub only: BTreeMap<String, String>,
    /// The services it is told of; where none is named, all of them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub services: BTreeSet<ServiceId>,
}

impl Monitoring {
    fn default_service_label() -> String {
        "service".to_owned()
    }
    fn default_region_label() -> String {
        "region".to_owned()
    }
    /// Those of these services that it is told of.
    pub fn hears_of(&self, services: &BTreeSet<ServiceId>) -> BTreeSet<ServiceId> {
        services.iter().filter(|service| self.services.is_empty() || self.services.contains(service)).cloned().collect()
    }
}
