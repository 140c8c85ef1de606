//! What is asked for to be changed of a tree: data alone, and what single values look like as text.
//!
//! # The order of edits
//!
//! It is fixed, whatever order they were given in, and the later wins:
//!
//! 1. filters and removals, of what the image's layers show: [`include`](Edits::include),
//!    [`exclude`](Edits::exclude), [`remove`](Edits::remove);
//! 2. [`overlay`](Edits::overlay), in the order given;
//! 3. [`mkdir`](Edits::mkdir), [`add`](Edits::add), [`symlink`](Edits::symlink),
//!    [`file`](Edits::file), each in the order given;
//! 4. [`mount_points`](Edits::mount_points), [`config_file`](Edits::config_file);
//! 5. [`owner`](Edits::owner) or [`map_owner`](Edits::map_owner), of everything that is there by then;
//! 6. [`root_mode`](Edits::root_mode).
//!
//! # Texts
//!
//! Each value has two forms. What an option takes ([`FromStr`](std::str::FromStr), and `typed` for
//! bytes that are no UTF-8) are the bytes as they are. What documents hold (serde) is what is shown
//! of a name elsewhere (`Display`): a control character, an invisible letter, a stray byte or a
//! backslash is written `\xNN`.

mod owners;
mod path;
mod put;
mod text;

use serde::{Deserialize, Serialize};

pub use owners::{Mode, Owner, OwnerMapping, Owners};
pub use path::{LinkTarget, TreePath};
pub use put::{Add, MakeDirectory, MakeSymlink, Overlay, WriteFile};

/// Everything that is changed of the tree that an image's layers show. The default changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Edits {
    /// Of the layers nothing but these, what is below them, and the directories they stand in;
    /// everything where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<TreePath>,
    /// Of the layers nothing that these patterns match, by gitignore's rules; the last one that
    /// matches a name decides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Of the layers nothing at these paths and below them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<TreePath>,
    /// Trees laid over what is left.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overlay: Vec<Overlay>,
    /// Files and directories of the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<Add>,
    /// Directories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mkdir: Vec<MakeDirectory>,
    /// Symbolic links.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub symlink: Vec<MakeSymlink>,
    /// Files by their content.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub file: Vec<WriteFile>,
    /// Who owns everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Who owns what others own; of those that fit an owner the first one counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub map_owner: Vec<OwnerMapping>,
    /// The root directory's permissions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_mode: Option<Mode>,
    /// Make `dev`, `proc`, `sys`, `run` and `tmp` where they are not.
    #[serde(skip_serializing_if = "is_false")]
    pub mount_points: bool,
    /// Where the image's start configuration is written.
    #[serde(deserialize_with = "path::optional_name")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_file: Option<TreePath>,
    /// Keep owners, modes, times and extended attributes of what comes from the host's disk.
    #[serde(skip_serializing_if = "is_false")]
    pub keep_attributes: bool,
    /// Leave out what is mounted below a directory that is read.
    #[serde(skip_serializing_if = "is_false")]
    pub one_file_system: bool,
    /// Refuse a pattern or path that matches nothing.
    #[serde(skip_serializing_if = "is_false")]
    pub strict: bool,
}

impl Edits {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_changes_nothing_and_is_an_empty_document() {
        let edits = Edits::default();
        assert!(edits.is_empty());
        assert_eq!(serde_json::to_string(&edits).unwrap(), "{}");
        assert_eq!(serde_json::from_str::<Edits>("{}").unwrap(), edits);
    }

    #[test]
    fn a_document_with_every_key_is_read_as_it_is_written() {
        let text = r#"{
            "include": ["usr", "/bin/", "a\\xff"],
            "exclude": ["*.pyc", "!/keep"],
            "remove": ["etc/shadow"],
            "overlay": ["over", {"source": "t:x.tar", "at": "/opt/a:b"}],
            "add": ["init:/sbin/init:0755:0:0", {"source": "x", "path": "/a:b", "mode": "600"}],
            "mkdir": ["app", "tmp:1777", {"path": "srv", "owner": "33:33"}],
            "symlink": ["bin=usr/bin", {"path": "a=b", "target": "c"}],
            "file": ["etc/hostname=heroku", {"path": "a=b", "text": "x\ny\n", "mode": "0600"}],
            "map-owner": ["1000:0", "1:2:3:4"],
            "owner": "0:0",
            "root-mode": "0755",
            "mount-points": true,
            "config-file": "/etc/image.json",
            "keep-attributes": true,
            "one-file-system": true,
            "strict": true
        }"#;
        let edits: Edits = serde_json::from_str(text).unwrap();
        assert_eq!(edits.include[2].as_bytes(), b"a\xff");
        assert_eq!(edits.overlay[1].at.as_bytes(), b"opt/a:b");
        assert_eq!(edits.add[1].path.as_bytes(), b"a:b");
        assert!(!edits.is_empty());
        let written = serde_json::to_string(&edits).unwrap();
        assert_eq!(serde_json::from_str::<Edits>(&written).unwrap(), edits);
    }

    #[test]
    fn what_is_not_known_and_what_is_no_value_is_refused_by_its_name() {
        for (text, named) in [
            (r#"{"includes": []}"#, "unknown field `includes`"),
            (r#"{"include": ["../x"]}"#, "'..'"),
            (r#"{"include": ["a\\b"]}"#, r"\x5c"),
            (r#"{"file": ["a=\\w"]}"#, "{ path = "),
            (r#"{"remove": [""]}"#, "found an empty one"),
            (r#"{"mkdir": ["a:9"]}"#, "octal"),
            (r#"{"mkdir": [{"path": "/"}]}"#, "below the root"),
            (r#"{"config-file": "/"}"#, "below the root"),
            (r#"{"config-file": "etc/"}"#, "a slash at its end"),
            (r#"{"add": ["f:/new/"]}"#, "a slash at its end"),
            (
                r#"{"add": [{"source": "f", "path": "/new/"}]}"#,
                "a slash at its end",
            ),
            (r#"{"file": ["new/=x"]}"#, "a slash at its end"),
            (r#"{"symlink": ["new/=x"]}"#, "a slash at its end"),
            (
                r#"{"mkdir": [{"path": "a", "mod": "1"}]}"#,
                "unknown field `mod`",
            ),
            (
                r#"{"mkdir": [{"path": "a", "mode": 493}]}"#,
                "as in \"0755\"",
            ),
            (r#"{"mkdir": [7]}"#, "PATH[:MODE[:UID:GID]]"),
            (r#"{"owner": "root:root"}"#, "UID:GID"),
            (r#"{"map-owner": ["1:2:3"]}"#, "found 3"),
            (r#"{"add": ["x"]}"#, "SRC:DST"),
            (r#"{"symlink": ["x"]}"#, "PATH=TARGET"),
            (r#"{"symlink": [{"path": "x", "target": ""}]}"#, "target"),
        ] {
            let error = serde_json::from_str::<Edits>(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
