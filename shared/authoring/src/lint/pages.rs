//! The pages of all lints, and their index: Markdown, made from the lints' own texts.

use std::fmt::Write as _;

use super::allowed::{CODE, NAME};
use super::{
    LINTS, Lint, LintPage, across, again, birthday, content, firing, mail, markup, names, timing,
    twice, waiting,
};

/// The pages of all lints, in order of their codes.
pub(super) static PAGES: [&LintPage; 25] = [
    &again::RESET_NOBODY_LEADS_TO_PAGE,
    &again::RESTART_NO_CHANGE_CAN_FOLLOW_PAGE,
    &again::RESTART_START_STILL_HOLDS_PAGE,
    &twice::FIRES_ONCE_ONLY_PAGE,
    &twice::SECOND_TIME_DOES_NOT_FIRE_PAGE,
    &twice::SECOND_BOOKING_DOES_NOTHING_PAGE,
    &firing::PASSED_ONLY_ONCE_PAGE,
    &firing::NEVER_FIRES_PAGE,
    &firing::GOAL_TRUE_AT_THE_START_PAGE,
    &waiting::GOAL_WAITS_FOR_TIME_PAGE,
    &waiting::GOAL_HOLDS_BEFORE_ITS_TAG_PAGE,
    &timing::DATE_NOTHING_SETS_PAGE,
    &timing::TIMER_ALWAYS_LATE_PAGE,
    &birthday::PLAIN_TIMER_ON_A_BIRTHDAY_PAGE,
    &timing::REMINDER_WITHOUT_CONFIRMATION_PAGE,
    &mail::SENT_TWICE_IN_A_RUN_PAGE,
    &mail::REMINDER_IS_MARKETING_PAGE,
    &content::PLACEHOLDER_CAN_BE_EMPTY_PAGE,
    &content::LINK_WITHOUT_URLENCODE_PAGE,
    &markup::HTML_IS_CLIPPED_PAGE,
    &markup::IMAGE_WITHOUT_ALT_PAGE,
    &names::NAME_NEARLY_KNOWN_PAGE,
    &across::TAG_PING_PONG_PAGE,
    &across::SENT_BY_TWO_CAMPAIGNS_PAGE,
    &names::FIELD_NEARLY_KNOWN_PAGE,
];

/// What people read about a lint.
pub fn page_of(lint: &Lint) -> Option<&'static LintPage> {
    PAGES.into_iter().find(|page| page.code == lint.code)
}

/// The page of a lint as a text, as in `docs/lints`.
pub fn page(lint: &Lint) -> Option<String> {
    let about = page_of(lint)?;
    let mut page = String::new();
    let _ = writeln!(page, "# {} {}\n", lint.code, lint.name);
    let _ = writeln!(page, "Severity: {}.\n", lint.severity.word());
    for (title, text) in [("What it finds", about.what), ("Why that is bad", about.why)] {
        let _ = writeln!(page, "## {title}\n\n{}\n", wrapped(text));
    }
    for (title, campaigns) in [("Example", about.example), ("Mended", about.mended)] {
        let _ = writeln!(page, "## {title}\n\n```yaml\n{}\n```\n", campaigns.trim());
    }
    let _ = writeln!(page, "## Known limits\n\n{}\n", wrapped(about.limits));
    let _ = writeln!(
        page,
        "`dacapo explain {} FILE` shows what happens in a campaign of yours. If it is meant so:\n\n\
         ```yaml\nallow: [{{ lint: {}, element: …, reason: \"…\" }}]\n```",
        lint.code, lint.code
    );
    Some(page)
}

/// The index of all lints, as in `docs/lints/README.md`.
pub fn index() -> String {
    let mut page = String::from(INTRODUCTION);
    for (lint, about) in LINTS.iter().filter_map(|lint| Some((lint, page_of(lint)?))) {
        let _ = writeln!(
            page,
            "| [{code}]({code}.md) | `{}` | {} | {} |",
            lint.name,
            lint.severity.word(),
            about.what,
            code = lint.code,
        );
    }
    let _ = writeln!(
        page,
        "| {CODE} | `{NAME}` | warning | An `allow` that names no lint, or a lint that finds \
         nothing there any more. |"
    );
    page
}

const INTRODUCTION: &str = "\
# Lints

A *finding* is something in a campaign that can be published and works as written, but probably not as meant: a reset
after which nothing fires again, a reminder that is always too late. `dacapo validate` shows findings beside what
prevents publishing; the API answers them as warnings when a campaign is validated or published.

```text
$ dacapo validate appointment-loop.yaml
$ dacapo explain D104                         # what it is, why it is bad, how it is mended
$ dacapo explain D104 appointment-loop.yaml   # what happens in this campaign
$ dacapo validate --fix appointment-loop.yaml # applies the edits that are safe
```

Each finding carries its *proof*: a scenario for this very campaign, with what comes of it. It is part of
`--format json`, and can be kept as a file.

A finding that is meant so is silenced in the document, with the reason for whoever reads it later. `lint` is a code or a
name; without `element` it holds for the whole campaign.

```yaml
allow:
  - { lint: D104, element: not_reached, reason: \"The shop withdraws the tag by itself\" }
```

Codes and names stay. The first digit is the family: 1 running again, 2 starts, events and goals, 3 time, 4 mail, 5 names
and several campaigns, 9 `allow` itself.

| code | name | severity | finds |
|---|---|---|---|
";

/// Words in lines of at most 120 characters.
fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= 120 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}
