//! How things are shown: `text` · `table` · `names` · `attributes` · `rows` · `differences`.

pub mod attributes;
pub mod differences;
pub mod names;
pub mod rows;
pub mod table;
pub mod text;
