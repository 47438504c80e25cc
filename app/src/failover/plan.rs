//! The page that confirms a move of clients before anybody asks for it.

pub mod form;
pub mod page;
pub mod view;
