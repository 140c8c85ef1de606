use std::io::Read;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const MIB: usize = 1 << 20;

/// Text, noise, written zeros and holes, over some blocks of either kind and a part of one.
fn sample(length: usize) -> File {
    let file = tempfile::tempfile().unwrap();
    file.set_len(length as u64).unwrap();
    let mut state = 1_u64;
    let mut at = 0;
    for piece in 0.. {
        if at >= length {
            break;
        }
        let size = [700_001, 5 * MIB, 300_000, 6 * MIB][piece % 4].min(length - at);
        let bytes: Vec<u8> = match piece % 4 {
            0 => b"some text and more "
                .iter()
                .copied()
                .cycle()
                .take(size)
                .collect(),
            2 => std::iter::repeat_with(|| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 56) as u8
            })
            .take(size)
            .collect(),
            3 => vec![0; size],
            _ => Vec::new(),
        };
        file.write_all_at(&bytes, at as u64).unwrap();
        at += size;
    }
    file
}

fn content(file: &File, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn encoded(file: &File, length: usize, encoding: Encoding, jobs: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut seen, mut target) = (Vec::new(), Vec::new());
    let mut streams = Streams {
        raw: &mut |bytes| seen.extend_from_slice(bytes),
        compressed: &mut |bytes| {
            target.extend_from_slice(bytes);
            Ok(())
        },
    };
    let jobs = NonZeroUsize::new(jobs).unwrap();
    encode(file, length as u64, encoding, jobs, &mut streams).unwrap();
    (seen, target)
}

fn decoded(bytes: &[u8], form: EncodingForm) -> Vec<u8> {
    let mut decoded = Vec::new();
    match form {
        // A single member: what stands behind it would be left out.
        EncodingForm::Gzip => flate2::read::GzDecoder::new(bytes)
            .read_to_end(&mut decoded)
            .unwrap(),
        EncodingForm::Zstd => zstd::Decoder::new(bytes)
            .unwrap()
            .read_to_end(&mut decoded)
            .unwrap(),
    };
    decoded
}

fn each() -> [Encoding; 5] {
    ["gzip", "gzip:1", "gzip:9", "zstd", "zstd:7"].map(|text| text.parse().unwrap())
}

#[test]
fn what_comes_out_is_what_went_in_and_the_same_for_any_number_of_threads() {
    for length in [1, 4 * MIB, 4 * MIB + 1, 14 * MIB + 12_345] {
        let file = sample(length);
        let expected = content(&file, length);
        for encoding in each() {
            let (seen, one) = encoded(&file, length, encoding, 1);
            assert!(seen == expected, "{encoding} {length}");
            assert!(
                decoded(&one, encoding.form()) == expected,
                "{encoding} {length}"
            );
            for jobs in [2, 5] {
                let (seen, more) = encoded(&file, length, encoding, jobs);
                assert!(seen == expected, "{encoding} {length} {jobs}");
                assert!(more == one, "{encoding} {length} {jobs}");
            }
        }
    }
}

/// Gives a few bytes at a time, as a pipe does, and is interrupted now and then.
struct Dripping<'a>(&'a [u8], usize);

impl Read for Dripping<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 += 1;
        if self.1.is_multiple_of(5) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = self.0.len().min(buffer.len()).min(99_991);
        buffer[..length].copy_from_slice(&self.0[..length]);
        self.0 = &self.0[length..];
        Ok(length)
    }
}

#[test]
fn a_stream_gives_what_a_file_with_the_same_bytes_gives() {
    for length in [0, 1, 4 * MIB, 14 * MIB + 12_345] {
        let file = sample(length);
        let expected = content(&file, length);
        for encoding in each() {
            let of_file = encoded(&file, length, encoding, 2);
            for jobs in [1, 3] {
                let (mut seen, mut target) = (Vec::new(), Vec::new());
                let mut streams = Streams {
                    raw: &mut |bytes| seen.extend_from_slice(bytes),
                    compressed: &mut |bytes| {
                        target.extend_from_slice(bytes);
                        Ok(())
                    },
                };
                let jobs = NonZeroUsize::new(jobs).unwrap();
                let mut stream = Dripping(&expected, 0);
                encode_stream(&mut stream, encoding, jobs, &mut streams).unwrap();
                assert!((seen, target) == of_file, "{encoding} {length} {jobs}");
            }
        }
    }
}

#[test]
fn a_stream_that_fails_ends_everything() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::TimedOut.into())
        }
    }
    for jobs in [1, 2] {
        let jobs = NonZeroUsize::new(jobs).unwrap();
        let mut streams = Streams {
            raw: &mut |_| {},
            compressed: &mut |_| Ok(()),
        };
        let failed = encode_stream(&mut Failing, each()[0], jobs, &mut streams);
        assert!(matches!(failed, Err(EncodeError::Read(_))), "{failed:?}");
    }
}

#[test]
fn holes_and_written_zeros_give_the_same_bytes() {
    let length = 9 * MIB;
    let holes = tempfile::tempfile().unwrap();
    holes.set_len(length as u64).unwrap();
    holes.write_all_at(b"end", length as u64 - 3).unwrap();
    let zeros = tempfile::tempfile().unwrap();
    zeros.write_all_at(&content(&holes, length), 0).unwrap();
    for encoding in each() {
        let of_holes = encoded(&holes, length, encoding, 2);
        assert!(
            of_holes == encoded(&zeros, length, encoding, 2),
            "{encoding}"
        );
        assert!(
            of_holes.1.len() < 120_000,
            "{encoding}: {}",
            of_holes.1.len()
        );
    }
}

#[test]
fn a_reader_or_a_writer_that_fails_ends_everything() {
    let length = 40 * MIB;
    let file = sample(length);
    for encoding in ["gzip", "zstd"].map(|text| text.parse::<Encoding>().unwrap()) {
        for jobs in [1, 2, 8] {
            let jobs = NonZeroUsize::new(jobs).unwrap();
            let calls = AtomicUsize::new(0);
            let mut streams = Streams {
                raw: &mut |_| {},
                compressed: &mut |_| match calls.fetch_add(1, Ordering::Relaxed) {
                    0..3 => Ok(()),
                    _ => Err(io::ErrorKind::StorageFull.into()),
                },
            };
            let failed = encode(&file, length as u64, encoding, jobs, &mut streams);
            assert!(matches!(failed, Err(EncodeError::Write(_))), "{failed:?}");
            assert_eq!(calls.load(Ordering::Relaxed), 4);
            // A file that is shorter than was said.
            let mut streams = Streams {
                raw: &mut |_| {},
                compressed: &mut |_| Ok(()),
            };
            let failed = encode(&file, length as u64 + 1, encoding, jobs, &mut streams);
            assert!(matches!(failed, Err(EncodeError::Read(_))), "{failed:?}");
        }
    }
}

#[test]
fn an_encoding_is_read_as_it_is_written_and_nothing_else_is() {
    for (text, shown) in [
        ("gzip", "gzip:6"),
        ("gzip:9", "gzip:9"),
        ("zstd", "zstd:3"),
        ("zstd:22", "zstd:22"),
    ] {
        assert_eq!(text.parse::<Encoding>().unwrap().to_string(), shown);
        assert_eq!(shown.parse::<Encoding>().unwrap().to_string(), shown);
    }
    for (text, says) in [
        ("", "expected gzip or zstd"),
        ("xz", "expected gzip or zstd"),
        ("zstd:", "from 1 to 22, found ''"),
        ("zstd:23", "from 1 to 22, found '23'"),
        ("zstd:-1", "found '-1'"),
        ("gzip:0", "from 1 to 9, found '0'"),
        ("gzip:10", "found '10'"),
        ("gzip:6:6", "found '6:6'"),
    ] {
        let error = text.parse::<Encoding>().unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn threads_are_as_many_as_memory_has_room_for() {
    let threads = |text: &str, jobs| {
        let encoding: Encoding = text.parse().unwrap();
        encoding.threads(NonZeroUsize::new(jobs).unwrap())
    };
    assert_eq!([threads("gzip", 2), threads("zstd:19", 2)], [2, 2]);
    assert_eq!(
        [
            threads("gzip", 999),
            threads("zstd", 999),
            threads("zstd:22", 999)
        ],
        [170, 21, 5]
    );
}

#[test]
fn zstds_tables_take_no_more_than_they_are_counted_with() {
    for level in 1..=22 {
        let encoding = Encoding::new(EncodingForm::Zstd, Some(level)).unwrap();
        let mut encoder = Encoder::new(encoding).unwrap();
        encoder.zeros(encoding).unwrap();
        let Encoder::Zstd(mut compressor) = encoder else {
            panic!("{encoding}");
        };
        let taken = compressor.context_mut().sizeof();
        let counted = encoding.tables_bytes();
        assert!(
            (1..=counted).contains(&taken),
            "{encoding}: {taken} of {counted}"
        );
    }
}
