//! `dacapo explain CONTACT --campaign ID`: asks a server, and prints what it answers (R61).

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use dacapo_engine::time::{Zone, zone_named};
use serde_json::Value;

use crate::out;
use crate::remote::{Remote, RemoteCall, RemoteError, Scope, part};
use crate::settings::{Explain, Format};

/// How wide an instant is, without seconds.
const WIDTH: usize = 20;

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
    let remote = Remote::of(&command.server, Scope::Read)?;
    let call = RemoteCall { method: "GET", path: &path, headers: &[], body: "" };
    let reply = remote.ask(&call)?;
    if reply.status == 422
        && let Some(why) = in_words_of_the_command(&reply.text)
    {
        return Err(why.into());
    }
    let told = match remote.read(&call, &reply) {
        Err(RemoteError::NoSuch(why)) => return Err(why.into()),
        other => other?,
    };
    match command.format {
        Format::Json => out::line(&told)?,
        Format::Text => out::line(text(&told).trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Why the server does not take the question: it names a parameter, where here is an option.
fn in_words_of_the_command(problem: &str) -> Option<String> {
    let problem: Value = serde_json::from_str(problem).ok()?;
    let fault = problem["errors"].as_array()?.first()?;
    let (path, message) = (fault["path"].as_str()?, fault["message"].as_str()?);
    let (quoted, given) = (format!("`{path}`"), format!("{path}="));
    let message = message.replace(&quoted, &format!("`--{path}`"));
    Some(message.replace(&given, &format!("--{path} ")))
}

/// The explanation for people: the sentences, and what is not in them.
fn text(told: &Value) -> String {
    let summary = said(&told["summary"]).replace(". ", ".\n");
    let mut text = format!("{summary}\n");
    // Servers before this version name no zone.
    let zone = zone_named(told["time_zone"].as_str().unwrap_or("UTC")).unwrap_or(Zone::UTC);
    let _ = writeln!(text, "\nAll times below are local times in {}.", zone.name());
    let local = |at: &Value| local(at, zone);
    section(&mut text, "What can come next", &told["next"], |next| {
        let element = next["element"].as_str().map(|element| format!("`{element}`: "));
        format!(
            "{:<WIDTH$}  {}{}",
            local(&next["at"]),
            element.unwrap_or_default(),
            said(&next["what"])
        )
    });
    if !told["missing"].is_null() {
        text.push_str("\nThe start (+ holds, - does not)\n");
        tree(&mut text, &told["missing"], 1, zone);
    }
    section(&mut text, "Last messages", &told["last_messages"], |message| {
        let reason = message["reason"].as_str().map(|reason| format!(": {reason}"));
        let (at, element) = (local(&message["at"]), said(&message["element"]));
        let run = &message["run"];
        let status = said(&message["status"]);
        format!("{at}  `{element}` run {run} {status}{}", reason.unwrap_or_default())
    });
    let indent = WIDTH + 4;
    section(&mut text, "Last changes", &told["last_changes"], |change| {
        let came = match change["effect"].as_str() {
            Some(effect) => effect.to_owned(),
            None => format!("nothing: {}", said(&change["why_not"])),
        };
        format!("{}  {}\n{:indent$}{came}", local(&change["at"]), said(&change["text"]), "")
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
fn tree(text: &mut String, judged: &Value, depth: usize, zone: Zone) {
    let mark = if judged["holds"] == true { '+' } else { '-' };
    let element = judged["element"].as_str().map(|element| format!("`{element}` "));
    let since = &judged["since"];
    let since = since.is_string().then(|| format!(" (since {})", local(since, zone)));
    let (element, since) = (element.unwrap_or_default(), since.unwrap_or_default());
    let indent = "  ".repeat(depth);
    let _ = writeln!(text, "{indent}{mark} {element}{}{since}", said(&judged["text"]));
    for part in judged["parts"].as_array().into_iter().flatten() {
        tree(text, part, depth + 1, zone);
    }
}

/// An instant as journeys show it, with its weekday; with seconds if there are any.
fn local(at: &Value, zone: Zone) -> String {
    let text = said(at);
    match text.parse::<DateTime<Utc>>() {
        Ok(at) => {
            let seconds = if at.timestamp() % 60 == 0 { "" } else { ":%S" };
            at.with_timezone(&zone).format(&format!("%a %Y-%m-%d %H:%M{seconds}")).to_string()
        }
        Err(_) => text.to_owned(),
    }
}

fn said(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}
