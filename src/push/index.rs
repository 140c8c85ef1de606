//! An index that others write, too, under a tag.

use std::io;
use std::time::Duration;

use serde_json::Value;

use super::turns::Tags;
use crate::error::{Error, Result};
use crate::oci::document::MAX_DOCUMENT_BYTES;
use crate::oci::media_type::OCI_INDEX;
use crate::oci::{Digest, DigestHasher};

/// Registries have no way to change an index that nobody else changes meanwhile, and pushes of other
/// hosts do not wait for ours: what was written is looked at again, so often.
const TIMES: u32 = 8;

/// The time until then. Whoever read the index before it was written has written theirs by then, unless
/// that takes them longer.
const SETTLED: Duration = Duration::from_millis(400);

/// Reads the index of a tag, and writes what `change` makes of it, until `change` has nothing to change
/// any more. `change` gets what is there, `None` where there is nothing, and says `None` where that is
/// right. Gives the digest of what is there then, and whether anything was written.
///
/// # Errors
/// Those of the registry and of `change`; [`Error::Network`] where others change it all the time,
/// [`Error::Unsupported`] where it becomes too long.
pub(super) fn update(
    tags: &Tags<'_>,
    tag: &str,
    change: impl Fn(Option<&[u8]>) -> Result<Option<Value>>,
) -> Result<(Digest, bool)> {
    for times in 0..=TIMES {
        let turn = tags.turn(tag);
        let found = tags.repository.manifest(tag)?;
        let found = found.map(|(_, bytes)| bytes);
        check_objects(found.as_deref().unwrap_or_default(), tag)?;
        let Some(changed) = change(found.as_deref())? else {
            let bytes = found.unwrap_or_default();
            return Ok((DigestHasher::sha256().of(&bytes), times > 0));
        };
        let bytes = serde_json::to_vec(&changed)
            .map_err(|error| Error::Mismatch(format!("cannot make JSON: {error}")))?;
        if bytes.len() as u64 > MAX_DOCUMENT_BYTES {
            return Err(Error::unsupported(format!(
                "{tag}: expected an index of at most {MAX_DOCUMENT_BYTES} bytes, found one of {}",
                bytes.len()
            )));
        }
        if times < TIMES {
            tags.repository.put_manifest(tag, OCI_INDEX, &bytes)?;
            // Others of this host need not wait for those of another.
            drop(turn);
            std::thread::sleep(SETTLED + own_time(&bytes));
        }
    }
    Err(Error::network(
        format!("cannot change the index {tag}"),
        io::Error::other(format!("others changed it meanwhile, {TIMES} times")),
    ))
}

/// JSON objects that a document may have, which take memory each however short they are: three for each
/// entry of an index as long as one may be.
const MAX_OBJECTS: usize = 150_000;

/// Holds a document against [`MAX_OBJECTS`] before it is read.
///
/// # Errors
/// [`Error::BadImage`] where it has more.
pub(super) fn check_objects(bytes: &[u8], tag: &str) -> Result<()> {
    let found = bytes.iter().filter(|&&byte| byte == b'{').count();
    if found <= MAX_OBJECTS {
        return Ok(());
    }
    Err(Error::bad_image(format!(
        "{tag}: expected a manifest or index of at most {MAX_OBJECTS} JSON objects, found one of {found}"
    )))
}

/// Up to a quarter of a second, another for each that is written: two that overwrite each other do not
/// go on in step.
fn own_time(written: &[u8]) -> Duration {
    let digest = DigestHasher::sha256().of(written);
    let first = digest
        .digest()
        .get(..2)
        .map(|digits| u8::from_str_radix(digits, 16));
    let first = first.and_then(std::result::Result::ok);
    Duration::from_millis(first.unwrap_or(0).into())
}

/// The list of an index, which is made where there is none.
pub(super) fn manifests(index: &mut Value) -> Option<&mut Vec<Value>> {
    let list = index.as_object_mut()?.entry("manifests");
    let list = list.or_insert_with(|| Value::Array(Vec::new()));
    if list.is_null() {
        *list = Value::Array(Vec::new());
    }
    list.as_array_mut()
}
