//! Digests of which only the first digits are typed, as programs show them.

/// How many hexadecimal digits a digest has.
const DIGITS: [(&str, usize); 2] = [("sha256", 64), ("sha512", 128)];

/// The fewest digits of an image's ID that programs show.
const MIN_ID_DIGITS: usize = 12;

/// What is wrong with `ALGORITHM:DIGITS` that has another number of digits than its algorithm.
pub fn cut_digest(text: &str) -> Option<String> {
    let (algorithm, found) = text.split_once(':')?;
    let (_, expected) = DIGITS.iter().find(|(name, _)| *name == algorithm)?;
    let is_cut = found.len() != *expected && is_hexadecimal(found);
    is_cut.then(|| {
        format!(
            "a {algorithm} digest has {expected} hexadecimal digits, found {} of them",
            found.len()
        )
    })
}

/// Whether a name is the ID of an image, whole or its first digits, with or without `sha256:`. No
/// registry knows images by these.
pub fn is_image_id(name: &str) -> bool {
    let digits = name.strip_prefix("sha256:").unwrap_or(name);
    (MIN_ID_DIGITS..=DIGITS[0].1).contains(&digits.len()) && is_hexadecimal(digits)
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_cut_where_its_algorithm_has_more_digits() {
        let told = cut_digest("sha256:abc").unwrap();
        assert!(told.contains("64") && told.contains("found 3"), "{told}");
        for cut in [
            "sha256:",
            "sha512:0123",
            &format!("sha256:{}", "0".repeat(65)),
        ] {
            assert!(cut_digest(cut).is_some(), "{cut}");
        }
        for other in ["sha256", "md5:abc", "sha256:xyz", "sha256:ab/c"] {
            assert_eq!(cut_digest(other), None, "{other}");
        }
        assert_eq!(cut_digest(&format!("sha256:{}", "0".repeat(64))), None);
    }

    #[test]
    fn an_image_id_has_twelve_digits_at_least() {
        let whole = "0".repeat(64);
        for id in ["0123456789ab", "sha256:0123456789ab", &*whole] {
            assert!(is_image_id(id), "{id}");
        }
        for name in [
            "debian",
            "cafe",
            "0123456789a",
            "0123456789ag",
            "a:0123456789ab",
        ] {
            assert!(!is_image_id(name), "{name}");
        }
        assert!(!is_image_id(&"0".repeat(65)));
    }
}
