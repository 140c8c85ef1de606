//! apk's list of what is installed (apk-tools, "Apk spec": the installed database of version 2, which
//! version 3 keeps writing): a letter for each field.

use super::Reading;
use super::stanza::{Line, stanzas};
use crate::error::Result;

/// The older place, and that of roots whose `/lib` is in `/usr`.
const INSTALLED: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];

/// Reads what there is of it.
pub(super) fn read(reading: &mut Reading<'_>) -> Result<()> {
    for path in INSTALLED {
        if let Some(text) = reading.list(path)? {
            reading.begin("apk", path);
            add_all(reading, path, &text)?;
        }
    }
    Ok(())
}

fn add_all(reading: &mut Reading<'_>, path: &str, text: &[u8]) -> Result<()> {
    for stanza in stanzas(text) {
        let [mut name, mut version, mut arch] = [None::<&[u8]>; 3];
        for line in stanza {
            let Line::Field(key, value) = line else {
                reading.warn("a line of a list of packages has no key", path);
                continue;
            };
            let field = match key {
                b"P" => &mut name,
                b"V" => &mut version,
                b"A" => &mut arch,
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
        match name.filter(|name| !name.is_empty()) {
            Some(name) => {
                let values = [name, version.unwrap_or_default(), arch.unwrap_or_default()];
                reading.add(path, values)?;
            }
            None => reading.leave_out("a package has no name and is not listed", path),
        }
    }
    Ok(())
}
