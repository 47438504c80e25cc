//! Runbooks: the list, one to read or to begin, the editor, versions, and a run that is worked by.

pub mod calls;
mod edit;
mod list;
#[cfg(feature = "ssr")]
pub mod making;
mod page;
mod run;
mod steps;
mod versions;
pub mod view;

pub use edit::{EditPage, NewPage};
pub use list::RunbooksPage;
pub use page::RunbookPage;
pub use run::RunPage;
pub use versions::VersionsPage;
