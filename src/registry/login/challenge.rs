//! What a registry wants to be shown: `WWW-Authenticate` (RFC 9110, 11.6.1; distribution's
//! "Token Authentication Specification").

use crate::registry::http::quoted;

/// One of the ways in that a server offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A name and a password.
    Basic,
    /// A token, to be had from `realm`.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

/// The challenges of all `WWW-Authenticate` headers that are understood, in their order. Of headers
/// that are no UTF-8 each byte is a letter, as in the Latin-1 of old.
pub(super) fn parse<'a>(headers: impl IntoIterator<Item = &'a [u8]>) -> Vec<Challenge> {
    let mut found = Vec::new();
    for header in headers {
        let header = match std::str::from_utf8(header) {
            Ok(text) => text.to_owned(),
            Err(_) => header.iter().copied().map(char::from).collect(),
        };
        let mut rest = Text(&header);
        while let Some((scheme, parameters)) = rest.challenge() {
            let value = |name: &str| {
                parameters
                    .iter()
                    .find(|(own, _)| own.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.clone())
            };
            if scheme.eq_ignore_ascii_case("basic") {
                found.push(Challenge::Basic);
            } else if scheme.eq_ignore_ascii_case("bearer")
                && let Some(realm) = value("realm")
            {
                found.push(Challenge::Bearer {
                    realm,
                    service: value("service"),
                    scope: value("scope"),
                });
            }
        }
    }
    found
}

/// What is left of a header.
struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    /// A scheme and its parameters.
    fn challenge(&mut self) -> Option<(&'a str, Vec<(&'a str, String)>)> {
        let scheme = self.scheme()?;
        let mut parameters = Vec::new();
        if self.token68() {
            return Some((scheme, parameters));
        }
        loop {
            let before = self.0;
            self.skip(", \t");
            match self.parameter() {
                Some(parameter) => parameters.push(parameter),
                // The next challenge's scheme, or what nobody understands.
                None => {
                    self.0 = before;
                    return Some((scheme, parameters));
                }
            }
        }
    }

    /// The next word, whatever stands before it that is none.
    fn scheme(&mut self) -> Option<&'a str> {
        loop {
            self.skip(", \t");
            if let Some(word) = self.word() {
                return Some(word);
            }
            let mut letters = self.0.chars();
            match letters.next()? {
                '"' => self.0 = quoted(letters.as_str())?.1,
                _ => self.0 = letters.as_str(),
            }
        }
    }

    /// Passes over what a scheme may have in place of parameters, as `YII/+a==`.
    fn token68(&mut self) -> bool {
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-._~+/".contains(letter);
        let Some(text) = self.0.strip_prefix([' ', '\t']) else {
            return false;
        };
        let text = text.trim_start_matches([' ', '\t']);
        let rest = text.trim_start_matches(is_part);
        let is_there = rest.len() < text.len();
        let rest = rest.trim_start_matches('=').trim_start_matches([' ', '\t']);
        let is_token = is_there && (rest.is_empty() || rest.starts_with(','));
        if is_token {
            self.0 = rest;
        }
        is_token
    }

    fn parameter(&mut self) -> Option<(&'a str, String)> {
        let name = self.word()?;
        self.skip(" \t");
        self.0 = self.0.strip_prefix('=')?;
        self.skip(" \t");
        if let Some(text) = self.0.strip_prefix('"') {
            let (value, rest) = quoted(text)?;
            self.0 = rest;
            return Some((name, value));
        }
        // A value without quotes may have more in it than a name.
        let end = self.0.find([',', ' ', '\t']).unwrap_or(self.0.len());
        let (value, rest) = self.0.split_at(end);
        self.0 = rest;
        Some((name, value.to_owned()))
    }

    fn word(&mut self) -> Option<&'a str> {
        let is_part =
            |letter: char| letter.is_ascii_alphanumeric() || "-._~+!#$%&'*^`|".contains(letter);
        let end = self
            .0
            .find(|letter| !is_part(letter))
            .unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }

    fn skip(&mut self, letters: &str) {
        self.0 = self.0.trim_start_matches(|letter| letters.contains(letter));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<'a>(headers: impl IntoIterator<Item = &'a str>) -> Vec<Challenge> {
        super::parse(headers.into_iter().map(str::as_bytes))
    }

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        }
    }

    #[test]
    fn a_bearer_challenge_has_realm_service_and_scope() {
        let docker = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull,push""#;
        let expected = bearer(
            "https://auth.docker.io/token",
            Some("registry.docker.io"),
            Some("repository:library/alpine:pull,push"),
        );
        assert_eq!(parse([docker]), [expected]);
        let loose =
            r#"  bearer   Realm = "http://h/t?a=\"b\"" , service=x.y:5000, error="invalid_token" "#;
        let expected = bearer("http://h/t?a=\"b\"", Some("x.y:5000"), None);
        assert_eq!(parse([loose]), [expected]);
    }

    #[test]
    fn several_challenges_stand_in_one_header_or_in_many() {
        let expected = [Challenge::Basic, bearer("r", None, None)];
        assert_eq!(parse([r#"Basic realm="a, b", Bearer realm="r""#]), expected);
        assert_eq!(
            parse([r#"Basic realm="x""#, r#"Bearer realm="r""#]),
            expected
        );
        assert_eq!(parse(["Negotiate, Basic"]), [Challenge::Basic]);
    }

    /// What stands beside a token68 was lost, as was a header with a letter of Latin-1 in it (Kerberos
    /// proxies and German realms in the field).
    #[test]
    fn what_other_schemes_bring_along_hides_no_challenge() {
        let expected = [Challenge::Basic, bearer("r", Some("s"), None)];
        for before in [
            "Negotiate",
            "Negotiate YIIB/abc+d==",
            "Negotiate YIIB/abc+d== ",
            "NTLM TlRM, Negotiate",
            r#"Digest realm="a\"b, Basic", nonce=x=y, qop="auth,auth-int""#,
            r#"Hawk =, "Basic" ;"#,
            r#"Bearer scope="x""#,
            "",
        ] {
            let header = format!(r#"{before}, Basic realm="x", Bearer realm="r" service=s"#);
            assert_eq!(parse([&header[..]]), expected, "{before}");
            let header = format!(r#"Basic realm="x", {before}, Bearer service=s,realm=r"#);
            assert_eq!(parse([&header[..]]), expected, "{before}");
        }
        let latin: &[u8] = b"Basic realm=\"Zugang f\xfcr alle\", Bearer realm=r, service=s";
        assert_eq!(super::parse([latin]), expected);
        let in_utf8 = parse([r#"Bearer realm="r", service="für""#]);
        assert_eq!(in_utf8, [bearer("r", Some("für"), None)]);
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        for header in [
            "",
            ",,,",
            "Bearer",
            "Bearer realm=",
            "=",
            "Digest realm=\"x",
            "\u{e9}",
            "Negotiate Basic",
            "\"Basic",
            "Digest realm=\"x, Basic",
            "Bearer service=\"s\"",
        ] {
            let found = parse([header]);
            let is_empty_realm = |challenge: &Challenge| *challenge == bearer("", None, None);
            assert!(
                found.is_empty() || found.iter().all(is_empty_realm),
                "{header}: {found:?}"
            );
        }
    }
}
