//! How things are shown: `schemas` · `text` · `table` · `names` · `spelled` · `attributes` · `rows` · `differences` ·
//! what commands tell alike: `origin` (which image) · `history` (how it came about) · `edits` · `room` (size
//! and room) · `like` · `files` (what was written).

pub mod attributes;
pub mod differences;
pub mod edits;
pub mod files;
pub mod history;
pub mod like;
pub mod names;
pub mod origin;
pub mod room;
pub mod rows;
pub mod schemas;
pub mod spelled;
pub mod table;
pub mod text;
