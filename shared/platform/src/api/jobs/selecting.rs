//! Which contacts, campaigns and instants a mass action is about, read member by member, so that
//! all faults can be reported.

use dacapo_engine::address;
use dacapo_engine::campaign::nearest::remedy;
use dacapo_engine::compact::SortCompactly as _;
use dacapo_engine::enrollment::Status;
use dacapo_engine::field::quoted;
use dacapo_engine::ids::{CampaignId, ContactId, ObjectType, Tag};
use serde_json::{Map, Value};

use crate::Instant;
use crate::api::call::auth::Holder;
use crate::api::call::problem::{Fault, Problem};
use crate::api::contacts::calls::by_address;
use crate::catalog::Loaded;
use crate::contact_json::instant_text;
use crate::jobs::{JobKind, Members, Requested, Selection};
use crate::platform::Platform;

/// The most contacts that a mass action may name.
const MOST_NAMED: usize = 10_000;

/// How many addresses are looked up at once.
const ADDRESSES_AT_ONCE: usize = 100;

/// What is asked for, if it is valid.
pub(in crate::api) async fn requested(
    platform: &Platform,
    holder: &Holder,
    kind: JobKind,
    (campaigns, selected): (&Value, &Value),
) -> Result<Requested, Problem> {
    let Platform { catalog, contacts, jobs, .. } = platform;
    let loaded = catalog.current().await?;
    let mut faults = Vec::new();
    let (mut campaigns, all) = campaigns_of(&loaded, campaigns, &mut faults);
    let wanted = contacts_of(&loaded, selected, kind, &mut faults);
    if let Some(Wanted::Members(Members { object_type: Some(wanted), .. })) = &wanted {
        only_about(&loaded, wanted, &mut campaigns, all, &mut faults);
    }
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
            for chunk in emails.chunks(ADDRESSES_AT_ONCE) {
                there.extend(contacts.ids_of(chunk).await?.into_iter().flatten());
            }
            there.sort_compactly();
            there.dedup();
            let missing = emails.len() - there.len();
            let count = |many| u64::try_from(many).unwrap_or(0);
            (Selection::Named { there: count(there.len()), missing: count(missing) }, there)
        }
        Wanted::Tag(tag) => (Selection::Tag(tag), Vec::new()),
        Wanted::Enrolled => (Selection::Enrolled, Vec::new()),
        Wanted::Members(members) => (Selection::Members(members), Vec::new()),
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
    campaigns.sort_compactly();
    campaigns.dedup();
    (campaigns, false)
}

/// The selected contacts.
enum Wanted {
    Ids(Vec<ContactId>),
    Emails(Vec<String>),
    Tag(Tag),
    Enrolled,
    Members(Members),
}

fn contacts_of(
    loaded: &Loaded,
    sent: &Value,
    kind: JobKind,
    faults: &mut Vec<Fault>,
) -> Option<Wanted> {
    const HOW: &str = "write {\"ids\": […]}, {\"emails\": […]}, {\"tag\": \"…\"} or \
         {\"object_type\": \"…\"}, or \"enrolled\"; {\"status\": \"…\"} goes alone, or with \
         `object_type`";
    let members = match sent {
        Value::String(word) if word == "enrolled" => return Some(Wanted::Enrolled),
        Value::Object(members) if is_of_members(members) => {
            return members_of(loaded, members, kind, faults).map(Wanted::Members);
        }
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

/// Whether a selection is about members of the campaigns, by type and status.
fn is_of_members(sent: &Map<String, Value>) -> bool {
    !sent.is_empty() && sent.keys().all(|name| matches!(name.as_str(), "object_type" | "status"))
}

/// The members that are meant.
fn members_of(
    loaded: &Loaded,
    sent: &Map<String, Value>,
    kind: JobKind,
    faults: &mut Vec<Fault>,
) -> Option<Members> {
    let before = faults.len();
    let mut members = Members::default();
    if let Some(sent) = sent.get("object_type") {
        let types = &loaded.catalog.objects;
        match sent.as_str().map(|name| types.get_key_value(name)) {
            Some(Some((name, _))) => members.object_type = Some(name.clone()),
            Some(None) => {
                let name = sent.as_str().unwrap_or_default();
                let remedy = remedy(name, types.keys().map(ObjectType::as_str));
                let message = format!("there is no type of objects {}; {remedy}", quoted(sent));
                faults.push(Fault::new("contacts.object_type", "unknown_object_type", message));
            }
            None => {
                let message = format!("{} is no type of objects; write its name", quoted(sent));
                faults.push(Fault::new("contacts.object_type", "shape", message));
            }
        }
    }
    if let Some(sent) = sent.get("status") {
        let word = sent.as_str().unwrap_or_default();
        members.status = Status::ALL.into_iter().find(|status| status.word() == word);
        if members.status.is_none() {
            let words = Status::ALL.map(Status::word).join(", ");
            let message = format!("{} is no status; write one of {words}", quoted(sent));
            faults.push(Fault::new("contacts.status", "status", message));
        } else if kind == JobKind::Release && members.status != Some(Status::Held) {
            let message =
                format!("{} cannot be released, only held is; leave `status` out", quoted(sent));
            faults.push(Fault::new("contacts.status", "status", message));
        }
    }
    (faults.len() == before).then_some(members)
}

/// Leaves the campaigns about a type of objects, if all are selected; each that is named has to be
/// about it.
fn only_about(
    loaded: &Loaded,
    wanted: &ObjectType,
    campaigns: &mut Vec<CampaignId>,
    all: bool,
    faults: &mut Vec<Fault>,
) {
    let about =
        |id: &CampaignId| loaded.catalog.campaigns.get(id).and_then(|head| head.per.as_ref());
    if all {
        campaigns.retain(|id| about(id) == Some(wanted));
        if campaigns.is_empty() {
            let message = format!("no published campaign is about each {wanted}");
            faults.push(Fault::new("contacts.object_type", "subject", message));
        }
        return;
    }
    for id in campaigns.iter().filter(|id| about(id) != Some(wanted)) {
        let is = about(id).map_or_else(|| "contacts".to_owned(), |other| format!("each {other}"));
        let message = format!(
            "the campaign `{id}` is about {is}, not about each {wanted}; leave it out of \
             `campaigns`, or `object_type` out of `contacts`"
        );
        faults.push(Fault::new("contacts.object_type", "subject", message));
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
    all.sort_compactly();
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
