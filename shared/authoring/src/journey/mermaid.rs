//! The journey as a sequence diagram of Mermaid, which GitHub draws.

use std::fmt::Write as _;

use super::text::{heading, mail_line};
use super::{Entry, Journey};

impl Journey {
    /// See the module.
    pub fn as_mermaid(&self) -> String {
        let mut out = String::from("sequenceDiagram\n");
        for name in self.contacts.keys() {
            let _ = writeln!(out, "    actor {} as {}", contact(name), escaped(name));
        }
        for (nth, id) in self.campaigns.iter().enumerate() {
            let _ = writeln!(out, "    participant c{nth} as {}", escaped(id.as_str()));
        }
        let mut last = None;
        for entry in &self.entries {
            let drawn = self.drawn(entry);
            let Some(line) = drawn else { continue };
            if last != Some(entry.at) {
                last = Some(entry.at);
                let at = heading(entry.at, self.time_zone);
                let first = self.contacts.keys().next().map(|name| contact(name));
                let last_one = self.campaigns.len().checked_sub(1).map(|nth| format!("c{nth}"));
                let over = listed_pair(first, last_one);
                let _ = writeln!(out, "    Note over {over}: {}", escaped(&at));
            }
            let _ = writeln!(out, "    {line}");
        }
        out
    }

    /// The line for an entry; `None` for what is left out.
    fn drawn(&self, entry: &Entry) -> Option<String> {
        let who = entry.contact.as_deref().map(contact);
        if entry.kind == "step" {
            let text = escaped(&entry.text);
            let to = entry.campaign.as_ref().and_then(|id| self.place(id.as_str()));
            return Some(match (who, to) {
                (Some(who), Some(to)) => format!("{who}->>{to}: {text}"),
                (Some(who), None) => match self.campaigns.as_slice() {
                    [_] => format!("{who}->>c0: {text}"),
                    _ => format!("Note over {who}: {text}"),
                },
                (None, Some(to)) => format!("Note over {to}: {text}"),
                (None, None) => return None,
            });
        }
        if let Some(mail) = entry.message.and_then(|nth| self.messages.get(nth)) {
            let from = self.place(mail.campaign.as_str())?;
            let arrow = if mail.subject.is_empty() { "--x" } else { "->>" };
            let line = format!("{} {}", mail.element, mail_line(mail));
            return Some(format!("{from}{arrow}{}: {}", contact(&mail.to), escaped(&line)));
        }
        if entry.kind.starts_with("message") {
            return None;
        }
        let place = entry.campaign.as_ref().and_then(|id| self.place(id.as_str())).or(who)?;
        let element = entry.element.as_ref().map(|id| format!("{id}: ")).unwrap_or_default();
        let run = entry.run.filter(|run| *run > 1).map(|run| format!("run {run}, "));
        let line = format!("{}{element}{}", run.unwrap_or_default(), entry.text);
        Some(format!("Note over {place}: {}", escaped(&line)))
    }

    fn place(&self, campaign: &str) -> Option<String> {
        let nth = self.campaigns.iter().position(|id| id.as_str() == campaign)?;
        Some(format!("c{nth}"))
    }
}

/// What a contact is called in the diagram: letters and digits only.
fn contact(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("p_{plain}")
}

fn listed_pair(one: Option<String>, other: Option<String>) -> String {
    let all: Vec<String> = one.into_iter().chain(other).collect();
    all.join(",")
}

/// A text without the characters that mean something in a diagram.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '#' => out.push_str("#35;"),
            ';' => out.push_str("#59;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '"' => out.push_str("#quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
