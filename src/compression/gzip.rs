//! gzip with every member that is there (RFC 1952, 2.2), and strict about what comes after.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use super::GZIP;

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
                    Some(&first) if first != GZIP[0] => return Err(something_else()),
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
            return Err(something_else());
        }
        let length = available.len();
        stored.consume(length);
    }
}

fn something_else() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "something else than zero bytes after the last gzip member",
    )
}
