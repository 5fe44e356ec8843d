//! Who has sent a call: the signature over its body, compared in constant time, and its age.
//!
//! | kind | header | signed |
//! |---|---|---|
//! | `calendly` | `Calendly-Webhook-Signature: t=…,v1=…` | the seconds `t`, a dot, the body |
//! | `calcom` | `X-Cal-Signature-256` | the body |
//! | `form` | none | the URL is the secret |
//!
//! Both are HMAC-SHA-256 in hexadecimal. The signature is checked before anything in the body is
//! read.

use chrono::TimeDelta;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::Instant;
use crate::connections::stored::Kind;

/// What Cal.com writes in the place of a signature if its webhook has no secret
/// (`packages/features/webhooks/lib/sendPayload.ts`).
const NO_SECRET: &str = "no-secret-provided";

/// How old the time of a signature may be, and how far ahead.
const OLDEST: TimeDelta = TimeDelta::minutes(5);

/// How many signatures of one header are looked at: a tool whose key is being replaced sends two.
const MOST_SIGNATURES: usize = 4;

/// The header with the signature, if the kind has one.
pub(crate) fn signed_by(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Calendly => Some("calendly-webhook-signature"),
        Kind::Calcom => Some("x-cal-signature-256"),
        Kind::Form => None,
    }
}

/// Why a call is refused, whatever it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// It is not signed.
    #[error("it is not signed; give the tool the secret of this connection")]
    Unsigned,
    /// The header holds no signature.
    #[error("the header with the signature cannot be read")]
    Unreadable,
    /// Another secret, or another body.
    #[error(
        "the signature does not fit; the tool has another secret than this connection, or the body \
         was changed on its way"
    )]
    Wrong,
    /// The signature is right, and too old or too far ahead.
    #[error(
        "it was signed more than five minutes ago or ahead; it may be a copy of an earlier call"
    )]
    Old,
    /// The connection has no secret.
    #[error("this connection has no secret; set one with PUT /v1/connections/{{id}}")]
    NoSecret,
}

/// Whether a call comes from whoever has one of the connection's secrets.
///
/// # Errors
///
/// Why it is refused.
pub(crate) fn verify<'a>(
    kind: Kind,
    secrets: impl IntoIterator<Item = &'a str>,
    header: Option<&str>,
    body: &[u8],
    now: Instant,
) -> Result<(), Refused> {
    if kind == Kind::Form {
        return Ok(());
    }
    let mut refused = Refused::NoSecret;
    for secret in secrets {
        let header = header.filter(|header| header.trim() != NO_SECRET).ok_or(Refused::Unsigned)?;
        let verified = match kind {
            Kind::Calendly => calendly(secret, header, body, now),
            Kind::Calcom => fits(secret, &[body], [header.trim()]),
            Kind::Form => Ok(()),
        };
        match verified {
            // Another secret may fit.
            Err(Refused::Wrong) => refused = Refused::Wrong,
            verified => return verified,
        }
    }
    Err(refused)
}

fn calendly(secret: &str, header: &str, body: &[u8], now: Instant) -> Result<(), Refused> {
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let at = parts().find(|(name, _)| *name == "t").map(|(_, at)| at).ok_or(Refused::Unreadable)?;
    let seconds: i64 = at.parse().map_err(|_| Refused::Unreadable)?;
    let signatures = parts().filter(|(name, _)| *name == "v1").map(|(_, signature)| signature);
    fits(secret, &[at.as_bytes(), b".", body], signatures)?;
    let signed = Instant::from_timestamp(seconds, 0).ok_or(Refused::Unreadable)?;
    if (now - signed).abs() > OLDEST { Err(Refused::Old) } else { Ok(()) }
}

/// Whether one of the texts is the signature of these parts, one after the other. The body is read
/// once, however many signatures there are.
fn fits<'a>(
    secret: &str,
    parts: &[&[u8]],
    signatures: impl IntoIterator<Item = &'a str>,
) -> Result<(), Refused> {
    let read = signatures.into_iter().take(MOST_SIGNATURES + 1).map(bytes);
    let signatures: Vec<[u8; 32]> = read.collect::<Option<_>>().ok_or(Refused::Unreadable)?;
    if signatures.is_empty() || signatures.len() > MOST_SIGNATURES {
        return Err(Refused::Unreadable);
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    parts.iter().for_each(|part| mac.update(part));
    let is_genuine = |signature: &[u8; 32]| mac.clone().verify_slice(signature).is_ok();
    // Each is compared, so the time does not tell which one fits.
    let genuine = signatures.iter().filter(|signature| is_genuine(signature)).count();
    if genuine > 0 { Ok(()) } else { Err(Refused::Wrong) }
}

/// The bytes of 64 hexadecimal digits.
fn bytes(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dacapo_engine::hash::hexadecimal;

    const BODY: &[u8] = b"{\"event\":\"invitee.created\"}";

    fn signed(secret: &str, parts: &[&[u8]]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        parts.iter().for_each(|part| mac.update(part));
        let bytes: [u8; 32] = mac.finalize().into_bytes().into();
        hexadecimal(&bytes)
    }

    fn noon() -> Instant {
        Instant::from_timestamp(1_793_534_400, 0).unwrap()
    }

    /// RFC 4231, *Identifiers and Test Vectors for HMAC-SHA*, test case 2.
    #[test]
    fn a_signature_is_hmac_sha_256() {
        let known = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(fits("Jefe", &[b"what do ya want ", b"for nothing?"], [known]), Ok(()));
    }

    #[test]
    fn calendly_signs_the_seconds_and_the_body() {
        let check = |header: &str, body: &[u8], after: TimeDelta| {
            verify(Kind::Calendly, ["key"], Some(header), body, noon() + after)
        };
        let v1 = signed("key", &[b"1793534400", b".", BODY]);
        let good = format!("t=1793534400,v1={v1}");
        let (none, later) = (TimeDelta::zero(), TimeDelta::minutes(5));
        assert_eq!(check(&good, BODY, none), Ok(()));
        assert_eq!(check(&format!("v1={v1}, t=1793534400"), BODY, later), Ok(()));
        let rolled = format!("t=1793534400,v1={},v1={v1}", "0".repeat(64));
        assert_eq!(check(&rolled, BODY, none), Ok(()), "two keys while one replaces the other");
        for (header, why) in [
            (format!("t=1793534401,v1={v1}"), Refused::Wrong),
            (format!("t=1793534400,v1={}", v1.replace(&v1[..1], "x")), Refused::Unreadable),
            (format!("t=1793534400,v1={}", "0".repeat(64)), Refused::Wrong),
            (format!("t=1793534400{}", format!(",v1={v1}").repeat(5)), Refused::Unreadable),
            (format!("t=1793534400,v1={}", &v1[..62]), Refused::Unreadable),
            (format!("t=1793534400,v1={v1}00"), Refused::Unreadable),
            (format!("t=noon,v1={v1}"), Refused::Unreadable),
            (format!("v1={v1}"), Refused::Unreadable),
            ("t=1793534400".to_owned(), Refused::Unreadable),
            (String::new(), Refused::Unreadable),
            (v1.clone(), Refused::Unreadable),
        ] {
            assert_eq!(check(&header, BODY, none), Err(why), "{header}");
        }
        assert_eq!(check(&good, b"{}", none), Err(Refused::Wrong));
        assert_eq!(check(&good, BODY, later + TimeDelta::seconds(1)), Err(Refused::Old));
        assert_eq!(check(&good, BODY, -later - TimeDelta::seconds(1)), Err(Refused::Old));
    }

    #[test]
    fn a_call_without_signature_or_secret_is_refused() {
        let now = noon();
        for kind in [Kind::Calendly, Kind::Calcom] {
            assert_eq!(verify(kind, ["key"], None, BODY, now), Err(Refused::Unsigned));
            assert_eq!(verify(kind, [], Some("x"), BODY, now), Err(Refused::NoSecret));
        }
        assert_eq!(verify(Kind::Form, [], None, BODY, now), Ok(()));
        let v1 = signed("key", &[BODY]);
        let calcom = |header: &str| verify(Kind::Calcom, ["key"], Some(header), BODY, now);
        let both = ["newer", "key"];
        assert_eq!(verify(Kind::Calcom, both, Some(&v1), BODY, now), Ok(()), "the secret before");
        assert_eq!(calcom(&v1), Ok(()));
        assert_eq!(calcom(&v1.to_uppercase()), Ok(()));
        assert_eq!(calcom(&signed("other", &[BODY])), Err(Refused::Wrong));
        assert_eq!(calcom("no signature"), Err(Refused::Unreadable));
        assert_eq!(calcom("no-secret-provided"), Err(Refused::Unsigned));
    }
}
