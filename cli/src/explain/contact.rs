//! `dacapo explain CONTACT --campaign ID`: asks a server, and prints what it answers (R61).

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::Value;

use crate::out;
use crate::remote::{Failure, Remote, part};
use crate::settings::{Explain, Format};

/// Prints the explanation.
pub(super) fn run(command: &Explain, campaign: &str) -> Result<ExitCode, Box<dyn Error>> {
    let contact = match command.what.as_str() {
        id if id.starts_with("email:") || !id.contains('@') => id.to_owned(),
        address => format!("email:{address}"),
    };
    let object = command.object.as_ref().map(|object| format!("&object={}", part(object)));
    let path = format!(
        "/v1/contacts/{}/explain?campaign={}{}",
        part(&contact),
        part(campaign),
        object.unwrap_or_default()
    );
    let told = match Remote::of(&command.server)?.get(&path) {
        Err(Failure::NoSuch(why)) => return Err(why.into()),
        other => other?,
    };
    match command.format {
        Format::Json => out::line(&told)?,
        Format::Text => out::line(text(&told).trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The explanation for people: the sentences, and what is not in them.
fn text(told: &Value) -> String {
    let summary = said(&told["summary"]).replace(". ", ".\n");
    let mut text = format!("{summary}\n");
    section(&mut text, "What can come next", &told["next"], |next| {
        let element = next["element"].as_str().map(|element| format!("`{element}`: "));
        let at = next["at"].as_str().unwrap_or("-");
        format!("{at:<20}  {}{}", element.unwrap_or_default(), said(&next["what"]))
    });
    if !told["missing"].is_null() {
        text.push_str("\nThe start (+ holds, - does not)\n");
        tree(&mut text, &told["missing"], 1);
    }
    section(&mut text, "Last messages", &told["last_messages"], |message| {
        let reason = message["reason"].as_str().map(|reason| format!(": {reason}"));
        let (at, element) = (said(&message["at"]), said(&message["element"]));
        let run = &message["run"];
        let status = said(&message["status"]);
        format!("{at}  `{element}` run {run} {status}{}", reason.unwrap_or_default())
    });
    section(&mut text, "Last changes", &told["last_changes"], |change| {
        let came = match change["effect"].as_str() {
            Some(effect) => effect.to_owned(),
            None => format!("nothing: {}", said(&change["why_not"])),
        };
        format!("{}  {}\n{:24}{came}", said(&change["at"]), said(&change["text"]), "")
    });
    text
}

/// A heading and a line for each, if there are any.
fn section(text: &mut String, heading: &str, list: &Value, line: impl Fn(&Value) -> String) {
    let Some(list) = list.as_array().filter(|list| !list.is_empty()) else { return };
    let _ = writeln!(text, "\n{heading}");
    for one in list {
        let _ = writeln!(text, "  {}", line(one));
    }
}

/// A condition, its parts further in.
fn tree(text: &mut String, judged: &Value, depth: usize) {
    let mark = if judged["holds"] == true { '+' } else { '-' };
    let element = judged["element"].as_str().map(|element| format!("`{element}` "));
    let since = judged["since"].as_str().map(|since| format!(" (since {since})"));
    let (element, since) = (element.unwrap_or_default(), since.unwrap_or_default());
    let indent = "  ".repeat(depth);
    let _ = writeln!(text, "{indent}{mark} {element}{}{since}", said(&judged["text"]));
    for part in judged["parts"].as_array().into_iter().flatten() {
        tree(text, part, depth + 1);
    }
}

fn said(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}
