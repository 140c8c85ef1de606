//! What a registry wants to be shown: `WWW-Authenticate` (RFC 9110, 11.6.1; distribution's
//! "Token Authentication Specification").

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

/// The challenges of all `WWW-Authenticate` headers that are understood, in their order.
pub(super) fn parse<'a>(headers: impl IntoIterator<Item = &'a str>) -> Vec<Challenge> {
    let mut found = Vec::new();
    for header in headers {
        let mut rest = Text(header);
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
        self.skip(", \t");
        let scheme = self.word()?;
        let mut parameters = Vec::new();
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

    fn parameter(&mut self) -> Option<(&'a str, String)> {
        let name = self.word()?;
        self.skip(" \t");
        self.0 = self.0.strip_prefix('=')?;
        self.skip(" \t");
        if let Some(quoted) = self.0.strip_prefix('"') {
            let mut value = String::new();
            let mut letters = quoted.char_indices();
            while let Some((at, letter)) = letters.next() {
                match letter {
                    '"' => {
                        self.0 = &quoted[at + 1..];
                        return Some((name, value));
                    }
                    '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
                    letter => value.push(letter),
                }
            }
            return None;
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
