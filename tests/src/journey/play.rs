//! Plays a script: its lines, and below each its result.

use std::fmt::Write as _;

use dacapo_engine::statistics::Outcome;
use dacapo_engine::time::{Instant, Zone};

use super::harness::{Harness, HistoryLine, NoEffect, Observation};
use super::script::{Command, Deed, Query, Script, Shows};

/// Plays a script and returns it with its results.
///
/// # Errors
///
/// Names the line that could not be played.
pub fn play(script: &Script, harness: &mut dyn Harness) -> Result<String, String> {
    let mut player = Player {
        script,
        harness,
        begun: false,
        shows: Shows::History,
        zone: script.zone,
        out: String::new(),
    };
    for line in &script.lines {
        player.out.push_str(&line.written);
        if let Some(command) = &line.command {
            player
                .command(command, line.goes_on)
                .map_err(|error| format!("line {}: {}{error}", line.number, line.written))?;
        }
    }
    Ok(player.out)
}

struct Player<'a> {
    script: &'a Script,
    harness: &'a mut dyn Harness,
    /// Whether the first clock line has been played.
    begun: bool,
    shows: Shows,
    zone: Zone,
    out: String,
}

impl Player<'_> {
    fn command(&mut self, command: &Command, goes_on: bool) -> Result<(), String> {
        match command {
            Command::Account => Ok(()),
            Command::Show(shows) => {
                self.shows = *shows;
                Ok(())
            }
            Command::Deed(deed) => {
                self.begin(deed)?;
                if !self.harness.apply(deed)? {
                    let _ = writeln!(self.out, "    > nothing changed");
                }
                if !goes_on {
                    self.harness.settle()?;
                }
                self.show()
            }
            Command::Query(query) => {
                if !self.begun {
                    return Err(FIRST.to_owned());
                }
                self.harness.settle()?;
                self.show()?;
                self.answer(query)
            }
        }
    }

    /// The first clock line opens the account.
    fn begin(&mut self, deed: &Deed) -> Result<(), String> {
        if self.begun {
            return Ok(());
        }
        match deed {
            Deed::ClockTo(at) | Deed::DownUntil(at) => self.harness.begin(self.script, *at)?,
            Deed::Publish(_)
            | Deed::Pause { .. }
            | Deed::Resume { .. }
            | Deed::MailService(_)
            | Deed::Stop { .. }
            | Deed::Release(..)
            | Deed::ByHand(..)
            | Deed::Change(..)
            | Deed::Object(..)
            | Deed::Erase(_) => return Err(FIRST.to_owned()),
        }
        self.begun = true;
        Ok(())
    }

    /// Writes the results since the last call.
    fn show(&mut self) -> Result<(), String> {
        for came_out in self.harness.observations()? {
            match came_out {
                Observation::Mail(mail) => {
                    let (at, what) = (self.at(mail.at), mail.outcome.word());
                    let _ = match mail.outcome {
                        Outcome::Sent => writeln!(
                            self.out,
                            "    > {at} MAIL to {} ({}, run {}): {}",
                            mail.contact, mail.element, mail.run, mail.subject
                        ),
                        Outcome::Suppressed | Outcome::Failed | Outcome::Unknown => writeln!(
                            self.out,
                            "    > {at} NO MAIL to {} ({}, run {}): {what}, {}",
                            mail.contact, mail.element, mail.run, mail.reason
                        ),
                    };
                }
                Observation::History(_) if self.shows == Shows::Mails => {}
                Observation::History(told) => {
                    let (at, HistoryLine { contact, campaign, run, text, .. }) =
                        (self.at(told.at), &told);
                    let element = told.element.as_deref().unwrap_or("-");
                    let _ = write!(
                        self.out,
                        "    > {at} {contact} in {campaign} run {run} at {element}: {text}"
                    );
                    let _ = match self.shows {
                        Shows::Causes => writeln!(self.out, " ({})", told.cause),
                        Shows::Mails | Shows::History | Shows::Traces | Shows::Ignored => {
                            writeln!(self.out)
                        }
                    };
                }
                Observation::NoEffect(nothing) if self.shows == Shows::Traces => {
                    let (at, NoEffect { contact, text, cause, .. }) =
                        (self.at(nothing.at), &nothing);
                    let _ = writeln!(self.out, "    > {at} {contact} - {text} ({cause})");
                }
                Observation::NoEffect(_) => {}
                Observation::Called(contact, campaign, element) => {
                    let _ =
                        writeln!(self.out, "    > CALL for {contact} in {campaign} at {element}");
                }
                Observation::Ignored(what) if self.shows == Shows::Ignored => {
                    let _ = writeln!(self.out, "    > ignored {what}");
                }
                Observation::Ignored(_) => {}
            }
        }
        Ok(())
    }

    fn answer(&mut self, query: &Query) -> Result<(), String> {
        match query {
            Query::Where(contact) => {
                let places = self.harness.enrollment_states(contact)?;
                if places.is_empty() {
                    let _ = writeln!(self.out, "    > nowhere");
                }
                for place in places {
                    let _ = write!(
                        self.out,
                        "    > {}: run {}, {}",
                        place.campaign, place.run, place.status
                    );
                    for (element, due) in place.tokens {
                        let _ = write!(self.out, ", at {element}");
                        if let Some(due) = due {
                            let _ = write!(self.out, " until {}", self.at(due));
                        }
                    }
                    if let Some(until) = place.parked {
                        let _ = write!(self.out, ", parked until {}", self.at(until));
                    }
                    if !place.parked_entries.is_empty() {
                        let entries = place.parked_entries.join(", ");
                        let _ = write!(self.out, ", parked until the resume: {entries}");
                    }
                    let _ = writeln!(self.out);
                }
            }
            Query::History(contact, words) => {
                for told in self.harness.history(contact)? {
                    if told.text.contains(words) {
                        let element = told.element.as_deref().unwrap_or("-");
                        let _ = writeln!(
                            self.out,
                            "    > in {} run {} at {element}: {}",
                            told.campaign, told.run, told.text
                        );
                    }
                }
            }
            Query::Statistics(campaign) => {
                let counts = self.harness.statistics(campaign.as_str())?;
                let said: Vec<String> =
                    counts.iter().map(|(word, count)| format!("{word} {count}")).collect();
                let _ = writeln!(self.out, "    > {}", said.join(", "));
            }
        }
        Ok(())
    }

    fn at(&self, instant: Instant) -> String {
        instant.with_timezone(&self.zone).format("%m-%d %H:%M:%S").to_string()
    }
}

/// The beginning of a script.
const FIRST: &str = "the first that happens is a clock line";
