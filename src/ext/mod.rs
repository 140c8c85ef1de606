//! A tree becomes an ext filesystem: decided, formatted, filled and checked.

pub mod check;
pub mod format;
pub mod plan;
pub mod populate;
