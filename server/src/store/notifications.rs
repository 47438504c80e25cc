//! What people are told: incidents recorded for telling, and deliveries, which are written before they are sent.

use super::Store;
use anyhow::Context;
use engine::{
    findings::Severity,
    id::{ChannelName, DeliveryId},
    notifications::{ChannelFacts, ChannelState, Delivery, Incident, IncidentKey, Kind, Known, Message, Notifications, Outcome, Recorded, Told},
    time::Instant,
};
use sqlx::{FromRow, Sqlite, Transaction};
use std::collections::BTreeMap;

/// How many incidents that are over, and how many deliveries, a page shows.
const OVER_SHOWN: i64 = 20;
const DELIVERIES_SHOWN: i64 = 60;

#[derive(FromRow)]
struct DeliveryRow {
    id: String,
    channel: String,
    incident: Option<String>,
    kind: String,
    severity: String,
    title: String,
    next: String,
    link: String,
    written_at: String,
    attempts: i64,
    said: Option<String>,
    next_attempt: Option<String>,
    delivered_at: Option<String>,
    given_up_at: Option<String>,
}

#[derive(FromRow)]
struct IncidentRow {
    key: String,
    severity: String,
    title: String,
    next: String,
    link: String,
    hush: Option<String>,
    clear_since: Option<String>,
    grace: String,
    resolved_at: Option<String>,
}

#[derive(FromRow)]
struct ChannelRow {
    name: String,
    delivered_at: Option<String>,
    delivered: Option<String>,
    failed_at: Option<String>,
    failed: Option<String>,
    failing_since: Option<String>,
}

impl Store {
    /// What was open at the last look.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn open_incidents(&self) -> anyhow::Result<Vec<Known>> {
        let rows: Vec<IncidentRow> = sqlx::query_as("select * from incident where resolved_at is null order by key").fetch_all(&self.reader).await?;
        rows.into_iter().map(|row| incident(row).map(|recorded| known(&recorded.incident))).collect()
    }

    /// What each channel was told of what is open and of what ended after `since`.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn told(&self, since: Instant) -> anyhow::Result<BTreeMap<ChannelName, Vec<Told>>> {
        let rows: Vec<DeliveryRow> = sqlx::query_as(
            "select d.* from delivery d join incident i on i.key = d.incident
             where i.resolved_at is null or i.resolved_at > $1 order by d.rowid",
        )
        .bind(text_of(since))
        .fetch_all(&self.reader)
        .await
        .context("what was told cannot be read")?;
        let mut told: BTreeMap<ChannelName, Vec<Told>> = BTreeMap::new();
        for row in rows {
            let delivery = delivery(row)?;
            let Some(key) = delivery.incident.clone() else { continue };
            let of_channel = told.entry(delivery.channel.clone()).or_default();
            let (opened, acknowledged) = match of_channel.iter().position(|told| told.key == key) {
                Some(at) => {
                    let before = of_channel.swap_remove(at);
                    (before.opened, before.acknowledged)
                }
                None => (delivery.written, false),
            };
            of_channel.push(Told {
                key,
                opened,
                kind: delivery.kind,
                at: delivery.written,
                severity: delivery.severity,
                title: delivery.title,
                link: delivery.link,
                waits: matches!(delivery.outcome, Outcome::Waits(_)),
                // Who looks after it looks after it until it gets worse.
                acknowledged: delivery.kind == Kind::Acknowledged || (acknowledged && delivery.kind != Kind::Changed),
            });
        }
        Ok(told)
    }

    /// Writes down one look: what is open, what is over, and what is to be said. All of it is on disk when this returns, or nothing.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub async fn write_look(&self, open: &[Incident], over: &[IncidentKey], messages: &[(ChannelName, Message)], now: Instant) -> anyhow::Result<()> {
        let mut transaction = self.writer.begin_with("begin immediate").await.context("the store cannot be written")?;
        for incident in open {
            write_incident(&mut transaction, incident).await?;
        }
        for key in over {
            sqlx::query("update incident set resolved_at = $2 where key = $1 and resolved_at is null")
                .bind(key.to_string())
                .bind(text_of(now))
                .execute(&mut *transaction)
                .await
                .context("the end of an incident cannot be written")?;
        }
        for (channel, message) in messages {
            let delivery = Delivery {
                id: DeliveryId(uuid::Uuid::now_v7()),
                channel: channel.clone(),
                kind: message.kind,
                incident: Some(message.key.clone()),
                severity: message.severity,
                title: message.title.clone(),
                next: message.next.clone(),
                link: message.link.clone(),
                written: now,
                attempts: 0,
                said: None,
                outcome: Outcome::Waits(now),
            };
            write_delivery(&mut transaction, &delivery).await?;
        }
        transaction.commit().await.context("what is to be told could not be made durable")
    }

    /// Writes a test for a channel.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub async fn write_test(&self, delivery: &Delivery) -> anyhow::Result<()> {
        let mut transaction = self.writer.begin_with("begin immediate").await.context("the store cannot be written")?;
        write_delivery(&mut transaction, delivery).await?;
        transaction.commit().await.context("the test could not be written")
    }

    /// The delivery of a channel that waits longest and is the first of its incident, whenever it is due. A test goes before all others:
    /// somebody waits for its answer.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn next_delivery(&self, channel: &ChannelName) -> anyhow::Result<Option<Delivery>> {
        let row: Option<DeliveryRow> = sqlx::query_as(
            "select d.* from delivery d where d.channel = $1 and d.next_attempt is not null
             and not exists (select 1 from delivery e where e.incident = d.incident and e.channel = d.channel
                             and e.next_attempt is not null and e.rowid < d.rowid)
             order by d.kind = 'test' desc, d.next_attempt, d.rowid limit 1",
        )
        .bind(channel.as_str())
        .fetch_optional(&self.reader)
        .await
        .context("what is to be delivered cannot be read")?;
        row.map(delivery).transpose()
    }

    /// One delivery.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn delivery(&self, id: DeliveryId) -> anyhow::Result<Option<Delivery>> {
        let row: Option<DeliveryRow> =
            sqlx::query_as("select * from delivery where id = $1").bind(id.to_string()).fetch_optional(&self.reader).await?;
        row.map(delivery).transpose()
    }

    /// Records how an attempt went: `outcome` as it stands now, and what was said.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub async fn attempted(&self, delivery: &Delivery, outcome: Outcome, said: &str, now: Instant) -> anyhow::Result<()> {
        let mut transaction = self.writer.begin_with("begin immediate").await.context("the store cannot be written")?;
        let (next, delivered, given_up) = columns(outcome);
        sqlx::query("update delivery set attempts = attempts + 1, said = $2, next_attempt = $3, delivered_at = $4, given_up_at = $5 where id = $1")
            .bind(delivery.id.to_string())
            .bind(said)
            .bind(next)
            .bind(delivered)
            .bind(given_up)
            .execute(&mut *transaction)
            .await
            .context("how a delivery went cannot be written")?;
        let query = if matches!(outcome, Outcome::Delivered(_)) {
            "insert into channel (name, delivered_at, delivered) values ($1, $2, $3)
             on conflict (name) do update set delivered_at = excluded.delivered_at, delivered = excluded.delivered, failing_since = null"
        } else {
            "insert into channel (name, failed_at, failed, failing_since) values ($1, $2, $3, $2)
             on conflict (name) do update set failed_at = excluded.failed_at, failed = excluded.failed,
             failing_since = coalesce(channel.failing_since, excluded.failed_at)"
        };
        sqlx::query(query)
            .bind(delivery.channel.as_str())
            .bind(text_of(now))
            .bind(said)
            .execute(&mut *transaction)
            .await
            .context("how a channel works cannot be written")?;
        transaction.commit().await.context("how a delivery went could not be made durable")
    }

    /// Gives up what waits for channels that are not set up any more.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub async fn give_up_all_but(&self, channels: &[ChannelName], now: Instant) -> anyhow::Result<()> {
        let names: Vec<&str> = channels.iter().map(ChannelName::as_str).collect();
        sqlx::query(
            "update delivery set next_attempt = null, given_up_at = $2, said = 'the channel is not set up any more'
             where next_attempt is not null and channel not in (select value from json_each($1))",
        )
        .bind(serde_json::to_string(&names)?)
        .bind(text_of(now))
        .execute(&self.writer)
        .await
        .context("deliveries of former channels cannot be given up")?;
        Ok(())
    }

    /// Forgets deliveries and incidents that were over before `before`.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub async fn forget_told(&self, before: Instant) -> anyhow::Result<()> {
        let mut transaction = self.writer.begin_with("begin immediate").await.context("the store cannot be written")?;
        let queries = [
            "delete from delivery where incident is null and next_attempt is null and written_at < $1",
            // With its deliveries, but not while one of them waits.
            "delete from incident where resolved_at < $1
             and not exists (select 1 from delivery where incident = incident.key and next_attempt is not null)",
        ];
        for query in queries {
            sqlx::query(query).bind(text_of(before)).execute(&mut *transaction).await.context("old deliveries cannot be forgotten")?;
        }
        transaction.commit().await.context("old deliveries could not be forgotten")
    }

    /// Everything about `channels` that a page shows.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn notifications(&self, channels: &[ChannelFacts]) -> anyhow::Result<Notifications> {
        let rows: Vec<ChannelRow> = sqlx::query_as("select * from channel").fetch_all(&self.reader).await?;
        let states = rows.into_iter().map(channel_state).collect::<anyhow::Result<BTreeMap<_, _>>>()?;
        let state_of = |facts: &ChannelFacts| states.get(facts.name.as_str()).cloned().unwrap_or_default();
        let rows: Vec<IncidentRow> = sqlx::query_as(
            "select * from incident where resolved_at is null
             union all select * from (select * from incident where resolved_at is not null order by resolved_at desc limit $1)",
        )
        .bind(OVER_SHOWN)
        .fetch_all(&self.reader)
        .await?;
        let mut incidents = rows.into_iter().map(incident).collect::<anyhow::Result<Vec<_>>>()?;
        let rows: Vec<DeliveryRow> = sqlx::query_as(
            "select * from delivery where incident in (select key from incident where resolved_at is null)
             or incident in (select key from incident where resolved_at is not null order by resolved_at desc limit $1) order by rowid",
        )
        .bind(OVER_SHOWN)
        .fetch_all(&self.reader)
        .await?;
        for row in rows {
            let delivery = delivery(row)?;
            let Some(recorded) = incidents.iter_mut().find(|recorded| Some(&recorded.incident.key) == delivery.incident.as_ref()) else { continue };
            recorded.told.retain(|(channel, ..)| *channel != delivery.channel);
            recorded.told.push((delivery.channel, delivery.kind, delivery.outcome));
        }
        let rows: Vec<DeliveryRow> =
            sqlx::query_as("select * from delivery order by rowid desc limit $1").bind(DELIVERIES_SHOWN).fetch_all(&self.reader).await?;
        Ok(Notifications {
            channels: channels.iter().map(|facts| (facts.clone(), state_of(facts))).collect(),
            incidents,
            deliveries: rows.into_iter().map(delivery).collect::<anyhow::Result<_>>()?,
        })
    }
}

pub(crate) fn known(incident: &Incident) -> Known {
    Known { key: incident.key.clone(), severity: incident.severity, clear_since: incident.clear_since }
}

async fn write_incident(transaction: &mut Transaction<'_, Sqlite>, incident: &Incident) -> anyhow::Result<()> {
    let hush = incident.hush.as_ref().map(serde_json::to_string).transpose().context("why nobody is told cannot be written")?;
    sqlx::query(
        "insert into incident (key, severity, title, next, link, hush, clear_since, grace) values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (key) do update set severity = excluded.severity, title = excluded.title, next = excluded.next,
         link = excluded.link, hush = excluded.hush, clear_since = excluded.clear_since, grace = excluded.grace, resolved_at = null",
    )
    .bind(incident.key.to_string())
    .bind(severity_word(incident.severity))
    .bind(&incident.title)
    .bind(&incident.next)
    .bind(&incident.link)
    .bind(hush)
    .bind(incident.clear_since.map(text_of))
    .bind(incident.grace.to_string())
    .execute(&mut **transaction)
    .await
    .context("an incident cannot be written")?;
    Ok(())
}

async fn write_delivery(transaction: &mut Transaction<'_, Sqlite>, delivery: &Delivery) -> anyhow::Result<()> {
    let (next_attempt, ..) = columns(delivery.outcome);
    sqlx::query(
        "insert into delivery (id, channel, incident, kind, severity, title, next, link, written_at, next_attempt)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(delivery.id.to_string())
    .bind(delivery.channel.as_str())
    .bind(delivery.incident.as_ref().map(ToString::to_string))
    .bind(delivery.kind.to_string())
    .bind(severity_word(delivery.severity))
    .bind(&delivery.title)
    .bind(&delivery.next)
    .bind(&delivery.link)
    .bind(text_of(delivery.written))
    .bind(next_attempt)
    .execute(&mut **transaction)
    .await
    .context("a delivery cannot be written")?;
    Ok(())
}

fn delivery(row: DeliveryRow) -> anyhow::Result<Delivery> {
    let what = || format!("the delivery {} cannot be read", row.id);
    let outcome = match (&row.next_attempt, &row.delivered_at, &row.given_up_at) {
        (Some(at), ..) => Outcome::Waits(at.parse().with_context(what)?),
        (None, Some(at), _) => Outcome::Delivered(at.parse().with_context(what)?),
        (None, None, Some(at)) => Outcome::GivenUp(at.parse().with_context(what)?),
        (None, None, None) => anyhow::bail!("{}: it neither waits nor is over", what()),
    };
    Ok(Delivery {
        id: DeliveryId(row.id.parse().with_context(what)?),
        channel: row.channel.parse().with_context(what)?,
        kind: row.kind.parse().map_err(anyhow::Error::msg).with_context(what)?,
        incident: row.incident.as_deref().map(str::parse).transpose().map_err(anyhow::Error::msg).with_context(what)?,
        severity: severity(&row.severity).with_context(what)?,
        written: row.written_at.parse().with_context(what)?,
        attempts: u32::try_from(row.attempts).with_context(what)?,
        title: row.title,
        next: row.next,
        link: row.link,
        said: row.said,
        outcome,
    })
}

fn incident(row: IncidentRow) -> anyhow::Result<Recorded> {
    let what = || format!("the incident {} cannot be read", row.key);
    let moment = |text: &Option<String>| text.as_deref().map(str::parse::<Instant>).transpose().with_context(what);
    let incident = Incident {
        key: row.key.parse().map_err(anyhow::Error::msg).with_context(what)?,
        severity: severity(&row.severity).with_context(what)?,
        hush: row.hush.as_deref().map(serde_json::from_str).transpose().with_context(what)?,
        clear_since: moment(&row.clear_since)?,
        grace: row.grace.parse().with_context(what)?,
        title: row.title.clone(),
        next: row.next.clone(),
        link: row.link.clone(),
    };
    Ok(Recorded { incident, resolved: moment(&row.resolved_at)?, told: Vec::new() })
}

fn channel_state(row: ChannelRow) -> anyhow::Result<(String, ChannelState)> {
    let what = || format!("how the channel {} works cannot be read", row.name);
    let moment = |text: Option<String>| text.as_deref().map(str::parse::<Instant>).transpose().with_context(what);
    let state = ChannelState {
        delivered: moment(row.delivered_at)?.zip(row.delivered),
        failed: moment(row.failed_at)?.zip(row.failed),
        failing_since: moment(row.failing_since)?,
    };
    Ok((row.name.clone(), state))
}

fn columns(outcome: Outcome) -> (Option<String>, Option<String>, Option<String>) {
    match outcome {
        Outcome::Waits(at) => (Some(text_of(at)), None, None),
        Outcome::Delivered(at) => (None, Some(text_of(at)), None),
        Outcome::GivenUp(at) => (None, None, Some(text_of(at))),
    }
}

/// Sorts as the moments do.
fn text_of(at: Instant) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// As the tables' check constraints spell it.
fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Lost => "lost",
        Severity::Act => "act",
        Severity::Unknown => "unknown",
        Severity::Watch => "watch",
    }
}

fn severity(word: &str) -> anyhow::Result<Severity> {
    let all = [Severity::Lost, Severity::Act, Severity::Unknown, Severity::Watch];
    all.into_iter().find(|severity| severity_word(*severity) == word).with_context(|| format!("“{word}” is no severity"))
}
