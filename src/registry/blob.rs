//! One blob, from the registry's first byte to its last: continued where it broke off, and held
//! against what the manifest says of it.

use std::io;
use std::path::Path;

use ureq::http::StatusCode;

use super::client::{Client, Waiting};
use super::http::{Request, Response, broke_off};
use super::kept::Kept;
use super::refusal;
use super::sink::Sink;
use super::trouble::{Failure, Trouble};
use crate::blobs::Arrival;
use crate::error::{Error, Result};
use crate::oci::Digest;
use crate::page_buffer::PageBuffer;

const BUFFER_BYTES: usize = 128 << 10;

/// So many bytes since it last broke off make a connection a good one, and its tries are counted
/// anew.
const GOOD_BYTES: u64 = 1 << 20;

/// A blob to be downloaded.
pub(super) struct Download<'a> {
    pub(super) client: &'a Client,
    pub(super) kept: &'a Kept,
    pub(super) work_dir: &'a Path,
    pub(super) digest: &'a Digest,
    pub(super) length_bytes: u64,
    pub(super) arrival: &'a Arrival,
    /// Told of every byte that is new; and of those that were in vain.
    pub(super) came: &'a dyn Fn(u64),
    pub(super) waiting: Waiting<'a>,
}

/// Why a download ended.
enum Ended {
    /// The registry gave something else than the manifest says. Once that may be an accident.
    Wrong(Error),
    Failed(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        match error {
            error @ Error::BadImage { .. } => Self::Wrong(error),
            error => Self::Failed(error),
        }
    }
}

impl Download<'_> {
    /// Downloads the blob and tells the arrival how far it is; that it is verified is left to the
    /// caller to tell.
    ///
    /// # Errors
    /// [`Error::BadImage`] where the registry twice gave something else than what the digest or the
    /// size says, [`Error::Io`] where it gives nothing.
    pub(super) fn run(&self) -> Result<()> {
        let keeps = || self.kept.cache().is_some();
        let did_keep = keeps();
        match self.attempt() {
            Ok(()) => Ok(()),
            // What it was written to was given up: from the start, to another place.
            Err(Ended::Failed(_)) if did_keep && !keeps() => self.run(),
            Err(Ended::Wrong(error)) => {
                self.waiting.reporter.note(&format!(
                    "{}: {error}; downloading it once more",
                    self.digest
                ));
                self.attempt().map_err(|ended| match ended {
                    Ended::Wrong(error) | Ended::Failed(error) => error,
                })
            }
            Err(Ended::Failed(error)) => Err(error),
        }
    }

    fn attempt(&self) -> std::result::Result<(), Ended> {
        let mut sink = Sink::new(self.kept, self.work_dir, self.digest, self.waiting.reporter)?;
        self.arrival.begin(sink.reader()?, false);
        let mut failed = 0;
        let mut good_at = 0;
        let mut by_range = true;
        while let Some(trouble) = self.continued(&mut sink, &mut by_range)? {
            if sink.written_bytes() >= good_at + GOOD_BYTES {
                failed = 0;
            }
            good_at = sink.written_bytes();
            failed += 1;
            self.client.wait_after(failed, trouble, self.waiting)?;
        }
        Ok(sink.finish()?)
    }

    /// Goes on where the last answer broke off; the trouble where this one did, too.
    fn continued(
        &self,
        sink: &mut Sink<'_>,
        by_range: &mut bool,
    ) -> std::result::Result<Option<Trouble>, Ended> {
        let written = sink.written_bytes();
        let url = self.client.server.url(&format!("blobs/{}", self.digest))?;
        let request = Request {
            from_byte: if *by_range && written < self.length_bytes {
                written
            } else {
                0
            },
            ..Request::default()
        };
        let mut response = match self.client.ask_afresh(&url, &request, self.waiting) {
            Ok(response) => response,
            Err(Failure::Final(error)) => return Err(error.into()),
            Err(Failure::Passing(trouble)) => {
                // It may be the part that it fails at.
                *by_range &= request.from_byte == 0 || !trouble.is_servers_failure();
                return Ok(Some(*trouble));
            }
        };
        let lost = |what: String| Trouble::new(&url, what, false);
        let starts_at = match self.starts_at(&response, request.from_byte)? {
            Some(starts_at) => starts_at,
            // It has another idea of ranges, or none: everything again, and what is here left out.
            None if *by_range && request.from_byte > 0 => {
                *by_range = false;
                let told = refusal::told(&mut response);
                return Ok(Some(lost(format!(
                    "a part was asked for and not given: {told}"
                ))));
            }
            None if response.status.is_success() => {
                let what = format!("expected the blob, found {}", response.status);
                return Err(Ended::Failed(self.failed(&what)));
            }
            None => return Err(Ended::Failed(self.client.refused(&mut response))),
        };
        // What is there already; the rest must fit to it, or the digest will not.
        let mut to_skip = written - starts_at;
        let mut buffer = PageBuffer::new(BUFFER_BYTES);
        loop {
            if (self.waiting.stop)() {
                return Err(Ended::Failed(Error::Cancelled));
            }
            let read = match response.body.read(&mut buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Ok(Some(lost(format!(
                        "broke off after {} of {} bytes: {}",
                        sink.written_bytes(),
                        self.length_bytes,
                        broke_off(&error)
                    ))));
                }
            };
            if read == 0 {
                let (written, length) = (sink.written_bytes(), self.length_bytes);
                let short = || lost(format!("ended after {written} of {length} bytes"));
                return Ok((written < length).then(short));
            }
            let skipped = usize::try_from(to_skip).map_or(read, |left| left.min(read));
            to_skip -= skipped as u64;
            let new = &buffer[skipped..read];
            let after = sink.written_bytes() + new.len() as u64;
            if after > self.length_bytes {
                return Err(Ended::Wrong(self.wrong_length("more")));
            }
            if new.is_empty() {
                continue;
            }
            sink.write(new)?;
            self.arrival.advance_to(after);
            (self.came)(new.len() as u64);
        }
    }

    /// The offset of the answer's first byte; `None` where it is not the one asked for.
    fn starts_at(
        &self,
        response: &Response,
        from_byte: u64,
    ) -> std::result::Result<Option<u64>, Ended> {
        let length = |name: &str| response.header(name)?.trim().parse::<u64>().ok();
        match response.status {
            StatusCode::OK => match length("content-length") {
                Some(found) if found != self.length_bytes => {
                    Err(Ended::Wrong(self.wrong_length(&found.to_string())))
                }
                _ => Ok(Some(0)),
            },
            StatusCode::PARTIAL_CONTENT => {
                let range = response.header("content-range").and_then(content_range);
                match range {
                    Some((_, Some(total))) if total != self.length_bytes => {
                        Err(Ended::Wrong(self.wrong_length(&total.to_string())))
                    }
                    Some((start, _)) if start == from_byte => Ok(Some(start)),
                    _ => Ok(None),
                }
            }
            StatusCode::NOT_FOUND if from_byte == 0 => {
                Err(Ended::Failed(Error::bad_image(format!(
                    "blob {}: absent in {}, although the manifest names it",
                    self.digest,
                    self.client.server.reference.full_repository()
                ))))
            }
            _ => Ok(None),
        }
    }

    fn wrong_length(&self, found: &str) -> Error {
        Error::bad_image(format!(
            "blob {}: expected {} bytes as the manifest says, found {found}",
            self.digest, self.length_bytes
        ))
    }

    fn failed(&self, what: &str) -> Error {
        Error::io(
            format!(
                "cannot read the blob {} of {}",
                self.digest,
                self.client.server.reference.full_repository()
            ),
            io::Error::other(what.to_owned()),
        )
    }
}

/// The first byte and the whole length in `bytes 0-99/1234` (RFC 9110, 14.4).
fn content_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end): (u64, u64) = (start.trim().parse().ok()?, end.trim().parse().ok()?);
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    (start <= end).then_some((start, total))
}

#[cfg(test)]
mod tests {
    use super::content_range;

    #[test]
    fn content_ranges_are_read_as_they_are_written() {
        assert_eq!(content_range("bytes 10-99/100"), Some((10, Some(100))));
        assert_eq!(content_range("bytes 0-0/*"), Some((0, None)));
        for wrong in [
            "",
            "bytes */100",
            "bytes 9-1/10",
            "bits 1-2/3",
            "bytes -1-2/3",
            "bytes 1-2",
        ] {
            assert_eq!(content_range(wrong), None, "{wrong}");
        }
    }
}
