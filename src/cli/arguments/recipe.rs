//! A recipe, and what is typed beside it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::EditArguments;
use crate::error::{Error, Result};
use crate::pinned::Reach;
use crate::pipeline::{FilesystemRequest, ImageRequest};
use crate::progress::Reporter;
use crate::recipe_file::{
    Assignment, EDITS, ImageRecipe, Loaded, OutputDirectory, OutputRecipe, Variables, load,
    load_all,
};

/// What is built, in a file.
#[derive(Debug, Args)]
#[command(next_help_heading = "Recipe")]
pub struct RecipeArguments {
    // The first field: what is read out of the arguments is gone from them.
    #[command(flatten)]
    pub typed: Typed,
    /// Take the image, the edits and everything else that determines the result from a recipe, in
    /// TOML; its paths begin in its directory. build makes all images of a recipe, and of a directory
    /// those of all its recipes (*.toml), in byte order of names. What is typed besides stands in place of what it says,
    /// but for edits, which are the recipe's alone
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// Let ${NAME} in the recipe's texts stand for VALUE; may be repeated
    #[arg(long, value_name = "NAME=VALUE", requires = "recipe")]
    pub set: Vec<Assignment>,
    /// Let the recipe and its paths lead out of its directory
    #[arg(long, requires = "recipe")]
    pub allow_outside: bool,
}

/// A recipe's outputs, and the recipe itself.
#[derive(Debug, Args)]
#[command(next_help_heading = "Recipe")]
pub struct RecipeOutputArguments {
    /// Where the recipe's outputs go, which stay below it [default: the working directory]
    #[arg(long, value_name = "DIRECTORY", requires = "recipe")]
    pub output_dir: Option<PathBuf>,
    /// Build nothing: print the recipe that says what was typed, and what the recipe given says
    #[arg(long)]
    pub print_recipe: bool,
}

impl RecipeOutputArguments {
    /// The directory that is meant.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn directory(&self) -> Result<OutputDirectory> {
        let directory = self.output_dir.as_deref();
        OutputDirectory::open(directory.unwrap_or(Path::new(".")))
    }
}

/// What can be typed beside a recipe, by the arguments' identifiers, with its place in a recipe.
macro_rules! typed_fields {
    ($give:ident) => {
        $give! {
            platform => platform;
            file_flags => file_flags;
            source_date_epoch => source_date_epoch;
            fs => filesystem.fs;
            size => filesystem.size;
            journal => filesystem.journal;
            free_inodes => filesystem.free_inodes;
            label => filesystem.label;
            uuid => filesystem.uuid;
            hash_seed => filesystem.hash_seed;
            like => filesystem.like;
            like_strict => filesystem.like_strict;
            output => output.file;
            sha256 => output.sha256;
            compress => output.compress;
            compress_only => output.compress_only;
            manifest => output.manifest;
            packages => output.packages;
            config_out => output.config_out;
            verity => output.verity;
            verity_file => output.verity_file;
            verity_salt => output.verity_salt;
            max_entries => limits.max_entries;
            max_bytes => limits.max_bytes;
            max_layer_bytes => limits.max_layer_bytes;
            max_expansion => limits.max_expansion;
            max_expansion_from => limits.max_expansion_from;
            max_path_depth => limits.max_path_depth;
            max_header_bytes => limits.max_header_bytes;
            max_xattr_bytes => limits.max_xattr_bytes;
            max_index_bytes => limits.max_index_bytes;
            max_zstd_window_log => limits.max_zstd_window_log;
        }
    };
}

/// Which arguments were typed, by their identifiers. It reads what is there and takes none itself.
#[derive(Debug, Clone, Default)]
pub struct Typed(BTreeSet<String>);

impl Args for Typed {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

impl FromArgMatches for Typed {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let ids = matches.ids().map(|id| id.as_str());
        let typed = ids.filter(|id| matches.value_source(id) == Some(ValueSource::CommandLine));
        Ok(Self(typed.map(str::to_owned).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Typed {
    /// Whether an argument was.
    pub fn has(&self, id: &str) -> bool {
        self.0.contains(id)
    }
}

impl RecipeArguments {
    /// The recipe that is given, with one that has no use for a `--set` refused.
    ///
    /// # Errors
    /// See [`load`].
    pub fn load(&self) -> Result<Option<Loaded>> {
        let Some(path) = &self.recipe else {
            return Ok(None);
        };
        let mut variables = Variables::new(&self.set)?;
        let loaded = load(path, !self.allow_outside, &mut variables)?;
        variables.refuse_unused()?;
        self.refuse_edits()?;
        Ok(Some(loaded))
    }

    /// What was typed for the recipe.
    pub fn shown(&self) -> String {
        let path = self.recipe.as_deref().unwrap_or(Path::new(""));
        crate::error::escape_path(path.as_os_str().as_encoded_bytes())
    }

    /// The recipes that are given: one, or a directory's.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_all(&self) -> Result<Vec<Loaded>> {
        let Some(path) = &self.recipe else {
            return Ok(Vec::new());
        };
        let mut variables = Variables::new(&self.set)?;
        let loaded = load_all(path, !self.allow_outside, &mut variables)?;
        variables.refuse_unused()?;
        self.refuse_edits()?;
        Ok(loaded)
    }

    /// The only image of the recipe that is given.
    ///
    /// # Errors
    /// As [`Self::load`], and for several images.
    pub fn load_one(&self) -> Result<Option<(ImageRecipe, Reach)>> {
        let Some(Loaded { path, file, reach }) = self.load()? else {
            return Ok(None);
        };
        match <[_; 1]>::try_from(file.images) {
            Ok([mut image]) => {
                // Nothing is written.
                image.output = OutputRecipe::default();
                Ok(Some((image, reach)))
            }
            Err(images) => Err(Error::unsupported(format!(
                "{}: expected a recipe of one image, found {} (build makes them all)",
                crate::error::escape_path(path.as_os_str().as_encoded_bytes()),
                images.len()
            ))),
        }
    }

    /// The image that was typed, or else the recipe's.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where there is none, [`Error::Usage`] without a recipe.
    pub fn name(&self, typed: Option<&OsString>, recipe: Option<&ImageRecipe>) -> Result<OsString> {
        let source = recipe.and_then(|recipe| recipe.source.as_ref());
        let name = typed
            .cloned()
            .or_else(|| source.map(|source| source.as_typed()));
        name.ok_or_else(|| match recipe {
            Some(_) => Error::unsupported(
                "expected an image in the recipe (source = \"…\") or on the command line, found none",
            ),
            None => Error::usage("expected an image, found none"),
        })
    }

    /// Edits have an order, which those of two places have not.
    fn refuse_edits(&self) -> Result<()> {
        let options = EditArguments::augment_args(Command::new("edits"));
        let mut options = options.get_arguments();
        match options.find(|option| self.typed.has(option.get_id().as_str())) {
            None => Ok(()),
            Some(option) => {
                let name = option.get_long().unwrap_or_default();
                Err(Error::usage(format!(
                    "--{name}: expected it in the recipe, as {name} in [{EDITS}], found it beside --recipe: what is edited, and how strictly, the recipe alone says (--print-recipe writes a recipe of options)"
                )))
            }
        }
    }

    /// Puts what was typed in place of what the recipe says, and says so.
    pub fn put_typed(&self, recipe: &mut ImageRecipe, typed: ImageRecipe, reporter: &dyn Reporter) {
        let mut replaced = Vec::new();
        macro_rules! put {
            ($($id:ident => $($field:ident).+;)*) => {$(
                if self.typed.has(stringify!($id)) {
                    if recipe.$($field).+ != typed.$($field).+ {
                        replaced.push(concat!("--", stringify!($id)).replace('_', "-"));
                    }
                    recipe.$($field).+ = typed.$($field).+;
                }
            )*};
        }
        // Where a tree of dm-verity is.
        if self.typed.has("verity") || self.typed.has("verity_file") {
            recipe.output.verity = false;
            recipe.output.verity_file = None;
        }
        // The environment's, where neither says it.
        recipe.source_date_epoch = recipe.source_date_epoch.or(typed.source_date_epoch);
        typed_fields!(put);
        if self.typed.has("image") {
            if recipe.source.is_some() && recipe.source != typed.source {
                replaced.push("the image".to_owned());
            }
            recipe.source = typed.source;
        }
        if !replaced.is_empty() {
            reporter.note(&format!(
                "in place of what the recipe says, as typed: {}",
                replaced.join(", ")
            ));
        }
    }

    /// Lets a request for an image that is compared ask for what the recipe says and was typed, and
    /// gives the time of what has none of its own.
    ///
    /// # Errors
    /// As [`Self::put_into`].
    pub fn ask(
        &self,
        (mut recipe, reach): (ImageRecipe, Reach),
        request: &mut ImageRequest,
        made_seconds: Option<i64>,
        reporter: &dyn Reporter,
    ) -> Result<Option<i64>> {
        let mut filesystem = FilesystemRequest::default();
        filesystem.identity.made_seconds = made_seconds;
        let typed = ImageRecipe::of(request, &filesystem, None);
        self.put_typed(&mut recipe, typed, reporter);
        self.put_into(&recipe, &reach, request)?;
        Ok(recipe.source_date_epoch)
    }

    /// Lets a request ask for what the recipe says. An image that was typed is where it was typed, not
    /// where the recipe is.
    ///
    /// # Errors
    /// For a recipe without an image.
    pub fn put_into(
        &self,
        recipe: &ImageRecipe,
        reach: &Reach,
        request: &mut ImageRequest,
    ) -> Result<()> {
        recipe.put_into(request, reach)?;
        if self.typed.has("image") {
            request.open.reach = Reach::default();
        }
        Ok(())
    }

    /// The filesystem that the recipe asks for. An earlier one that was typed is where it was typed.
    pub fn filesystem(&self, recipe: &ImageRecipe, reach: &Reach) -> FilesystemRequest {
        match self.typed.has("like") {
            true => recipe.filesystem_request(&Reach::default()),
            false => recipe.filesystem_request(reach),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cli::commands::build::BuildArguments;
    use crate::recipe_file::keys;

    macro_rules! ids {
        ($($id:ident => $($field:ident).+;)*) => {
            [$(stringify!($id).replace('_', "-")),*]
        };
    }

    #[test]
    fn every_key_of_a_recipe_is_an_option_that_stands_in_its_place_unless_it_is_an_edit() {
        let build = BuildArguments::augment_args(Command::new("build"));
        let options: BTreeSet<_> = build
            .get_arguments()
            .filter_map(|option| option.get_long())
            .collect();
        let keys = keys();
        assert!(keys.len() > 40, "{keys:?}");
        let mut typed = BTreeSet::from(typed_fields!(ids));
        for (section, key) in &keys {
            let option = match (section.as_str(), key.as_str()) {
                ("", "source") => continue,
                ("output", "file") => "output",
                (_, key) => key,
            };
            assert!(options.contains(option), "{section}.{key} is no option");
            if section != EDITS {
                assert!(
                    typed.remove(option),
                    "--{option} cannot be typed beside a recipe"
                );
            }
        }
        assert_eq!(typed, BTreeSet::new());
    }

    #[test]
    fn what_was_typed_is_told_from_what_is_the_default() {
        let build = BuildArguments::augment_args(Command::new("build"));
        let words = ["build", "--recipe", "r", "--fs", "ext3", "--label", "x"];
        let matches = build.try_get_matches_from(words).unwrap();
        let typed = BuildArguments::from_arg_matches(&matches)
            .unwrap()
            .recipe
            .typed;
        for (id, expected) in [
            ("fs", true),
            ("label", true),
            ("size", false),
            ("image", false),
        ] {
            assert_eq!(typed.has(id), expected, "{id}");
        }
    }
}
