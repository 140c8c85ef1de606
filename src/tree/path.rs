//! A tar's names, made into paths that cannot leave the root.

use super::whiteout::PREFIX;
use crate::error::{Error, Result};
use crate::limits::Limits;

/// The longest name a directory can hold, in bytes (`NAME_MAX`).
const NAME_MAX: usize = 255;

/// A path from the root: components joined by single slashes, none of them empty, `.` or `..`;
/// the root's own is empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CleanPath(Vec<u8>);

impl CleanPath {
    /// Cleans a name the way every engine does before it looks at any file: by its text alone.
    /// A `..` takes back the component before it, at the root it takes back nothing.
    ///
    /// # Errors
    /// [`Error::BadImage`] for an empty name, a NUL, a component longer than 255 bytes, more
    /// components than the limit.
    pub fn new(name: &[u8], limits: &Limits) -> Result<Self> {
        Self::of(name, limits, check_component)
    }

    /// The same for an entry that may be a whiteout: that of the longest name is longer than a name
    /// can be, and no file is ever called so. What is none must still be checked.
    pub fn of_entry(name: &[u8], limits: &Limits) -> Result<Self> {
        Self::of(name, limits, |component| {
            check_component(component.strip_prefix(PREFIX).unwrap_or(component))
        })
    }

    fn of(
        name: &[u8],
        limits: &Limits,
        check_component: impl Fn(&[u8]) -> Result<()>,
    ) -> Result<Self> {
        if name.is_empty() {
            return Err(Error::bad_image("expected a name, found an empty one"));
        }
        if name.contains(&0) {
            return Err(Error::bad_image(
                "expected a name without NUL bytes, found one with them",
            ));
        }
        let mut clean = Vec::with_capacity(name.len());
        let mut depth = 0_usize;
        for component in name.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => {
                    let end = clean.iter().rposition(|byte| *byte == b'/');
                    clean.truncate(end.unwrap_or(0));
                    depth = depth.saturating_sub(1);
                }
                _ => {
                    check_component(component)?;
                    if !clean.is_empty() {
                        clean.push(b'/');
                    }
                    clean.extend_from_slice(component);
                    depth += 1;
                }
            }
        }
        if depth > limits.max_path_depth {
            return Err(too_deep(limits, depth));
        }
        Ok(Self(clean))
    }

    /// The bytes, without a leading or trailing slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The directory's path and the last component; `None` for the root.
    pub fn split(&self) -> Option<(&[u8], &[u8])> {
        split(&self.0)
    }
}

/// A clean path's directory and last component; `None` for the root.
pub(super) fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.is_empty() {
        return None;
    }
    Some(match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    })
}

/// A path below a directory's; the root's own is `/`.
pub(super) fn joined(directory: &[u8], path: &[u8]) -> Box<[u8]> {
    match (directory, path) {
        (b"", b"") => b"/".as_slice().into(),
        (directory, b"") => directory.into(),
        (b"", path) => path.into(),
        _ => [directory, b"/", path].concat().into(),
    }
}

/// Refuses a name no directory can hold.
pub(super) fn check_component(component: &[u8]) -> Result<()> {
    if component.len() > NAME_MAX {
        return Err(Error::unsupported(format!(
            "expected names of at most {NAME_MAX} bytes, found one of {}",
            component.len()
        )));
    }
    Ok(())
}

pub(super) fn too_deep(limits: &Limits, found: usize) -> Error {
    Error::bad_image(format!(
        "expected at most {} components in a path (--max-path-depth), found {found}",
        limits.max_path_depth
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(name: &[u8]) -> Result<Vec<u8>> {
        CleanPath::new(name, &Limits::default()).map(|path| path.0)
    }

    #[test]
    fn names_are_cleaned_by_their_text_and_stay_inside_the_root() {
        for (name, path) in [
            (&b"a/b"[..], &b"a/b"[..]),
            (b"/a//b/", b"a/b"),
            (b"./a/./b", b"a/b"),
            (b"a/../b", b"b"),
            (b"../../a", b"a"),
            (b"a/b/../../..", b""),
            (b"./", b""),
            (b"/", b""),
            (b"...", b"..."),
            (b"a\\b\n \xff", b"a\\b\n \xff"),
        ] {
            assert_eq!(clean(name).unwrap(), path, "{name:?}");
        }
    }

    #[test]
    fn a_name_of_255_bytes_is_kept_and_one_of_256_refused() {
        assert!(clean(&[b'n'; 255]).is_ok());
        let error = clean(&[b'n'; 256]).unwrap_err().to_string();
        assert!(error.contains("found one of 256"), "{error}");
        assert!(clean(b"").is_err());
        assert!(clean(b"a\0b").is_err());
    }

    #[test]
    fn depth_is_counted_after_cleaning() {
        let limits = Limits {
            max_path_depth: 2,
            ..Limits::default()
        };
        assert!(CleanPath::new(b"./a/x/../b/", &limits).is_ok());
        let error = CleanPath::new(b"a/b/c", &limits).unwrap_err().to_string();
        assert!(error.contains("--max-path-depth"), "{error}");
    }
}
