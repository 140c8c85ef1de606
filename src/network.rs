//! What asking a registry and asking a daemon have in common: addresses as texts, and how they are
//! looked up in time.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::unversioned::transport::time::Duration;

/// How servers are told who asks.
pub(crate) const USER_AGENT: &str = concat!("layerpress/", env!("CARGO_PKG_VERSION"));

/// Finds a server's addresses in time. The default resolver starts a thread, to be able to give up, and
/// panics where there is none. This one waits as long as it takes then.
#[derive(Debug)]
pub(crate) struct PatientResolver;

impl Resolver for PatientResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let mut untimed = timeout;
        untimed.after = Duration::NotHappening;
        let resolve = move |uri: &Uri, config: &Config| {
            DefaultResolver::default().resolve(uri, config, untimed)
        };
        let (tell, told) = sync_channel(1);
        let (their_uri, their_config) = (uri.clone(), config.clone());
        let thread = std::thread::Builder::new()
            .name("resolve".to_owned())
            .spawn(move || {
                // Nobody listens any more after the time is up.
                let _ = tell.send(resolve(&their_uri, &their_config));
            });
        if thread.is_err() {
            return resolve(uri, config);
        }
        match told.recv_timeout(*timeout.after) {
            Ok(resolved) => resolved,
            Err(RecvTimeoutError::Timeout) => Err(Error::Timeout(timeout.reason)),
            Err(RecvTimeoutError::Disconnected) => Err(Error::HostNotFound),
        }
    }
}

/// Whether a question found no answer because of the network: who disagrees about TLS was reached.
pub(crate) fn is_networks(error: &Error) -> bool {
    match error {
        Error::Io(error) => {
            let inner = error.get_ref();
            !inner.is_some_and(|inner| inner.is::<rustls::Error>())
        }
        Error::Timeout(_) | Error::HostNotFound | Error::ConnectionFailed => true,
        Error::ConnectProxyFailed(_) => true,
        _ => false,
    }
}

/// An address that somebody typed or sent, whether it is one or not: without a name and password
/// before its host, and without its query, which may be a signature.
pub(crate) fn without_secrets(text: &str) -> String {
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
pub(crate) fn percent_encoded(text: impl AsRef<[u8]>) -> String {
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
