//! What `${NAME}` in a recipe's texts stands for. `$${NAME}` is that text itself.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::MAX_BYTES;
use crate::error::{Error, Result, shown};
use crate::toml_text::Text;

/// `NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Letters, digits and `_`, no digit first.
    pub name: String,
    /// Anything.
    pub value: String,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| format!("expected NAME=VALUE, found '{}'", shown(text)))?;
        if !is_name(name) {
            return Err(format!(
                "expected a name of letters, digits and _, not beginning with a digit, found '{}'",
                shown(name)
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.bytes().all(is_letter)
        && text
            .bytes()
            .next()
            .is_some_and(|first| !first.is_ascii_digit())
}

/// The values of names, and which of them were of use: one that is of none is mistyped, as a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables {
    values: BTreeMap<String, String>,
    used: BTreeSet<String>,
}

impl Variables {
    /// Those of the command line.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where one is given twice, or has a NUL in it.
    pub fn new(assignments: &[Assignment]) -> Result<Self> {
        let mut values = BTreeMap::new();
        for Assignment { name, value } in assignments {
            if values.insert(name.clone(), value.clone()).is_some() {
                return Err(Error::unsupported(format!(
                    "--set {name}: expected one value, found a second one"
                )));
            }
        }
        Ok(Self {
            values,
            used: BTreeSet::new(),
        })
    }

    /// Refuses what no recipe had a use for.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the nearest name that is known.
    pub fn refuse_unused(&self) -> Result<()> {
        match self.values.keys().find(|name| !self.used.contains(*name)) {
            None => Ok(()),
            Some(unused) => Err(Error::unsupported(format!(
                "--set {unused}: expected a name that the recipe uses, found no ${{{unused}}} in it"
            ))),
        }
    }

    /// Puts the values in, and refuses texts that no file's name and no option could be.
    pub(super) fn put_in(
        &mut self,
        document: &mut Spanned<DeTable<'_>>,
        text: Text<'_>,
    ) -> Result<()> {
        let mut bytes = 0;
        self.put_into_table(document.get_mut(), text, &mut bytes)
    }

    fn put_into_table(
        &mut self,
        table: &mut DeTable<'_>,
        text: Text<'_>,
        bytes: &mut usize,
    ) -> Result<()> {
        for (_, value) in table.iter_mut() {
            self.put_into(value, text, bytes)?;
        }
        Ok(())
    }

    /// No deeper than the TOML reader lets tables and arrays nest.
    fn put_into(
        &mut self,
        value: &mut Spanned<DeValue<'_>>,
        text: Text<'_>,
        bytes: &mut usize,
    ) -> Result<()> {
        let span = value.span();
        match value.get_mut() {
            DeValue::String(string) => {
                let wrong = |what: &str| text.wrong_at(Some(span.clone()), what);
                if string.contains("${") {
                    *string = self.replaced(string, bytes, &wrong)?.into();
                }
                if string.contains('\0') {
                    return Err(wrong(
                        "expected a text without NUL, found one with it (a file that has one is put in by add)",
                    ));
                }
                Ok(())
            }
            DeValue::Array(array) => {
                for value in array.iter_mut() {
                    self.put_into(value, text, bytes)?;
                }
                Ok(())
            }
            DeValue::Table(table) => self.put_into_table(table, text, bytes),
            _ => Ok(()),
        }
    }

    /// `bytes` counts what was made of all texts together.
    fn replaced(
        &mut self,
        string: &str,
        bytes: &mut usize,
        wrong: &dyn Fn(&str) -> Error,
    ) -> Result<String> {
        let mut made = String::new();
        let mut rest = string;
        while let Some(found) = next(rest) {
            let Found {
                before,
                name,
                after,
                is_escaped,
            } = found;
            made.push_str(before);
            rest = after;
            if is_escaped {
                made.push_str(&format!("{{{name}}}"));
                continue;
            }
            let value = self.values.get(name).ok_or_else(|| {
                wrong(&format!(
                    "expected a value for ${{{name}}}, found none (--set {name}=VALUE; $${{{name}}} stands for the text)"
                ))
            })?;
            self.used.insert(name.to_owned());
            made.push_str(value);
            *bytes += value.len();
            if *bytes > MAX_BYTES {
                return Err(wrong(&format!(
                    "expected values of at most {MAX_BYTES} bytes over all texts, found more"
                )));
            }
        }
        made.push_str(rest);
        Ok(made)
    }
}

/// The first `${NAME}` of a text.
struct Found<'a> {
    /// What stands before it; with a dollar sign where it is escaped, which stands for it.
    before: &'a str,
    name: &'a str,
    after: &'a str,
    is_escaped: bool,
}

/// Other braces, as of a shell's `${1:-x}`, are nobody's.
fn next(text: &str) -> Option<Found<'_>> {
    let mut from = 0;
    loop {
        let dollar = from + text[from..].find("${")?;
        from = dollar + 2;
        let name = text[from..].split_once('}');
        let Some((name, after)) = name.filter(|(name, _)| is_name(name)) else {
            continue;
        };
        let before = &text[..dollar];
        return Some(Found {
            before,
            name,
            after,
            is_escaped: before.ends_with('$'),
        });
    }
}

/// The text that stands for `text`.
pub(super) fn escaped(text: &str) -> String {
    let mut made = String::new();
    let mut rest = text;
    while let Some(Found {
        before,
        name,
        after,
        ..
    }) = next(rest)
    {
        made.push_str(&format!("{before}$${{{name}}}"));
        rest = after;
    }
    made + rest
}
