//! Who may do what. Checked in one place for every command, whether it comes from a page, the API or the command line.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt, str::FromStr};

/// What a person was made. Roles add up; none contains another, so that the right to test is not the right to act (row 90).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Sees everything, changes nothing. Everyone who is signed in may do as much.
    Viewer,
    /// Runs DR tests: requests what moves nobody.
    Tester,
    /// Requests, resumes and cancels operations, and approves those that others requested.
    Operator,
    /// Approves or declines operations.
    Approver,
    /// Keeps the accounts.
    Admin,
}

impl Role {
    pub const ALL: [Role; 5] = [Role::Viewer, Role::Tester, Role::Operator, Role::Approver, Role::Admin];
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Viewer => "viewer",
            Role::Tester => "tester",
            Role::Operator => "operator",
            Role::Approver => "approver",
            Role::Admin => "admin",
        })
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Role::ALL
            .into_iter()
            .find(|role| role.to_string() == text)
            .ok_or_else(|| format!("“{text}” is not a role; roles are {}", Role::ALL.map(|role| role.to_string()).join(", ")))
    }
}

/// What a command asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    Look,
    /// Request, stop and close operations that move nobody.
    Rehearse,
    RequestOperation,
    ApproveOperation,
    /// Approve what sets a safety rule aside.
    BreakGlass,
    /// Pause automation, announce maintenance, acknowledge, switch the master switch.
    Restrain,
    /// Start and stop backup jobs, hold and release backups.
    KeepBackups,
    /// Write runbooks, and work by them.
    WorkRunbooks,
    /// Send a test through a channel of notifications: it may wake somebody.
    TestChannels,
    KeepAccounts,
}

impl Permission {
    pub const ALL: [Permission; 10] = [
        Permission::Look,
        Permission::Rehearse,
        Permission::RequestOperation,
        Permission::ApproveOperation,
        Permission::BreakGlass,
        Permission::Restrain,
        Permission::KeepBackups,
        Permission::WorkRunbooks,
        Permission::TestChannels,
        Permission::KeepAccounts,
    ];
}

impl Permission {
    /// The roles of which one is enough.
    pub fn granted_to(self) -> &'static [Role] {
        match self {
            Permission::Look => &Role::ALL,
            Permission::Rehearse => &[Role::Tester, Role::Operator],
            Permission::RequestOperation => &[Role::Operator],
            Permission::ApproveOperation => &[Role::Operator, Role::Approver],
            Permission::BreakGlass => &[Role::Approver],
            Permission::Restrain => &[Role::Operator, Role::Approver],
            Permission::KeepBackups => &[Role::Operator],
            Permission::WorkRunbooks => &[Role::Operator],
            Permission::TestChannels => &[Role::Operator, Role::Admin],
            Permission::KeepAccounts => &[Role::Admin],
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Permission::Look => "look",
            Permission::Rehearse => "run tests",
            Permission::RequestOperation => "request operations",
            Permission::ApproveOperation => "approve operations",
            Permission::BreakGlass => "approve what breaks a safety rule",
            Permission::Restrain => "pause automation, announce maintenance or switch the master switch",
            Permission::KeepBackups => "start, stop or hold backups",
            Permission::WorkRunbooks => "write runbooks and work by them",
            Permission::TestChannels => "send test notifications",
            Permission::KeepAccounts => "keep accounts",
        })
    }
}

/// Whether one of `roles` grants `permission`.
pub fn may(roles: &BTreeSet<Role>, permission: Permission) -> bool {
    permission.granted_to().iter().any(|role| roles.contains(role))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_what() {
        let table: Vec<(Role, Vec<bool>)> =
            Role::ALL.into_iter().map(|role| (role, Permission::ALL.map(|permission| may(&BTreeSet::from([role]), permission)).to_vec())).collect();
        assert_eq!(
            table,
            [
                (Role::Viewer, vec![true, false, false, false, false, false, false, false, false, false]),
                (Role::Tester, vec![true, true, false, false, false, false, false, false, false, false]),
                (Role::Operator, vec![true, true, true, true, false, true, true, true, true, false]),
                (Role::Approver, vec![true, false, false, true, true, true, false, false, false, false]),
                (Role::Admin, vec![true, false, false, false, false, false, false, false, true, true]),
            ]
        );
        assert!(!may(&BTreeSet::new(), Permission::Look), "no role, no access");
    }
}
