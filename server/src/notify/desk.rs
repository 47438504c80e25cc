//! What people do about notifications at the desk: look at them, try a channel out, look after an incident.

use crate::desk::{ActError, Desk};
use anyhow::Context;
use app::fault::Fault;
use engine::{
    access::{Permission, may},
    findings::Severity,
    id::{ChannelName, DeliveryId},
    journal::{Actor, Command},
    notifications::{self, Delivery, IncidentKey, Kind, Notifications, Outcome},
};
use std::time::Duration;

/// So long the answer to a test is waited for, before the page says that it is on its way.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why it came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    #[error("there is no channel “{0}”")]
    NoSuchChannel(ChannelName),
    #[error("there is no open incident “{0}”")]
    NoSuchIncident(IncidentKey),
    #[error(transparent)]
    Act(#[from] ActError),
    #[error(transparent)]
    Broken(#[from] anyhow::Error),
}

impl Desk {
    /// Everything about notifications that a page shows.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn notifications(&self) -> anyhow::Result<Notifications> {
        self.store().notifications(&self.channels()).await
    }

    /// Sends a test through a channel, by whom stands in the journal, and waits a moment for what becomes of it.
    ///
    /// # Errors
    /// The engine's refusal, a channel that is not there, or that nothing could be written.
    pub async fn test_channel(&self, actor: &Actor, channel: ChannelName) -> Result<(), TellError> {
        // Whoever may not is told that, whatever they asked for.
        if !self.channels().iter().any(|facts| facts.name == channel) && self.may(actor, Permission::TestChannels) {
            return Err(TellError::NoSuchChannel(channel));
        }
        self.act(actor, Command::TestChannel { channel: channel.clone() }).await?;
        let now = chrono::Utc::now();
        let delivery = Delivery {
            id: DeliveryId(uuid::Uuid::now_v7()),
            channel,
            kind: Kind::Test,
            incident: None,
            severity: Severity::Watch,
            title: format!("{actor} tries this channel out; nothing is wrong"),
            next: "Nothing is to be done. Whoever reads this will also read what Lifeboat has to say when something fails.".to_owned(),
            link: "/notifications".to_owned(),
            written: now,
            attempts: 0,
            said: None,
            outcome: Outcome::Waits(now),
        };
        self.store().write_test(&delivery).await?;
        let mut news = self.listen_for_deliveries();
        self.told_something();
        let settled = async {
            loop {
                let sent = self.store().delivery(delivery.id).await?.context("a test that was just written is gone")?;
                if !matches!(sent.outcome, Outcome::Waits(_)) {
                    return anyhow::Ok(());
                }
                news.changed().await?;
            }
        };
        // One that is not through by then goes on; the page shows how it stands.
        tokio::time::timeout(PATIENCE, settled).await.unwrap_or(Ok(()))?;
        Ok(())
    }

    /// Records that a person looks after an incident.
    ///
    /// # Errors
    /// The engine's refusal, an incident that is not open, or that nothing could be read or written.
    pub async fn acknowledge_incident(&self, actor: &Actor, key: IncidentKey, reason: String) -> Result<(), TellError> {
        let known = self.store().open_incidents().await?;
        let open = notifications::incidents(&self.picture(), &known).into_iter().find(|incident| incident.key == key);
        let (severity, title) = match open {
            Some(incident) => (incident.severity, incident.title),
            None if self.may(actor, Permission::Restrain) => return Err(TellError::NoSuchIncident(key)),
            None => (Severity::Watch, String::new()),
        };
        self.act(actor, Command::AcknowledgeIncident { incident: key, severity, title, reason }).await?;
        Ok(())
    }

    fn may(&self, actor: &Actor, permission: Permission) -> bool {
        match actor {
            _ if self.is_read_only() => false,
            Actor::Person(name) => may(&self.picture().records.roles_of(name), permission),
            Actor::CommandLine(_) | Actor::Lifeboat => false,
        }
    }
}

impl From<TellError> for Fault {
    fn from(error: TellError) -> Self {
        match error {
            TellError::NoSuchChannel(name) => Fault::NotFound { what: "channel".to_owned(), id: name.to_string() },
            TellError::NoSuchIncident(key) => Fault::NotFound { what: "open incident".to_owned(), id: key.to_string() },
            TellError::Act(ActError::Refused(refusal)) => Fault::Refused(refusal.to_string()),
            TellError::Act(ActError::Broken(error)) | TellError::Broken(error) => crate::desk::broken(&error),
        }
    }
}
