//! What is put into a tree.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use super::owners::{Mode, Owner};
use super::path::{LinkTarget, TreePath, name};
use super::text::{Typed, from_typed, text_or_table, told};

/// A tree of the host laid over another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case")]
pub struct Overlay {
    /// A directory, or a tar, compressed or not.
    pub source: PathBuf,
    /// Where its root is laid; over the root, unless told otherwise.
    #[serde(default, skip_serializing_if = "TreePath::is_root")]
    pub at: TreePath,
}

/// A file or directory of the host put into the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case")]
pub struct Add {
    /// On the host.
    pub source: PathBuf,
    /// In the tree.
    #[serde(deserialize_with = "name")]
    pub path: TreePath,
    /// Its mode, in place of the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Its owner, in place of the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
}

/// A directory that is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case")]
pub struct MakeDirectory {
    /// In the tree.
    #[serde(deserialize_with = "below_root")]
    pub path: TreePath,
    /// Its mode, in place of the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Its owner, in place of the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
}

/// A symbolic link that is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case")]
pub struct MakeSymlink {
    /// In the tree.
    #[serde(deserialize_with = "name")]
    pub path: TreePath,
    /// Where it leads.
    pub target: LinkTarget,
}

/// A file that is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case")]
pub struct WriteFile {
    /// In the tree.
    #[serde(deserialize_with = "name")]
    pub path: TreePath,
    /// Its content, to the byte.
    pub text: String,
    /// Its mode, in place of the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Its owner, in place of the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
}

fn below_root<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TreePath, D::Error> {
    let path = TreePath::deserialize(deserializer)?;
    path.below_root().map_err(serde::de::Error::custom)
}

/// A path of the host, from bytes that hold no more than that.
fn source(bytes: &[u8]) -> Result<PathBuf, String> {
    if bytes.is_empty() || bytes.contains(&0) {
        return Err(format!(
            "'{}': expected a path of the host without NUL bytes",
            told(bytes)
        ));
    }
    Ok(PathBuf::from(OsStr::from_bytes(bytes)))
}

fn below(bytes: &[u8]) -> Result<TreePath, String> {
    TreePath::typed(bytes)?.below_root()
}

/// `[:MODE[:UID:GID]]`, behind what was there before.
fn mode_and_owner(fields: &[&[u8]]) -> Result<(Option<Mode>, Option<Owner>), String> {
    let owner = |uid: &[u8], gid: &[u8]| {
        let typed = [uid, gid].join(&b':');
        Owner::typed(&typed)
    };
    match *fields {
        [] => Ok((None, None)),
        [mode] => Ok((Some(Mode::typed(mode)?), None)),
        [mode, uid, gid] => Ok((Some(Mode::typed(mode)?), Some(owner(uid, gid)?))),
        _ => Err("expected nothing, :MODE or :MODE:UID:GID behind the path".to_owned()),
    }
}

/// Words that go before an error in a value with several fields.
fn of_form<T: Typed>(typed: &[u8], why: &str) -> String {
    format!(
        "'{}': expected {} (a path with a colon in it can be given in a recipe): {why}",
        told(typed),
        T::FORM
    )
}

fn by_colons(typed: &[u8]) -> Vec<&[u8]> {
    typed.split(|byte| *byte == b':').collect()
}

fn by_equals<T: Typed>(typed: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let at = typed.iter().position(|byte| *byte == b'=');
    let at = at.ok_or_else(|| format!("'{}': expected {}", told(typed), T::FORM))?;
    Ok((&typed[..at], &typed[at + 1..]))
}

impl Typed for Overlay {
    const FORM: &'static str = "DIR|TAR[:PATH]";

    fn typed(typed: &[u8]) -> Result<Self, String> {
        let overlay = || {
            let (source_bytes, at) = match by_colons(typed)[..] {
                [source] => (source, TreePath::default()),
                [source, at] => (source, TreePath::typed(at)?),
                _ => return Err("found more than one colon".to_owned()),
            };
            let source = source(source_bytes)?;
            Ok(Self { source, at })
        };
        overlay().map_err(|why: String| of_form::<Self>(typed, &why))
    }
}

impl Typed for Add {
    const FORM: &'static str = "SRC:DST[:MODE[:UID:GID]]";

    fn typed(typed: &[u8]) -> Result<Self, String> {
        let add = || {
            let fields = by_colons(typed);
            let [from, to, rest @ ..] = &fields[..] else {
                return Err("found no colon".to_owned());
            };
            let (mode, owner) = mode_and_owner(rest)?;
            Ok(Self {
                source: source(from)?,
                path: TreePath::typed_name(to)?,
                mode,
                owner,
            })
        };
        add().map_err(|why: String| of_form::<Self>(typed, &why))
    }
}

impl Typed for MakeDirectory {
    const FORM: &'static str = "PATH[:MODE[:UID:GID]]";

    fn typed(typed: &[u8]) -> Result<Self, String> {
        let make = || {
            let fields = by_colons(typed);
            let (path, rest) = fields.split_first().ok_or_else(String::new)?;
            let (mode, owner) = mode_and_owner(rest)?;
            let path = below(path)?;
            Ok(Self { path, mode, owner })
        };
        make().map_err(|why: String| of_form::<Self>(typed, &why))
    }
}

impl Typed for MakeSymlink {
    const FORM: &'static str = "PATH=TARGET";

    fn typed(typed: &[u8]) -> Result<Self, String> {
        let (path, target) = by_equals::<Self>(typed)?;
        Ok(Self {
            path: TreePath::typed_name(path)?,
            target: LinkTarget::typed(target)?,
        })
    }
}

impl Typed for WriteFile {
    const FORM: &'static str = "PATH=TEXT";
    const ESCAPES: &'static str =
        "; in a table, as { path = \"PATH\", text = \"TEXT\" }, the text is taken as it is";

    fn typed(typed: &[u8]) -> Result<Self, String> {
        let (path, text) = by_equals::<Self>(typed)?;
        let text = String::from_utf8(text.to_vec())
            .map_err(|_| "expected a text of UTF-8 (--add puts any file in)".to_owned())?;
        Ok(Self {
            path: TreePath::typed_name(path)?,
            text,
            mode: None,
            owner: None,
        })
    }
}

from_typed!(Overlay, Add, MakeDirectory, MakeSymlink, WriteFile);
text_or_table!(Overlay, Add, MakeDirectory, MakeSymlink, WriteFile);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn at(path: &str) -> TreePath {
        path.parse().unwrap()
    }

    #[test]
    fn fields_are_counted_and_never_guessed() {
        let add: Add = "a b:/sbin/init:4755:0:7".parse().unwrap();
        assert_eq!(add.source, Path::new("a b"));
        assert_eq!(add.path, at("sbin/init"));
        assert_eq!(add.mode, Mode::new(0o4755));
        assert_eq!(add.owner, Some(Owner { uid: 0, gid: 7 }));
        let plain: Add = "a:b".parse().unwrap();
        assert_eq!((plain.mode, plain.owner), (None, None));
        for typed in [
            "",
            ":",
            "a",
            "a:",
            ":b",
            "a:/",
            "a:b:",
            "a:b:c",
            "a:b:755:0",
            "a:b/",
            "a:b/.:755",
            "a:b:755:0:0:0",
            "a:..",
            "a\0:b",
        ] {
            let error = typed.parse::<Add>().unwrap_err();
            assert!(error.contains("SRC:DST[:MODE[:UID:GID]]"), "{error}");
            assert!(!error.contains('\0'), "{error:?}");
        }
        let overlay: Overlay = "over/lay".parse().unwrap();
        assert!(overlay.at.is_root());
        let overlay: Overlay = "x.tar:/opt".parse().unwrap();
        assert_eq!(overlay.at, at("opt"));
        for typed in ["", ":", "a:", ":/b", "a:b:c", "a:../b"] {
            typed.parse::<Overlay>().unwrap_err();
        }
        let make: MakeDirectory = "var/tmp/:1777".parse().unwrap();
        assert_eq!((make.path, make.mode), (at("var/tmp"), Mode::new(0o1777)));
        for typed in ["", "/", "a:", "a:755:1", "a:755:1:2:3"] {
            typed.parse::<MakeDirectory>().unwrap_err();
        }
    }

    #[test]
    fn a_text_and_a_target_begin_behind_the_first_equals_sign() {
        let link: MakeSymlink = "bin=usr=bin".parse().unwrap();
        assert_eq!(link.target.as_bytes(), b"usr=bin");
        let link = MakeSymlink::typed(b"a\xff=b\xfe").unwrap();
        assert_eq!(link.path.as_bytes(), b"a\xff");
        let file: WriteFile = "etc/hosts=a=b\nc\n".parse().unwrap();
        assert_eq!(file.text, "a=b\nc\n");
        assert_eq!("a=".parse::<WriteFile>().unwrap().text, "");
        for typed in ["", "a", "=b", "/=b", "a/..=b", "a/=b"] {
            typed.parse::<WriteFile>().unwrap_err();
            typed.parse::<MakeSymlink>().unwrap_err();
        }
        "a=".parse::<MakeSymlink>().unwrap_err();
        WriteFile::typed(b"a=\xff").unwrap_err();
    }
}
