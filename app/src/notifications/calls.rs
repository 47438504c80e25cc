//! What the page of notifications asks of the server.

use super::view::Telling;
use crate::fault::Fault;
use leptos::prelude::*;

#[cfg(feature = "ssr")]
use crate::{port::port, session::viewer};

#[server(endpoint = "notifications")]
pub async fn notifications() -> Result<Telling, Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let picture = port.look(&viewer).await?;
    Ok(Telling::of(picture.now, &viewer, port.notifications(&viewer).await?))
}

#[server(endpoint = "test_channel")]
pub async fn test_channel(channel: String) -> Result<(), Fault> {
    let missing = |_| Fault::NotFound { what: "channel".to_owned(), id: channel.clone() };
    let name = channel.parse().map_err(missing)?;
    port()?.test_channel(&viewer()?, name).await?;
    leptos_axum::redirect("/notifications");
    Ok(())
}

/// `incident` is the key that the page showed.
#[server(endpoint = "acknowledge_incident")]
pub async fn acknowledge_incident(incident: String, reason: String) -> Result<(), Fault> {
    let key = incident.parse().map_err(Fault::BadInput)?;
    port()?.acknowledge_incident(&viewer()?, key, reason).await?;
    leptos_axum::redirect("/notifications");
    Ok(())
}
