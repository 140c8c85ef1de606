//! Where an image goes: a transport and what belongs to it, as `containers-transports(5)` has it.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, escape_path, shown};
use crate::oci::{Digest, RegistryReference};

/// How an image is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An OCI image layout in a directory.
    Layout,
    /// The same in a tar.
    OciArchive,
    /// What `docker save` writes: a layout in a tar with docker's own list besides.
    DockerArchive,
}

impl Form {
    const ALL: [Self; 3] = [Self::Layout, Self::OciArchive, Self::DockerArchive];

    /// What its names begin with.
    pub fn transport(self) -> &'static str {
        match self {
            Self::Layout => "oci",
            Self::OciArchive => "oci-archive",
            Self::DockerArchive => "docker-archive",
        }
    }
}

/// Where an image goes, and what it is called there.
///
/// ```text
/// oci:DIRECTORY[:TAG]         an OCI image layout, whose other images stay
/// oci-archive:FILE[:TAG]      the same in a tar
/// docker-archive:FILE[:NAME[:TAG]]  what docker load takes
/// -                           docker-archive:-, on standard output
/// ```
/// `-` as FILE is standard output. As with skopeo a path ends at the first colon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageTarget {
    pub(super) form: Form,
    pub(super) path: PathBuf,
    pub(super) name: Option<String>,
}

impl ImageTarget {
    /// Reads a target as typed.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another transport, no path, and a name that is none;
    /// [`Error::Usage`] for a layout on standard output.
    pub fn parse(text: &OsStr) -> Result<Self> {
        if text == "-" {
            return Ok(Self {
                form: Form::DockerArchive,
                path: "-".into(),
                name: None,
            });
        }
        let bytes = text.as_bytes();
        let found = Form::ALL.into_iter().find_map(|form| {
            let rest = bytes.strip_prefix(form.transport().as_bytes())?;
            Some((form, rest.strip_prefix(b":")?))
        });
        let Some((form, details)) = found else {
            return Err(Error::unsupported(format!(
                "{}: expected oci:DIRECTORY[:TAG], docker-archive:FILE[:NAME] or oci-archive:FILE[:TAG] to write an image to{}",
                escape_path(bytes),
                nearest(bytes)
            )));
        };
        if form == Form::Layout && (details == b"-" || details.starts_with(b"-:")) {
            return Err(Error::usage(
                "oci:-: expected a directory, found standard output, which takes archives alone (docker-archive:- and oci-archive:-; oci:./- names a directory that is called so)",
            ));
        }
        if ends_with_digest(details) {
            return Err(Error::unsupported(format!(
                "{}: expected a path, and a name behind a colon, without a digest: an image's own is known when it is written",
                escape_path(bytes)
            )));
        }
        let mut parts = details.splitn(2, |&byte| byte == b':');
        let path = parts.next().unwrap_or_default();
        if path.is_empty() {
            return Err(Error::unsupported(format!(
                "{}:: expected a path after the colon",
                form.transport()
            )));
        }
        let name = parts.next().map(String::from_utf8_lossy);
        Ok(Self {
            form,
            path: OsStr::from_bytes(path).into(),
            name: name.map(|name| checked_name(form, &name)).transpose()?,
        })
    }

    /// How it is stored.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The directory or file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the image is called there: a tag, in docker's archives a full name.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether it is standard output.
    pub fn is_stream(&self) -> bool {
        self.form != Form::Layout && self.path == Path::new("-")
    }
}

impl fmt::Display for ImageTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = escape_path(self.path.as_os_str().as_bytes());
        write!(f, "{}:{path}", self.form.transport())?;
        match &self.name {
            Some(name) => write!(f, ":{name}"),
            None => Ok(()),
        }
    }
}

/// Whether it is `PATH@DIGEST`, as images are named that are read. A name behind the path may end so.
fn ends_with_digest(details: &[u8]) -> bool {
    let Some(at) = details.iter().rposition(|&byte| byte == b'@') else {
        return false;
    };
    let (path, digest) = (&details[..at], &details[at + 1..]);
    let digest = std::str::from_utf8(digest).map(str::parse::<Digest>);
    !path.contains(&b':') && matches!(digest, Ok(Ok(_)))
}

/// What was meant by a path alone.
fn nearest(bytes: &[u8]) -> String {
    let is_path = !bytes.is_empty() && !bytes.contains(&b':');
    let shown = escape_path(bytes);
    match is_path {
        true if bytes.to_ascii_lowercase().ends_with(b".tar") => {
            format!(" (docker-archive:{shown} for docker load, or oci-archive:{shown})")
        }
        true => format!(" (oci:{shown} makes a directory, docker-archive:{shown} a file)"),
        false => String::new(),
    }
}

/// A name as it is written, or why it is none.
fn checked_name(form: Form, name: &str) -> Result<String> {
    let refused = |expected: &str| {
        Err(Error::unsupported(format!(
            "'{}': expected {expected}",
            shown(name)
        )))
    };
    if form == Form::DockerArchive {
        let reference: RegistryReference = name.parse()?;
        return match (reference.tag(), reference.digest()) {
            (Some(_), None) => Ok(reference.to_string()),
            _ => refused("a name with a tag for docker-archive:, without a digest"),
        };
    }
    match is_ref_name(name) {
        true => Ok(name.to_owned()),
        false => refused(
            "a tag of letters and digits, with one of . _ - : @ + or -- between them, and / between parts of it",
        ),
    }
}

/// Whether `org.opencontainers.image.ref.name` may be so (OCI image-spec, annotations.md).
fn is_ref_name(name: &str) -> bool {
    name.split('/').all(|component| {
        let mut was_word = false;
        let mut rest = component;
        while let Some(letter) = rest.chars().next() {
            if letter.is_ascii_alphanumeric() {
                was_word = true;
                rest = &rest[1..];
                continue;
            }
            let separator = if rest.starts_with("--") { 2 } else { 1 };
            if !was_word || !"-._:@+".contains(letter) {
                return false;
            }
            was_word = false;
            rest = &rest[separator..];
        }
        was_word
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Result<ImageTarget> {
        ImageTarget::parse(OsStr::new(text))
    }

    #[test]
    fn a_target_is_read_as_skopeo_reads_it() {
        for (text, form, path, name) in [
            ("oci:out", Form::Layout, "out", None),
            ("oci:/a/b:1.0", Form::Layout, "/a/b", Some("1.0")),
            ("oci:./-:x", Form::Layout, "./-", Some("x")),
            (
                "oci:a:docker.io/library/b:1@x",
                Form::Layout,
                "a",
                Some("docker.io/library/b:1@x"),
            ),
            (
                "oci-archive:a.tar:b--c",
                Form::OciArchive,
                "a.tar",
                Some("b--c"),
            ),
            ("docker-archive:a.tar", Form::DockerArchive, "a.tar", None),
            (
                "docker-archive:a.tar:alpine",
                Form::DockerArchive,
                "a.tar",
                Some("docker.io/library/alpine:latest"),
            ),
            (
                "docker-archive:a.tar:localhost:5000/b/c:1",
                Form::DockerArchive,
                "a.tar",
                Some("localhost:5000/b/c:1"),
            ),
            ("-", Form::DockerArchive, "-", None),
        ] {
            let target = target(text).unwrap();
            assert_eq!(target.form(), form, "{text}");
            assert_eq!(target.path(), Path::new(path), "{text}");
            assert_eq!(target.name(), name, "{text}");
        }
        assert!(target("-").unwrap().is_stream());
        assert!(target("oci-archive:-:x").unwrap().is_stream());
        let named = target("docker-archive:-:a:1").unwrap();
        assert!(named.is_stream());
        assert_eq!(named.name(), Some("docker.io/library/a:1"));
        assert!(!target("oci:./-").unwrap().is_stream());
    }

    #[test]
    fn what_is_no_target_is_refused_with_what_would_be_one() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, says) in [
            ("out", "expected oci:DIRECTORY[:TAG], docker-archive:FILE"),
            (
                "out",
                "(oci:out makes a directory, docker-archive:out a file)",
            ),
            (
                "a/e.tar",
                "(docker-archive:a/e.tar for docker load, or oci-archive:a/e.tar)",
            ),
            ("dir:out", "expected oci:DIRECTORY"),
            ("docker://a/b", "expected oci:DIRECTORY"),
            ("", "expected oci:DIRECTORY"),
            ("oci:", "oci:: expected a path"),
            ("oci::a", "oci:: expected a path"),
            ("oci:a:", "'': expected a tag"),
            ("oci:a:b c", "'b c': expected a tag"),
            ("oci:a:-b", "expected a tag"),
            ("oci:a:b..c", "expected a tag"),
            ("oci:a:b/", "expected a tag"),
            ("oci:a:ä", "expected a tag"),
            ("docker-archive:a:B", "no image name"),
            ("docker-archive:a:", "no image name"),
            (&format!("docker-archive:a:b@{digest}"), "without a digest"),
            (&format!("docker-archive:a@{digest}"), "without a digest"),
            (&format!("oci-archive:a@{digest}"), "without a digest"),
            (&format!("oci:a/b@{digest}"), "without a digest"),
        ] {
            let error = target(text).unwrap_err();
            assert_eq!(error.exit_code(), 5, "{text}");
            assert!(error.to_string().contains(says), "{text}: {error}");
        }
        for text in ["oci:-", "oci:-:x"] {
            let error = target(text).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{text}");
            let says = "found standard output, which takes archives alone";
            assert!(error.to_string().contains(says), "{text}: {error}");
        }
    }
}
