//! Backups: what is backed up, how fresh and how well proven it is, and what can be restored.

mod calendar;
pub mod calls;
mod jobs;
mod list;
mod page;
mod proofs;
pub mod restore;
pub mod view;
mod window;

pub use list::BackupsPage;
pub use page::PolicyPage;
pub use restore::RestorePage;
