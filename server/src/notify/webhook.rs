//! A chat: `{"text": …}`, as the incoming webhooks of Slack, Mattermost and Rocket.Chat take it. What a program may want to
//! know stands in headers, so that the body stays what those expect.

use super::{Carrier, http::Poster, text};
use async_trait::async_trait;
use engine::notifications::Delivery;
use reqwest::{
    Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::json;

pub(super) struct Webhook(Poster);

impl Webhook {
    /// # Errors
    /// Where the client cannot be built.
    pub(super) fn new(url: Url) -> anyhow::Result<Self> {
        Ok(Self(Poster::new(url)?))
    }
}

#[async_trait]
impl Carrier for Webhook {
    async fn carry(&self, delivery: &Delivery, link: &str) -> anyhow::Result<String> {
        let said = self.0.post(headers(delivery)?, &json!({ "text": body(delivery, link) })).await?;
        Ok(said.in_words())
    }
}

/// The key is the same whenever this message is sent again: a receiver that has had it already can tell.
fn headers(delivery: &Delivery) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let mut add = |name: &'static str, value: String| -> anyhow::Result<()> {
        headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value)?);
        Ok(())
    };
    add("idempotency-key", delivery.id.to_string())?;
    add("x-lifeboat-kind", delivery.kind.to_string())?;
    add("x-lifeboat-severity", format!("{:?}", delivery.severity).to_lowercase())?;
    if let Some(incident) = &delivery.incident {
        add("x-lifeboat-incident", incident.to_string())?;
    }
    Ok(headers)
}

fn body(delivery: &Delivery, link: &str) -> String {
    let since = text::since(delivery).map(|since| format!("{since} ")).unwrap_or_default();
    format!("*{}*\n{since}{}\n{}", escaped(&text::headline(delivery)), escaped(&delivery.next), escaped(link))
}

/// The three characters that mean something: without them nothing that a probe or a person wrote can mention everybody,
/// or hide where a link leads (trap X9).
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x9_what_others_wrote_mentions_nobody_and_hides_no_link() {
        assert_eq!(escaped("<!channel> a <https://evil|b> & c"), "&lt;!channel&gt; a &lt;https://evil|b&gt; &amp; c");
    }
}
