//! Identifiers as types, so that a node can never be passed where a service is meant. All are parsed once, at the edge.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("an id may not be empty")]
    Empty,
    #[error("“{0}” is longer than 63 characters")]
    TooLong(String),
    #[error("“{0}” may hold only lower-case letters, digits and hyphens, and must start and end with a letter or digit")]
    BadCharacter(String),
    #[error("“{0}” is not an operation id (a UUID)")]
    NotUuid(String),
}

fn parse_slug(text: &str) -> Result<String, IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > 63 {
        return Err(IdError::TooLong(text.chars().take(80).collect()));
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = text.chars().all(|c| plain(c) || c == '-') && text.starts_with(plain) && text.ends_with(plain);
    if fits { Ok(text.to_owned()) } else { Err(IdError::BadCharacter(text.to_owned())) }
}

macro_rules! slug {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_slug(text).map(Self)
            }
        }
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

slug!(/** A service of the platform. The same id is used by objectives, clusters, operations and findings. */ ServiceId);
slug!(/** A region of the platform, for example `us-east-1`. */ RegionId);
slug!(/** A database cluster. */ ClusterId);
slug!(/** One database server of a cluster. */ NodeId);
slug!(/** A declared recovery strategy. */ StrategyId);
slug!(/** The name a person signs in with. */ AccountName);

impl AccountName {
    /// Stands where no person is recorded. No account can have this name: names are checked on the way in, and this one
    /// is reserved by `decide`.
    pub fn nobody() -> Self {
        Self("nobody".to_owned())
    }
}

/// One operation: a UUID version 7, so that ids sort by the time of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(pub uuid::Uuid);

impl OperationId {
    /// The last eight hexadecimal digits, enough to tell operations apart in a sentence.
    pub fn short(&self) -> String {
        let text = self.0.simple().to_string();
        text[24..].to_owned()
    }
}
impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl FromStr for OperationId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse().map(Self).map_err(|_| IdError::NotUuid(text.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_slug() {
        for good in ["a", "us-east-1", "pg-primary-east"] {
            assert_eq!(good.parse::<NodeId>().map(String::from), Ok(good.to_owned()));
        }
        for bad in ["", "-a", "a-", "A", "a b", "a;drop", "ä", &"x".repeat(64)] {
            assert!(bad.parse::<NodeId>().is_err(), "{bad:?} must be refused");
        }
    }
}
