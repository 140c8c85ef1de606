//! Defaults that whoever runs the program has set: variables, before a file.
//!
//! They stand where an option was not typed, as the program's own default does, and change neither
//! the bytes of what is made nor what is proved of it: nothing that a recipe holds, no ceiling, no
//! program to run, no credentials, nothing of trust or TLS but one more authority ([`keys::KEYS`]).

mod file;
mod keys;
mod variables;

use std::ffi::{OsStr, OsString};

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use crate::cli::misunderstood::in_a_line;
use crate::error::{Error, Result, escape_path};
use crate::progress::Reporter;
use keys::{id, is_default_of, options_of};

/// What was found, and what is to be said of it.
#[derive(Debug, Default)]
pub struct Defaults {
    /// One of a key at most.
    settings: Vec<Setting>,
    /// What was not taken, and why.
    warnings: Vec<String>,
    /// Where nothing was found.
    notes: Vec<String>,
}

/// One of them.
#[derive(Debug)]
struct Setting {
    key: &'static str,
    value: OsString,
    /// The variable, or the file with the line.
    origin: String,
}

impl Defaults {
    /// Reads the variables, and the file for what they do not say. `form` is the whole command
    /// line's.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a file that says something else than defaults, and for a value that
    /// its option does not take; [`Error::Io`] where the file cannot be read.
    pub fn read(form: &Command) -> Result<Self> {
        let mut found = Self::default();
        let options = options_of(form);
        variables::read(&mut found, &options);
        file::read(&mut found, &options)?;
        for setting in &found.settings {
            setting.check(form)?;
        }
        Ok(found)
    }

    /// Whether nothing was found that stands for an option.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }

    /// The same form, with these defaults in place of the program's own.
    pub fn put_into(&self, form: Command) -> Command {
        if self.settings.is_empty() {
            return form;
        }
        let command = form.get_name().to_owned();
        let ids = form.get_arguments().map(|option| option.get_id().clone());
        let ids: Vec<_> = ids.collect();
        let put = |form: Command, setting: &Setting| {
            let own = ids.iter().find(|own| **own == id(setting.key));
            match own.filter(|_| is_default_of(setting.key, &command)) {
                Some(own) => form.mut_arg(own, |option| {
                    option.default_value(clap::builder::OsStr::from(&setting.value))
                }),
                None => form,
            }
        };
        let form = self.settings.iter().fold(form, put);
        form.mut_subcommands(|below| self.put_into(below))
    }

    /// Tells what was not taken, and with `is_verbose` what was, of that which has any meaning for
    /// what was typed.
    pub fn tell(&self, typed: &ArgMatches, is_verbose: bool, reporter: &dyn Reporter) {
        for warning in &self.warnings {
            reporter.warn(warning);
        }
        if !is_verbose {
            return;
        }
        for setting in self.settings.iter().filter(|it| it.is_taken(typed)) {
            reporter.note(&format!(
                "default: --{}={} ({})",
                setting.key,
                escape_path(setting.value.as_encoded_bytes()),
                setting.origin
            ));
        }
        for note in &self.notes {
            reporter.note(note);
        }
    }

    /// Takes one in, unless there is one that goes before it.
    fn add(&mut self, key: &'static str, value: OsString, origin: String) {
        if self.settings.iter().all(|before| before.key != key) {
            self.settings.push(Setting { key, value, origin });
        }
    }
}

impl Setting {
    /// Lets the option itself judge the value.
    fn check(&self, form: &Command) -> Result<()> {
        let mut option = OsString::from(format!("--{}=", self.key));
        option.push(&self.value);
        let words = ["layerpress", "build", "IMAGE", "--output=OUTPUT"].map(OsStr::new);
        let parsed = form
            .clone()
            .try_get_matches_from(words.into_iter().chain([option.as_os_str()]));
        parsed
            .map(|_| ())
            .map_err(|error| Error::unsupported(format!("{}: {}", self.origin, in_a_line(&error))))
    }

    /// Whether the command that was typed has it, and nothing was typed in its place.
    fn is_taken(&self, typed: &ArgMatches) -> bool {
        let is_here = |matches: &ArgMatches| {
            let mut ids = matches.ids();
            ids.any(|own| *own == id(self.key))
                && matches.value_source(&id(self.key)) == Some(ValueSource::DefaultValue)
        };
        let mut command = "";
        let mut matches = typed;
        while let Some((name, below)) = matches.subcommand() {
            (command, matches) = (name, below);
        }
        is_here(matches) && is_default_of(self.key, command)
    }
}
