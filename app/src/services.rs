//! Services: what was promised for each, and how it is. Which ones, in which order and which page of them stands in the
//! URL, so that a link shows what the sender saw and everything works without JavaScript.

use crate::fault::Fault;
use leptos::prelude::*;

mod details;
mod matrix;
mod page;
pub mod query;
pub mod view;
pub use page::ServicesPage;

#[server(endpoint = "services")]
pub async fn services(query: query::Query) -> Result<view::Matrix, Fault> {
    let (port, viewer) = (crate::port::port()?, crate::session::viewer()?);
    let picture = port.look(&viewer).await?;
    Ok(view::Matrix::of(&picture, &query))
}

#[server(endpoint = "service")]
pub async fn service(id: String) -> Result<view::Details, Fault> {
    let (port, viewer) = (crate::port::port()?, crate::session::viewer()?);
    let picture = port.look(&viewer).await?;
    let not_found = || Fault::NotFound { what: "service".to_owned(), id: id.clone() };
    let service = id.parse().map_err(|_| not_found())?;
    view::Details::of(&picture, &service).ok_or_else(not_found)
}
