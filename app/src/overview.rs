//! The overview: worst first. What needs a person now, then the state of databases and regions, then everything else.

use crate::fault::Fault;
use leptos::prelude::*;

mod clusters;
mod page;
pub mod view;
pub use page::OverviewPage;

#[server(endpoint = "overview")]
pub async fn overview() -> Result<view::Overview, Fault> {
    let (port, viewer) = (crate::port::port()?, crate::session::viewer()?);
    let picture = port.look(&viewer).await?;
    let notifications = crate::notifications::view::Summary::of(picture.now, &port.notifications(&viewer).await?);
    let overview = view::Overview::of(&picture).shortened(view::Overview::FINDINGS_SHOWN);
    Ok(view::Overview { notifications: Some(notifications), ..overview })
}
