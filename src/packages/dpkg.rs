//! dpkg's status (dpkg(1), deb-control(5)), and distroless' `status.d` with a file for each package.

use super::stanza::{Line, stanzas};
use super::{Looked, Reading};
use crate::error::{Result, escape_path};

const STATUS: &str = "var/lib/dpkg/status";
const STATUS_DIRECTORY: &str = "var/lib/dpkg/status.d";
/// What dpkg has not yet put into the status.
const UPDATES: &str = "var/lib/dpkg/updates";

/// Reads what there is of it.
pub(super) fn read(reading: &mut Reading<'_>) -> Result<()> {
    if let Some(text) = reading.list(STATUS)? {
        reading.begin("dpkg", STATUS);
        add_all(reading, STATUS, &text, false)?;
    }
    if let Looked::Directory(names) = reading.root.look(STATUS_DIRECTORY.as_bytes(), 0)? {
        reading.begin("dpkg", STATUS_DIRECTORY);
        // A package's file has its checksums beside it.
        for name in names.iter().filter(|name| !name.ends_with(b".md5sums")) {
            let Ok(name) = std::str::from_utf8(name) else {
                let path = format!("{STATUS_DIRECTORY}/{}", escape_path(name));
                reading.leave_out(
                    "a list of packages has no printable name and is not read",
                    &path,
                );
                continue;
            };
            let path = format!("{STATUS_DIRECTORY}/{name}");
            if let Some(text) = reading.list(&path)? {
                add_all(reading, &path, &text, true)?;
            }
        }
    }
    if let Looked::Directory(names) = reading.root.look(UPDATES.as_bytes(), 0)? {
        let is_update = |name: &[u8]| !name.is_empty() && name.iter().all(u8::is_ascii_digit);
        if names.iter().any(|name| is_update(name)) {
            reading.leave_out(
                "dpkg was interrupted, and what is only in its updates is not listed",
                UPDATES,
            );
        }
    }
    Ok(())
}

/// Fields of a package, as far as they matter here.
#[derive(Default)]
struct Fields<'a> {
    package: Option<&'a [u8]>,
    status: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    architecture: Option<&'a [u8]>,
}

/// Adds the installed packages of a list; one without a status is `installed_unless_told`.
fn add_all(
    reading: &mut Reading<'_>,
    path: &str,
    text: &[u8],
    installed_unless_told: bool,
) -> Result<()> {
    for stanza in stanzas(text) {
        let mut fields = Fields::default();
        for line in stanza {
            let (key, value) = match line {
                Line::Field(key, value) => (key, value),
                Line::More => continue,
                Line::Other => {
                    reading.warn("a line of a list of packages has no key", path);
                    continue;
                }
            };
            let field = match &key.to_ascii_lowercase()[..] {
                b"package" => &mut fields.package,
                b"status" => &mut fields.status,
                b"version" => &mut fields.version,
                b"architecture" => &mut fields.architecture,
                _ => continue,
            };
            if field.is_some() {
                reading.warn(
                    "a package has a field twice, of which the first counts",
                    path,
                );
            } else {
                *field = Some(value);
            }
        }
        let is_installed = match fields.status {
            // What is wanted, whether that is in order, and what is.
            Some(status) => match status.rsplit(u8::is_ascii_whitespace).next() {
                Some(b"installed") => true,
                Some(b"not-installed" | b"config-files") => false,
                _ => {
                    reading.warn("a package is not wholly installed and is not listed", path);
                    false
                }
            },
            None => installed_unless_told,
        };
        let name = fields.package.filter(|name| !name.is_empty());
        match name {
            Some(name) if is_installed => {
                let [version, arch] = [fields.version, fields.architecture];
                let values = [name, version.unwrap_or_default(), arch.unwrap_or_default()];
                reading.add(path, values)?;
            }
            Some(_) => {}
            None => reading.leave_out("a package has no name and is not listed", path),
        }
    }
    Ok(())
}
