//! A URL, as far as one has to understand it: whom it reaches, and where an answer leads from there.

use std::net::IpAddr;

use dacapo_platform::ports::Unavailable;

/// Where something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// `http` or `https`.
    scheme: String,
    /// Host and port, as they were written.
    authority: String,
    /// Path and query.
    path: String,
}

impl Place {
    pub(super) fn read(url: &str) -> Result<Self, Unavailable> {
        let wrong = || Unavailable(format!("no URL that can be called: {}", shown(url)));
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "http" && scheme != "https" {
            return Err(wrong());
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        // Who writes a name and a password before the host sends them in a header instead.
        if authority.is_empty() || authority.contains(['@', '\\', ' ']) {
            return Err(wrong());
        }
        Ok(Self { scheme, authority: authority.to_owned(), path })
    }

    pub(super) fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.path)
    }

    /// For looking it up.
    pub(super) fn host_and_port(&self) -> String {
        let after_host = self.authority.rfind(']').map_or(0, |bracket| bracket + 1);
        if self.authority[after_host..].contains(':') {
            return self.authority.clone();
        }
        let port = if self.scheme == "https" { 443 } else { 80 };
        format!("{}:{port}", self.authority)
    }

    /// Where an answer from here leads.
    pub(super) fn leads_to(&self, location: &str) -> Result<Self, Unavailable> {
        if let Some(rest) = location.strip_prefix("//") {
            return Self::read(&format!("{}://{rest}", self.scheme));
        }
        if location.starts_with('/') {
            return Self::read(&format!("{}://{}{location}", self.scheme, self.authority));
        }
        if location.contains("://") {
            return Self::read(location);
        }
        let path = self.path.split('?').next().unwrap_or_default();
        let folder = path.rfind('/').map_or("/", |end| &path[..=end]);
        Self::read(&format!("{}://{}{folder}{location}", self.scheme, self.authority))
    }
}

/// The part of a URL that holds nobody's data.
fn shown(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// Whether an address is one of this machine, or of its link.
pub(super) fn is_own(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || v4.is_broadcast()
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_own(IpAddr::V4(v4)),
            None => v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let place = Place::read("HTTPS://example.com?a=b#c").unwrap();
        assert_eq!(place.url(), "https://example.com/?a=b");
        assert_eq!(place.host_and_port(), "example.com:443");
        assert_eq!(Place::read("http://[::1]/x").unwrap().host_and_port(), "[::1]:80");
        assert_eq!(Place::read("http://[::1]:8080").unwrap().host_and_port(), "[::1]:8080");
        for wrong in ["ftp://example.com", "example.com", "http://", "http://a@example.com/"] {
            assert!(Place::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_answer_leads_on() {
        let place = Place::read("https://example.com:8443/a/b?c").unwrap();
        let to = |location: &str| place.leads_to(location).unwrap().url();
        assert_eq!(to("/x"), "https://example.com:8443/x");
        assert_eq!(to("x?y"), "https://example.com:8443/a/x?y");
        assert_eq!(to("//other.example/x"), "https://other.example/x");
        assert_eq!(to("http://other.example"), "http://other.example/");
    }

    #[test]
    fn own_addresses_are_known_in_every_form() {
        for own in [
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "0.0.0.0",
            "::1",
            "::",
            "fe80::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_own(own.parse().unwrap()), "{own}");
        }
        for other in ["10.0.0.1", "93.184.216.34", "2606:2800:220:1::1"] {
            assert!(!is_own(other.parse().unwrap()), "{other}");
        }
    }
}
