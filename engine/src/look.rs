//! How much of a picture is looked through at a time. With ten thousand services a look at everything takes so long that a
//! verdict reached meanwhile would wait for it; so what was just seen is looked at by itself, and the rest in parts.

use crate::{estate::Service, id::Scope, picture::Picture};
use std::collections::HashSet;

/// What is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// Which services, by their places in the estate in ascending order; all of them where absent.
    pub services: Option<Vec<usize>>,
    /// Whether also what is about no single service: clusters, regions, observers, restraints.
    pub platform: bool,
}

impl Look {
    pub fn at_everything() -> Self {
        Self { services: None, platform: true }
    }

    /// The services that it takes in. A place behind the end of the estate is none.
    pub(crate) fn services<'a>(&self, picture: &'a Picture) -> Vec<&'a Service> {
        let services = &picture.estate.services;
        match &self.services {
            None => services.iter().collect(),
            Some(places) => places.iter().filter_map(|place| services.get(*place)).collect(),
        }
    }

    /// Whether it takes in what a scope is about; one that the estate does not have any more belongs to the platform.
    pub(crate) fn takes_in<'a>(&'a self, picture: &'a Picture) -> impl Fn(&Scope) -> bool + 'a {
        let ids = |places: &Vec<usize>| places.iter().filter_map(|place| Some(&picture.estate.services.get(*place)?.id)).collect::<HashSet<_>>();
        let looked = self.services.as_ref().map(ids);
        let declared = std::cell::OnceCell::new();
        move |scope| match (scope, &looked) {
            (Scope::Service(_), None) => true,
            (Scope::Service(id), Some(looked)) => {
                let is_declared =
                    || declared.get_or_init(|| picture.estate.services.iter().map(|service| &service.id).collect::<HashSet<_>>()).contains(id);
                looked.contains(id) || (self.platform && !is_declared())
            }
            (Scope::Cluster(_) | Scope::Region(_) | Scope::Backup(_), _) => self.platform,
        }
    }
}
