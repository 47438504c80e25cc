//! The page that confirms a plan before anybody asks for it.

pub mod form;
pub mod page;
pub mod view;
