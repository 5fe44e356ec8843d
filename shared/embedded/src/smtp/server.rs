//! The URL of a mail server: `smtp://user:password@host:port/hello?tls=…`, `smtps://…`.

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::extension::ClientId;
use percent_encoding::percent_decode_str;

/// Whether the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tls {
    /// In clear.
    None,
    /// If the server offers STARTTLS.
    Opportunistic,
    /// By STARTTLS, or not at all.
    Required,
    /// From the first byte on.
    Wrapped,
}

/// What a URL says.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) hello: ClientId,
    pub(super) credentials: Option<Credentials>,
}

impl Server {
    /// Reads a URL. The error never repeats it: it may hold a password.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            Err(format!("the SMTP URL cannot be used: {why}; write smtp://user:password@host:587"))
        };
        let Ok(url) = url::Url::parse(text) else { return wrong("it is no URL") };
        let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
            return wrong("it names no host");
        };
        let mut asked = None;
        for (name, value) in url.query_pairs() {
            if asked.is_some() {
                return wrong("`tls` stands there twice");
            }
            asked = Some(match (&*name, &*value) {
                ("tls", "none") => Tls::None,
                ("tls", "opportunistic") => Tls::Opportunistic,
                ("tls", "required") => Tls::Required,
                ("tls", _) => return wrong("`tls` is none, opportunistic or required"),
                (_, _) => return wrong("it takes no parameter but `tls`"),
            });
        }
        let is_known = !url.username().is_empty();
        if is_known != url.password().is_some() {
            return wrong("a user name and a password go together");
        }
        let (tls, port) = match (url.scheme(), asked) {
            ("smtps", None | Some(Tls::Required)) => (Tls::Wrapped, 465),
            ("smtps", Some(_)) => return wrong("with smtps:// there is always TLS"),
            ("smtp", None) if is_known => (Tls::Required, 587),
            ("smtp", None) => (Tls::None, 25),
            // An attacker who removes STARTTLS from the answer would get the password.
            ("smtp", Some(Tls::Opportunistic)) if is_known => {
                return wrong(
                    "a password is not sent in clear unless `tls=none` says so; leave `tls` out",
                );
            }
            ("smtp", Some(Tls::None)) => (Tls::None, if is_known { 587 } else { 25 }),
            ("smtp", Some(tls)) => (tls, 587),
            (_, _) => return wrong("it begins with smtp:// or smtps://"),
        };
        let plain =
            |text: &str| percent_decode_str(text).decode_utf8().map(|text| text.to_string());
        let credentials = match url.password() {
            Some(password) => match (plain(url.username()), plain(password)) {
                (Ok(user), Ok(password)) => Some(Credentials::new(user, password)),
                (_, _) => return wrong("its user name or password is no UTF-8"),
            },
            None => None,
        };
        let hello = match url.path().trim_matches('/') {
            "" => ClientId::default(),
            name => ClientId::Domain(name.to_owned()),
        };
        let port = url.port().unwrap_or(port);
        // Brackets belong to the URL, not to the address.
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Self { host, port, tls, hello, credentials })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_asks_for_tls() {
        let read = |url: &str| {
            let server = Server::read(url).unwrap();
            (server.host, server.port, server.tls, server.credentials.is_some())
        };
        let mail = || "mail.example".to_owned();
        assert_eq!(read("smtp://u:p@mail.example:587"), (mail(), 587, Tls::Required, true));
        assert_eq!(read("smtp://u:p@mail.example"), (mail(), 587, Tls::Required, true));
        assert_eq!(read("smtp://u:p@mail.example:25?tls=none"), (mail(), 25, Tls::None, true));
        let optional = read("smtp://mail.example?tls=opportunistic");
        assert_eq!(optional, (mail(), 587, Tls::Opportunistic, false));
        assert_eq!(read("smtps://u:p@mail.example"), (mail(), 465, Tls::Wrapped, true));
        assert_eq!(read("smtp://mail.example"), (mail(), 25, Tls::None, false));
        assert_eq!(read("smtp://[::1]:2525").0, "::1");
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_the_password() {
        for url in [
            "mail.example",
            "http://u:secret@mail.example",
            "smtp://u@mail.example",
            "smtp://:secret@mail.example",
            "smtp://u:secret@mail.example?tls=maybe",
            "smtp://u:secret@mail.example?timeout=3",
            "smtp://u:secret@mail.example?tls=opportunistic",
            "smtp://u:secret@mail.example?tls=required&tls=none",
            "smtps://u:secret@mail.example?tls=none",
            "smtp://u:se%ffcret@mail.example",
        ] {
            let error = Server::read(url).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
            assert!(error.contains("write smtp://"), "{error}");
        }
    }
}
