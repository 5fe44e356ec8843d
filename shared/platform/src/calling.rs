//! How a webhook is called, whichever client makes the requests: its URL, and where redirects may
//! lead.
//!
//! A redirect comes from the server that answers, not from the author of the campaign. So at most
//! [`REDIRECTS`] are followed, none from `https` to `http`. Once one leads to another origin
//! (scheme, host or port), only headers that are no secret are sent on: any header that the author
//! wrote may be a key.

use dacapo_engine::campaign::format::{Method, Webhook};

use crate::ports::{Request, Unavailable};

/// How many redirects are followed.
pub const REDIRECTS: u32 = 3;

/// The header by which every call shows that a campaign makes it. No author can write it or leave
/// it out, so the called server can tell a webhook from a person: `/dev/*` answers none.
pub const WEBHOOK_HEADER: &str = "Dacapo-Webhook";

/// The headers that are sent on to another origin. It lists the harmless ones, since a key may have
/// any name.
const HARMLESS: [&str; 7] = [
    "accept",
    "accept-language",
    "content-language",
    "content-type",
    "dacapo-webhook",
    "idempotency-key",
    "user-agent",
];

/// One request of a call: the first, or one that a redirect led to.
#[derive(Debug, Clone)]
pub struct Hop {
    place: UrlParts,
    method: Method,
    headers: Vec<(String, String)>,
    body: Option<String>,
    /// How many redirects may still be followed.
    left: u32,
}

impl Hop {
    /// The first request of a call.
    ///
    /// # Errors
    ///
    /// If its URL cannot be called.
    pub fn first(request: &Request) -> Result<Self, Unavailable> {
        // A campaign that was published long ago may have such headers; they are the client's.
        let own = |(name, _): &&(String, String)| !Webhook::is_not_the_authors(name);
        let mut headers: Vec<_> = request.headers.iter().filter(own).cloned().collect();
        headers.push((WEBHOOK_HEADER.to_owned(), "1".to_owned()));
        let mut hop = Self {
            place: UrlParts::read(&request.url)?,
            method: request.method,
            headers,
            body: request.body.clone(),
            left: REDIRECTS,
        };
        hop.only_bodies_of_its_method();
        Ok(hop)
    }

    /// Where it goes.
    pub fn place(&self) -> &UrlParts {
        &self.place
    }

    /// The name of the method.
    pub fn method(&self) -> &'static str {
        match self.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }

    /// The headers.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The body; empty where there is none.
    pub fn body(&self) -> &str {
        self.body.as_deref().unwrap_or_default()
    }

    /// The next request after this answer, or `None` if the answer is the last.
    ///
    /// # Errors
    ///
    /// If there are too many redirects, or one leads where none may lead.
    pub fn led_on(
        mut self,
        status: u16,
        location: Option<&str>,
    ) -> Result<Option<Self>, Unavailable> {
        let Some(location) = location else { return Ok(None) };
        self.method = match (status, self.method) {
            // A server that answers a POST so wants a GET of the other page.
            (301..=303, Method::Post | Method::Put | Method::Patch | Method::Delete) => Method::Get,
            (301..=303 | 307 | 308, method) => method,
            (_, _) => return Ok(None),
        };
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| Unavailable(format!("more than {REDIRECTS} redirects")))?;
        let place = self.place.leads_to(location)?;
        if self.place.scheme == "https" && place.scheme != "https" {
            return Err(Unavailable("a redirect from https to http is not followed".to_owned()));
        }
        if place.origin() != self.place.origin() {
            let harmless = |name: &str| HARMLESS.iter().any(|one| name.eq_ignore_ascii_case(one));
            self.headers.retain(|(name, _)| harmless(name));
        }
        self.place = place;
        self.only_bodies_of_its_method();
        Ok(Some(self))
    }

    fn only_bodies_of_its_method(&mut self) {
        match self.method {
            Method::Get | Method::Delete => {
                self.body = None;
                self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
            }
            Method::Post | Method::Put | Method::Patch => {}
        }
    }
}

/// A URL in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlParts {
    /// `http` or `https`.
    scheme: String,
    /// Host and port, as they were written.
    authority: String,
    /// Path and query.
    path: String,
}

impl UrlParts {
    /// Reads a URL. Names and passwords before the host are refused: credentials belong in a
    /// header.
    ///
    /// # Errors
    ///
    /// If it is no URL of `http` or `https` with a host.
    pub fn read(url: &str) -> Result<Self, Unavailable> {
        let wrong = || Unavailable(format!("no URL that can be called: {}", shown(url)));
        if url.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(wrong());
        }
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "http" && scheme != "https" {
            return Err(wrong());
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        // A name and a password before the host are refused: credentials belong in a header.
        if authority.is_empty() || authority.contains(['@', '\\', ' ']) {
            return Err(wrong());
        }
        Ok(Self { scheme, authority: authority.to_owned(), path })
    }

    /// The whole URL.
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.path)
    }

    /// Host and port, for looking it up, and as the place whose calls are counted.
    pub fn host_and_port(&self) -> String {
        let after_host = self.authority.rfind(']').map_or(0, |bracket| bracket + 1);
        if self.authority[after_host..].contains(':') {
            return self.authority.clone();
        }
        let port = if self.scheme == "https" { 443 } else { 80 };
        format!("{}:{port}", self.authority)
    }

    /// Scheme, host and port: a secret is sent only to the same origin.
    fn origin(&self) -> (String, String) {
        (self.scheme.clone(), self.host_and_port().to_ascii_lowercase())
    }

    /// The URL to which an answer from here leads.
    fn leads_to(&self, location: &str) -> Result<Self, Unavailable> {
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

/// The part of a URL without personal data, and without a password before the host.
fn shown(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let shown = match url.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.split('/').next().unwrap_or_default();
            let after = host.rfind('@').map_or(0, |at| at + 1);
            format!("{scheme}://{}", &rest[after..])
        }
        None => url.to_owned(),
    };
    shown.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let place = UrlParts::read("HTTPS://example.com?a=b#c").unwrap();
        assert_eq!(place.url(), "https://example.com/?a=b");
        assert_eq!(place.host_and_port(), "example.com:443");
        assert_eq!(UrlParts::read("http://[::1]/x").unwrap().host_and_port(), "[::1]:80");
        assert_eq!(UrlParts::read("http://[::1]:8080").unwrap().host_and_port(), "[::1]:8080");
        for wrong in [
            "ftp://example.com",
            "example.com",
            "http://",
            "http://a@example.com/",
            "http://example.com/a\r\nX-A: b",
            "http://example.com/a b",
        ] {
            assert!(UrlParts::read(wrong).is_err(), "{wrong}");
        }
        let told = UrlParts::read("http://ann:secret@example.com/a?b=c").unwrap_err().0;
        assert_eq!(told, "no URL that can be called: http://example.com/a");
    }

    #[test]
    fn an_answer_leads_on() {
        let place = UrlParts::read("https://example.com:8443/a/b?c").unwrap();
        let to = |location: &str| place.leads_to(location).unwrap().url();
        assert_eq!(to("/x"), "https://example.com:8443/x");
        assert_eq!(to("x?y"), "https://example.com:8443/a/x?y");
        assert_eq!(to("//other.example/x"), "https://other.example/x");
        assert_eq!(to("http://other.example"), "http://other.example/");
    }

    fn call(url: &str) -> Hop {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Hop::first(&Request {
            method: Method::Post,
            url: url.to_owned(),
            headers: vec![
                header("Authorization", "Bearer secret"),
                header("X-Api-Key", "secret"),
                header("Content-Type", "application/json"),
                header("Idempotency-Key", "c.p.1.2"),
            ],
            body: Some("{}".to_owned()),
        })
        .unwrap()
    }

    const AFTER_A_REDIRECT: [&str; 3] = ["Content-Type", "Idempotency-Key", "Dacapo-Webhook"];

    fn names(hop: &Hop) -> Vec<&str> {
        hop.headers().iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn secret_headers_stay_with_their_origin() {
        let all =
            ["Authorization", "X-Api-Key", "Content-Type", "Idempotency-Key", "Dacapo-Webhook"];
        for same in ["/other", "https://example.com:443/x", "https://EXAMPLE.com/x"] {
            let hop = call("https://example.com/a").led_on(307, Some(same)).unwrap().unwrap();
            assert_eq!(names(&hop), all, "{same}");
        }
        for other in [
            "https://other.example/a",
            "https://example.com:8443/a",
            "https://example.com.evil.example/a",
            "//other.example/a",
        ] {
            let hop = call("https://example.com/a").led_on(307, Some(other)).unwrap().unwrap();
            assert_eq!(names(&hop), AFTER_A_REDIRECT, "{other}");
            assert_eq!(hop.body(), "{}");
            // They are not sent again when a redirect leads back.
            let back = hop.led_on(307, Some("https://example.com/a")).unwrap().unwrap();
            assert_eq!(names(&back), AFTER_A_REDIRECT, "{other}");
        }
        // From http to https is another origin too, and a redirect that may be followed.
        let hop = call("http://example.com/a").led_on(308, Some("https://example.com/a"));
        assert_eq!(names(&hop.unwrap().unwrap()), AFTER_A_REDIRECT);
    }

    #[test]
    fn what_the_client_writes_itself_is_not_the_authors_and_every_call_says_what_it_is() {
        let header = |name: &str| (name.to_owned(), "5".to_owned());
        let sent = ["content-length", "HOST", "Transfer-Encoding", "dacapo-webhook", "X-Source"];
        let hop = Hop::first(&Request {
            method: Method::Post,
            url: "https://example.com/".to_owned(),
            headers: sent.map(header).into(),
            body: Some("0123456789".to_owned()),
        });
        let headers = hop.unwrap().headers().to_vec();
        let told = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(headers, [told("X-Source", "5"), told("Dacapo-Webhook", "1")]);
    }

    #[test]
    fn redirects_are_bounded_and_never_leave_https() {
        let downgraded = call("https://example.com/a").led_on(302, Some("http://example.com/a"));
        assert!(downgraded.unwrap_err().0.contains("https to http"));
        for scheme in ["ftp://example.com/a", "file:///etc/passwd", "gopher://example.com"] {
            assert!(call("http://example.com/").led_on(302, Some(scheme)).is_err(), "{scheme}");
        }
        let mut hop = call("https://example.com/0");
        for _ in 0..REDIRECTS {
            hop = hop.led_on(307, Some("/again")).unwrap().unwrap();
        }
        assert!(hop.led_on(307, Some("/again")).is_err());
    }

    #[test]
    fn a_post_that_leads_elsewhere_is_looked_at_there() {
        let hop = call("https://example.com/a").led_on(303, Some("/seen")).unwrap().unwrap();
        assert_eq!((hop.method(), hop.body()), ("GET", ""));
        assert!(call("https://example.com/a").led_on(200, Some("/x")).unwrap().is_none());
        assert!(call("https://example.com/a").led_on(307, None).unwrap().is_none());
    }
}
