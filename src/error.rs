//! What can go wrong, split by who must act.

mod escape;
mod quoted;

use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

pub use escape::{escape_line, escape_path, escape_text, is_unprintable, shown};
pub use quoted::{quote, shell_word};

/// The result of every step.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure. Each variant names who can do something about it and has an exit code of its own.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading or writing failed on this machine (a missing file, a full disk, no permission), or a
    /// server refuses for good.
    #[error("{what}: {source}")]
    Io {
        /// The operation and the object, as in `cannot read /tmp/save.tar`.
        what: String,
        /// The operating system's word on it.
        source: Arc<io::Error>,
    },
    /// The network, or who is behind it, fails for now: nobody is reached or answers in time, the
    /// connection breaks off, a server is in trouble or asked too often. The same may go well on
    /// another try.
    #[error("{what}: {source}")]
    Network {
        /// The operation and its object, as in `cannot read https://…`.
        what: String,
        /// What happened, by its kind where that is known.
        source: Arc<io::Error>,
    },
    /// What the user named is not there: a tag, a name or a place among images. As with a file that
    /// is missing, it may be made.
    #[error("{place}{what}")]
    Absent {
        /// Where it was looked for.
        place: Box<Place>,
        /// What was named, and what there is instead.
        what: String,
    },
    /// It is no image, breaks a rule or exceeds a ceiling that a flag raises; its author can mend it.
    #[error("{place}{what}")]
    BadImage {
        /// Where in the image.
        place: Box<Place>,
        /// What was expected and what was found.
        what: String,
    },
    /// A sound image, an option or the machine asks for something layerpress, ext or Linux cannot
    /// do.
    #[error("{place}{what}")]
    Unsupported {
        /// Where in the image, empty where it is not about an image.
        place: Box<Place>,
        /// What is not supported, and what helps.
        what: String,
    },
    /// What is asked for contradicts itself or lacks something, whatever the image and the machine are:
    /// the command line, or the request, is wrong.
    #[error("{0}")]
    Usage(String),
    /// mke2fs, tune2fs, e2fsck or debugfs is absent, too old or failed.
    #[error("{0}")]
    Tool(String),
    /// The size asked for cannot hold the image.
    #[error("{what}: needed {needed}, given {given}; {help}")]
    TooSmall {
        /// What is too small, as in `a filesystem of 900 MiB`.
        what: String,
        /// How much is needed, with its unit.
        needed: String,
        /// How much was given, with its unit.
        given: String,
        /// The option that helps.
        help: String,
    },
    /// Given up because nobody waits for it any more: another error, which ended the work, is the one
    /// that is told.
    #[error("given up after something else failed")]
    Cancelled,
    /// What was written is not what was meant: a bug in layerpress.
    #[error(
        "{0} (this is a bug in layerpress: please report it, with this line, the command line, \
         `layerpress --version`, `mke2fs -V` and the image or its digest)"
    )]
    Mismatch(String),
}

/// Where in an image something is wrong; shown as a prefix, what is unknown is left out.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Place {
    /// The image, as the user named it.
    pub image: Option<String>,
    /// The layer: its position from the base and its digest or diff ID.
    pub layer: Option<String>,
    /// The entry's path, escaped.
    pub entry: Option<String>,
    /// The byte in the layer's uncompressed tar (or, without a layer, in the file named).
    pub byte: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(image) = &self.image {
            write!(f, "{}: ", escape_line(image))?;
        }
        if let Some(layer) = &self.layer {
            write!(f, "layer {layer}: ")?;
        }
        if let Some(entry) = &self.entry {
            write!(f, "{entry}: ")?;
        }
        if let Some(byte) = &self.byte {
            write!(f, "at byte {byte}: ")?;
        }
        Ok(())
    }
}

/// What [`of_network`] makes of an error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct OfNetwork(io::Error);

/// Marks an error of what is read over a network, so that whoever reads it and knows nothing of that
/// makes an [`Error::Network`] of it.
pub fn of_network(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), OfNetwork(error))
}

/// Whether this machine itself gives no more: open files or memory. Then neither a network nor a
/// program is at fault, and another try ends the same.
pub(crate) fn is_of_this_machine(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let spent = [Errno::MFILE, Errno::NFILE, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| spent.contains(&errno))
}

impl Error {
    /// An operating system error with the operation and its object before it; one that
    /// [`of_network`] marked is the network's.
    pub fn io(what: impl Into<String>, source: io::Error) -> Self {
        let inner = source.get_ref();
        if inner.is_some_and(|inner| inner.is::<OfNetwork>()) {
            return Self::network(what, source);
        }
        Self::Io {
            what: what.into(),
            source: Arc::new(source),
        }
    }

    /// A failure of the network with the operation and its object before it.
    pub fn network(what: impl Into<String>, source: io::Error) -> Self {
        Self::Network {
            what: what.into(),
            source: Arc::new(source),
        }
    }

    /// An operating system error about a path: `cannot VERB PATH: …`.
    pub fn path(verb: &str, path: &Path, source: io::Error) -> Self {
        let path = escape_path(path.as_os_str().as_bytes());
        Self::io(format!("cannot {verb} {path}"), source)
    }

    /// What was named is not there; the place is added on the way up.
    pub fn absent(what: impl Into<String>) -> Self {
        Self::Absent {
            place: Box::default(),
            what: what.into(),
        }
    }

    /// The image is wrong; the place is added on the way up.
    pub fn bad_image(what: impl Into<String>) -> Self {
        Self::BadImage {
            place: Box::default(),
            what: what.into(),
        }
    }

    /// Something that cannot be done; the place is added on the way up.
    pub fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported {
            place: Box::default(),
            what: what.into(),
        }
    }

    /// What is asked for is wrong by itself.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::Usage(what.into())
    }

    /// Names the image, unless a deeper step already did.
    #[must_use]
    pub fn in_image(self, image: &str) -> Self {
        self.located(|place| {
            place.image.get_or_insert_with(|| image.to_owned());
        })
    }

    /// Names the layer, unless a deeper step already did.
    #[must_use]
    pub fn in_layer(self, layer: impl fmt::Display) -> Self {
        self.located(|place| {
            place.layer.get_or_insert_with(|| layer.to_string());
        })
    }

    /// Adds to the end of what it says, as in `; nothing is left`.
    #[must_use]
    pub fn with_more(mut self, more: &str) -> Self {
        match &mut self {
            Self::Io { source, .. } | Self::Network { source, .. } => {
                *source = io::Error::new(source.kind(), format!("{source}{more}")).into();
            }
            Self::Absent { what, .. }
            | Self::BadImage { what, .. }
            | Self::Unsupported { what, .. } => what.push_str(more),
            Self::Usage(text) | Self::Tool(text) | Self::Mismatch(text) => text.push_str(more),
            Self::TooSmall { help, .. } => help.push_str(more),
            Self::Cancelled => {}
        }
        self
    }

    /// Names the entry by its path, unless a deeper step already did.
    #[must_use]
    pub fn in_entry(self, path: &[u8]) -> Self {
        self.located(|place| {
            place.entry.get_or_insert_with(|| escape_path(path));
        })
    }

    /// Names the byte, unless a deeper step already did.
    #[must_use]
    pub fn at_byte(self, byte: u64) -> Self {
        self.located(|place| {
            place.byte.get_or_insert(byte);
        })
    }

    fn located(mut self, add: impl FnOnce(&mut Place)) -> Self {
        if let Self::Absent { place, .. }
        | Self::BadImage { place, .. }
        | Self::Unsupported { place, .. } = &mut self
        {
            add(place);
        }
        self
    }

    /// The process exit code for this failure; documented in `layerpress --help`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Io { .. } | Self::Absent { .. } => 3,
            Self::BadImage { .. } => 4,
            Self::Unsupported { .. } => 5,
            Self::Tool(_) => 6,
            Self::TooSmall { .. } => 7,
            // Who gave up has an error of their own.
            Self::Cancelled | Self::Mismatch(_) => 8,
            Self::Network { .. } => 9,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_from_the_outside_in_and_the_deepest_name_wins() {
        let error = Error::bad_image("expected a checksum of 10, found 11")
            .at_byte(512)
            .in_entry(b"a\n\xff")
            .in_entry(b"other")
            .in_layer("1 (sha256:ab)")
            .in_image("save.tar");
        assert_eq!(
            error.to_string(),
            "save.tar: layer 1 (sha256:ab): a\\x0a\\xff: at byte 512: expected a checksum of 10, found 11"
        );
    }

    #[test]
    fn escaped_paths_differ_where_the_bytes_differ() {
        assert_eq!(escape_path(b"a\\x0a"), "a\\x5cx0a");
        assert_eq!(escape_path(b"a\n"), "a\\x0a");
        assert_eq!(
            escape_path("größe \u{202e}".as_bytes()),
            "größe \\xe2\\x80\\xae"
        );
    }
}
