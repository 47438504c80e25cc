//! Database clusters: the list, one cluster's topology and nodes, and the page that confirms a plan.

pub mod calls;
mod details;
mod drawing;
mod list;
mod nodes;
pub mod page;
pub mod patroni;
pub mod plan;
pub mod poolers;
pub mod standing;
pub mod view;
pub mod wal;

#[cfg(test)]
mod tests;

pub use list::DatabasesPage;
pub use page::DatabasePage;
pub use plan::page::PlanPage;
