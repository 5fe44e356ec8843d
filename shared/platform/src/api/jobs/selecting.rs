//! Which contacts, campaigns and instants a mass action is about, read member by member, so that
//! all faults can be reported.

use dacapo_engine::address;
use dacapo_engine::campaign::nearest::remedy;
use dacapo_engine::ids::{CampaignId, ContactId, Tag};
use serde_json::Value;

use crate::Instant;
use crate::api::call::auth::Holder;
use crate::api::call::problem::{Fault, Problem};
use crate::api::contacts::calls::by_address;
use crate::catalog::{CatalogStore, Loaded};
use crate::contact_json::instant_text;
use crate::contacts::Contacts;
use crate::jobs::{JobKind, Jobs, Requested, Selection};

/// The most contacts that a mass action may name.
const MOST_NAMED: usize = 10_000;

/// How many addresses are looked up at once.
const AT_ONCE: usize = 100;

/// What is asked for, if it is valid.
pub(in crate::api) async fn requested(
    catalog: &CatalogStore,
    contacts: &Contacts,
    jobs: &Jobs,
    holder: &Holder,
    kind: JobKind,
    (campaigns, selected): (&Value, &Value),
) -> Result<Requested, Problem> {
    let loaded = catalog.current().await?;
    let mut faults = Vec::new();
    let (campaigns, all) = campaigns_of(&loaded, campaigns, &mut faults);
    let wanted = contacts_of(selected, &mut faults);
    let Some(wanted) = wanted.filter(|_| faults.is_empty()) else {
        return Err(Problem::invalid(faults));
    };
    let (selection, named) = match wanted {
        Wanted::Ids(ids) => {
            let there = u64::try_from(ids.len()).unwrap_or(0);
            (Selection::Named { there, missing: 0 }, ids)
        }
        Wanted::Emails(emails) => {
            let mut there = Vec::new();
            for chunk in emails.chunks(AT_ONCE) {
                there.extend(contacts.ids_of(chunk).await?.into_iter().flatten());
            }
            there.sort_unstable();
            there.dedup();
            let missing = emails.len() - there.len();
            let count = |many| u64::try_from(many).unwrap_or(0);
            (Selection::Named { there: count(there.len()), missing: count(missing) }, there)
        }
        Wanted::Tag(tag) => (Selection::Tag(tag), Vec::new()),
        Wanted::Enrolled => (Selection::Enrolled, Vec::new()),
    };
    let counted = jobs.count_selected(&selection, &campaigns).await?;
    let by = holder.name().to_owned();
    let (estimate, estimate_is_a_minimum) = (counted.count, counted.is_a_minimum);
    let requested =
        Requested { kind, selection, named, campaigns, all, by, estimate, estimate_is_a_minimum };
    Ok(requested)
}

/// The selected campaigns, in order of id, and whether all are selected.
fn campaigns_of(loaded: &Loaded, sent: &Value, faults: &mut Vec<Fault>) -> (Vec<CampaignId>, bool) {
    let there = &loaded.catalog.campaigns;
    let list = match sent {
        Value::String(word) if word == "all" => {
            let published = there.iter().filter(|(_, head)| head.standing().is_some());
            return (published.map(|(id, _)| id.clone()).collect(), true);
        }
        Value::Array(list) if !list.is_empty() => list,
        Value::Null => {
            let message = "say which: a list of ids, or \"all\"";
            faults.push(Fault::new("campaigns", "required", message));
            return (Vec::new(), false);
        }
        _ => {
            let message = "write a list of ids, or \"all\"";
            faults.push(Fault::new("campaigns", "shape", message));
            return (Vec::new(), false);
        }
    };
    let mut campaigns = Vec::new();
    for (at, sent) in list.iter().enumerate() {
        let path = format!("campaigns.{at}");
        let Some(name) = sent.as_str() else {
            faults.push(Fault::new(path, "shape", "write the id of a campaign"));
            continue;
        };
        match there.get_key_value(name).filter(|(_, head)| head.is_there()) {
            Some((id, _)) => campaigns.push(id.clone()),
            None => {
                let known = there.iter().filter(|(_, head)| head.is_there());
                let remedy = remedy(name, known.map(|(id, _)| id.as_str()));
                let message = format!("there is no campaign `{name}`; {remedy}");
                faults.push(Fault::new(path, "unknown_campaign", message));
            }
        }
    }
    campaigns.sort_unstable();
    campaigns.dedup();
    (campaigns, false)
}

/// The selected contacts.
enum Wanted {
    Ids(Vec<ContactId>),
    Emails(Vec<String>),
    Tag(Tag),
    Enrolled,
}

fn contacts_of(sent: &Value, faults: &mut Vec<Fault>) -> Option<Wanted> {
    const HOW: &str =
        "write {\"ids\": […]}, {\"emails\": […]} or {\"tag\": \"…\"}, or \"enrolled\"";
    let members = match sent {
        Value::String(word) if word == "enrolled" => return Some(Wanted::Enrolled),
        Value::Object(members) if members.len() == 1 => members,
        Value::Null => {
            faults.push(Fault::new("contacts", "required", HOW));
            return None;
        }
        _ => {
            faults.push(Fault::new("contacts", "shape", HOW));
            return None;
        }
    };
    let (key, value) = members.iter().next()?;
    match (key.as_str(), value) {
        ("ids", Value::Array(list)) => {
            let read = |text: &str| match by_address(text) {
                Some(_) => Err(format!("`{text}` is no id; addresses go into {{\"emails\": […]}}")),
                None => ContactId::new(text).map_err(|why| why.to_string()),
            };
            named("ids", list, read, faults).map(Wanted::Ids)
        }
        ("emails", Value::Array(list)) => {
            let read = |text: &str| address::read(text).map_err(|why| why.to_string());
            named("emails", list, read, faults).map(Wanted::Emails)
        }
        ("tag", Value::String(tag)) => match Tag::kept(tag) {
            Ok(tag) => Some(Wanted::Tag(tag)),
            Err(why) => {
                faults.push(Fault::new("contacts.tag", "tag", why));
                None
            }
        },
        _ => {
            faults.push(Fault::new("contacts", "shape", HOW));
            None
        }
    }
}

/// Those that are named, each once.
fn named<T: Ord>(
    key: &str,
    list: &[Value],
    read: impl Fn(&str) -> Result<T, String>,
    faults: &mut Vec<Fault>,
) -> Option<Vec<T>> {
    let path = format!("contacts.{key}");
    if list.is_empty() {
        faults.push(Fault::new(path, "required", "name at least one"));
        return None;
    }
    if list.len() > MOST_NAMED {
        let message = format!("at most {MOST_NAMED} can be named; give them a tag, and send that");
        faults.push(Fault::new(path, "too_many", message));
        return None;
    }
    let mut all = Vec::new();
    for (at, sent) in list.iter().enumerate() {
        match sent.as_str().ok_or_else(|| "write a text".to_owned()).and_then(&read) {
            Ok(one) => all.push(one),
            Err(why) => faults.push(Fault::new(format!("{path}.{at}"), "value", why)),
        }
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

/// An instant that has passed, if one was sent.
pub(in crate::api) fn past(
    path: &'static str,
    sent: Option<&str>,
    now: Instant,
    faults: &mut Vec<Fault>,
) -> Option<Instant> {
    let sent = sent?;
    let fault = match chrono::DateTime::parse_from_rfc3339(sent) {
        Ok(at) if at <= now => return Some(at.to_utc()),
        Ok(_) => {
            let now = instant_text(now);
            let message =
                format!("{sent} is to come yet: it is {now}; nothing would be sent until then");
            Fault::new(path, "future", message)
        }
        Err(_) => {
            let message = format!("`{sent}` is no instant; write one such as 2026-12-01T08:00:00Z");
            Fault::new(path, "instant", message)
        }
    };
    faults.push(fault);
    None
}
