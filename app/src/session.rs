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
    /// The server is read-only: whatever their roles, they may look.
    pub read_only: bool,
}

impl Viewer {
    pub fn may(&self, permission: Permission) -> bool {
        may(&self.roles, permission) && (!self.read_only || permission == Permission::Look)
    }
    /// Why they may not, for the place where the form would be.
    pub fn barred(&self, permission: Permission) -> Option<String> {
        if self.read_only && permission != Permission::Look {
            return Some("This server is read-only: nobody acts here.".to_owned());
        }
        let roles: Vec<_> = permission.granted_to().iter().map(ToString::to_string).collect();
        (!self.may(permission)).then(|| format!("That takes the role {}.", roles.join(" or ")))
    }
}

/// The signed-in person, from the context the server provides for each request (`Option<Viewer>`).
#[cfg(feature = "ssr")]
pub fn viewer() -> Result<Viewer, crate::fault::Fault> {
    leptos::prelude::use_context::<Option<Viewer>>().flatten().ok_or(crate::fault::Fault::NotSignedIn)
}
