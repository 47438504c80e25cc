//! Whether anything answers at the address of a node that is to be off.

use super::{Address, Dropped, is_in_recovery};
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};

/// What was found at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Nothing answers there, and how that shows.
    Silent(String),
    /// Something does, and what it says.
    Answers(String),
}

impl Address {
    /// Looks for `patience`, twice. Only a connection that does not come about, or that is dropped before a word is said, is silence: what takes
    /// connections and says nothing may hang, and go on later.
    pub async fn presence(&self, patience: Duration) -> Presence {
        match timeout(patience, TcpStream::connect((self.host.as_str(), self.port))).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Presence::Silent(error.kind().to_string()),
            Err(_) => return Presence::Silent(format!("no connection within {} ms", patience.as_millis())),
        }
        match self.connect(patience).await {
            Ok(client) => match is_in_recovery(&client).await {
                Ok(false) => Presence::Answers("it answers and takes writes".to_owned()),
                Ok(true) => Presence::Answers("it answers, in recovery".to_owned()),
                Err(error) => Presence::Answers(format!("it let Lifeboat in ({error:#})")),
            },
            Err(error) if error.is::<Dropped>() => Presence::Silent(format!("connections are dropped: {error:#}")),
            Err(error) => Presence::Answers(format!("its port takes connections ({error:#})")),
        }
    }
}
