//! The command line: what is typed, what is meant, what is shown.
//!
//! The only room that prints and that reads the environment and the clock. Each floor uses those
//! before it: `arguments` (what commands share of what is typed) · `misunderstood` (what is said where
//! the parser takes none of it) · `defaults` (of whoever runs it, for what is not typed) · `manual` (what
//! is told of commands besides) · `tell` (all that goes out) · `shown` (tables, names, values) · `progress`
//! · `hold`, `signals` · `commands` (none knows another) · `command_line` (all of them).

// The doc comments there are help texts, with brackets of their own.
#[allow(rustdoc::broken_intra_doc_links)]
mod arguments;
mod command_line;
// As with arguments: brackets of their own.
#[allow(rustdoc::broken_intra_doc_links)]
mod commands;
mod defaults;
mod hold;
mod manual;
mod misunderstood;
mod progress;
mod shown;
mod signals;
mod tell;

#[doc(hidden)]
pub use command_line::{command, run};
#[doc(hidden)]
pub use manual::{Example, Known, environment, examples, files};
