//! From stored bytes to the uncompressed ones, whichever the compression.

use std::io::{self, Read};

use super::Compression;
use super::gzip::Gzip;
use super::stored::{Stored, StoredBytes, own};
use super::zstd::Zstd;
use crate::error::{Error, Result};
use crate::limits::Limits;

/// Reads the uncompressed bytes, up to the end of the stored ones.
pub struct Decompressor<S>(Decoder<S>);

enum Decoder<S> {
    None(Stored<S>),
    Gzip(Gzip<Stored<S>>),
    Zstd(Box<Zstd<Stored<S>>>),
}

impl<S: StoredBytes> Decompressor<S> {
    /// Of what is compressed so.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a window limit outside zstd's range.
    pub fn new(source: S, compression: Compression, limits: &Limits) -> Result<Self> {
        let stored = Stored::new(source);
        Ok(Self(match compression {
            Compression::None => Decoder::None(stored),
            Compression::Gzip => Decoder::Gzip(Gzip::new(stored)),
            Compression::Zstd => Decoder::Zstd(Box::new(Zstd::new(stored, limits)?)),
        }))
    }

    /// Whether the bytes are others than the stored ones.
    pub fn is_compressed(&self) -> bool {
        !matches!(self.0, Decoder::None(_))
    }

    /// Fills `target` with the next bytes as far as there are any; gives how many.
    ///
    /// # Errors
    /// [`Error::BadImage`] for a stream that is broken, ends too early, is followed by something
    /// else or wants too large a window, [`Error::Io`] without memory for it; those of the source.
    pub fn fill(&mut self, target: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < target.len() {
            match self.read(&mut target[filled..])? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(filled)
    }

    fn read(&mut self, target: &mut [u8]) -> Result<usize> {
        match &mut self.0 {
            Decoder::None(stored) => stored.read(target),
            Decoder::Gzip(gzip) => gzip.read(target),
            Decoder::Zstd(zstd) => return zstd.read(target),
        }
        .map_err(|error| own(error).unwrap_or_else(|error| broken_gzip(&error)))
    }
}

fn broken_gzip(error: &io::Error) -> Error {
    let found = match error.kind() {
        io::ErrorKind::UnexpectedEof => "its end in the middle".to_owned(),
        _ => error.to_string(),
    };
    Error::bad_image(format!("expected a whole gzip stream, found {found}"))
}

#[cfg(test)]
mod tests {
    use super::super::MAGIC_BYTES;
    use super::*;
    use std::io::Write;

    /// Gives a few bytes at a time, and in the end perhaps an error.
    struct Dribble<'a> {
        bytes: &'a [u8],
        fails: bool,
    }

    impl StoredBytes for Dribble<'_> {
        fn next(&mut self, buffer: &mut [u8]) -> Result<usize> {
            if self.bytes.is_empty() && self.fails {
                return Err(Error::Tool("the disk is on fire".to_owned()));
            }
            let length = self.bytes.len().min(buffer.len()).min(3);
            buffer[..length].copy_from_slice(&self.bytes[..length]);
            self.bytes = &self.bytes[length..];
            Ok(length)
        }
    }

    fn decompress_from(source: Dribble<'_>, limits: &Limits) -> Result<Vec<u8>> {
        let head = &source.bytes[..source.bytes.len().min(MAGIC_BYTES)];
        let compression = Compression::of(head)?;
        let mut decompressor = Decompressor::new(source, compression, limits)?;
        let mut bytes = Vec::new();
        let mut buffer = [0; 100];
        loop {
            match decompressor.fill(&mut buffer)? {
                0 => return Ok(bytes),
                read => bytes.extend_from_slice(&buffer[..read]),
            }
        }
    }

    fn decompress(bytes: &[u8]) -> Result<Vec<u8>> {
        let fails = false;
        decompress_from(Dribble { bytes, fails }, &Limits::default())
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::GzBuilder::new()
            .filename("layer.tar")
            .comment("a comment")
            .extra(vec![1; 20])
            .write(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 3).unwrap()
    }

    #[test]
    fn every_gzip_member_and_every_zstd_frame_is_read_and_so_is_what_is_not_compressed() {
        let large: Vec<u8> = (0..300_000_u32).map(|index| (index >> 3) as u8).collect();
        assert_eq!(decompress(b"").unwrap(), b"");
        assert!(decompress(&large).unwrap() == large);
        let skippable = b"\x50\x2a\x4d\x18\x02\0\0\0xx";
        for stored in [
            [gzip(&large), gzip(b""), gzip(b"end")].concat(),
            [gzip(&large), gzip(b"end"), vec![0; 1024]].concat(),
            [zstd(&large), zstd(b""), zstd(b"end")].concat(),
            [skippable, &zstd(&large)[..], skippable, &zstd(b"end")].concat(),
        ] {
            assert!(decompress(&stored).unwrap() == [&large, &b"end"[..]].concat());
        }
    }

    #[test]
    fn what_is_cut_short_or_followed_by_something_else_is_refused() {
        for (whole, name) in [(gzip(&[7; 9000]), "gzip"), (zstd(&[7; 9000]), "zstd")] {
            let refused = |stored: &[u8]| {
                let error = decompress(stored).unwrap_err();
                assert_eq!(error.exit_code(), 4);
                let text = error.to_string();
                assert!(text.contains(&format!("whole {name} stream")), "{text}");
            };
            for length in 10..whole.len() {
                refused(&whole[..length]);
                refused(&[&whole[..], &whole[..length]].concat());
            }
            for garbage in [&b"garbage"[..], b"x", b"\0\0\0\x01", &whole[..7]] {
                refused(&[&whole[..], garbage].concat());
            }
            // Garbage of a few bytes was told as a stream that ends in the middle.
            if name == "gzip" {
                for garbage in [&b"x"[..], b"\0x", b"garbage", &[b'g'; 100]] {
                    let error = decompress(&[&whole[..], garbage].concat()).unwrap_err();
                    let text = error.to_string();
                    assert!(text.contains("found something else"), "{text}");
                }
                let error = decompress(&[&whole[..], &whole[..7]].concat()).unwrap_err();
                assert!(
                    error.to_string().ends_with("its end in the middle"),
                    "{error}"
                );
            }
        }
        let whole = gzip(&[7; 9000]);
        let again = [&[0; 3][..], &whole].concat();
        for garbage in [&b"\x1f"[..], b"\x1f\x8b", b"\0\x1f\x8b\x08", &again] {
            assert!(decompress(&[&whole[..], garbage].concat()).is_err());
        }
        for from_end in 1..=8 {
            let mut changed = whole.clone();
            let at = changed.len() - from_end;
            changed[at] ^= 1;
            assert!(decompress(&changed).is_err(), "{from_end}");
        }
    }

    #[test]
    fn why_nothing_more_could_be_read_is_told_whichever_the_decoder() {
        let large: Vec<u8> = (0..30_000_u32).map(|index| (index * index) as u8).collect();
        for whole in [large.clone(), gzip(&large), zstd(&large)] {
            for length in [4, 12, whole.len() / 2, whole.len()] {
                let bytes = &whole[..length];
                let source = Dribble { bytes, fails: true };
                let error = decompress_from(source, &Limits::default()).unwrap_err();
                assert_eq!(error.to_string(), "the disk is on fire", "{length}");
            }
        }
    }

    #[test]
    fn a_zstd_window_beyond_the_limit_is_refused_by_that_limit_and_so_is_a_limit_beyond_zstds() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(24).unwrap();
        encoder.write_all(&[1; 1000]).unwrap();
        let bytes = &encoder.finish().unwrap();
        let within = |max_zstd_window_log| {
            let limits = Limits {
                max_zstd_window_log,
                ..Limits::default()
            };
            decompress_from(
                Dribble {
                    bytes,
                    fails: false,
                },
                &limits,
            )
        };
        assert_eq!(within(24).unwrap(), [1; 1000]);
        for (log, code, expected) in [
            (
                23,
                4,
                "at most 2^23 bytes, found a larger one (--max-zstd-window-log",
            ),
            (40, 5, "--max-zstd-window-log: expected 10 to 31, found 40"),
            (9, 5, "--max-zstd-window-log: expected 10 to 31, found 9"),
        ] {
            let error = within(log).unwrap_err();
            assert_eq!(error.exit_code(), code);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
