//! Which URLs go through a proxy: the rules that Go's programs, and so docker and podman, follow.

use core::net::IpAddr;

use super::url::{Url, names_a_server};
use crate::error::{Error, Result};
use crate::registry::options::Proxies;

/// The proxies, checked.
#[derive(Debug)]
pub(super) struct ProxyRules {
    pub(super) http: Option<ureq::Proxy>,
    pub(super) https: Option<ureq::Proxy>,
    direct: Vec<String>,
}

/// How a URL is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Direct,
    HttpProxy,
    HttpsProxy,
}

impl ProxyRules {
    /// # Errors
    /// [`Error::Unsupported`] for a proxy's URL that is none, or of another protocol than HTTP.
    pub(super) fn new(proxies: &Proxies) -> Result<Self> {
        let parse = |name: &str, text: &Option<String>| {
            let Some(text) = text.as_deref().filter(|text| !text.is_empty()) else {
                return Ok(None);
            };
            let proxy = ureq::Proxy::new(text).ok().filter(|proxy| {
                use ureq::ProxyProtocol::{Http, Https};
                matches!(proxy.protocol(), Http | Https) && is_whole(proxy, text)
            });
            // What was typed may have a password in it.
            proxy.map(Some).ok_or_else(|| {
                Error::unsupported(format!(
                    "{name}: expected a proxy as http://[USER:PASSWORD@]HOST:PORT, letters other than a-z, 0-9, - . _ ~ in a password as %XX, found something else"
                ))
            })
        };
        let direct = proxies.none_for.split(',').map(str::trim);
        Ok(Self {
            http: parse("HTTP_PROXY", &proxies.http)?,
            https: parse("HTTPS_PROXY", &proxies.https)?,
            direct: direct
                .filter(|rule| !rule.is_empty())
                .map(str::to_ascii_lowercase)
                .collect(),
        })
    }

    pub(super) fn way(&self, url: &Url) -> Way {
        let way = match (url.is_tls(), &self.http, &self.https) {
            (true, _, Some(_)) => Way::HttpsProxy,
            (false, Some(_), _) => Way::HttpProxy,
            _ => return Way::Direct,
        };
        if url.is_loopback() || self.direct.iter().any(|rule| applies(rule, url)) {
            return Way::Direct;
        }
        way
    }
}

/// Whether a proxy was understood to its end. What cannot be a port would be left out, and a password
/// with a `/` or `#` in it would end the host before its time; in either case a stranger is spoken to.
fn is_whole(proxy: &ureq::Proxy, text: &str) -> bool {
    let authority = proxy.uri().authority().map_or("", |found| found.as_str());
    let server = authority
        .rsplit_once('@')
        .map_or(authority, |(_, server)| server);
    let is_at_the_end = text
        .rsplit_once('@')
        .is_none_or(|(_, after)| after.starts_with(server) && authority.contains('@'));
    names_a_server(server) && is_at_the_end
}

fn applies(rule: &str, url: &Url) -> bool {
    let host = url.host().trim_matches(['[', ']']).to_ascii_lowercase();
    if rule == "*" {
        return true;
    }
    let address: Option<IpAddr> = host.parse().ok();
    if let (Some(address), Some((network, bits))) = (address, rule.split_once('/')) {
        let bits: Option<u32> = bits.parse().ok();
        return match (network.parse(), bits) {
            (Ok(network), Some(bits)) => is_in_network(address, network, bits),
            _ => false,
        };
    }
    let (rule, port) = match rule.rsplit_once(':') {
        Some((rule, port)) if !rule.contains(':') || rule.ends_with(']') => (rule, Some(port)),
        _ => (rule, None),
    };
    if port.is_some_and(|port| port != url.port().to_string()) {
        return false;
    }
    let rule = rule.trim_matches(['[', ']']);
    if address.is_some() {
        return rule == host;
    }
    let rule = rule.strip_prefix('*').unwrap_or(rule);
    match rule.strip_prefix('.') {
        // Only what is below.
        Some(parent) => host
            .strip_suffix(parent)
            .is_some_and(|below| below.ends_with('.')),
        None => host
            .strip_suffix(rule)
            .is_some_and(|below| below.is_empty() || below.ends_with('.')),
    }
}

fn is_in_network(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (address, network, width) = match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => (
            u128::from(address.to_bits()),
            u128::from(network.to_bits()),
            32,
        ),
        (IpAddr::V6(address), IpAddr::V6(network)) => (address.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    let Some(host_bits) = u32::checked_sub(width, bits) else {
        return false;
    };
    let prefix = |address: u128| address.checked_shr(host_bits).unwrap_or(0);
    prefix(address) == prefix(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(none_for: &str) -> ProxyRules {
        ProxyRules::new(&Proxies {
            http: Some("http://proxy:3128".to_owned()),
            https: Some("proxy:3129".to_owned()),
            none_for: none_for.to_owned(),
        })
        .unwrap()
    }

    #[test]
    fn the_scheme_of_the_url_chooses_the_proxy_and_this_machine_needs_none() {
        let rules = rules("");
        let way = |url: &str| rules.way(&Url::parse(url).unwrap());
        assert_eq!(way("http://host/"), Way::HttpProxy);
        assert_eq!(way("https://host/"), Way::HttpsProxy);
        for own in [
            "http://localhost:5000/",
            "https://127.0.0.1/",
            "http://[::1]:1/",
        ] {
            assert_eq!(way(own), Way::Direct, "{own}");
        }
    }

    #[test]
    fn no_proxy_names_hosts_domains_addresses_networks_and_ports() {
        let way = |none_for: &str, server: &str| {
            let url = Url::parse(&format!("https://{server}/")).unwrap();
            rules(none_for).way(&url)
        };
        for (rule, direct, other) in [
            ("example.com", "example.com", "badexample.com"),
            ("example.com", "a.b.example.com", "example.com.evil"),
            (".example.com", "a.example.com", "example.com"),
            ("*.example.com", "a.example.com", "example.com"),
            ("x, EXAMPLE.com:8443 ", "example.com:8443", "example.com"),
            ("10.1.2.3", "10.1.2.3:5000", "10.1.2.30"),
            ("10.0.0.0/8", "10.200.0.1", "11.0.0.1"),
            ("fd00::/8", "[fd12::1]", "[fe80::1]"),
        ] {
            assert_eq!(way(rule, direct), Way::Direct, "{rule}");
            assert_ne!(way(rule, other), Way::Direct, "{rule}");
        }
        assert_eq!(way("*", "any"), Way::Direct);
        assert_ne!(way("10.0.0.0/99,/,:,[,*x", "10.0.0.1"), Way::Direct);
    }

    #[test]
    fn a_proxy_that_is_none_is_refused_without_its_password() {
        // A port beyond 65535 was left out, so that port 80 was asked and shown the password (found
        // by a red team). So were ports that are none, which a password may look like.
        for wrong in [
            "socks5://user:secret@host",
            "http://user:secret@host:99999",
            "http://user:secret@host:65536/",
            "user:secret@host:0",
            "http://user:secret@host:port",
            "http://user:secret@host:-1",
            "http://user:12/secret@host:3128",
            "http://user:12#secret@host:3128",
            "http://user:12?secret@host:3128",
            "http://user:secret@:3128",
            "http://user:secret@",
            "http://[::1]secret:1",
        ] {
            let error = ProxyRules::new(&Proxies {
                https: Some(wrong.to_owned()),
                ..Proxies::default()
            });
            let error = error.map(|_| wrong).unwrap_err().to_string();
            assert!(
                error.contains("HTTPS_PROXY") && !error.contains("secret"),
                "{wrong}: {error}"
            );
        }
        for right in [
            "http://user:p%2F@host:3128/",
            "http://host",
            "host:3128",
            "user:pass@host:3128",
            "https://[::1]:3128",
            "http://host:",
        ] {
            ProxyRules::new(&Proxies {
                http: Some(right.to_owned()),
                ..Proxies::default()
            })
            .unwrap();
        }
    }
}
