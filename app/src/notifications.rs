//! Notifications: the channels by which people are told outside of these pages, what is open and who was told of it, and how
//! each delivery went. What is told, and when, are the engine's rules.

pub mod calls;
mod channels;
mod incidents;
mod page;
mod panel;
pub mod view;

pub use page::NotificationsPage;
pub use panel::NotificationsPanel;
