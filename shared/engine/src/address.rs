//! E-mail addresses: what can be checked without sending.
//!
//! One mailbox, one identity: an address is stored, shown and compared in its folded form, and
//! handed to mail servers in the form that all of them understand.

use std::borrow::Cow;

use crate::text::{NamedCharacter, composed, decomposed, is_unseen};

/// The longest address, in bytes (RFC 5321).
pub const LONGEST_ADDRESS_BYTES: usize = 254;

/// The longest part before the `@`, in bytes (RFC 5321).
const LONGEST_LOCAL_PART_BYTES: usize = 64;

/// The form in which addresses are compared, kept and shown: trimmed, letters composed, without
/// regard to case, the domain in letters of its own script (`müller.example`, not
/// `xn--mller-kva.example`).
pub fn folded(address: &str) -> String {
    let trimmed = address.trim();
    if trimmed.is_ascii() && !has_punycode(trimmed) {
        return trimmed.to_ascii_lowercase();
    }
    let lower = composed(&composed(trimmed).to_lowercase()).into_owned();
    let Some((local, domain)) = lower.rsplit_once('@') else { return lower };
    // IDNA would drop invisible characters, and so make one address of two.
    if domain.contains(is_unseen) {
        return lower;
    }
    match idna::domain_to_unicode(domain) {
        (domain, Ok(())) => format!("{local}@{domain}"),
        // It is no domain; the code that reads the address reports it.
        (_, Err(_)) => lower,
    }
}

fn has_punycode(address: &str) -> bool {
    address.rsplit_once('@').is_some_and(|(_, domain)| {
        let begins = |label: &str| label.get(..4).is_some_and(|at| at.eq_ignore_ascii_case("xn--"));
        domain.split('.').any(begins)
    })
}

/// Forms under which a contact with this folded address may have been stored by older versions: its
/// domain in Punycode, its letters decomposed. None for an ASCII address.
pub fn kept_before(folded: &str) -> Vec<String> {
    if folded.is_ascii() {
        return Vec::new();
    }
    let mut forms = vec![decomposed(folded).into_owned()];
    forms.push(for_sending(folded).into_owned());
    forms.retain(|form| form != folded);
    forms.dedup();
    forms
}

/// The address as every mail server understands it: the domain in ASCII.
pub fn for_sending(address: &str) -> Cow<'_, str> {
    match address.rsplit_once('@') {
        Some((local, domain)) if !domain.is_ascii() => match idna::domain_to_ascii(domain) {
            Ok(domain) => Cow::Owned(format!("{local}@{domain}")),
            Err(_) => Cow::Borrowed(address),
        },
        _ => Cow::Borrowed(address),
    }
}

/// Why a text is no e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// There is not exactly one `@` with something on either side.
    #[error("{0:?} is no e-mail address; write ann@example.com")]
    Shape(String),
    /// A character that no address may hold.
    #[error("{0:?} contains {1}, which no e-mail address holds; remove it")]
    Character(String, String),
    /// A dot at the beginning or the end of the part before the `@`, or two in a row.
    #[error(
        "{0:?} cannot be sent to: before the @ a dot may stand neither first, nor last, nor beside \
         another; correct the address"
    )]
    Dot(String),
    /// The text after the `@` is no domain.
    #[error("{0:?} cannot be sent to: behind the @ stands no domain such as example.com")]
    Domain(String),
    /// Longer than mail allows.
    #[error("{0:?} is too long: an address has at most 254 bytes, 64 of them before the @")]
    TooLong(String),
}

/// The address as written by a person, in its folded form.
///
/// # Errors
///
/// Why no mail can be sent to it.
pub fn read(written: &str) -> Result<String, InvalidAddress> {
    let address = folded(written);
    let shown = || written.trim().chars().take(LONGEST_ADDRESS_BYTES + 1).collect::<String>();
    let refused = |c: &char| is_unseen(*c) || c.is_whitespace() || "<>()[],;:\\\"".contains(*c);
    if let Some(c) = address.chars().find(refused) {
        let named = match c {
            ' ' => "a space".to_owned(),
            c if c.is_ascii_graphic() => format!("{c:?}"),
            c => NamedCharacter(c).to_string(),
        };
        return Err(InvalidAddress::Character(shown(), named));
    }
    let Some((local, domain)) = address.split_once('@') else {
        return Err(InvalidAddress::Shape(shown()));
    };
    if local.is_empty() || domain.is_empty() || domain.contains('@') {
        return Err(InvalidAddress::Shape(shown()));
    }
    let sent = for_sending(&address);
    if local.len() > LONGEST_LOCAL_PART_BYTES
        || sent.len() > LONGEST_ADDRESS_BYTES
        || address.len() > LONGEST_ADDRESS_BYTES
    {
        return Err(InvalidAddress::TooLong(shown()));
    }
    if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
        return Err(InvalidAddress::Dot(shown()));
    }
    match sent.rsplit_once('@') {
        Some((_, sent)) if is_domain(sent) => Ok(address),
        _ => Err(InvalidAddress::Domain(shown())),
    }
}

/// Whether an ASCII text names a domain that mail goes to: two labels at least, the last of them no
/// number.
fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let last = domain.rsplit('.').next().unwrap_or_default();
    domain.contains('.')
        && domain.split('.').all(is_label)
        && !last.chars().all(|c| c.is_ascii_digit())
        && idna::domain_to_unicode(domain).1.is_ok()
}

/// Whether mail could be addressed to it.
pub fn is_plausible(address: &str) -> bool {
    read(address).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_mail_can_be_sent_to() {
        for address in [
            "ann@example.com",
            "a.b+c@sub.example.co.uk",
            "jörg@müller.example",
            "o'neil@example.com",
            "ann@xn--mller-kva.example",
            "用户@例子.广告",
        ] {
            assert!(is_plausible(address), "{address}");
        }
    }

    #[test]
    fn one_identity_addresses_that_mail_cannot_be_sent_to_are_refused_by_name() {
        for (address, said) in [
            ("", "no e-mail address"),
            ("ann", "no e-mail address"),
            ("ann@", "no e-mail address"),
            ("@example.com", "no e-mail address"),
            ("a@b@c.de", "no e-mail address"),
            ("ann@example", "no domain"),
            ("ann@.com", "no domain"),
            ("ann@127.0.0.1", "no domain"),
            ("ann@-a.com", "no domain"),
            ("ann@xn--a.com", "no domain"),
            ("a b@example.com", "a space"),
            ("<ann@example.com>", "'<'"),
            ("ann@example.com\r\nBcc: x@y.zz", "U+000D (CARRIAGE RETURN)"),
            ("ann\u{200b}@example.com", "U+200B (ZERO WIDTH SPACE)"),
            ("ann@exam\u{200b}ple.com", "U+200B (ZERO WIDTH SPACE)"),
            ("ann@exam\u{ad}ple.com", "U+00AD (SOFT HYPHEN)"),
            ("\u{202e}ann@example.com", "U+202E (RIGHT-TO-LEFT OVERRIDE)"),
            ("j\u{fffd}rg@example.com", "U+FFFD (REPLACEMENT CHARACTER)"),
            (".lead@example.com", "a dot"),
            ("lead.@example.com", "a dot"),
            ("a..b@example.com", "a dot"),
        ] {
            let refused = read(address).expect_err(address).to_string();
            assert!(refused.contains(said), "{address}: {refused}");
        }
    }

    #[test]
    fn one_identity_an_address_is_one_however_it_is_written() {
        let one = "jörg@müller.example";
        for other in [
            "J\u{d6}RG@M\u{dc}LLER.EXAMPLE",
            " jo\u{308}rg@mu\u{308}ller.example ",
            "jörg@xn--mller-kva.example",
            "jörg@XN--MLLER-KVA.example",
        ] {
            assert_eq!(read(other).as_deref(), Ok(one), "{other}");
        }
        assert_eq!(folded(&folded("ANN@XN--mller-KVA.example")), "ann@müller.example");
        assert_ne!(folded("straße@example.com"), folded("strasse@example.com"), "two mailboxes");
        assert_eq!(for_sending("ann@müller.example"), "ann@xn--mller-kva.example");
        assert_eq!(
            kept_before("ann@müller.example"),
            ["ann@mu\u{308}ller.example", "ann@xn--mller-kva.example"]
        );
        assert!(kept_before("ann@example.com").is_empty());
    }
}
