//! Names in a tree.

use std::fmt;

use serde::Deserializer;

use super::text::{Typed, from_typed, text, text_alone, told};
use crate::error::escape_path;

/// Bytes of the longest name that a directory can hold.
const NAME_MAX: usize = 255;

/// A path from the tree's root: components of at most 255 bytes joined by single slashes, none of
/// them empty, `.` or `..`; the root's own is empty. With or without a slash before it, it is the
/// same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TreePath(Box<[u8]>);

impl TreePath {
    /// The bytes, without a leading or trailing slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is the root's.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Of an argument's bytes that say what a file or whatever else is to be called itself.
    ///
    /// # Errors
    /// Those of [`Self::typed`]; for the root, and for what ends in a slash, which means a directory
    /// that something is put into to some programs and the thing itself to others.
    pub fn typed_name(bytes: &[u8]) -> Result<Self, String> {
        let path = <Self as Typed>::typed(bytes)?.below_root()?;
        let last = bytes.rsplit(|byte| *byte == b'/').next();
        if matches!(last, Some(b"" | b".")) {
            return Err(format!(
                "'{}': expected the path that it is to have itself, found a slash at its end",
                told(bytes)
            ));
        }
        Ok(path)
    }

    /// The same path, were it not the root's.
    pub(super) fn below_root(self) -> Result<Self, String> {
        if self.is_root() {
            return Err("expected a path below the root, found the root's own".to_owned());
        }
        Ok(self)
    }
}

impl Typed for TreePath {
    const FORM: &'static str = "PATH";

    fn typed(bytes: &[u8]) -> Result<Self, String> {
        if bytes.is_empty() {
            return Err("expected a path, found an empty one".to_owned());
        }
        if bytes.contains(&0) {
            return Err(format!(
                "'{}': expected a path without NUL bytes",
                told(bytes)
            ));
        }
        let mut clean = Vec::with_capacity(bytes.len());
        for component in bytes.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => continue,
                // What it leads to hangs on where symbolic links lead.
                b".." => {
                    return Err(format!("'{}': expected a path without '..'", told(bytes)));
                }
                _ if component.len() > NAME_MAX => {
                    return Err(format!(
                        "expected names of at most {NAME_MAX} bytes, found one of {}",
                        component.len()
                    ));
                }
                _ => {}
            }
            if !clean.is_empty() {
                clean.push(b'/');
            }
            clean.extend_from_slice(component);
        }
        Ok(Self(clean.into()))
    }
}

/// With a slash before it, escaped.
impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", escape_path(&self.0))
    }
}

/// Where a symbolic link leads: at least one byte, none of them NUL, at most 4095.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkTarget(Box<[u8]>);

impl LinkTarget {
    /// Linux' `PATH_MAX` without the NUL at its end.
    const MAX: usize = 4095;

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Typed for LinkTarget {
    const FORM: &'static str = "TARGET";

    fn typed(bytes: &[u8]) -> Result<Self, String> {
        if bytes.is_empty() || bytes.contains(&0) || bytes.len() > Self::MAX {
            return Err(format!(
                "'{}': expected a target of 1 to {} bytes, none of them NUL",
                told(bytes),
                Self::MAX
            ));
        }
        Ok(Self(bytes.into()))
    }
}

/// Escaped.
impl fmt::Display for LinkTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape_path(&self.0))
    }
}

from_typed!(TreePath, LinkTarget);
text_alone!(TreePath, LinkTarget);

/// What [`TreePath::typed_name`] takes.
struct Name(TreePath);

impl Typed for Name {
    const FORM: &'static str = "PATH";

    fn typed(bytes: &[u8]) -> Result<Self, String> {
        TreePath::typed_name(bytes).map(Self)
    }
}

/// A path by [`TreePath::typed_name`].
pub(super) fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TreePath, D::Error> {
    text(deserializer).map(|Name(path)| path)
}

/// The same where there need not be one.
pub(super) fn optional_name<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<TreePath>, D::Error> {
    name(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_clean_and_never_lead_above_the_root() {
        for (typed, path) in [
            (&b"usr/lib"[..], &b"usr/lib"[..]),
            (b"//usr/./lib//", b"usr/lib"),
            (b"/", b""),
            (b".", b""),
            (b"...", b"..."),
            (b"a\\b\n\xff", b"a\\b\n\xff"),
        ] {
            assert_eq!(TreePath::typed(typed).unwrap().as_bytes(), path);
        }
        for typed in [&b""[..], b"..", b"a/../b", b"/..", b"a\0b", &[b'n'; 256]] {
            TreePath::typed(typed).unwrap_err();
        }
        assert!(TreePath::typed(&[b'n'; 255]).is_ok());
        assert_eq!(TreePath::typed_name(b"/a//b").unwrap().as_bytes(), b"a/b");
        for typed in [&b"/"[..], b"a/", b"a/.", b"a//", b"", b"a/.."] {
            TreePath::typed_name(typed).unwrap_err();
        }
        assert_eq!(
            TreePath::typed(b"a\xff\\").unwrap().to_string(),
            r"/a\xff\x5c"
        );
    }

    #[test]
    fn targets_are_what_a_symbolic_link_can_hold() {
        for typed in [&b"."[..], b"../x", b"/usr/bin", b"a\xff", &[b't'; 4095]] {
            assert_eq!(LinkTarget::typed(typed).unwrap().as_bytes(), typed);
        }
        for typed in [&b""[..], b"a\0", &[b't'; 4096]] {
            LinkTarget::typed(typed).unwrap_err();
        }
    }
}
