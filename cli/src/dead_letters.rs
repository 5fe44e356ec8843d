//! `dacapo dead-letters`: lists, shows, redrives in order and deletes the dead letters of a server.
//!
//! Dead letters are redriven from the oldest on, one at a time, each after the result of the one
//! before. If a dead letter of a contact fails, the later ones of that contact are left.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use crate::out;
use crate::remote::{Remote, RemoteError, Scope, part};
use crate::settings::{
    DeadLetters, DeleteDeadLetters, ListDeadLetters, OnDeadLetters, RetryDeadLetters,
    ShowDeadLetter,
};

/// Their path in the API.
const PATH: &str = "/v1/dead-letters";

/// How many dead letters are on a page.
const DEAD_LETTERS_A_PAGE: usize = 200;

/// How many dead letters are redriven at most; the next run continues.
const REDRIVEN_AT_ONCE: usize = 1_000;

/// When the result is first looked for, and how long the pause between two looks is at most.
const FIRST_LOOK: Duration = Duration::from_millis(50);
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Runs a command.
pub(crate) fn run(command: &DeadLetters) -> Result<ExitCode, Box<dyn Error>> {
    let needs = match &command.what {
        OnDeadLetters::List(_) | OnDeadLetters::Show(_) => Scope::Read,
        OnDeadLetters::Retry(_) | OnDeadLetters::Delete(_) => Scope::Write,
    };
    let remote = Remote::of(&command.server, needs)?;
    let dead_letters = DeadLetterCommands { remote, as_json: command.json };
    match &command.what {
        OnDeadLetters::List(list) => dead_letters.list(list),
        OnDeadLetters::Show(show) => dead_letters.show(show),
        OnDeadLetters::Retry(retry) => dead_letters.retry(retry),
        OnDeadLetters::Delete(delete) => dead_letters.delete(delete),
    }
}

struct DeadLetterCommands {
    remote: Remote,
    as_json: bool,
}

/// The result of a redrive.
enum RedriveOutcome {
    /// It is gone.
    Done,
    /// It failed again.
    Failed(String),
    /// There was no result in time.
    Waits(String),
    /// It was not tried, since an earlier one of its contact failed.
    NotTried(String),
}

impl RedriveOutcome {
    fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed(_) => "failed",
            Self::Waits(_) => "waits",
            Self::NotTried(_) => "left",
        }
    }

    fn why(&self) -> Option<&str> {
        match self {
            Self::Done => None,
            Self::Failed(why) | Self::Waits(why) | Self::NotTried(why) => Some(why),
        }
    }
}

impl DeadLetterCommands {
    fn list(&self, command: &ListDeadLetters) -> Result<ExitCode, Box<dyn Error>> {
        let (dead_letters, more) = self.all(command.limit.get())?;
        if self.as_json {
            out::line(json!({ "items": dead_letters }))?;
        } else if dead_letters.is_empty() {
            out::line("no dead letters")?;
        } else {
            out::line(table(&dead_letters))?;
        }
        if more {
            out::complain(format_args!("there are more than {}; say --limit", dead_letters.len()));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Dead letters, oldest first, at most this many; and whether there are more.
    fn all(&self, limit: usize) -> Result<(Vec<Value>, bool), RemoteError> {
        let (mut dead_letters, mut cursor) = (Vec::new(), String::new());
        loop {
            let more = (limit - dead_letters.len()).min(DEAD_LETTERS_A_PAGE);
            let page = self.remote.get(&format!("{PATH}?limit={more}{cursor}"))?;
            dead_letters.extend(page["items"].as_array().cloned().unwrap_or_default());
            let Some(next) = page["next_cursor"].as_str() else { return Ok((dead_letters, false)) };
            if dead_letters.len() >= limit {
                return Ok((dead_letters, true));
            }
            cursor = format!("&cursor={}", part(next));
        }
    }

    fn show(&self, command: &ShowDeadLetter) -> Result<ExitCode, Box<dyn Error>> {
        let dead_letter = match self.remote.get(&format!("{PATH}/{}", part(&command.id))) {
            Err(RemoteError::NoSuch(_)) => return Err(no_such(&command.id).into()),
            other => other?,
        };
        if self.as_json {
            out::line(&dead_letter)?;
            return Ok(ExitCode::SUCCESS);
        }
        let about =
            ["id", "kind", "by", "why", "at", "contact_id", "tries", "asked_at", "expires_at"];
        for name in about {
            out::line(format_args!("{name:<11} {}", said(&dead_letter[name])))?;
        }
        out::line(format_args!("\n{}", readable(&said(&dead_letter["raw"]))))?;
        Ok(ExitCode::SUCCESS)
    }

    fn retry(&self, command: &RetryDeadLetters) -> Result<ExitCode, Box<dyn Error>> {
        let mut unknown = 0;
        let (mut dead_letters, more) = if command.which.all {
            self.all(REDRIVEN_AT_ONCE)?
        } else {
            let mut dead_letters = Vec::new();
            for id in command.which.ids.iter().collect::<BTreeSet<_>>() {
                match self.remote.get(&format!("{PATH}/{}", part(id))) {
                    Ok(dead_letter) => dead_letters.push(dead_letter),
                    Err(RemoteError::NoSuch(_)) => {
                        unknown += 1;
                        out::complain(no_such(id));
                    }
                    Err(other) => return Err(other.into()),
                }
            }
            (dead_letters, false)
        };
        let order = |dead_letter: &Value| (said(&dead_letter["at"]), said(&dead_letter["id"]));
        dead_letters.sort_by_key(order);
        let outcomes = self.in_order(&dead_letters, command.wait)?;
        let count = |word| outcomes.iter().filter(|outcome| outcome.word() == word).count();
        let counts = ["done", "failed", "waits", "left"].map(|word| (word, count(word)));
        if self.as_json {
            let told = dead_letters.iter().zip(&outcomes);
            let told = told.map(|(dead_letter, outcome)| {
                json!({ "id": dead_letter["id"], "outcome": outcome.word(), "why": outcome.why() })
            });
            out::line(json!({ "items": told.collect::<Vec<_>>() }))?;
        } else if dead_letters.is_empty() && unknown == 0 {
            out::line("no dead letters")?;
        } else {
            let counts = counts.iter().filter(|(word, count)| *count > 0 || *word == "done");
            let counts: Vec<_> = counts.map(|(word, count)| format!("{count} {word}")).collect();
            out::line(counts.join(", "))?;
        }
        if more {
            out::complain(format_args!(
                "there are more than {REDRIVEN_AT_ONCE}; the next run goes on"
            ));
        }
        let all_done = unknown == 0 && count("done") == dead_letters.len();
        Ok(if all_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Redrives dead letters, one after the other, and prints the result of each.
    fn in_order(
        &self,
        dead_letters: &[Value],
        wait: Duration,
    ) -> Result<Vec<RedriveOutcome>, Box<dyn Error>> {
        let width = dead_letters
            .iter()
            .map(|dead_letter| said(&dead_letter["id"]).len())
            .max()
            .unwrap_or(0);
        let mut not_done = BTreeSet::new();
        let mut outcomes = Vec::new();
        for dead_letter in dead_letters {
            let (id, contact) = (said(&dead_letter["id"]), dead_letter["contact_id"].as_str());
            let outcome = match contact.filter(|contact| not_done.contains(*contact)) {
                Some(contact) => RedriveOutcome::NotTried(format!(
                    "an earlier one of contact {contact} was not done"
                )),
                None => self.done_again(&id, wait)?,
            };
            if outcome.why().is_some() {
                not_done.extend(contact);
            }
            if !self.as_json {
                let why = outcome.why().map_or_else(String::new, |why| format!(": {why}"));
                out::line(format_args!("{id:<width$}  {}{why}", outcome.word()))?;
            }
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    /// Redrives a dead letter, and looks for the result for this long.
    fn done_again(&self, id: &str, wait: Duration) -> Result<RedriveOutcome, RemoteError> {
        let path = format!("{PATH}/{}", part(id));
        match self.remote.call("POST", &format!("{path}/redrive")) {
            Ok(_) => {}
            // It was redriven by another call.
            Err(RemoteError::NoSuch(_)) => return Ok(RedriveOutcome::Done),
            Err(other) => return Err(other),
        }
        let (mut waited, mut pause) = (Duration::ZERO, FIRST_LOOK);
        loop {
            std::thread::sleep(pause);
            waited += pause;
            match self.remote.get(&path) {
                Err(RemoteError::NoSuch(_)) => return Ok(RedriveOutcome::Done),
                Err(other) => return Err(other),
                Ok(dead_letter) if dead_letter["asked_at"].is_null() => {
                    return Ok(RedriveOutcome::Failed(said(&dead_letter["why"])));
                }
                Ok(_) if waited >= wait => {
                    let seconds = wait.as_secs();
                    let why =
                        format!("not over after {seconds} seconds; `show` says what came of it");
                    return Ok(RedriveOutcome::Waits(why));
                }
                Ok(_) => pause = (pause * 2).min(BETWEEN_LOOKS),
            }
        }
    }

    fn delete(&self, command: &DeleteDeadLetters) -> Result<ExitCode, Box<dyn Error>> {
        let (mut deleted, mut missed) = (Vec::new(), false);
        for id in &command.ids {
            let path = format!("{PATH}/{}", part(id));
            let gone = match self.remote.get(&path) {
                Ok(dead_letter) if !command.yes && !agreed(&dead_letter)? => {
                    missed = true;
                    continue;
                }
                Ok(_) => self.remote.call("DELETE", &path).map(|_| ()),
                Err(failure) => Err(failure),
            };
            match gone {
                Ok(()) => {
                    if !self.as_json {
                        out::line(format_args!("{id} deleted"))?;
                    }
                    deleted.push(id);
                }
                Err(RemoteError::NoSuch(_)) => {
                    missed = true;
                    out::complain(no_such(id));
                }
                Err(other) => return Err(other.into()),
            }
        }
        if self.as_json {
            out::line(json!({ "deleted": deleted }))?;
        }
        Ok(if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn no_such(id: &str) -> String {
    format!(
        "there is no dead letter {id:?}: it was done or deleted, or has never been; `dacapo \
         dead-letters list` shows those there are"
    )
}

/// Asks whether a dead letter is to be deleted. If standard input is no terminal, it cannot ask.
fn agreed(dead_letter: &Value) -> Result<bool, Box<dyn Error>> {
    if !std::io::stdin().is_terminal() {
        let why = "nobody is there to say yes; say --yes to delete what is never done then";
        return Err(why.into());
    }
    let (id, kind) = (said(&dead_letter["id"]), said(&dead_letter["kind"]));
    let about = match dead_letter["contact_id"].as_str() {
        Some(contact) => format!(" about contact {contact}"),
        None => String::new(),
    };
    let question = format!("delete {id}, a {kind}{about}? What it says is never done then [y/N] ");
    write!(std::io::stderr(), "{}", out::visible(question))?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// A member as people read it.
fn said(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Dead letters in columns.
fn table(dead_letters: &[Value]) -> String {
    let titles = ["ID", "SINCE", "KIND", "TRIES", "CONTACT", "WHY"].map(str::to_owned);
    let row = |dead_letter: &Value| {
        ["id", "at", "kind", "tries", "contact_id", "why"].map(|name| said(&dead_letter[name]))
    };
    let rows: Vec<[String; 6]> =
        std::iter::once(titles).chain(dead_letters.iter().map(row)).collect();
    let width = |nth: usize| rows.iter().map(|row| row[nth].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  "));
        format!("{}{}", cells.collect::<String>(), row[5])
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The content of a dead letter, in lines. JSON inside of texts is parsed, too. What is no JSON is
/// shown as it is.
fn readable(raw: &str) -> String {
    match serde_json::from_str(raw) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => format!("{:#}", opened(value)),
        Ok(_) | Err(_) => raw.to_owned(),
    }
}

fn opened(value: Value) -> Value {
    match value {
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(inside @ (Value::Object(_) | Value::Array(_))) => opened(inside),
            Ok(_) | Err(_) => Value::String(text),
        },
        Value::Array(list) => list.into_iter().map(opened).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, member)| (name, opened(member))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_text_is_shown_as_what_it_is() {
        let raw = json!({ "body": json!({ "wake": { "c": "c1" } }).to_string() }).to_string();
        assert_eq!(readable(&raw), format!("{:#}", json!({ "body": { "wake": { "c": "c1" } } })));
        assert_eq!(readable("no JSON"), "no JSON");
    }
}
