//! The page that confirms the evacuation of a region before anybody asks for it.

pub mod page;
pub mod view;
