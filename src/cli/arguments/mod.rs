//! What is typed and what is meant by it: the groups of arguments that commands share.

mod batch;
mod cache;
mod comparison;
mod documents;
mod edits;
mod environment;
mod filesystem;
mod image;
mod look;
mod numbers;
mod output;
mod recipe;
mod registry;
mod verity;
mod written;

pub use batch::BatchArguments;
pub use cache::CacheDirectory;
pub use comparison::{COMPARISON, ComparisonArguments};
pub use documents::DocumentArguments;
pub use edits::EditArguments;
pub use environment::{config_directory, variable, variables_with};
pub use filesystem::{FilesystemArguments, TOOLS, ToolArguments};
pub use image::{FileFlagsArgument, ReadingArguments};
pub use look::{LookArguments, path_inside};
pub use numbers::{Bytes, how_many, seconds_since_1970, whole};
pub use output::{EXIT_CODES, NO_HEADING, OutputArguments, ProgressForm};
pub use recipe::{RecipeArguments, RecipeOutputArguments};
pub use registry::RegistryArguments;
pub use verity::{RootHashArguments, VerityArguments};
pub use written::{Sha256Form, directory_of, is_stream};
