//! How things are shown.

pub mod attributes;
pub mod differences;
pub mod names;
pub mod rows;
pub mod table;
pub mod text;
