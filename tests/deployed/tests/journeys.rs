//! The journeys have the same results on the deployed stack, with the real bootstraps, on clouds
//! whose clocks advance only when they are set.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::Path;

use chrono::{DateTime, Utc};
use dacapo_deployed_tests::{Cloud, Parameters, Stack, StandingClock, alone, sent};
use dacapo_tests::host::{Answer, Call, Host, Remote};
use dacapo_tests::journey::{HttpHarness, Journey, Played, Player, Script, address, play};

/// How many stacks play in parallel: a cloud uses one processor.
const SIDE_BY_SIDE: usize = 2;

/// At least so many scripts must be played; for the others the missing feature is named and
/// counted.
const PLAYED: usize = 100;

#[test]
fn the_journeys_come_out_of_the_deployed_stack_as_they_are_written() {
    let _alone = alone(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let mut stacks: Vec<OnAStack> = std::thread::scope(|scope| {
        let deployed: Vec<_> = (0..SIDE_BY_SIDE).map(|_| scope.spawn(OnAStack::deploy)).collect();
        deployed.into_iter().map(|stack| stack.join().unwrap()).collect()
    });
    let later = Script::read(LATER, Path::new("")).unwrap();
    let mut harness = HttpHarness::on(stacks[0].host_for(&later), false);
    assert_eq!(play(&later, &mut harness).unwrap(), LATER, "what comes later is not lost");
    let played = Played::of(Journey::all(), stacks);
    println!("{played}");
    let Played { played, wrong, .. } = played;
    assert!(wrong.is_empty(), "{} came out differently:\n{}", wrong.len(), wrong.join("\n"));
    assert!(played >= PLAYED, "only {played} scripts were played on the stack");
}

/// What is missing for the only journey that would have another result: contacts from before the
/// campaign was published enter two minutes after the resume, when the lists surely show all of
/// them. Contacts from the pause are parked, and enter at once.
const LATER: &str = "\
# Resumed with those who are there already, where lists follow what is written (R51)
zone Europe/Berlin
show mails
2026-12-01 09:00
eve: +Lead
campaign quiz
  elements:
    lead: { type: start, when: { tag: Lead }, next: month }
    month: { type: wait, for: 30 days, next: done }
    done: { type: end }
ann: +Lead
pause quiz
resume quiz enroll existing
statistics quiz
    > entered 1, completed 0, restarted 0, sent 0, suppressed 0, failed 0, unknown 0, active 1, awaiting_restart 0, stopped 0, held 0
2026-12-01 09:05
statistics quiz
    > entered 2, completed 0, restarted 0, sent 0, suppressed 0, failed 0, unknown 0, active 2, awaiting_restart 0, stopped 0, held 0
";

/// Plays on its own stack, which is emptied between journeys.
struct OnAStack {
    cloud: Cloud,
    stack: Stack,
    admin_key: String,
}

impl OnAStack {
    /// With the template's values for all parameters that affect campaigns.
    fn deploy() -> Self {
        let cloud = Cloud::standing();
        let parameters = Parameters {
            architecture: Stack::told().architecture().to_owned(),
            log: "info",
            restart_delay_seconds: None,
        };
        let stack = Stack::first(&cloud.url, &parameters).unwrap();
        let admin_key = stack.admin_key();
        Self { cloud, stack, admin_key }
    }
}

impl Player for OnAStack {
    type Host = Deployed;

    fn host_for(&mut self, _: &Script) -> Deployed {
        let remote = Remote::at(self.stack.base(), self.admin_key.clone());
        Deployed { remote, clock: self.cloud.clock().clone() }
    }

    /// Checks that SES accepted the mail of the messages, each once and at its instant, though
    /// every batch was delivered twice.
    fn look_behind(&self, script: &Script, came_out: &str) -> Result<(), String> {
        let mut said: Vec<String> = came_out.lines().filter_map(mail_of).collect();
        let mut taken: Vec<String> = sent(&self.stack)
            .into_iter()
            .map(|mail| {
                let at = DateTime::<Utc>::from_timestamp(mail.at, 0).unwrap();
                let at = at.with_timezone(&script.zone).format("%m-%d %H:%M:%S");
                format!("{at} to {}: {}", mail.to.join(", "), mail.subject)
            })
            .collect();
        said.sort();
        taken.sort();
        if said == taken { Ok(()) } else { Err(format!("SES took {taken:#?}, not {said:#?}")) }
    }
}

/// The mail that a line reports as sent: instant, recipient and subject.
fn mail_of(line: &str) -> Option<String> {
    let (at, mail) = line.strip_prefix("    > ")?.split_at_checked("12-01 09:00:00".len())?;
    let (subject_of_campaign, rest) = mail.strip_prefix(" MAIL to ")?.split_once(" (")?;
    // Mail about an object goes to the person.
    let contact = subject_of_campaign.split(" about ").next()?;
    let (_, subject) = rest.split_once("): ")?;
    Some(format!("{at} to {}: {subject}", address(contact)))
}

/// A deployed stack as a host.
struct Deployed {
    remote: Remote,
    clock: StandingClock,
}

impl Host for Deployed {
    fn open(&mut self, at: DateTime<Utc>) -> Result<(), String> {
        self.clock.begin(at)
    }

    fn admin_key(&self) -> &str {
        self.remote.admin_key()
    }

    fn call(&self, call: &Call<'_>) -> Result<Answer, String> {
        self.remote.call(call)
    }

    fn reach(&mut self, at: DateTime<Utc>) -> Result<(), String> {
        self.clock.reach(at)
    }

    fn settle(&mut self) -> Result<(), String> {
        self.clock.settle()
    }

    fn can_stop(&self) -> bool {
        true
    }

    fn lists_show_at_once(&self) -> bool {
        false
    }

    /// Nothing is done until then: everything is late.
    fn stop_until(&mut self, at: DateTime<Utc>) -> Result<(), String> {
        self.clock.jump(at)
    }
}
