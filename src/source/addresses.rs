//! Addresses as texts: what may be shown of them, and how anything becomes part of one.

/// An address that somebody typed or sent, whether it is one or not: without a name and password
/// before its host, and without its query, which may be a signature.
pub(super) fn without_secrets(text: &str) -> String {
    // A password may have any letter in it, also those that end a host.
    let (start, rest) = match text.rsplit_once('@') {
        Some((before, rest)) => match before.split_once("://") {
            Some((scheme, _)) => (format!("{scheme}://…@"), rest),
            None => ("…@".to_owned(), rest),
        },
        None => (String::new(), text),
    };
    let shown = rest.split(['?', '#']).next().unwrap_or(rest);
    format!("{start}{shown}")
}

/// A value for a query or a form: everything but unreserved letters as `%XX` (RFC 3986, 2.3).
pub(super) fn percent_encoded(text: impl AsRef<[u8]>) -> String {
    let mut encoded = String::new();
    for &byte in text.as_ref() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn neither_passwords_nor_signatures_are_shown() {
        for (text, shown) in [
            ("https://h/a", "https://h/a"),
            ("https://u:secret@h/a?sig=secret", "https://…@h/a"),
            ("https://u:se?cr/et#secret@h:1/a", "https://…@h:1/a"),
            ("https://secret@h", "https://…@h"),
            ("u:secret@h", "…@h"),
            ("//h/a?secret#secret", "//h/a"),
            ("/a?secret@", "…@"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(text), shown, "{text}");
        }
    }
}
