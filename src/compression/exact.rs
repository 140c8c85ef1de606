//! zstd where it is known how much comes out of it (RFC 8878).

use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall;
use zstd::zstd_safe::{DCtx, get_error_name};

use crate::error::{Error, Result};

/// Decompresses frames into exactly `target`. Beyond the two there is next to no memory in use,
/// whatever window a frame asks for, and no more bytes are made than fit.
///
/// # Errors
/// [`Error::BadImage`] where the frames are broken, or hold more or fewer bytes; the target's are
/// nobody's then.
pub fn decompress_zstd_into(stored: &[u8], target: &mut [u8]) -> Result<()> {
    let expected = target.len();
    let wrong = |found: String| {
        Err(Error::bad_image(format!(
            "expected zstd frames of {expected} bytes, found {found}"
        )))
    };
    let Some(mut context) = DCtx::try_create() else {
        let error = std::io::Error::from(std::io::ErrorKind::OutOfMemory);
        return Err(Error::io("cannot decompress", error));
    };
    match context.decompress(target, stored) {
        Ok(found) if found == expected => Ok(()),
        Ok(found) => wrong(format!("{found}")),
        Err(code) if code == (ZSTD_error_dstSize_tooSmall as usize).wrapping_neg() => {
            wrong("more".to_owned())
        }
        Err(code) => wrong(get_error_name(code).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(stored: &[u8], length: usize) -> Result<Vec<u8>, String> {
        let mut target = vec![1; length];
        let done = decompress_zstd_into(stored, &mut target);
        done.map(|()| target).map_err(|error| {
            assert_eq!(error.exit_code(), 4);
            error.to_string()
        })
    }

    #[test]
    fn what_fits_comes_out_and_nothing_else_does() {
        let plain: Vec<u8> = (0..100_000_u32).map(|number| (number >> 5) as u8).collect();
        let one = zstd::encode_all(&plain[..], 3).unwrap();
        let two = [&one[..], b"\x50\x2a\x4d\x18\x02\0\0\0xx", &one].concat();
        assert_eq!(told(&one, plain.len()).unwrap(), plain);
        assert_eq!(told(&two, 2 * plain.len()).unwrap(), plain.repeat(2));
        for length in [0, 1, 99_999] {
            let error = told(&one, length).unwrap_err();
            assert!(
                error.ends_with(&format!("of {length} bytes, found more")),
                "{error}"
            );
        }
        let error = told(&one, 100_001).unwrap_err();
        assert!(error.ends_with("of 100001 bytes, found 100000"), "{error}");
        for broken in [&one[..one.len() - 1], &one[1..], b"plain text", b"\x1f\x8b"] {
            told(broken, plain.len()).unwrap_err();
        }
        assert_eq!(told(b"", 0).unwrap(), b"");
        told(b"", 1).unwrap_err();
    }

    #[test]
    fn a_bomb_costs_no_more_than_what_was_expected_of_it() {
        // A gigabyte of zeros in a window of 128 MiB.
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        std::io::copy(
            &mut std::io::Read::take(std::io::repeat(0), 1 << 30),
            &mut encoder,
        )
        .unwrap();
        let bomb = encoder.finish().unwrap();
        let error = told(&bomb, 1 << 20).unwrap_err();
        assert!(error.contains("found more"), "{error}");
    }
}
