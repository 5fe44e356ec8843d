//! The contacts that an unreadable text names: their ids and the e-mail addresses in it, in any
//! JSON, also in JSON within strings of JSON.

use std::borrow::Cow;
use std::collections::BTreeSet;

use dacapo_engine::address::folded;
use dacapo_engine::ids::ContactId;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::json_tree::Tree;
use crate::keys::contact_in;
use crate::last_id::is_made;
use crate::table::Key;

/// How deep JSON may be nested in strings of JSON. AWS's events have two levels.
const DEEPEST: u32 = 8;

/// Characters that end a word that may be an address: no accepted address has one of them.
const ENDS: &str = "<>()[],;:\\\"";

/// Characters that may be next to an address in a text, although an address could have them.
const BESIDE: &str = "'`=/?&|{}*!#$%^~";

/// What stands for `@` in texts that are URL-encoded, maybe twice, or HTML. The first is the sign
/// that begins any encoded character.
const AT: [&str; 4] = ["%", "&#64;", "&#x40;", "&commat;"];

/// The contacts and addresses that a text names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Mentions {
    contacts: BTreeSet<ContactId>,
    addresses: BTreeSet<String>,
}

impl Mentions {
    /// Finds those of a text.
    pub(crate) fn of(text: &str) -> Self {
        let mut mentions = Self::default();
        mentions.read(text, 0);
        mentions
    }

    /// The contacts, by the ids that the platform makes and by the keys of their items.
    pub(crate) fn contacts(&self) -> impl Iterator<Item = &ContactId> {
        self.contacts.iter()
    }

    /// The contact that the text is about, as far as that is certain.
    pub(crate) fn contact(&self) -> Option<&ContactId> {
        self.contacts().find(|id| is_made(id.as_str())).or_else(|| self.contacts().next())
    }

    /// The addresses, folded.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &str> {
        self.addresses.iter().map(String::as_str)
    }

    fn read(&mut self, text: &str, depth: u32) {
        match serde_json::from_str(text) {
            // A name may stand twice: none of its values is left out.
            Ok(tree @ (Tree::Members(_) | Tree::List(_) | Tree::Plain(Value::String(_))))
                if depth < DEEPEST =>
            {
                self.walk(&tree, depth + 1);
            }
            Ok(_) | Err(_) => self.encoded(text),
        }
    }

    fn walk(&mut self, tree: &Tree, depth: u32) {
        match tree {
            Tree::Plain(Value::String(text)) => self.read(text, depth),
            Tree::Plain(_) => {}
            Tree::List(list) => list.iter().for_each(|one| self.walk(one, depth)),
            Tree::Members(members) => {
                for (name, member) in members {
                    self.words(name);
                    self.walk(member, depth);
                }
            }
        }
    }

    /// A text that is no JSON, in whatever encodings an address may stand there.
    fn encoded(&mut self, text: &str) {
        self.words(text);
        // It may be the beginning of JSON that was cut off.
        if text.contains('\\') {
            self.words(&unescaped(text));
        }
        let mut text = Cow::Borrowed(text);
        for _ in 0..DEEPEST {
            if !AT.iter().any(|at| text.contains(at)) {
                break;
            }
            let decoded = |text: &str| {
                let decoded = percent_decode_str(text).decode_utf8_lossy();
                AT[1..].iter().fold(decoded.into_owned(), |text, at| text.replace(at, "@"))
            };
            // In a form a plus is a space, in an address it is one of its characters.
            self.words(&decoded(&text.replace('+', " ")));
            let once = decoded(&text);
            if text == once {
                break;
            }
            self.words(&once);
            text = Cow::Owned(once);
        }
    }

    fn words(&mut self, text: &str) {
        // In the index the number of a shard is in the same place.
        let is_id = |id: &ContactId| !id.as_str().bytes().all(|byte| byte.is_ascii_digit());
        self.contacts.extend(contact_in(&Key::new(text, "")).filter(is_id));
        let ends = |c: char| c.is_whitespace() || ENDS.contains(c);
        for word in text.split(ends) {
            self.word(word);
            for part in word.split(|c| BESIDE.contains(c)).filter(|part| *part != word) {
                self.word(part);
            }
        }
    }

    fn word(&mut self, word: &str) {
        let address = word.trim_matches('.');
        if address
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        {
            self.addresses.insert(folded(address));
        }
        // An id may be at the end of a key, or before the signature of a link.
        for part in word.split(['.', '#']).filter(|part| is_made(part)) {
            self.contacts.extend(ContactId::new(part));
        }
    }
}

/// A text with JSON's escapes decoded; invalid ones stay as they are.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        // One level of escapes for each string that the JSON is in.
        let escape = rest[at..].trim_start_matches('\\');
        let mut length = escape.chars().next().map_or(0, char::len_utf8);
        match escape.chars().next() {
            Some('n' | 'r' | 't' | 'b' | 'f') => plain.push(' '),
            Some('u') => match utf16(escape) {
                Some((character, taken)) => {
                    plain.push(character);
                    length = taken;
                }
                None => plain.push('u'),
            },
            Some(other) => plain.push(other),
            None => {}
        }
        rest = &escape[length..];
    }
    plain.push_str(rest);
    plain
}

/// The character that a text begins with as `u00e9`, or as the two halves of a pair, and how long
/// that is.
fn utf16(text: &str) -> Option<(char, usize)> {
    let unit = |text: &str| u16::from_str_radix(text.strip_prefix('u')?.get(..4)?, 16).ok();
    let first = unit(text)?;
    let alone = |first| char::from_u32(u32::from(first)).map(|character| (character, 5));
    if alone(first).is_some() {
        return alone(first);
    }
    let behind = text.get(5..)?;
    let second = behind.trim_start_matches('\\');
    let taken = 5 + behind.len() - second.len() + 5;
    let pair = char::decode_utf16([first, unit(second)?]).next()?.ok()?;
    Some((pair, taken))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn named(text: &str) -> (Vec<String>, Vec<String>) {
        let mentions = Mentions::of(text);
        let contacts = mentions.contacts().map(ToString::to_string).collect();
        (contacts, mentions.addresses().map(str::to_owned).collect())
    }

    const ANN: &str = "c1m8r9w900chj68s3";

    #[test]
    fn an_address_is_found_in_whatever_json_it_stands() {
        let mut nested = json!({ "to": ["Ann Other <Ann@Example.com>"] });
        let finds = |text: &str| named(text).1.iter().any(|found| found == "ann@example.com");
        for _ in 0..4 {
            assert!(finds(&nested.to_string()), "{nested}");
            nested = json!({ "body": nested.to_string(), "n": 7 });
        }
        for text in [
            "mailto:ann@example.com?subject=x",
            "to=ann@example.com&x=y",
            "550 5.1.1 <ann@example.com>: no such user",
            "'ann@example.com'.",
            r#"{"broken": "To: you\r\nann@example.com"#,
            r#"{"ann@example.com": 1}"#,
            "ann@example.com",
            r#"{"to": "ann@example.com", "to": "eve@example.com"}"#,
            r#"{"raw": "{\"to\": \"ann@example.com\", \"to\": 1}"}"#,
            "email=ann%40example.com&n=100%",
            "email=ann%2540example.com+",
            "<a>ann&#64;example.com</a>",
            "n=1+email=ann%40example.com+2",
        ] {
            assert!(finds(text), "{text}: {:?}", named(text));
        }
        for text in ["ann@", "@example.com", "ann at example.com", "joann@example.com"] {
            assert!(!finds(text), "{text}: {:?}", named(text));
        }
    }

    #[test]
    fn one_identity_however_an_address_is_written_and_escaped() {
        for text in [
            r#"{"to": "J\u00d6RG@m\u00fcller.example"}"#,
            r#"{"to": "jörg@xn--mller-kva.example"}"#,
            r#"{"cut off": "j\u00f6rg@m\u00fcller.example"#,
            r#"{\"cut off\": \"j\\u00f6rg@m\\u00fcller.example"#,
        ] {
            let (_, found) = named(text);
            assert!(found.iter().any(|one| one == "jörg@müller.example"), "{text}: {found:?}");
        }
        assert_eq!(unescaped(r"\ud83d\ude00 \ud83d x\"), "😀 ud83d x");
        assert_eq!(unescaped(r"\\ud83d\\ude00\n\u12"), "😀 u12");
    }

    #[test]
    fn a_contact_is_found_by_its_key_by_its_message_and_by_its_link() {
        let record = json!({ "dynamodb": { "Keys": { "PK": { "S": "A#main#C#broken" } },
            "NewImage": { "GSI1PK": { "S": "A#main#C#3" } } } });
        assert_eq!(named(&record.to_string()).0, ["broken"]);
        let enrollment_event = json!({ "wake": { "c": ANN, "p": "hello" } }).to_string();
        for text in [
            json!({ "body": enrollment_event }).to_string(),
            json!({ "mail": { "tags": { "contact": [ANN] } } }).to_string(),
            format!("<https://mail.example/u/{ANN}.Zm9vYmFy>"),
        ] {
            assert_eq!(named(&text).0, [ANN], "{text}");
        }
        assert_eq!(named(r#"{"eventID": "cafe", "campaign": "c", "n": 1}"#), (vec![], vec![]));
    }
}
