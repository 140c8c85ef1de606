//! How things are shown: `schemas` · `text` · `table` · `names` · `spelled` · `attributes` · `rows` · `differences`.

pub mod attributes;
pub mod differences;
pub mod edits;
pub mod like;
pub mod names;
pub mod rows;
pub mod schemas;
pub mod spelled;
pub mod table;
pub mod text;
