//! Operations: the list, and one operation live, with everything a person may do about it.

pub mod acts;
mod board;
mod burn_down;
pub mod calls;
pub mod clock;
mod forms;
pub mod line;
mod page;
pub mod receipt;
pub mod refused;
mod rows;
mod steps;
pub mod verdict;
pub mod view;
pub mod words;

#[cfg(test)]
mod tests;

pub use board::OperationsPage;
pub use burn_down::BurnDown;
pub use page::{OperationPage, ReceiptPage};
pub use rows::{OperationRows, StateBadge};
