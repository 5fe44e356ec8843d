//! `decide` answers for every input (R41): situations that no story leads to, and termination.

use chrono::{TimeDelta, TimeZone, Utc};
use dacapo_engine::account::Account;
use dacapo_engine::contact::{Causality, Chain, Consent, Contact};
use dacapo_engine::decide::{Decision, Event, Situation, Source, decide};
use dacapo_engine::enrollment::{
    DatePlan, DateRest, DayCount, Enrollment, Guard, MessageRest, Parked, ParkedEntry, Rest,
    Status, Token,
};
use dacapo_engine::history::{Cause, Command};
use dacapo_engine::ids::ElementId;
use dacapo_engine::statistics::Outcome;
use dacapo_engine::time::{Instant, Zone};
use proptest::prelude::*;

use crate::check;
use crate::drive::{Performed, Watch};
use crate::runs::lines;
use crate::stories::{by, campaign_id, contact_id, dawn, patch, stories};

/// More lines than any decision writes.
const MOST_LINES: usize = 1_200;

const STATUSES: [Status; 6] = [
    Status::Active,
    Status::Completed,
    Status::Ready,
    Status::AwaitingRestart,
    Status::Stopped,
    Status::Held,
];

/// Bytes, drawn one after another; when they run out, zeros.
struct Bytes(std::vec::IntoIter<u8>);

impl Bytes {
    fn draw(&mut self) -> u8 {
        self.0.next().unwrap_or(0)
    }

    fn below(&mut self, end: u8) -> u8 {
        self.draw() % end
    }

    fn flag(&mut self) -> bool {
        self.draw() % 2 == 1
    }

    fn instant(&mut self) -> Instant {
        match self.below(8) {
            0 => Utc.with_ymd_and_hms(1, 1, 1, 0, 0, 0).unwrap(),
            1 => Utc.with_ymd_and_hms(9999, 12, 31, 23, 59, 59).unwrap(),
            _ => dawn() + TimeDelta::minutes(i64::from(self.draw()) * 30 - 1_440),
        }
    }

    fn element(&mut self) -> ElementId {
        // One more than there can be.
        ElementId::new(format!("e{:02}", self.below(13))).unwrap()
    }

    fn causality(&mut self) -> Causality {
        Causality { chain: Chain(u64::from(self.below(4))), depth: self.draw() }
    }

    fn rest(&mut self) -> Rest {
        let occurrence = self.flag().then(|| self.instant().date_naive());
        let plan = DatePlan { moment: self.instant(), date: self.instant(), occurrence };
        match self.below(9) {
            0 => Rest::Message(MessageRest::Window(plan.moment)),
            1 => Rest::Message(MessageRest::Queued),
            2 => Rest::Message(MessageRest::Settled),
            3 => Rest::Wait(plan.moment),
            4 => Rest::Date(DateRest::NoDate),
            5 => Rest::Date(DateRest::Until(plan)),
            6 => Rest::Date(DateRest::Following(plan)),
            7 => Rest::Event,
            _ => Rest::Goal,
        }
    }

    fn token(&mut self) -> Token {
        Token {
            element: self.element(),
            step: u32::from(self.below(4)),
            since: self.instant(),
            rest: self.rest(),
            causality: self.causality(),
            not_after: self.flag().then(|| self.instant()),
            moves: u32::from(self.draw()),
            queued_on: self.flag().then(|| self.instant().date_naive()),
        }
    }

    fn count(&mut self) -> Option<DayCount> {
        let day = self.instant().date_naive();
        self.flag().then(|| DayCount { day, count: u32::from(self.draw()) })
    }

    fn enrollment(&mut self) -> Enrollment {
        let mut enrollment = Enrollment::new(
            u32::from(self.below(4)),
            u64::from(self.below(8)),
            u32::from(self.below(6)),
        );
        enrollment.run = u32::from(self.below(3));
        enrollment.status = STATUSES[usize::from(self.below(6))];
        enrollment.tokens = (0..self.below(4)).map(|_| self.token()).collect();
        enrollment.fired = (0..self.below(4)).map(|_| self.element()).collect();
        enrollment.arrivals = u32::from(self.below(5));
        enrollment.begun = self.flag();
        enrollment.entered = self.flag();
        enrollment.completed = self.flag();
        enrollment.fired_at =
            (0..self.below(3)).map(|_| (self.element(), self.instant())).collect();
        let days = (0..self.below(3)).map(|_| (self.element(), self.instant().date_naive()));
        enrollment.yearly = days.collect();
        enrollment.eligible_at = self.flag().then(|| self.instant());
        enrollment.restart_chain = self.flag().then(|| self.causality().chain);
        enrollment.parked = self.flag().then(|| Parked {
            because: Cause::Recheck(Box::new(Cause::Timer)),
            regardless: self.flag(),
            causality: self.causality(),
        });
        enrollment.parked_entries = (0..self.below(4))
            .map(|_| ParkedEntry {
                element: self.element(),
                is_event: self.flag(),
                because: Cause::Timer,
                regardless: self.flag(),
                causality: self.causality(),
            })
            .collect();
        enrollment.runs_on = self.count();
        enrollment.messages_on = self.count();
        enrollment.held = self.flag().then_some(Guard::Undecided);
        enrollment.quarantined_changes = self.flag();
        enrollment.job = u64::from(self.below(3));
        enrollment.idle = self.flag();
        enrollment.rev = u64::from(self.draw());
        enrollment
    }

    fn event(&mut self, of: Option<&Enrollment>) -> Event {
        let token = of.and_then(|enrollment| enrollment.tokens.first());
        let exact = self.flag();
        let run = match of {
            Some(enrollment) if exact => enrollment.run,
            _ => u32::from(self.below(4)),
        };
        let step = match token {
            Some(token) if exact => token.step,
            _ => u32::from(self.below(5)),
        };
        let due = match token.and_then(Token::due).or(of.and_then(|of| of.eligible_at)) {
            Some(due) if exact => due,
            _ => self.instant(),
        };
        let from = Source {
            object: None,
            campaign: campaign_id(self.draw()),
            rev: u64::from(self.draw()),
            index: u32::from(self.below(3)),
        };
        let causality = self.causality();
        match self.below(13) {
            0 => Event::Changed,
            1 | 2 => Event::TimerDue { run, step, due },
            3 => Event::RecheckDue { run, due },
            4 => Event::DeliveryDue { run, step },
            5 => {
                let outcomes =
                    [Outcome::Sent, Outcome::Suppressed, Outcome::Failed, Outcome::Unknown];
                let outcome = outcomes[usize::from(self.below(4))];
                Event::Settled { run, step, outcome, reason: None }
            }
            6 => {
                let commands =
                    [Command::Start, Command::Reset, Command::Stop, Command::StopAndReset];
                let command = commands[usize::from(self.below(4))];
                Event::Commanded { from, command, causality }
            }
            7 => Event::StatusChanged { from, causality },
            8 => Event::EnrollExisting { job: u64::from(self.below(4)) },
            9 => Event::MassStop {
                job: u64::from(self.below(4)),
                name: "job".to_owned(),
                reset_contacts: self.flag(),
                reset_statistics: self.flag(),
            },
            10 => Event::MassRelease { job: u64::from(self.below(4)), name: "job".to_owned() },
            11 => {
                let commands =
                    [Command::Start, Command::Reset, Command::Stop, Command::StopAndReset];
                let command = commands[usize::from(self.below(4))];
                Event::ByHand { command, by: by(), call: self.flag().then_some(1) }
            }
            _ => Event::Released { by: by(), call: self.flag().then_some(1) },
        }
    }
}

#[test]
fn r41_decide_never_panics_whatever_it_is_given() {
    let writes = prop::collection::vec(any::<(u8, [u8; 4])>(), 0..6);
    let bytes = prop::collection::vec(any::<u8>(), 0..120);
    check(5_000, &(stories(10), writes, bytes), |(story, writes, bytes)| {
        let drive = story.run(&mut crate::drive::Unwatched);
        let mut bytes = Bytes(bytes.into_iter());
        let mut campaign = drive.world.campaign(&campaign_id(0)).expect("published").clone();
        if bytes.below(8) == 0 {
            campaign.versions.remove(&u32::from(bytes.below(3)));
        }
        let mut contact = Contact::new(contact_id(0), Consent::None, dawn());
        for (minutes, what) in writes {
            let at = dawn() + TimeDelta::minutes(i64::from(minutes));
            contact.apply(&patch(at, what), by(), None, at, 0);
        }
        let enrollment = (bytes.below(8) > 0).then(|| bytes.enrollment());
        let event = bytes.event(enrollment.as_ref());
        let statuses: Vec<_> = (0..2).map(|_| STATUSES.get(usize::from(bytes.below(7)))).collect();
        let account =
            Account { zone: Zone::America__Santiago, locale: "en".to_owned(), sent_until: None };
        let situation = Situation {
            account: &account,
            campaign: &campaign,
            contact: &contact,
            person: None,
            baseline: match &enrollment {
                Some(enrollment) if bytes.flag() => enrollment.seen,
                _ => u64::from(bytes.below(8)),
            },
            enrollment: enrollment.as_ref(),
            statuses: &|id| statuses[usize::from(*id == campaign_id(0))].copied(),
            is_image: bytes.flag(),
            now: bytes.instant(),
        };
        let decision = decide(&situation, &event);
        if let Decision::Advance(advance) = &decision {
            let lines: usize = advance.records.iter().map(|record| record.lines.len()).sum();
            assert!(lines <= MOST_LINES, "{lines} lines");
            let before = enrollment.as_ref().map_or(0, |enrollment| enrollment.run);
            assert!(advance.enrollment.run >= before);
        }
        // Decisions are deterministic.
        assert_eq!(decide(&situation, &event), decision);
    });
}

struct Ends;

impl Watch for Ends {
    fn after(&mut self, done: &Performed<'_>) {
        for (key, lines) in lines(done.observed) {
            assert!(lines.len() <= MOST_LINES, "{key:?}: {} lines at once", lines.len());
        }
    }
}

#[test]
fn r41_what_a_decision_sets_going_always_ends() {
    check(2_500, &stories(40), |story| {
        story.run(&mut Ends);
    });
}
