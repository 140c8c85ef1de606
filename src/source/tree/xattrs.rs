//! Extended attributes as pax records, in the form `getxattr` gives them.

use std::path::Path;

use rustix::fs::{lgetxattr, llistxattr};
use rustix::io::Errno;

use crate::error::{Error, Result, escape_path};

/// A key and a value.
type Record = (Vec<u8>, Vec<u8>);

/// One `SCHILY.xattr.` record for each attribute of `path`, by the bytes of their names. A
/// symbolic link is not followed.
pub(super) fn records(path: &Path) -> Result<Vec<Record>> {
    let failed = |error: Errno| Error::path("read the extended attributes of", path, error.into());
    let names = match read_whole(|buffer| llistxattr(path, buffer)) {
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        names => names.map_err(failed)?,
    };
    let mut names: Vec<_> = names
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    let record = |name: &[u8]| {
        if name.contains(&b'=') {
            return Err(Error::unsupported(format!(
                "{}: an extended attribute with '=' in its name, {}, which a tar cannot hold",
                path.display(),
                escape_path(name)
            )));
        }
        let value = read_whole(|buffer| lgetxattr(path, name, buffer)).map_err(failed)?;
        Ok(([b"SCHILY.xattr.", name].concat(), value))
    };
    names.into_iter().map(record).collect()
}

/// Calls `read` with a buffer that holds all it has to say: the kernel's ceiling for names and
/// values both.
fn read_whole(read: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 256];
    loop {
        match read(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            Err(Errno::RANGE) if buffer.len() < 65_536 => buffer.resize(65_536, 0),
            Err(error) => return Err(error),
        }
    }
}
