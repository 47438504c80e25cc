//! Who is looking.

use engine::{
    access::{Permission, Role, may},
    id::AccountName,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The signed-in person of the present request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewer {
    pub name: AccountName,
    pub roles: BTreeSet<Role>,
}

impl Viewer {
    pub fn may(&self, permission: Permission) -> bool {
        may(&self.roles, permission)
    }
}

/// The signed-in person, from the context the server provides for each request (`Option<Viewer>`).
#[cfg(feature = "ssr")]
pub fn viewer() -> Result<Viewer, crate::fault::Fault> {
    leptos::prelude::use_context::<Option<Viewer>>().flatten().ok_or(crate::fault::Fault::NotSignedIn)
}
