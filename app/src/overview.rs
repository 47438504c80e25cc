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
    Ok(view::Overview::of(&picture).shortened(view::Overview::FINDINGS_SHOWN))
}
