//! URLs, as far as registries need them (RFC 3986).

use std::fmt;

use ureq::http::Uri;

use crate::error::Error;
use crate::network::percent_encoded;
use crate::oci::is_loopback;

/// An absolute `http:` or `https:` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::registry) struct Url(Uri);

impl Url {
    /// An absolute URL; `None` for anything else, and for one with a name and password in it.
    pub(in crate::registry) fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let authority = uri.authority()?.as_str();
        // Nor is anything escaped in a host's name.
        let has_more = authority.contains(['@', '%']);
        (is_http && !has_more && names_a_server(authority)).then_some(Self(uri))
    }

    /// Where a `Location` or `Link` in an answer from this URL leads (RFC 3986, 5.2).
    pub(in crate::registry) fn join(&self, location: impl AsRef<[u8]>) -> Option<Self> {
        let location = escaped(location.as_ref());
        self.resolved(&location)?.without_dots()
    }

    fn resolved(&self, location: &str) -> Option<Self> {
        let is_absolute = location
            .split_once(':')
            .is_some_and(|(scheme, _)| !scheme.contains(['/', '?']));
        if is_absolute {
            return Self::parse(location);
        }
        let scheme = self.0.scheme_str()?;
        if let Some(rest) = location.strip_prefix("//") {
            return Self::parse(&format!("{scheme}://{rest}"));
        }
        let origin = format!("{scheme}://{}", self.0.authority()?);
        let path = self.0.path();
        let directory = path.rfind('/').map_or("/", |at| &path[..=at]);
        Self::parse(&match location.chars().next() {
            Some('/') => format!("{origin}{location}"),
            Some('?') => format!("{origin}{path}{location}"),
            _ => format!("{origin}{directory}{location}"),
        })
    }

    /// The same without `.` and `..` in its path (RFC 3986, 5.2.4).
    fn without_dots(self) -> Option<Self> {
        let path = self.0.path();
        if !path.contains("/.") {
            return Some(self);
        }
        let mut kept: Vec<&str> = Vec::new();
        let mut components = path.split('/').skip(1).peekable();
        while let Some(component) = components.next() {
            let is_dots = component == "." || component == "..";
            if component == ".." {
                kept.pop();
            }
            if !is_dots {
                kept.push(component);
            } else if components.peek().is_none() {
                kept.push("");
            }
        }
        let query = self.0.query().map(|query| format!("?{query}"));
        Self::parse(&format!(
            "{}://{}/{}{}",
            self.0.scheme_str()?,
            self.0.authority()?,
            kept.join("/"),
            query.unwrap_or_default()
        ))
    }

    pub(in crate::registry) fn is_tls(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// The host as in the URL, an IPv6 address in brackets.
    pub(in crate::registry) fn host(&self) -> &str {
        self.0.host().unwrap_or_default()
    }

    /// The port, also where it is the scheme's own.
    pub(in crate::registry) fn port(&self) -> u16 {
        let usual = if self.is_tls() { 443 } else { 80 };
        self.0.port_u16().unwrap_or(usual)
    }

    pub(in crate::registry) fn is_loopback(&self) -> bool {
        is_loopback(self.host())
    }

    /// Whether both are one server's, so that what one may know the other may.
    pub(in crate::registry) fn has_origin_of(&self, other: &Self) -> bool {
        let same_host = self.host().eq_ignore_ascii_case(other.host());
        same_host && (self.is_tls(), self.port()) == (other.is_tls(), other.port())
    }

    /// With more parameters in its query.
    pub(in crate::registry) fn with_query(&self, parameters: &[(&str, &[u8])]) -> Option<Self> {
        let mut text = self.to_string();
        let mut separator = if self.0.query().is_some() { '&' } else { '?' };
        for (name, value) in parameters {
            text.push(separator);
            text.push_str(&format!("{name}={}", percent_encoded(value)));
            separator = '&';
        }
        Self::parse(&text)
    }

    /// The same path and query on another URL's server.
    pub(in crate::registry) fn on_server_of(&self, other: &Self) -> Option<Self> {
        let scheme = other.0.scheme_str()?;
        let path = self.0.path_and_query()?;
        Self::parse(&format!("{scheme}://{}{path}", other.0.authority()?))
    }

    /// The error for what cannot be read from there.
    pub(in crate::registry) fn unreadable(&self, why: impl Into<String>) -> Error {
        self.unreadable_as(std::io::ErrorKind::Other, why)
    }

    /// The same of a kind of its own.
    pub(in crate::registry) fn unreadable_as(
        &self,
        kind: std::io::ErrorKind,
        why: impl Into<String>,
    ) -> Error {
        let source = std::io::Error::new(kind, why.into());
        Error::io(self.cannot_read(), source)
    }

    pub(in crate::registry) fn cannot_read(&self) -> String {
        format!("cannot read {}", self.shown())
    }

    /// For an error: without the query, which may be a secret signature.
    pub(in crate::registry) fn shown(&self) -> String {
        let scheme = self.0.scheme_str().unwrap_or_default();
        let authority = self
            .0
            .authority()
            .map_or("", |authority| authority.as_str());
        format!("{scheme}://{authority}{}", self.0.path())
    }
}

/// A location as it is sent on: without its fragment, and with `%XX` for what servers put into their
/// headers and no URL has in it, as a file's name in the query of a signed one.
fn escaped(location: &[u8]) -> String {
    let location = location.split(|&byte| byte == b'#').next();
    let mut text = String::new();
    for &byte in location.unwrap_or_default().trim_ascii() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// Whether this is a host, with or without a port that there can be. A port that is none is none of
/// a URL's to leave out: who is asked at another would be somebody else.
pub(super) fn names_a_server(authority: &str) -> bool {
    let (host, rest) = match authority.find(']') {
        Some(end) => authority.split_at(end + 1),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let is_port = match rest.strip_prefix(':') {
        // As good as left out (RFC 3986, 3.2.3).
        Some("") => true,
        Some(port) => {
            port.bytes().all(|byte| byte.is_ascii_digit())
                && port.parse::<u16>().is_ok_and(|port| port > 0)
        }
        None => rest.is_empty(),
    };
    !host.is_empty() && is_port
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn locations_are_resolved_as_browsers_do() {
        let base = url("https://host:5000/v2/a/tags/list?n=2");
        for (location, joined) in [
            ("https://other/x?y#z", "https://other/x?y"),
            ("//other/x", "https://other/x"),
            ("/v2/b?last=a:b", "https://host:5000/v2/b?last=a:b"),
            ("?last=x", "https://host:5000/v2/a/tags/list?last=x"),
            ("next", "https://host:5000/v2/a/tags/next"),
            ("../b/./c", "https://host:5000/v2/a/b/c"),
            ("/x/../../y/..", "https://host:5000/"),
            ("..?last=../x", "https://host:5000/v2/a/?last=../x"),
            ("https://other//x/../y/.", "https://other//y/"),
            (
                " /a b?fn=\"ä|\\\"#x ",
                "https://host:5000/a%20b?fn=%22%C3%A4%7C%5C%22",
            ),
            (
                "/x?a=100%&b[]={1}",
                "https://host:5000/x?a=100%&b[]=%7B1%7D",
            ),
        ] {
            assert_eq!(base.join(location).unwrap().to_string(), joined);
        }
        for wrong in [
            "file:///etc/passwd",
            "ftp://x/",
            "http://",
            "https://user:secret@h/",
            "http://a b/",
            "http://a%20b/",
            "http://ä.test/",
            "http://h:99999/",
            "http://h:0/",
            "http://h:x/",
            "http://h:+1/",
            "http://[::1]x/",
        ] {
            assert!(base.join(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn bytes_that_are_no_utf_8_are_sent_on_as_they_came() {
        let joined = url("https://host/x").join(b"/a?fn=\xe4").unwrap();
        assert_eq!(joined.to_string(), "https://host/a?fn=%E4");
    }

    #[test]
    fn a_path_is_taken_to_another_server_with_its_query() {
        let registry = url("http://registry:5000/v2/");
        for (other, moved) in [
            (
                "https://inner.test/a/b?last=x&n=1",
                "http://registry:5000/a/b?last=x&n=1",
            ),
            ("https://inner.test", "http://registry:5000/"),
        ] {
            let moved_url = url(other).on_server_of(&registry).unwrap();
            assert_eq!(moved_url.to_string(), moved);
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let registry = url("https://host/v2/");
        assert!(registry.has_origin_of(&url("https://HOST:443/other?x")));
        for other in [
            "http://host/",
            "https://host:444/",
            "https://host.evil/",
            "http://host:443/",
        ] {
            assert!(!registry.has_origin_of(&url(other)), "{other}");
        }
    }

    #[test]
    fn queries_are_encoded_and_not_shown() {
        let url = url("http://h/token?a=b")
            .with_query(&[
                ("scope", b"repository:a/b:pull"),
                ("account", "ü&x".as_bytes()),
            ])
            .unwrap();
        assert_eq!(
            url.to_string(),
            "http://h/token?a=b&scope=repository%3Aa%2Fb%3Apull&account=%C3%BC%26x"
        );
        assert_eq!(url.shown(), "http://h/token");
    }
}
