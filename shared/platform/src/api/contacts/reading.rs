//! Reading a contact from what was sent: every member becomes part of one [`Patch`], or a fault.
//!
//! Hooks, files and the API all use this reader. Names are read by `names`, values by their field's
//! type and by how the account writes them. An empty value counts as not sent, and never replaces a
//! value that came under another name.
//!
//! All faults are collected, so that the author of a form can correct them at once. If there is
//! any, nothing is written, unless values that cannot be read are to be left out. Dates are read in
//! the zone that the contact will have (R4).

use std::collections::BTreeMap;

use dacapo_engine::address;
use dacapo_engine::campaign::format::FieldDefinition;
use dacapo_engine::campaign::nearest::remedy;
use dacapo_engine::contact::{Contact, Patch, Suppression};
use dacapo_engine::conventions::Conventions;
use dacapo_engine::field::{BUILT_IN, FieldType, FieldValue, RESERVED, built_in, quoted};
use dacapo_engine::ids::{CampaignId, FieldKey, Tag};
use dacapo_engine::text;
use dacapo_engine::time::{Zone, is_only_a_day, zone_named};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::api::call::problem::{Fault, Problem};
use crate::api::contacts::names::{self, Meaning};
use crate::api::contacts::person_names::split;
use crate::api::contacts::sorting::{Manner, Sent, Sorted};
use crate::api::contacts::tag_lists::{self, For};
use crate::catalog::{Catalog, Loaded};
use crate::contact_json::{consent_of, is_locale};

/// What is done about fields that the account does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum UnknownFields {
    /// They are refused.
    #[default]
    Refuse,
    /// They are left out.
    Ignore,
    /// They are made: `text`, unless the value is JSON's number or boolean.
    Create,
}

/// What is done about values that cannot be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum Invalid {
    /// Nothing is written.
    #[default]
    Refuse,
    /// They are left out, and told; never `email` and `consent`.
    Skip,
}

/// How a contact is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) struct How {
    /// Which shapes may be sent.
    pub(in crate::api) manner: Manner,
    /// How unknown fields are handled.
    pub(in crate::api) unknown_fields: UnknownFields,
    /// How values that cannot be read are handled.
    pub(in crate::api) invalid: Invalid,
}

impl How {
    /// A contact in the same shape as in answers.
    pub(in crate::api) const SHAPE: Self = Self {
        manner: Manner::Shape,
        unknown_fields: UnknownFields::Refuse,
        invalid: Invalid::Refuse,
    };
}

/// What was read.
#[derive(Debug, Default)]
pub(in crate::api) struct Read {
    /// The address, if one was sent.
    pub(in crate::api) email: Option<String>,
    /// What is to be written, without the address.
    pub(in crate::api) patch: Patch,
    /// Fields that have to be created first.
    pub(in crate::api) new_fields: BTreeMap<FieldKey, FieldType>,
    /// What was left out, because it could not be read.
    pub(in crate::api) skipped: Vec<Fault>,
    /// What is written, but may not be what was meant.
    pub(in crate::api) doubtful: Vec<Fault>,
}

/// Reads members of a contact.
pub(in crate::api) struct Reader<'a> {
    catalog: &'a Catalog,
    fields: &'a BTreeMap<FieldKey, FieldDefinition>,
    before: Option<&'a Contact>,
    how: How,
    account_zone: Zone,
    conventions: Conventions,
    read: Read,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    /// A reader for a contact as it is stored, if it exists.
    pub(in crate::api) fn new(loaded: &'a Loaded, before: Option<&'a Contact>, how: How) -> Self {
        let account_zone = loaded.account.zone;
        let zone = before.and_then(Contact::zone).unwrap_or(account_zone);
        let settings = &loaded.catalog.settings;
        let conventions = Conventions::of_senders(zone, &settings.locale, settings.date_order);
        let (catalog, fields) = (&loaded.catalog, &loaded.catalog.fields);
        let (read, faults) = (Read::default(), Vec::new());
        Self { catalog, fields, before, how, account_zone, conventions, read, faults }
    }

    /// Reads everything that was sent.
    ///
    /// # Errors
    ///
    /// 422 with everything that is wrong.
    pub(in crate::api) fn read(mut self, sent: &Map<String, Value>) -> Result<Read, Problem> {
        let sorted = Sorted::of(sent, self.fields, self.how.manner);
        if !sorted.members.contains_key("email")
            && (self.how.manner == Manner::Hook || self.before.is_none())
        {
            self.fault("email", "required", "send the e-mail address");
        }
        self.faults.extend(sorted.faults);
        // The zone comes first: dates are read in it.
        if let Some(sent) = sorted.members.get("time_zone") {
            self.time_zone(sent);
        }
        for (member, sent) in &sorted.members {
            self.member(member, sent);
        }
        for (key, sent) in &sorted.fields {
            if let Some(field) = self.fields.get(*key) {
                self.value(&sent.path, key.as_str(), field.kind, sent.value);
            }
        }
        for sent in &sorted.unknown {
            self.unknown(sent);
        }
        if let Some(sent) = sorted.members.get("clear").filter(|_| self.how.manner == Manner::Hook)
        {
            self.clear(sent);
        }
        if let Some(sent) = sorted.members.get("name").filter(|_| self.how.manner == Manner::Hook) {
            self.name(sent);
        }
        if self.faults.is_empty() { Ok(self.read) } else { Err(Problem::invalid(self.faults)) }
    }

    fn fault(&mut self, path: impl Into<String>, code: &str, message: impl ToString) {
        self.faults.push(Fault::new(path, code, message));
    }

    /// A value that is not required.
    fn unreadable(&mut self, path: impl Into<String>, code: &str, message: impl ToString) {
        let fault = Fault::new(path, code, message);
        match self.how.invalid {
            Invalid::Refuse => self.faults.push(fault),
            Invalid::Skip => self.read.skipped.push(fault),
        }
    }

    fn member(&mut self, member: &str, sent: &Sent<'_>) {
        let hook = self.how.manner == Manner::Hook;
        let value = sent.value;
        match member {
            "time_zone" => {}
            "name" | "clear" if hook => {}
            "email" => self.email(sent),
            "locale" => self.locale(sent),
            "first_name" | "last_name" | "phone" => {
                self.value(&sent.path, member, FieldType::Text, value);
            }
            "tags" if hook || self.before.is_none() => {
                self.read.patch.add = self.tags(sent, For::Assigning);
                self.read.patch.remove.extend(tag_lists::withdrawn(value));
            }
            "tags" => self.all_tags(sent),
            "remove_tags" if hook => {
                let remove = self.tags(sent, For::Withdrawing);
                self.read.patch.remove.extend(remove);
            }
            "consent" => match value.as_str().map(str::trim).and_then(consent_of) {
                Some(consent) => self.read.patch.consent = Some(consent),
                None => {
                    let words = "write subscribed, unsubscribed or none";
                    self.fault(
                        &sent.path,
                        "consent",
                        format!("{} is no consent; {words}", quoted(value)),
                    );
                }
            },
            "suppressed" if !hook => self.suppressed(value),
            "suppressed" => self.read_only(sent),
            // The members of `fields` have been sorted.
            "fields" => {
                if !value.is_null() && !value.is_object() {
                    let message = format!(
                        "{} is no object: write a value for each key of a field",
                        quoted(value)
                    );
                    self.fault(&sent.path, "shape", message);
                }
            }
            _ => self.unknown(sent),
        }
    }

    fn read_only(&mut self, sent: &Sent<'_>) {
        self.fault(&sent.path, "read_only", "it cannot be written here; leave it out");
    }

    fn time_zone(&mut self, sent: &Sent<'_>) {
        match sent.value {
            Value::Null => {
                self.conventions = self.conventions.in_zone(self.account_zone);
                self.set("time_zone", None);
            }
            value => match value.as_str().and_then(zone_named) {
                Some(zone) => {
                    self.conventions = self.conventions.in_zone(zone);
                    self.set("time_zone", Some(FieldValue::Text(zone.name().to_owned())));
                }
                None => {
                    let message = format!(
                        "{} is no time zone; write an IANA name such as Europe/Berlin",
                        quoted(value)
                    );
                    self.unreadable(&sent.path, "time_zone", message);
                }
            },
        }
    }

    fn email(&mut self, sent: &Sent<'_>) {
        match sent.value.as_str() {
            Some(written) => match address::read(written) {
                Ok(address) => self.read.email = Some(address),
                Err(why) => self.fault(&sent.path, "email", why),
            },
            None => {
                let message = format!("{} is no e-mail address; send a text", quoted(sent.value));
                self.fault(&sent.path, "email", message);
            }
        }
    }

    fn locale(&mut self, sent: &Sent<'_>) {
        match sent.value.as_str().map(|text| text.trim().replace('_', "-")) {
            None if sent.value.is_null() => self.set("locale", None),
            Some(text) if is_locale(&text) => self.set("locale", Some(FieldValue::Text(text))),
            _ => {
                let message = format!(
                    "{} is no language; write a tag such as en, de-AT or pt-BR",
                    quoted(sent.value)
                );
                self.unreadable(&sent.path, "locale", message);
            }
        }
    }

    fn suppressed(&mut self, value: &Value) {
        match value {
            Value::Null => self.read.patch.suppressed = Some(None),
            Value::String(word) if word == "manual" => {
                self.read.patch.suppressed = Some(Some(Suppression::Manual));
            }
            _ => {
                let message = "write manual, or null to lift it; the mail service says the rest";
                self.fault("suppressed", "suppressed", message);
            }
        }
    }

    /// The parts of a whole name that were not sent separately.
    fn name(&mut self, sent: &Sent<'_>) {
        let name = match sent.value {
            Value::Null => return,
            Value::String(name) => text::value(name),
            _ => {
                let message = format!("{} is no name; send a text", quoted(sent.value));
                return self.unreadable(&sent.path, "value", message);
            }
        };
        let name = match name {
            Ok(name) => name,
            Err(why) => {
                let message = format!("{} is no name: {why}", quoted(sent.value));
                return self.unreadable(&sent.path, "value", message);
            }
        };
        let parts = split(&name);
        let given =
            |read: &Read, key: &str| read.patch.fields.get(key).is_some_and(Option::is_some);
        // A name that could not be split is not used where a part was sent.
        if parts.whole && (given(&self.read, "first_name") || given(&self.read, "last_name")) {
            return;
        }
        for (key, part) in [("first_name", parts.first), ("last_name", parts.last)] {
            if let Some(part) = part
                && !given(&self.read, key)
            {
                self.value(&sent.path, key, FieldType::Text, &Value::String(part));
            }
        }
    }

    fn tags(&mut self, sent: &Sent<'_>, what: For) -> Vec<Tag> {
        let (tags, wrong) = tag_lists::read(sent.value, what);
        for wrong in wrong {
            self.unreadable(wrong.path(&sent.path), wrong.code, wrong.message);
        }
        tags
    }

    /// A list of tags replaces all tags of the contact; in an object `null` withdraws one. Tags
    /// that it has are not assigned again.
    fn all_tags(&mut self, sent: &Sent<'_>) {
        let tags = self.tags(sent, For::Assigning);
        let patch = &mut self.read.patch;
        (patch.add, patch.remove) = tag_lists::replacing(sent.value, tags, self.before);
    }

    /// Names that are not known.
    fn unknown(&mut self, sent: &Sent<'_>) {
        let (key, value) = (sent.name, sent.value);
        if !sent.in_fields && names::meaning(key, self.fields).0 == Meaning::ReadOnly {
            return match self.how.unknown_fields {
                UnknownFields::Ignore => {}
                UnknownFields::Refuse | UnknownFields::Create => self.read_only(sent),
            };
        }
        if self.how.manner == Manner::Shape && !sent.in_fields {
            if RESERVED.contains(&key) {
                return self.read_only(sent);
            }
            let message = if self.fields.contains_key(key) {
                format!("custom fields go into `fields`: {{\"{key}\": …}}")
            } else {
                let known = BUILT_IN.iter().map(|(name, _)| *name);
                let known = known.chain(["tags", "fields", "consent", "suppressed"]);
                format!("a contact has no `{key}`; {}", remedy(key, known))
            };
            return self.fault(&sent.path, "unknown_member", message);
        }
        if built_in(key).is_some() || RESERVED.contains(&key) {
            let message = format!("`{key}` is no custom field; send it beside `fields`");
            return self.fault(&sent.path, "unknown_field", message);
        }
        // The value of a field that was deleted can be cleared.
        let nothing = value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
        if nothing && self.before.is_some_and(|before| before.fields.contains_key(key)) {
            return self.set(key, None);
        }
        match self.how.unknown_fields {
            UnknownFields::Ignore => {}
            UnknownFields::Refuse => {
                self.fault(&sent.path, "unknown_field", names::unknown(key, self.fields));
            }
            UnknownFields::Create => match FieldKey::new(key) {
                Ok(name) => {
                    // There is no value, so there is no field to create.
                    if nothing {
                        return;
                    }
                    let kind = kind_of_new(value);
                    let before = self.read.skipped.len();
                    self.value(&sent.path, key, kind, value);
                    if self.read.skipped.len() == before {
                        self.read.new_fields.insert(name, kind);
                    }
                }
                Err(why) => self.fault(&sent.path, "field_key", why),
            },
        }
    }

    /// Fields that are to have no value from now on.
    fn clear(&mut self, sent: &Sent<'_>) {
        let listed: Vec<String> = match sent.value {
            Value::Null => Vec::new(),
            Value::String(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
            Value::Array(items) if items.iter().all(Value::is_string) => {
                items.iter().filter_map(Value::as_str).map(|name| name.trim().to_owned()).collect()
            }
            Value::Array(_) | Value::Object(_) | Value::Bool(_) | Value::Number(_) => {
                let message =
                    format!("{} is no list of fields; write [\"phone\"]", quoted(sent.value));
                return self.fault(&sent.path, "shape", message);
            }
        };
        for name in listed.iter().filter(|name| !name.is_empty()) {
            let name = name.strip_prefix("fields.").unwrap_or(name);
            let key = match names::meaning(name, self.fields).0 {
                Meaning::Field(key) => key.as_str(),
                Meaning::Member(member) if built_in(member).is_some() && member != "email" => {
                    member
                }
                Meaning::Member("tags" | "remove_tags") => {
                    self.fault(&sent.path, "clear", "tags are withdrawn by `remove_tags`");
                    continue;
                }
                Meaning::Member(_) | Meaning::ReadOnly | Meaning::Unknown => {
                    let known =
                        BUILT_IN.iter().map(|(name, _)| *name).filter(|name| *name != "email");
                    let known = known.chain(self.fields.keys().map(FieldKey::as_str));
                    let message = format!(
                        "`{name}` is no field that can be cleared; {}",
                        remedy(name, known)
                    );
                    if self.how.unknown_fields != UnknownFields::Ignore {
                        self.fault(&sent.path, "clear", message);
                    }
                    continue;
                }
            };
            let is_set = self.read.patch.fields.get(key).is_some_and(Option::is_some);
            if is_set {
                let message =
                    format!("`{key}` is cleared here, and has a value beside; send one of the two");
                self.fault(&sent.path, "clear", message);
            } else {
                if key == "time_zone" {
                    // Dates beside it have been read already; a sender who clears the zone sends
                    // them with an offset.
                    self.conventions = self.conventions.in_zone(self.account_zone);
                }
                let key = key.to_owned();
                self.set(&key, None);
            }
        }
    }

    /// Empty values have been left out before; `null` clears.
    fn value(&mut self, path: &str, key: &str, kind: FieldType, value: &Value) {
        match kind.read_sent(value, &self.conventions) {
            Ok(None) if !value.is_null() => {}
            Ok(read) => {
                if kind == FieldType::Datetime {
                    self.look_for_a_time(path, key, value);
                }
                self.set(key, read);
            }
            Err(why) => self.unreadable(path, "value", why),
        }
    }

    /// A day without a time, where a timer waits for the moment, is probably a mistake.
    fn look_for_a_time(&mut self, path: &str, key: &str, value: &Value) {
        let followed = self.catalog.followed_by(key);
        self.read.doubtful.extend(without_time(path, value, &self.conventions, followed));
    }

    fn set(&mut self, key: &str, value: Option<FieldValue>) {
        if let Ok(key) = FieldKey::new(key) {
            self.read.patch.fields.insert(key, value);
        }
    }
}

/// The type of a field that is made for a value.
pub(in crate::api) fn kind_of_new(value: &Value) -> FieldType {
    match value {
        Value::Bool(_) => FieldType::Boolean,
        Value::Number(_) => FieldType::Number,
        Value::String(_) | Value::Array(_) | Value::Object(_) | Value::Null => FieldType::Text,
    }
}

/// The doubt about a moment that was sent as a day without a time, if a campaign follows it.
pub(in crate::api) fn without_time(
    path: &str,
    value: &Value,
    conventions: &Conventions,
    followed: Option<&CampaignId>,
) -> Option<Fault> {
    let campaign = followed?;
    is_only_a_day(value.as_str()?, conventions.slashes).then(|| {
        let message = format!(
            "{} has no time of day and is read as midnight, in {}; timers of the campaign \
             `{campaign}` count from that moment; send a time as well, such as 2026-12-01T14:30",
            quoted(value),
            conventions.zone.name()
        );
        Fault::new(path, "no_time", message)
    })
}
