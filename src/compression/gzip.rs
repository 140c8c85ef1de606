//! gzip with every member that is there (RFC 1952, 2.2), and strict about what comes after.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// Decompresses member after member up to the end of `R`.
///
/// Zero bytes after the last member are passed over, as gzip itself does (tapes and some
/// registries pad); anything else there is an error, and so is a member that stops short.
pub(super) struct Gzip<R>(State<R>);

enum State<R> {
    /// Before a member's first byte, or after the last member.
    Between(R),
    Member(Box<GzDecoder<R>>),
    /// Only while one state becomes another.
    Moving,
}

impl<R: BufRead> Gzip<R> {
    pub(super) fn new(stored: R) -> Self {
        // What is called gzip has at least one member.
        Self(State::Member(Box::new(GzDecoder::new(stored))))
    }

    fn step(&mut self, step: impl FnOnce(State<R>) -> State<R>) {
        self.0 = step(std::mem::replace(&mut self.0, State::Moving));
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if target.is_empty() {
            return Ok(0);
        }
        loop {
            match &mut self.0 {
                State::Member(member) => {
                    let read = member.read(target)?;
                    if read > 0 {
                        return Ok(read);
                    }
                    self.step(|state| match state {
                        State::Member(member) => State::Between(member.into_inner()),
                        other => other,
                    });
                }
                State::Between(stored) => match stored.fill_buf()?.first() {
                    None => return Ok(0),
                    Some(0) => return pass_over_zeros(stored).map(|()| 0),
                    Some(_) => self.step(|state| match state {
                        State::Between(stored) => State::Member(Box::new(GzDecoder::new(stored))),
                        other => other,
                    }),
                },
                State::Moving => return Err(io::ErrorKind::Other.into()),
            }
        }
    }
}

fn pass_over_zeros(stored: &mut impl BufRead) -> io::Result<()> {
    loop {
        let available = stored.fill_buf()?;
        if available.is_empty() {
            return Ok(());
        }
        if available.iter().any(|byte| *byte != 0) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "something else than zero bytes after the last gzip member",
            ));
        }
        let length = available.len();
        stored.consume(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn member(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::GzBuilder::new()
            .filename("layer.tar")
            .comment("a comment")
            .extra(vec![1; 20])
            .write(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn decompress(stored: &[u8]) -> io::Result<Vec<u8>> {
        // A small buffer, so that members begin and end anywhere within it.
        let mut decompressed = Vec::new();
        Gzip::new(io::BufReader::with_capacity(7, stored)).read_to_end(&mut decompressed)?;
        Ok(decompressed)
    }

    #[test]
    fn all_members_are_read_also_empty_ones() {
        let stored = [member(b"one "), member(b""), member(b"two"), member(b"")].concat();
        assert_eq!(decompress(&stored).unwrap(), b"one two");
    }

    #[test]
    fn zeros_after_the_last_member_are_passed_over_and_nothing_else_is() {
        let padded = |padding: &[u8]| decompress(&[&member(b"x")[..], padding].concat());
        assert_eq!(padded(&[0; 1000]).unwrap(), b"x");
        for garbage in [
            &b"garbage"[..],
            b"\0\0\0\0\0\0\0\0\x01",
            b"\x1f",
            b"\x1f\x8b",
            b"\0\x1f\x8b\x08",
        ] {
            assert!(padded(garbage).is_err(), "{garbage:?}");
        }
        let again = [&[0; 3][..], &member(b"y")].concat();
        assert!(padded(&again).is_err());
    }

    #[test]
    fn a_member_cut_short_anywhere_or_changed_at_its_end_is_an_error() {
        let whole = [member(b"first"), member(&[7; 5000])].concat();
        let boundary = member(b"first").len();
        for length in (1..whole.len()).filter(|length| *length != boundary) {
            assert!(decompress(&whole[..length]).is_err(), "{length}");
        }
        for from_end in 1..=8 {
            let mut changed = whole.clone();
            let at = changed.len() - from_end;
            changed[at] ^= 1;
            assert!(decompress(&changed).is_err(), "{from_end}");
        }
    }
}
