//! Numbers and durations that are out of bounds. A campaign without errors has a bounded number of
//! elements and e-mails and a bounded size.

use super::templates;
use crate::campaign::checks::{At, Findings};
use crate::campaign::format::{Document, Settings};
use crate::campaign::node::Path;
use crate::time::Span;

/// The most elements of a campaign.
pub const MOST_ELEMENTS: usize = 500;

/// The most e-mails of a campaign.
const MOST_EMAILS: usize = 200;

/// The most bytes that the templates of a campaign may have together.
const MOST_TEMPLATE_BYTES: usize = 512 * 1024;

/// The longest restart delay, in days.
const LONGEST_RESTART_DELAY_DAYS: i64 = 365;

/// Ids that no campaign can have: `/v1/campaigns/pause` is about all campaigns (R26).
const RESERVED_IDS: [&str; 2] = ["pause", "resume"];

pub(super) fn check(document: &Document, findings: &mut Findings<'_>) {
    if RESERVED_IDS.contains(&document.id.as_str()) {
        findings.error(
            "reserved_id",
            &At::Value(&Path::root().key("id")),
            format!("`{}` is a word of the API, so no campaign can be called that", document.id),
            "choose another id",
        );
    }
    if document.id.as_str().chars().all(|c| c == '.') {
        findings.error(
            "reserved_id",
            &At::Value(&Path::root().key("id")),
            format!("`{}` means a folder in a URL, so no campaign can be called that", document.id),
            "choose another id, with a letter or a digit",
        );
    }
    let mut too_many = |key: &str, code: &'static str, count: usize, most: usize| {
        if count > most {
            findings.error(
                code,
                &At::Key(&Path::root().key(key)),
                format!("there are {count} {key}; a campaign has at most {most}"),
                "divide the campaign; `start_campaign` leads from one to the next",
            );
        }
    };
    too_many("elements", "too_many_elements", document.elements.len(), MOST_ELEMENTS);
    too_many("emails", "too_many_emails", document.emails.len(), MOST_EMAILS);
    let bytes: usize = templates::all(document).iter().map(|each| each.source.len()).sum();
    if bytes > MOST_TEMPLATE_BYTES {
        findings.error(
            "templates_too_large",
            &At::Key(&Path::root().key("emails")),
            format!(
                "the templates have {bytes} bytes together; at most {MOST_TEMPLATE_BYTES} are kept"
            ),
            "move large images and style sheets to a server and link to them",
        );
    }
    settings(&document.settings, findings);
}

fn settings(settings: &Settings, findings: &mut Findings<'_>) {
    let path = Path::root().key("settings");
    let delay = path.key("restart_delay");
    if settings.restart_delay().is_negative() {
        findings.error(
            "invalid_duration",
            &At::Value(&delay),
            "a restart cannot be delayed by less than nothing",
            "write a duration such as `5 minutes`, or `0 minutes` for no delay",
        );
    } else if settings.restart_delay().is_longer_than(Span::days(LONGEST_RESTART_DELAY_DAYS)) {
        findings.error(
            "invalid_duration",
            &At::Value(&delay),
            format!("a restart is delayed by at most {LONGEST_RESTART_DELAY_DAYS} days"),
            "write a shorter duration, or put a wait into the campaign",
        );
    }
    for (key, value) in [
        ("max_runs_per_day", settings.max_runs_per_day),
        ("max_messages_per_day", settings.max_messages_per_day),
    ] {
        if value == 0 {
            findings.error(
                "invalid_value",
                &At::Value(&path.key(key)),
                format!("with `{key}: 0` the campaign could do nothing"),
                "write at least 1",
            );
        }
    }
}
