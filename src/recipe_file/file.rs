//! The file of a recipe: one image, or a list.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use toml::Value;
use toml::de::DeTable;

use super::fault::unknown;
use super::{ImageRecipe, MAX_BYTES, Variables, variables};
use crate::error::{Error, Result, escape_line};
use crate::toml_text::Text;

/// What is in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct RecipeFile {
    /// Its images, in their order; never none.
    pub images: Vec<ImageRecipe>,
    /// Whether they are written as `[[image]]`.
    pub is_list: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListOfImages {
    image: Vec<ImageRecipe>,
}

#[derive(Serialize)]
struct ImagesWritten<'a> {
    image: &'a [ImageRecipe],
}

impl RecipeFile {
    /// A recipe of one image.
    pub fn of(image: ImageRecipe) -> Self {
        Self {
            images: vec![image],
            is_list: false,
        }
    }

    /// Reads a recipe; `name` is what errors call it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with line and column for what is no TOML, no recipe, or longer than
    /// [`MAX_BYTES`].
    pub fn parse(name: &str, bytes: &[u8], variables: &mut Variables) -> Result<Self> {
        let shown = escape_line(name);
        if bytes.len() > MAX_BYTES {
            return Err(Error::unsupported(format!(
                "{shown}: expected a recipe of at most {MAX_BYTES} bytes, found more"
            )));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = bytes[..error.valid_up_to()].split(|byte| *byte == b'\n').count();
            Error::unsupported(format!(
                "{shown}:{line}: expected a recipe in UTF-8, found a byte that is none (\\xNN in a path stands for one)"
            ))
        })?;
        let place = Text { name, text };
        let wrong = |error: toml::de::Error| place.wrong(&error, unknown);
        let mut document = DeTable::parse(text).map_err(wrong)?;
        variables.put_in(&mut document, place)?;
        let is_list = document.get_ref().contains_key("image");
        let document = toml::Deserializer::from(document);
        let images = match is_list {
            true => ListOfImages::deserialize(document).map_err(wrong)?.image,
            false => vec![ImageRecipe::deserialize(document).map_err(wrong)?],
        };
        if images.is_empty() {
            return Err(Error::unsupported(format!(
                "{shown}: expected an image in the recipe, found none"
            )));
        }
        Ok(Self { images, is_list })
    }

    /// The recipe as TOML.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for what TOML cannot say, as a name that is not UTF-8.
    pub fn to_toml(&self) -> Result<String> {
        let value = match (self.is_list, self.images.as_slice()) {
            (false, [image]) => Value::try_from(image),
            (_, images) => Value::try_from(ImagesWritten { image: images }),
        };
        let text = value.and_then(|mut value| {
            escape(&mut value);
            toml::to_string_pretty(&value).map(|text| with_escapes(&text))
        });
        let text = text.map_err(|error| {
            let why = error.to_string();
            Error::unsupported(format!("--print-recipe: {}", escape_line(&why)))
        })?;
        // Held against what it is to say, whatever the writer thinks of it.
        let again = Self::parse("--print-recipe", text.as_bytes(), &mut Variables::default())?;
        if again != *self {
            return Err(Error::Mismatch(
                "--print-recipe: expected a recipe that says the same when it is read, found another one".to_owned(),
            ));
        }
        Ok(text)
    }
}

/// Lets texts stand for themselves that would stand for a variable's value.
fn escape(value: &mut Value) {
    match value {
        Value::String(text) => *text = marked(&variables::escaped(text)),
        Value::Array(values) => values.iter_mut().for_each(escape),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| escape(value)),
        _ => {}
    }
}

/// What stands before the eight digits of a letter that a terminal must not get. The writer has to
/// escape it itself, and so chooses a string in which escapes count.
const MARK: &str = "\u{1}\u{2}\u{1}";
/// The same as the writer writes it.
const MARK_WRITTEN: &str = "\\u0001\\u0002\\u0001";

/// With [`MARK`] and a number in place of each letter that cannot be printed as it is.
fn marked(text: &str) -> String {
    let mut marked = String::with_capacity(text.len());
    for letter in text.chars() {
        let is_printed = letter == '\n' || {
            let mut bytes = [0; 4];
            matches!(
                escape_line(letter.encode_utf8(&mut bytes)),
                Cow::Borrowed(_)
            )
        };
        if is_printed {
            marked.push(letter);
        } else {
            let _ = write!(marked, "{MARK}{:08X}", u32::from(letter));
        }
    }
    marked
}

/// With TOML's escapes in place of marks.
fn with_escapes(written: &str) -> String {
    written.replace(MARK_WRITTEN, "\\U")
}

#[cfg(test)]
mod tests;
