//! What `{{NAME}}` in a recipe's texts stands for.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::MAX_BYTES;
use super::fault::Text;
use crate::error::{Error, Result, shown};

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
                "--set {unused}: expected a name that the recipe uses, found no {{{{{unused}}}}} in it"
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
                if string.contains("{{") {
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
        while let Some((before, after)) = rest.split_once("{{") {
            let name = after.split_once("}}").filter(|(name, _)| is_name(name));
            let Some((name, after)) = name else {
                // The braces of somebody else; a third one may begin a name.
                made.push_str(before);
                made.push('{');
                rest = &rest[before.len() + 1..];
                continue;
            };
            let value = self.values.get(name).ok_or_else(|| {
                wrong(&format!(
                    "expected a value for {{{{{name}}}}}, found none (--set {name}=VALUE)"
                ))
            })?;
            self.used.insert(name.to_owned());
            made.push_str(before);
            made.push_str(value);
            *bytes += value.len();
            if *bytes > MAX_BYTES {
                return Err(wrong(&format!(
                    "expected values of at most {MAX_BYTES} bytes over all texts, found more"
                )));
            }
            rest = after;
        }
        made.push_str(rest);
        Ok(made)
    }
}
