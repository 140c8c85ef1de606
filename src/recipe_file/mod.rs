//! A recipe: the whole of a build in one file that is reviewed, in TOML.
//!
//! ```toml
//! source = "docker://docker.io/heroku/heroku:24"
//! platform = "linux/amd64"
//!
//! [filesystem]
//! fs = "ext3"
//! size = "107%"
//!
//! [edits]
//! exclude = ["/lib/modules"]
//! mkdir = ["app", "tmp:1777"]
//! file = ["etc/hostname=${NAME}"]
//!
//! [limits]
//! max-zstd-window-log = 31
//!
//! [output]
//! file = "heroku-24.img"
//! sha256 = true
//! ```
//!
//! What it holds determines the bytes of the filesystem and the names of what is written: every key
//! is called as the option of `build` that means the same. What belongs to a machine or to whoever
//! runs it (programs, credentials, TLS, caches, jobs, work directories, time-outs, how much proof) is
//! in no recipe.
//!
//! - A file is one image, or several as `[[image]]` with the same keys.
//! - `${NAME}` in a text is what [`Variables`] say; nothing else is put in, and what is put in is
//!   never read as TOML.
//! - Paths begin in the recipe's directory and do not lead out of it: see
//!   [`Reach`](crate::pinned::Reach). Outputs begin in a directory of their own and stay below it.

mod directory;
mod fault;
mod file;
mod filesystem;
mod load;
mod output;
mod requests;
mod variables;
mod words;

use serde::{Deserialize, Serialize};

pub use directory::load_all;
pub use file::RecipeFile;
pub use filesystem::FilesystemRecipe;
pub use load::{Loaded, load};
pub use output::{OutputDirectory, OutputRecipe};
pub use variables::{Assignment, Variables};

use crate::edits::Edits;
use crate::oci::Platform;
use crate::pipeline::{Limits, Reference};
use crate::toml_text::keys_of;

/// One image: what is read, what is changed of it, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImageRecipe {
    /// The image, named as for `build`; the command line may name it, too.
    #[serde(with = "words::option", skip_serializing_if = "Option::is_none")]
    pub source: Option<Reference>,
    /// The platform to choose.
    #[serde(with = "words::option", skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Whether the file flags that chattr sets are kept.
    #[serde(skip_serializing_if = "is_default")]
    pub file_flags: bool,
    /// The time of the filesystem and of directories that no layer describes, in seconds since 1970,
    /// in place of the image's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_date_epoch: Option<i64>,
    /// What is made.
    pub filesystem: FilesystemRecipe,
    /// What is changed of the tree.
    #[serde(skip_serializing_if = "is_default")]
    pub edits: Edits,
    /// What is written.
    #[serde(skip_serializing_if = "is_default")]
    pub output: OutputRecipe,
    /// What the image may ask for before it is refused; what is not said is the program's default.
    #[serde(with = "requests::changed_limits", skip_serializing_if = "is_default")]
    pub limits: Limits,
}

/// No recipe is larger, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// The section of edits.
pub const EDITS: &str = "edits";

/// Every key of an image, with its section; the sections themselves are none.
pub fn keys() -> Vec<(String, String)> {
    let sections = fault::sections();
    let is_section = |key: &String| sections.iter().any(|(section, _)| section == key);
    let own = keys_of::<ImageRecipe>().into_iter();
    let own = own
        .filter(|key| !is_section(key))
        .map(|key| (String::new(), key));
    let inner = sections
        .iter()
        .flat_map(|(section, keys)| keys.iter().map(|key| ((*section).to_owned(), key.clone())));
    own.chain(inner).collect()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
