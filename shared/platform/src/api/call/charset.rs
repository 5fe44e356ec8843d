//! Bytes as texts: a declared charset is used, and nothing is decoded with loss.
//!
//! | what came | is read as |
//! |---|---|
//! | a declared charset | that one, if it is known; otherwise 415 names it |
//! | a byte order mark | what it marks |
//! | a form without a charset | UTF-8, or all of it Windows-1252, as browsers send from old pages |
//! | anything else | UTF-8 |
//!
//! A byte that is not in the charset is 400.

use std::borrow::Cow;

use axum::http::header;
use axum::http::request::Parts;
use percent_encoding::percent_decode;

use crate::api::call::problem::Problem;

/// A charset that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Charset {
    /// UTF-8, and so ASCII.
    Utf8,
    /// Windows-1252. Browsers and spreadsheets also call it ISO-8859-1 or ASCII.
    Windows1252,
    /// UTF-16, big-endian or little-endian.
    Utf16 {
        /// Whether it is big-endian.
        big_endian: bool,
    },
}

/// The characters of Windows-1252 at 0x80 to 0x9F; five are undefined.
const AT_80: [Option<char>; 32] = [
    Some('€'),
    None,
    Some('‚'),
    Some('ƒ'),
    Some('„'),
    Some('…'),
    Some('†'),
    Some('‡'),
    Some('ˆ'),
    Some('‰'),
    Some('Š'),
    Some('‹'),
    Some('Œ'),
    None,
    Some('Ž'),
    None,
    None,
    Some('‘'),
    Some('’'),
    Some('“'),
    Some('”'),
    Some('•'),
    Some('–'),
    Some('—'),
    Some('˜'),
    Some('™'),
    Some('š'),
    Some('›'),
    Some('œ'),
    None,
    Some('ž'),
    Some('Ÿ'),
];

impl Charset {
    /// The charset with this name.
    fn named(name: &str) -> Option<Self> {
        Some(match name.trim_matches(['"', '\'', ' ']).to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" | "unicode-1-1-utf-8" => Self::Utf8,
            "windows-1252" | "cp1252" | "x-cp1252" | "iso-8859-1" | "iso8859-1" | "latin1"
            | "l1" | "us-ascii" | "ascii" => Self::Windows1252,
            "utf-16" | "utf-16le" => Self::Utf16 { big_endian: false },
            "utf-16be" => Self::Utf16 { big_endian: true },
            _ => return None,
        })
    }

    /// The charset of a byte order mark, and the mark's length.
    pub(in crate::api) fn marked(bytes: &[u8]) -> Option<(Self, usize)> {
        match bytes {
            [0xef, 0xbb, 0xbf, ..] => Some((Self::Utf8, 3)),
            [0xff, 0xfe, ..] => Some((Self::Utf16 { big_endian: false }, 2)),
            [0xfe, 0xff, ..] => Some((Self::Utf16 { big_endian: true }, 2)),
            _ => None,
        }
    }

    /// The decoded text; `None` if a byte is undefined.
    pub(in crate::api) fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Utf8 => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Self::Windows1252 if bytes.is_ascii() => Self::Utf8.decode(bytes),
            Self::Windows1252 => bytes.iter().map(|byte| windows_1252(*byte)).collect(),
            Self::Utf16 { big_endian } => {
                let (pairs, rest) = bytes.as_chunks::<2>();
                let unit = |pair: &[u8; 2]| match big_endian {
                    true => u16::from_be_bytes(*pair),
                    false => u16::from_le_bytes(*pair),
                };
                let text = char::decode_utf16(pairs.iter().map(unit)).collect::<Result<_, _>>();
                text.ok().filter(|_| rest.is_empty())
            }
        }
    }
}

/// The character of a byte in Windows-1252.
fn windows_1252(byte: u8) -> Option<char> {
    match byte {
        0x80..=0x9f => AT_80[usize::from(byte - 0x80)],
        _ => Some(char::from(byte)),
    }
}

/// The charset that a call declares, if it does.
///
/// # Errors
///
/// 415 with the name of one that is not read here.
pub(in crate::api) fn declared(parts: &Parts) -> Result<Option<Charset>, Problem> {
    let Some(value) = parts.headers.get(header::CONTENT_TYPE) else { return Ok(None) };
    let value = value.to_str().unwrap_or_default();
    let charset = value.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim())
    });
    charset.map(known).transpose()
}

fn known(name: &str) -> Result<Charset, Problem> {
    Charset::named(name).ok_or_else(|| {
        let name: String = name.chars().take(60).collect();
        Problem::media_type(format!(
            "the charset {name:?} is not read here; send UTF-8, UTF-16, Windows-1252 or ISO-8859-1"
        ))
    })
}

/// The text of a body that is no form.
///
/// # Errors
///
/// 400 with the first byte that is undefined, 415 with a charset that is not read.
pub(in crate::api) fn text<'a>(parts: &Parts, bytes: &'a [u8]) -> Result<Cow<'a, str>, Problem> {
    let declared = declared(parts)?;
    let (charset, mark) = match (declared, Charset::marked(bytes)) {
        (Some(Charset::Windows1252), _) => (Charset::Windows1252, 0),
        (_, Some(marked)) => marked,
        (declared, None) => (declared.unwrap_or(Charset::Utf8), 0),
    };
    charset.decode(&bytes[mark..]).ok_or_else(|| undecodable(charset, &bytes[mark..], mark))
}

fn undecodable(charset: Charset, bytes: &[u8], mark: usize) -> Problem {
    let (name, at) = match charset {
        Charset::Utf8 => ("UTF-8", std::str::from_utf8(bytes).err().map(|e| e.valid_up_to())),
        Charset::Windows1252 => {
            ("Windows-1252", bytes.iter().position(|byte| windows_1252(*byte).is_none()))
        }
        Charset::Utf16 { .. } => ("UTF-16", None),
    };
    let byte = at.and_then(|at| Some((mark + at, *bytes.get(at)?)));
    let byte = byte.map_or_else(String::new, |(at, byte)| format!(": byte 0x{byte:02X} at {at}"));
    Problem::malformed(format!(
        "the body is not {name}{byte}; send UTF-8, or declare what it is in `Content-Type: …; \
         charset=…`"
    ))
}

/// The names and values of a form.
///
/// # Errors
///
/// As for any body; a form with two charsets is 400, too.
pub(in crate::api) fn form(parts: &Parts, body: &[u8]) -> Result<Vec<(String, String)>, Problem> {
    let pairs: Vec<(Vec<u8>, Vec<u8>)> = body
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            (unescaped(&pair[..end]), unescaped(pair.get(end + 1..).unwrap_or_default()))
        })
        .collect();
    // Browsers put the charset of the page into a field of this name.
    let told = pairs.iter().find(|(name, _)| name == b"_charset_");
    let told =
        told.map(|(_, value)| String::from_utf8_lossy(value)).filter(|value| !value.is_empty());
    let charset = match (declared(parts)?, told) {
        (Some(charset), _) => Some(charset),
        (None, Some(name)) => Some(known(&name)?),
        (None, None) => None,
    };
    let texts = || pairs.iter().flat_map(|(name, value)| [name, value]);
    let charset = match charset {
        Some(Charset::Utf16 { .. }) => {
            return Err(Problem::media_type("a form is not read in UTF-16; percent-encode UTF-8"));
        }
        Some(charset) => charset,
        None if texts().all(|text| std::str::from_utf8(text).is_ok()) => Charset::Utf8,
        None => {
            let in_utf8 = |text: &&Vec<u8>| !text.is_ascii() && std::str::from_utf8(text).is_ok();
            if texts().any(|text| in_utf8(&text)) {
                return Err(Problem::malformed(
                    "parts of the form are UTF-8 and parts are not; percent-encode all of it as \
                     UTF-8",
                ));
            }
            Charset::Windows1252
        }
    };
    let decoded = |bytes: &[u8]| match charset.decode(bytes) {
        Some(text) => Ok(text.into_owned()),
        None => Err(undecodable(charset, bytes, 0)),
    };
    pairs
        .iter()
        .filter(|(name, _)| name != b"_charset_")
        .map(|(name, value)| Ok((decoded(name)?, decoded(value)?)))
        .collect()
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> =
        text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(content_type: &str) -> Parts {
        let request = axum::http::Request::post("/").header(header::CONTENT_TYPE, content_type);
        request.body(()).unwrap().into_parts().0
    }

    fn value(content_type: &str, body: &[u8]) -> Result<String, u16> {
        let pairs = form(&parts(content_type), body).map_err(|why| why.status().as_u16())?;
        Ok(pairs
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("&"))
    }

    #[test]
    fn nothing_is_decoded_with_loss_in_a_form() {
        let form = "application/x-www-form-urlencoded";
        let latin = "application/x-www-form-urlencoded; charset=ISO-8859-1";
        let utf_8 = "application/x-www-form-urlencoded; charset=\"UTF-8\"";
        let other = "application/x-www-form-urlencoded; charset=Shift_JIS";
        for (kind, body, read) in [
            (form, &b"a=j%C3%B6rg+x&b"[..], Ok("a=jörg x&b=")),
            (form, b"a=j%F6rg", Ok("a=jörg")),
            (form, b"a=j\xfcrg&b=%80", Ok("a=jürg&b=€")),
            (latin, b"a=%C3%B6", Ok("a=Ã¶")),
            (utf_8, b"a=%F6", Err(400)),
            (form, b"a=%C3%B6&b=%F6", Err(400)),
            (form, b"a=%81", Err(400)),
            (other, b"a=b", Err(415)),
            (form, b"_charset_=windows-1252&a=%E4", Ok("a=ä")),
            (form, b"_charset_=koi8-r&a=%E4", Err(415)),
            (form, b"a=100%&b=%zz", Ok("a=100%&b=%zz")),
        ] {
            assert_eq!(
                value(kind, body),
                read.map(str::to_owned),
                "{}",
                String::from_utf8_lossy(body)
            );
        }
    }

    #[test]
    fn nothing_is_decoded_with_loss_in_json() {
        let json = "application/json";
        let read = |kind: &str, bytes: &[u8]| {
            text(&parts(kind), bytes).map(Cow::into_owned).map_err(|why| why.status().as_u16())
        };
        assert_eq!(read(json, b"\xef\xbb\xbf{}"), Ok("{}".to_owned()));
        assert_eq!(read(json, "\"ö\"".as_bytes()), Ok("\"ö\"".to_owned()));
        assert_eq!(read(json, b"\"\xf6\""), Err(400));
        assert_eq!(read("application/json; charset=latin1", b"\"\xf6\""), Ok("\"ö\"".to_owned()));
        assert_eq!(read("application/json; charset=gbk", b"{}"), Err(415));
        assert_eq!(read(json, b"\xff\xfe{\0}\0"), Ok("{}".to_owned()));
        assert_eq!(read("application/json; charset=utf-16be", b"\0{\0}"), Ok("{}".to_owned()));
        assert_eq!(read(json, b"\xff\xfe{\0}"), Err(400));
    }
}
