//! The small parts every page is made of, one file each. They look like `style/ui.css` says and know no domain noun.

pub mod button;
pub mod copy;
pub mod empty;
pub mod field;
pub mod icon;
pub mod markdown;
pub mod post;
pub mod settled;
pub mod since;
pub mod spark;
pub mod state;
pub mod table;
pub mod text_area;
pub mod time;
pub mod title;
pub mod trouble;
