//! DR tests: what is proven against which disaster, what is overdue, a scenario and its runs, and the live board of one run.

mod board;
pub mod calls;
mod list;
mod scenario;
pub mod view;

pub use board::TestRunPage;
pub use list::DrTestsPage;
pub use scenario::ScenarioPage;
