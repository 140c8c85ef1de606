//! What recipes ask for, together with what was typed beside them.

use std::path::Path;

use super::{BuildArguments, typed_requests};
use crate::cli::tell;
use crate::error::{Error, Result};
use crate::pipeline::BatchItem;
use crate::progress::Reporter;
use crate::recipe_file::{ImageRecipe, Loaded, RecipeFile};

/// Options that are one image's.
const ONE_IMAGES: [&str; 7] = [
    "image",
    "output",
    "manifest",
    "packages",
    "config_out",
    "verity_file",
    "uuid",
];

/// What each image of a recipe asks for.
///
/// # Errors
/// For an image without a name or without an output, and for an output that leads out of its
/// directory.
pub fn items(
    loaded: &[Loaded],
    arguments: &BuildArguments,
    reporter: &dyn Reporter,
) -> Result<Vec<BatchItem>> {
    refuse_one_for_all(loaded, arguments)?;
    let items = loaded
        .iter()
        .map(|loaded| items_of(loaded, arguments, reporter));
    Ok(items.collect::<Result<Vec<_>>>()?.concat())
}

fn items_of(
    loaded: &Loaded,
    arguments: &BuildArguments,
    reporter: &dyn Reporter,
) -> Result<Vec<BatchItem>> {
    let directory = arguments.recipe_output.directory()?;
    let item = |recipe: &ImageRecipe| {
        let mut recipe = recipe.clone();
        recipe.output = recipe.output.placed(&directory)?;
        let file = recipe.output.file.clone();
        let output = arguments.form.output.clone().or(file).ok_or_else(|| {
            Error::unsupported(
                "expected a name for the filesystem image in the recipe (file = \"…\" in [output]) or -o FILE, found none",
            )
        })?;
        let (mut image, mut output) = put_typed(&mut recipe, &output, arguments, reporter)?;
        let put = &arguments.recipe;
        put.put_into(&recipe, &loaded.reach, &mut image)?;
        let filesystem = put.filesystem(&recipe, &loaded.reach);
        recipe.output.put_into(&mut output, &image, &filesystem)?;
        output.spared.push(loaded.path.clone());
        Ok(BatchItem {
            image,
            filesystem,
            output,
        })
    };
    let named = |error: Error| error.in_image(&loaded.path.to_string_lossy());
    let images = loaded.file.images.iter();
    images.map(|recipe| item(recipe).map_err(named)).collect()
}

/// Prints the recipe that says what was typed and what a recipe says.
///
/// # Errors
/// For what a recipe cannot say.
pub fn print(loaded: &[Loaded], arguments: &BuildArguments, reporter: &dyn Reporter) -> Result<()> {
    let mut file = match loaded {
        [loaded] => {
            refuse_one_for_all(std::slice::from_ref(loaded), arguments)?;
            loaded.file.clone()
        }
        [] => RecipeFile::of(ImageRecipe::default()),
        _ => {
            return Err(Error::unsupported(format!(
                "--print-recipe: expected one recipe, found a directory with {}",
                loaded.len()
            )));
        }
    };
    for recipe in &mut file.images {
        let output = arguments.form.output.clone();
        let typed = output.or_else(|| recipe.output.file.clone());
        // What it is called is not told where nobody said it.
        let output = typed.clone().unwrap_or_else(|| "unnamed".into());
        if !loaded.is_empty() {
            put_typed(recipe, &output, arguments, reporter)?;
        } else {
            let name = arguments.recipe.name(arguments.image.as_ref(), None)?;
            let (image, filesystem, output) = typed_requests(arguments, &name, &output)?;
            *recipe = ImageRecipe::of(&image, &filesystem, Some(&output));
            recipe.output.file = typed;
        }
        // Standard output is none of a recipe's: what a file is called is left open then.
        if recipe.output.file.as_deref() == Some(Path::new("-")) {
            recipe.output.file = None;
        }
    }
    tell::print(&file.to_toml()?)
}

fn put_typed(
    recipe: &mut ImageRecipe,
    output: &Path,
    arguments: &BuildArguments,
    reporter: &dyn Reporter,
) -> Result<(
    crate::pipeline::ImageRequest,
    crate::pipeline::OutputRequest,
)> {
    let name = arguments.image.as_ref();
    let name = arguments.recipe.name(name, Some(recipe))?;
    let (image, filesystem, output) = typed_requests(arguments, &name, output)?;
    let typed = ImageRecipe::of(&image, &filesystem, Some(&output));
    arguments.recipe.put_typed(recipe, typed, reporter);
    Ok((image, output))
}

/// What is one image's cannot be typed for several.
fn refuse_one_for_all(loaded: &[Loaded], arguments: &BuildArguments) -> Result<()> {
    let number: usize = loaded.iter().map(|loaded| loaded.file.images.len()).sum();
    let typed = |id: &&str| arguments.recipe.typed.has(id);
    match ONE_IMAGES.iter().find(|id| number > 1 && typed(id)) {
        None => Ok(()),
        Some(id) => Err(Error::unsupported(format!(
            "{}: expected a recipe of one image beside {}, found {number}",
            arguments.recipe.shown(),
            match *id {
                "image" => "an image".to_owned(),
                id => format!("--{}", id.replace('_', "-")),
            },
        ))),
    }
}
