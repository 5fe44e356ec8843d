//! Elements one by one: whether what each says makes sense by itself.

use serde_json::Value;

use super::conditions::{self, seen, unknown_campaign, unreadable};
use super::fields::Fields;
use super::findings::{At, Findings};
use super::templates::is_template;
use crate::campaign::format::{
    Branch, ChangeTags, DateTimer, Edge, Element, EventElement, Past, Reset, SetField, Split,
    StartCampaign, StopCampaign, Until, Wait, Webhook,
};
use crate::campaign::node::Path;
use crate::field::FieldType;
use crate::ids::{CampaignId, ElementId, FieldKey};
use crate::time::{Span, Weekdays, Zone};

pub(super) fn check(
    id: &ElementId,
    element: &Element,
    fields: &Fields<'_>,
    campaigns: &dyn Fn(&CampaignId) -> bool,
    findings: &mut Findings<'_>,
) {
    let path = Path::root().key("elements").key(id.as_str());
    if let Some(condition) = element.condition() {
        conditions::check(condition, &path.key("when"), fields, campaigns, findings);
    }
    match element {
        Element::Start(_)
        | Element::Goal(_)
        | Element::Email(_)
        | Element::Restart(_)
        | Element::End(_) => {}
        Element::Event(EventElement { on, .. }) => event(on, &path.key("on"), fields, findings),
        Element::Wait(wait) => check_wait(wait, &path, findings),
        Element::DateTimer(timer) => date_timer(timer, &path, fields, findings),
        Element::Condition(Branch { then, otherwise, .. }) => {
            if then.is_none() && otherwise.is_none() {
                nothing_to_do(
                    "a condition without `then` and `else` ends every path",
                    &path,
                    findings,
                );
            }
        }
        Element::Split(split) => check_split(split, &path, findings),
        Element::Tag(ChangeTags { add, remove, .. }) => {
            if add.is_empty() && remove.is_empty() {
                nothing_to_do("no tag is assigned or withdrawn here", &path, findings);
            }
            // One that a contact has from before may be withdrawn.
            for (nth, tag) in add.iter().enumerate() {
                seen(tag, &path.key("add").index(nth), findings);
            }
        }
        Element::SetField(SetField { fields: values, .. }) => {
            if values.is_empty() {
                nothing_to_do("no field is set here", &path, findings);
            }
            for (key, value) in values {
                set_field(key, value, &path.key("fields").key(key.as_str()), fields, findings);
            }
        }
        Element::Reset(Reset { campaign, .. })
        | Element::StopCampaign(StopCampaign { campaign, .. }) => {
            if let Some(campaign) = campaign {
                unknown_campaign(campaign, &path.key("campaign"), campaigns, findings);
            }
        }
        Element::StartCampaign(StartCampaign { campaign, .. }) => {
            unknown_campaign(campaign, &path.key("campaign"), campaigns, findings);
        }
        Element::Webhook(Webhook { url, .. }) => webhook(url, &path.key("url"), findings),
    }
}

fn nothing_to_do(why: &str, path: &Path, findings: &mut Findings<'_>) {
    findings.warning("nothing_to_do", &At::Key(path), why, "complete it, or remove it");
}

fn event(on: &Edge, path: &Path, fields: &Fields<'_>, findings: &mut Findings<'_>) {
    let (key, tags, field) = match on {
        Edge::TagAdded(any) => ("tag_added", Some(any), None),
        Edge::TagRemoved(any) => ("tag_removed", Some(any), None),
        Edge::TagAssigned(any) => ("tag_assigned", Some(any), None),
        Edge::FieldSet(field) => ("field_set", None, Some(field)),
        Edge::FieldChanged(field) => ("field_changed", None, Some(field)),
        Edge::FieldCleared(field) => ("field_cleared", None, Some(field)),
        Edge::Custom(_) => ("custom", None, None),
    };
    let path = path.key(key);
    let at = At::Value(&path);
    if let Some(field) = field {
        fields.named(field, &at, findings);
    }
    if let Some(tags) = tags {
        if tags.as_slice().is_empty() {
            let remedy = "name at least one tag";
            findings.error("never_fires", &at, "an event on no tag never fires", remedy);
        }
        for (nth, tag) in tags.as_slice().iter().enumerate() {
            let is_list = tags.as_slice().len() > 1;
            seen(tag, &if is_list { path.index(nth) } else { path.clone() }, findings);
        }
    }
    if matches!(on, Edge::Custom(name) if name.trim().is_empty()) {
        let remedy = "write the name that is posted";
        findings.error("never_fires", &at, "an event without a name never fires", remedy);
    }
}

fn check_wait(wait: &Wait, path: &Path, findings: &mut Findings<'_>) {
    if let Some(duration) = wait.duration
        && (duration.is_negative() || duration.is_zero())
    {
        findings.error(
            "invalid_duration",
            &At::Value(&path.key("for")),
            "a wait takes some time",
            "write a duration such as `2 days` or `90 minutes`",
        );
    }
    let is_until = match &wait.until {
        Some(Until { time, weekdays }) => time.is_some() || *weekdays != Weekdays::EVERY_DAY,
        None => false,
    };
    if wait.duration.is_none() && !is_until {
        findings.error(
            "endless_or_empty_wait",
            &At::Key(path),
            "the wait does not say how long",
            "add `for`, or `until` with a time or weekdays",
        );
    }
}

fn date_timer(timer: &DateTimer, path: &Path, fields: &Fields<'_>, findings: &mut Findings<'_>) {
    let at_field = path.key("field");
    match fields.named(&timer.field, &At::Value(&at_field), findings) {
        Some(FieldType::Datetime) => {
            if findings.is_written(&path.key("at")) {
                findings.warning(
                    "key_without_effect",
                    &At::Key(&path.key("at")),
                    format!("`{}` has a time of its own; `at` is for dates", timer.field),
                    "remove `at`",
                );
            }
        }
        Some(FieldType::Date) | None => {}
        Some(kind @ (FieldType::Text | FieldType::Number | FieldType::Boolean)) => findings.error(
            "field_is_no_date",
            &At::Value(&at_field),
            format!("a date timer follows a date, but `{}` is a {}", timer.field, kind.word()),
            "use a field of type `date` or `datetime`",
        ),
    }
    let takes_missed = match timer.past {
        Past::Missed => true,
        Past::Continue | Past::End => false,
    };
    if timer.missed.is_some() && !takes_missed {
        findings.warning(
            "key_without_effect",
            &At::Key(&path.key("missed")),
            "the edge `missed` is taken with `past: missed` only",
            "remove `past`, or `missed`",
        );
    }
    if timer.grace.is_negative() {
        findings.error(
            "invalid_duration",
            &At::Value(&path.key("grace")),
            "a timer cannot be late by less than nothing",
            format!("write a duration such as `{}`", Span::minutes(30)),
        );
    }
}

fn check_split(split: &Split, path: &Path, findings: &mut Findings<'_>) {
    if split.branches.is_empty() {
        findings.error(
            "no_branches",
            &At::Value(&path.key("branches")),
            "the split has no branches",
            "write at least one: `{ weight: 50, next: … }`",
        );
    } else if split.branches.iter().all(|branch| branch.weight == 0) {
        findings.error(
            "no_weight",
            &At::Value(&path.key("branches")),
            "no branch has a weight, so no way can be chosen",
            "give at least one branch a weight above 0",
        );
    }
}

fn set_field(
    key: &FieldKey,
    value: &Value,
    path: &Path,
    fields: &Fields<'_>,
    findings: &mut Findings<'_>,
) {
    let Some(kind) = fields.named(key, &At::Key(path), findings) else {
        return;
    };
    if key.as_str() == "email" {
        findings.error(
            "cannot_be_set",
            &At::Key(path),
            "a campaign cannot change whom it writes to",
            "remove `email`; change the address through the API",
        );
        return;
    }
    if value.as_str().is_some_and(is_template) {
        return;
    }
    match kind.read(value, Zone::UTC) {
        Ok(Some(read)) => {
            let is_zone = || read.as_text().is_some_and(|text| text.parse::<Zone>().is_ok());
            if key.as_str() == "time_zone" && !is_zone() {
                findings.error(
                    "invalid_value",
                    &At::Value(path),
                    "this is not a time zone",
                    "write it like Europe/Berlin",
                );
            }
        }
        Ok(None) => {}
        Err(why) => unreadable(&why.to_string(), kind, path, findings),
    }
}

fn webhook(url: &str, path: &Path, findings: &mut Findings<'_>) {
    let begins_with_template =
        url.trim_start().starts_with("{{") || url.trim_start().starts_with("{%");
    let after_scheme = || url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let has_host = || after_scheme().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    if !begins_with_template && !has_host() {
        findings.error(
            "bad_url",
            &At::Value(path),
            "a webhook calls an http or https address",
            "write it like https://example.com/hook",
        );
    }
}
