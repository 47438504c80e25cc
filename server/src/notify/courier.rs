//! Carries the deliveries of one channel: one after the other, the ones of an incident in their order, each with a bounded
//! time, again after growing pauses, until it is accepted or given up.

use super::Channel;
use crate::desk::Desk;
use engine::notifications::{self, Delivery, Outcome};
use std::{sync::Arc, time::Duration};

/// Everything about one attempt: looking up the address, connecting, speaking, the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// When nothing waits, or the store cannot be read.
const IDLE: Duration = Duration::from_secs(30);
const LONGEST_SAID: usize = 300;

pub(super) async fn run(desk: Arc<Desk>, channel: Arc<Channel>, address: Arc<str>) {
    let mut news = desk.listen_for_deliveries();
    loop {
        news.mark_unchanged();
        let pause = match next(&desk, &channel, &address).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::error!(channel = %channel.facts.name, error = format!("{error:#}"), "deliveries cannot be read or recorded; trying again");
                Some(IDLE)
            }
        };
        let Some(pause) = pause else { continue };
        tokio::select! {
            changed = news.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Carries what is due, if anything is; how long there is nothing to do then. `None` where there may be more.
async fn next(desk: &Desk, channel: &Channel, address: &str) -> anyhow::Result<Option<Duration>> {
    let Some(delivery) = desk.store().next_delivery(&channel.facts.name).await? else { return Ok(Some(IDLE)) };
    if let Outcome::Waits(at) = delivery.outcome
        && let Ok(early) = (at - chrono::Utc::now()).to_std()
        && !early.is_zero()
    {
        return Ok(Some(early.min(IDLE)));
    }
    let link = format!("{address}{}", delivery.link);
    let attempt = tokio::time::timeout(PATIENCE, channel.carrier.carry(&delivery, &link)).await;
    let attempt = attempt.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {} s", PATIENCE.as_secs())));
    let now = chrono::Utc::now();
    let (outcome, said) = match attempt {
        Ok(said) => (Outcome::Delivered(now), said),
        Err(error) => (after_failure(&delivery, now), format!("{error:#}")),
    };
    let said = fit_to_keep(&said, &channel.secrets);
    if let Outcome::GivenUp(_) = outcome {
        tracing::warn!(channel = %channel.facts.name, delivery = %delivery.id, said, "a notification was given up");
    }
    desk.store().attempted(&delivery, outcome, &said, now).await?;
    desk.told_something();
    Ok(None)
}

fn after_failure(delivery: &Delivery, now: engine::time::Instant) -> Outcome {
    let next = notifications::next_attempt(delivery.kind, delivery.written, delivery.attempts + 1, now);
    next.map_or(Outcome::GivenUp(now), Outcome::Waits)
}

/// What the other side said, on one line, short, and without what is secret: servers repeat what they were sent.
fn fit_to_keep(said: &str, secrets: &[String]) -> String {
    let hidden = secrets.iter().fold(said.to_owned(), |said, secret| said.replace(secret.as_str(), "•••"));
    hidden.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(LONGEST_SAID).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_holds_no_secret_and_is_short() {
        let secrets = ["/services/T0/secret".to_owned(), "key-1".to_owned()];
        assert_eq!(fit_to_keep("404: no such\nhook /services/T0/secret (key-1)", &secrets), "404: no such hook ••• (•••)");
        assert_eq!(fit_to_keep(&"x".repeat(2_000), &secrets).len(), LONGEST_SAID);
    }
}
