//! The examples work unchanged: every campaign can be published, and the campaigns react to every
//! payload.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use dacapo_engine::campaign::format::{Document, FieldDefinition};
use dacapo_engine::campaign::reader::{self, LocatedDocument};
use dacapo_engine::campaign::validate::{AccountView, validate};
use dacapo_engine::field::{FieldType, RESERVED, built_in};
use dacapo_engine::ids::{CampaignId, Tag};
use dacapo_engine::time::Zone;
use serde_json::{Map, Value};

#[test]
fn every_campaign_can_be_published_as_it_is() {
    let campaigns = campaigns();
    assert!(campaigns.len() >= 2, "only {} campaigns were found", campaigns.len());
    // A new account: no fields, no sender, and of campaigns only the examples.
    let fields = BTreeMap::new();
    let known = |id: &CampaignId| campaigns.iter().any(|(_, source)| source.document.id == *id);
    let account = AccountView {
        fields: &fields,
        objects: &BTreeMap::new(),
        subjects: &|_| None,
        campaigns: &known,
        sender: false,
    };
    for (name, source) in &campaigns {
        let problems = validate(source, &account);
        assert!(problems.is_empty(), "{name} has problems; mend it:\n{problems:#?}");
    }
}

#[test]
fn a_campaign_is_called_like_its_file() {
    for (name, source) in campaigns() {
        let id = source.document.id.as_str();
        assert_eq!(name, format!("{id}.yaml"), "rename the file or the campaign");
    }
}

#[test]
fn every_payload_says_whom_it_is_about() {
    for (name, payload) in payloads() {
        let email = payload.get("email").and_then(Value::as_str).unwrap_or_default();
        assert!(email.ends_with("@example.com"), "{name}: `email` is an address at example.com");
    }
}

#[test]
fn every_field_of_a_payload_is_known_and_its_value_can_be_read() {
    let declared = fields();
    for (name, payload) in payloads() {
        let zone = match payload.get("time_zone").and_then(Value::as_str) {
            Some(zone) => zone.parse().unwrap_or_else(|_| panic!("{name}: {zone} is no time zone")),
            None => Zone::UTC,
        };
        let nested = payload.get("fields").map(|fields| fields.as_object().expect("an object"));
        let flat = payload.iter().filter(|(key, _)| !RESERVED.contains(&key.as_str()));
        for (key, value) in flat.chain(nested.into_iter().flatten()) {
            let kind =
                declared.get(key.as_str()).copied().or_else(|| built_in(key)).unwrap_or_else(
                    || panic!("{name}: no example campaign declares the field {key}"),
                );
            if let Err(error) = kind.read(value, zone) {
                panic!("{name}: {key} cannot be read: {error}");
            }
        }
    }
}

#[test]
fn every_tag_of_a_payload_means_something_to_a_campaign() {
    let texts: Vec<String> = campaigns()
        .iter()
        .map(|(_, source)| serde_json::to_string(&source.document).expect("a document is written"))
        .collect();
    for (name, payload) in payloads() {
        for tag in ["tags", "remove_tags"].iter().flat_map(|key| tags(payload.get(*key))) {
            if let Err(error) = Tag::new(&tag) {
                panic!("{name}: {tag}: {error}");
            }
            let quoted = Value::from(tag.as_str()).to_string();
            assert!(
                texts.iter().any(|text| text.contains(&quoted)),
                "{name}: no example campaign looks at the tag {tag}"
            );
        }
    }
}

#[test]
fn every_example_is_explained() {
    let readme = text(&folder().join("README.md"));
    let campaigns = campaigns().into_iter().map(|(name, _)| name);
    for link in campaigns.chain(payloads().into_iter().map(|(name, _)| name)) {
        assert!(
            readme.contains(&format!("]({link})")),
            "explain {link} in examples/README.md, with a link to it"
        );
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files directly in a folder, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

fn campaigns() -> Vec<(String, LocatedDocument)> {
    files(&folder())
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            match reader::read(&text(&path)) {
                Ok(source) => (name, source),
                Err(problems) => panic!("{name} cannot be read; mend it:\n{problems:#?}"),
            }
        })
        .collect()
}

/// The fields that the example campaigns declare. A name means the same in all of them.
fn fields() -> BTreeMap<String, FieldType> {
    let mut all = BTreeMap::new();
    for (name, LocatedDocument { document: Document { fields, .. }, .. }) in campaigns() {
        for (key, FieldDefinition { kind, .. }) in fields {
            let before = all.insert(key.as_str().to_owned(), kind);
            assert!(before.is_none_or(|before| before == kind), "{name}: {} differs", key.as_str());
        }
    }
    all
}

/// The payloads, by name: the bodies of `POST /v1/hooks/contact`.
fn payloads() -> Vec<(String, Map<String, Value>)> {
    let all: Vec<_> = files(&folder().join("payloads"))
        .into_iter()
        .map(|path| {
            let name = format!("payloads/{}", path.file_name().expect("a name").to_string_lossy());
            let body = text(&path);
            let payload = match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") => serde_json::from_str(&body)
                    .unwrap_or_else(|error| panic!("{name} is no JSON object: {error}")),
                Some("form") => form(&name, body.trim_end()),
                _ => panic!("{name}: a payload is a .json or a .form"),
            };
            (name, payload)
        })
        .collect();
    assert!(all.len() >= 5, "only {} payloads were found", all.len());
    all
}

/// A form's body. A duplicate key is an error.
fn form(name: &str, body: &str) -> Map<String, Value> {
    let mut seen = BTreeSet::new();
    body.split('&')
        .map(|pair| {
            let (key, value) =
                pair.split_once('=').unwrap_or_else(|| panic!("{name}: {pair} has no value"));
            assert!(seen.insert(key), "{name}: {key} is there twice");
            (decoded(name, key), Value::String(decoded(name, value)))
        })
        .collect()
}

/// Decodes a part of a form.
fn decoded(name: &str, part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                bytes.push(byte.unwrap_or_else(|| panic!("{name}: two digits follow % in {part}")));
                rest = &rest[2..];
            }
            byte if byte.is_ascii_alphanumeric() || b"-._*".contains(byte) => bytes.push(*byte),
            _ => panic!("{name}: encode {part}"),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| panic!("{name}: {part} is no UTF-8"))
}

/// A list of tags as the hook reads it: a list, or one text with commas.
fn tags(sent: Option<&Value>) -> Vec<String> {
    match sent {
        None => Vec::new(),
        Some(Value::String(text)) => text.split(',').map(|tag| tag.trim().to_owned()).collect(),
        Some(Value::Array(list)) => {
            list.iter().map(|tag| tag.as_str().expect("a tag is a text").to_owned()).collect()
        }
        Some(other) => panic!("{other} is no list of tags"),
    }
}
