//! Failover: the board of everything whose clients or writes can move, one service, the plan of a move, what was decided
//! and why, and what people put in the way of automation.

mod board;
pub mod calls;
pub mod decisions;
pub mod evacuation;
pub mod evidence;
mod inbox;
mod ledger;
mod map;
pub mod moment;
pub mod next;
pub mod observers;
pub mod plan;
pub mod rehearsal;
mod rows;
mod service;
pub mod standing;
mod switches;
pub mod thresholds;
pub mod view;

pub use board::FailoverPage;
pub use evacuation::page::EvacuationPage;
pub use ledger::DecisionsPage;
pub use plan::page::MovePage;
pub use rows::Simulated;
pub use service::FailoverServicePage;
pub use switches::Switches;
