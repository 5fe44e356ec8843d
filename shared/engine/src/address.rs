//! E-mail addresses, as far as one can tell without sending.

/// The longest address, in bytes (RFC 5321).
pub const LONGEST_ADDRESS: usize = 254;

/// The form in which addresses are compared and kept: trimmed, without regard to case.
pub fn folded(address: &str) -> String {
    address.trim().to_lowercase()
}

/// Whether mail could be addressed to it: one `@` with something on either side, a dot in the domain, no white
/// space or control characters.
pub fn is_plausible(address: &str) -> bool {
    let Some((local, domain)) = address.split_once('@') else { return false };
    let labels = || domain.split('.');
    address.len() <= LONGEST_ADDRESS
        && !local.is_empty()
        && local.len() <= 64
        && !domain.contains('@')
        && labels().count() >= 2
        && labels().all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        })
        && !address
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || "<>()[],;:\\\"".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_mail_can_be_sent_to() {
        for address in ["ann@example.com", "a.b+c@sub.example.co.uk", "jörg@müller.example"] {
            assert!(is_plausible(address), "{address}");
        }
    }

    #[test]
    fn addresses_that_mail_cannot_be_sent_to() {
        for address in [
            "",
            "ann",
            "ann@",
            "@example.com",
            "ann@example",
            "a b@example.com",
            "a@b@c.de",
            "ann@.com",
            "ann@example.com\r\nBcc: x@y.zz",
            "<ann@example.com>",
        ] {
            assert!(!is_plausible(address), "{address}");
        }
    }
}
