//! Walks from place to place: the quickest way first, from each place once.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::fmt::Write as _;

use chrono::TimeDelta;
use dacapo_engine::campaign::format::{Document, Element};
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::contact::{Author, Contact, Patch};
use dacapo_engine::enrollment::{Rest, Status};
use dacapo_engine::field::FieldValue;
use dacapo_engine::ids::{ContactId, ElementId, FieldKey};
use dacapo_engine::simulation::{Observed, World};
use dacapo_engine::statistics::Outcome;

use super::alphabet::{self, ExploredSubject, Trigger};
use super::{CampaignElement, Limits};
use crate::simulate::Surroundings;

/// A place that was come to.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// How long the quickest way there takes.
    pub(super) elapsed: TimeDelta,
    /// The place before it on that way, and what happened there.
    pub(super) from: Option<(usize, String)>,
    /// Where paths wait for somebody to do something.
    pub(super) waits: BTreeSet<CampaignElement>,
    /// Whether all paths of some campaign have ended.
    pub(super) ended: bool,
    /// The contact's tags.
    pub(super) tags: Vec<String>,
    pub(super) edges: Vec<ExploredStep>,
    /// Whether every trigger was tried there.
    pub(super) is_walked: bool,
}

/// From one place to another.
#[derive(Debug)]
pub(super) struct ExploredStep {
    pub(super) to: usize,
    /// What happened.
    pub(super) words: String,
    pub(super) elapsed: TimeDelta,
    /// The elements that were come to, in order.
    pub(super) entered: Vec<CampaignElement>,
    /// The elements that sent messages.
    pub(super) messages: Vec<ElementId>,
    /// Where a path waited that has gone on, or ended.
    pub(super) left: BTreeSet<CampaignElement>,
}

/// What was walked.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) nodes: Vec<Node>,
    pub(super) triggers: Vec<Trigger>,
    /// The elements that were come to.
    pub(super) reached: BTreeSet<CampaignElement>,
    /// Whether the bound stopped it.
    pub(super) is_bounded: bool,
}

/// How many contacts are tried where a split draws by the contact.
const CONTACTS_TRIED_AT_SPLITS: usize = 8;

pub(super) fn walk(documents: &[Document], around: &Surroundings, limits: &Limits) -> Walked {
    let draws = documents
        .iter()
        .flat_map(|document| &document.elements)
        .any(|(_, element)| matches!(element, Element::Split(_)));
    let people = if draws { CONTACTS_TRIED_AT_SPLITS } else { 1 };
    let mut walker = Walker {
        walked: Walked {
            nodes: Vec::new(),
            triggers: Vec::new(),
            reached: BTreeSet::new(),
            is_bounded: false,
        },
        known: HashMap::new(),
        open: BinaryHeap::new(),
        worlds: HashMap::new(),
        explored: Vec::new(),
        limits: *limits,
    };
    for nth in 0..people {
        walker.begin(documents, around, nth);
    }
    let mut walked = 0;
    while let Some(Reverse((_, _, place))) = walker.open.pop() {
        if walker.walked.nodes[place].is_walked {
            continue;
        }
        if walked >= limits.places {
            walker.walked.is_bounded = true;
            break;
        }
        walked += 1;
        walker.go_on(place);
    }
    walker.walked
}

struct Walker {
    walked: Walked,
    known: HashMap<String, usize>,
    /// Places to walk from: the quickest to come to first, then the oldest.
    open: BinaryHeap<Reverse<(TimeDelta, usize, usize)>>,
    /// The world at each open place, and who is explored there.
    worlds: HashMap<usize, (World, usize)>,
    explored: Vec<ExploredSubject>,
    limits: Limits,
}

impl Walker {
    /// The first place: a contact of whom nothing is known but the address and the name.
    fn begin(&mut self, documents: &[Document], around: &Surroundings, nth: usize) {
        let name = if nth == 0 { "ann".to_owned() } else { format!("ann{nth}") };
        let Ok(person) = ContactId::new(name) else { return };
        let began = "2026-12-01 09:00".parse::<crate::scenario::Moment>();
        let zone = around.account.zone;
        let began = began.map(|at| at.instant(zone)).unwrap_or_default();
        let mut world = around.world(documents, zone, began);
        if nth == 0 {
            self.walked.triggers = alphabet::triggers(documents, &world);
        }
        let mut patch = Patch::default();
        for (key, value) in [("email", "ann@example.com"), ("first_name", "Ann")] {
            if let Ok(key) = FieldKey::new(key) {
                patch.fields.insert(key, Some(FieldValue::Text(value.to_owned())));
            }
        }
        let by = Author::ApiKey("explorer".to_owned());
        world.write(&person, &patch, by.clone());
        let object = alphabet::object_of(documents, &person);
        if let Some(object) = &object {
            world.write_object(object, &Patch::default(), by);
        }
        self.settles(&mut world);
        self.notes(&mut world);
        self.explored.push(ExploredSubject { person, object });
        let explored = self.explored.len() - 1;
        self.arrives(world, explored, None, TimeDelta::zero());
    }

    /// Tries every trigger at a place, and lets time pass.
    fn go_on(&mut self, place: usize) {
        let Some((world, explored)) = self.worlds.remove(&place) else { return };
        self.walked.nodes[place].is_walked = true;
        for nth in 0..self.walked.triggers.len() {
            let mut next = world.clone();
            let trigger = self.walked.triggers[nth].clone();
            trigger.happens(&mut next, &self.explored[explored]);
            self.settles(&mut next);
            self.steps(place, next, explored, trigger.words(), TimeDelta::zero());
        }
        if let Some(due) = world.next_instant() {
            let mut next = world.clone();
            let elapsed = due - next.now();
            next.jump_to(due);
            self.settles(&mut next);
            let words = format!("{} pass", super::lasting(elapsed));
            self.steps(place, next, explored, words, elapsed.max(TimeDelta::zero()));
        }
    }

    fn settles(&mut self, world: &mut World) {
        let mut work = 0;
        while world.perform_next() {
            work += 1;
            if work > self.limits.work {
                self.walked.is_bounded = true;
                return;
            }
        }
    }

    /// A step to another place, or back to the same.
    fn steps(
        &mut self,
        from: usize,
        mut world: World,
        explored: usize,
        words: String,
        elapsed: TimeDelta,
    ) {
        let (entered, messages) = self.notes(&mut world);
        let total = self.walked.nodes[from].elapsed + elapsed;
        let to = self.arrives(world, explored, Some((from, words.clone())), total);
        if to == from && entered.is_empty() && messages.is_empty() {
            return;
        }
        let before = &self.walked.nodes[from].waits;
        let after = &self.walked.nodes[to].waits;
        let left = before.iter().filter(|it| !after.contains(it) || entered.contains(it));
        let left = left.cloned().collect_compactly();
        self.walked.nodes[from].edges.push(ExploredStep {
            to,
            words,
            elapsed,
            entered,
            messages,
            left,
        });
    }

    /// The place that this is, which may be new. A quicker way replaces a slower one.
    fn arrives(
        &mut self,
        world: World,
        explored: usize,
        from: Option<(usize, String)>,
        elapsed: TimeDelta,
    ) -> usize {
        let key = key(&world, explored);
        let place = match self.known.get(&key) {
            Some(&place) => {
                let node = &mut self.walked.nodes[place];
                if node.is_walked || node.elapsed <= elapsed {
                    return place;
                }
                (node.elapsed, node.from) = (elapsed, from);
                place
            }
            None => {
                let place = self.walked.nodes.len();
                self.known.insert(key, place);
                self.walked.nodes.push(node(&world, elapsed, from));
                place
            }
        };
        self.worlds.insert(place, (world, explored));
        self.open.push(Reverse((elapsed, place, place)));
        place
    }

    /// Takes what was observed: the elements that were come to, and those that sent messages.
    fn notes(&mut self, world: &mut World) -> (Vec<CampaignElement>, Vec<ElementId>) {
        let mut entered: Vec<CampaignElement> = Vec::new();
        let mut messages = Vec::new();
        for observed in world.observed.drain(..) {
            match observed {
                Observed::History(_, campaign, record) => {
                    for line in record.lines {
                        if NOT_THERE.contains(&line.what.kind()) {
                            continue;
                        }
                        if let Some(element) = line.element {
                            let place = CampaignElement { campaign: campaign.clone(), element };
                            if entered.last() != Some(&place) {
                                entered.push(place);
                            }
                        }
                    }
                }
                Observed::Message(message) if message.outcome == Outcome::Sent => {
                    messages.push(message.element);
                }
                Observed::Message(_)
                | Observed::Nothing(..)
                | Observed::Called(..)
                | Observed::Ignored(..) => {}
            }
        }
        self.walked.reached.extend(entered.iter().cloned());
        let campaigns: BTreeSet<_> =
            world.enrollments().map(|((_, id), _)| id.clone()).collect_compactly();
        for campaign in campaigns {
            for (element, (arrived, _)) in world.statistics(&campaign).elements() {
                if let (true, Ok(element)) = (arrived > 0, ElementId::new(element)) {
                    self.walked
                        .reached
                        .insert(CampaignElement { campaign: campaign.clone(), element });
                }
            }
        }
        (entered, messages)
    }
}

/// The kinds of lines about an element that nobody has come to.
const NOT_THERE: [&str; 8] = [
    "not_started",
    "not_fired",
    "parked",
    "parked_forgotten",
    "recheck",
    "start_ignored",
    "timer_moved",
    "used_up",
];

fn node(world: &World, elapsed: TimeDelta, from: Option<(usize, String)>) -> Node {
    let mut node = Node { elapsed, from, ..Node::default() };
    for ((_, campaign), enrollment) in world.enrollments() {
        node.ended |= matches!(enrollment.status, Status::Completed | Status::AwaitingRestart);
        for token in enrollment.tokens.iter().filter(|token| token.due().is_none()) {
            if !matches!(token.rest, Rest::Message(_)) {
                let (campaign, element) = (campaign.clone(), token.element.clone());
                node.waits.insert(CampaignElement { campaign, element });
            }
        }
    }
    let people = world.contacts().filter(|contact| contact.object.is_none());
    node.tags = people.flat_map(|contact| contact.tags.keys().map(ToString::to_string)).collect();
    node
}

/// What makes a place: everything but the day, the run, and how often something happened.
fn key(world: &World, explored: usize) -> String {
    let mut key = format!("{explored}");
    for ((subject, campaign), it) in world.enrollments() {
        let mut fired: Vec<&str> = it.fired.iter().map(|id| id.as_str()).collect();
        fired.sort_unstable();
        let mut tokens: Vec<_> =
            it.tokens.iter().map(|token| (token.due(), token.element.as_str())).collect();
        tokens.sort_unstable();
        let tokens: Vec<String> = tokens
            .iter()
            .map(|(due, element)| format!("{element}{}", if due.is_some() { "!" } else { "" }))
            .collect();
        let delayed = it.eligible_at.is_some_and(|at| at > world.now());
        let _ = write!(
            key,
            "|{subject} {campaign} {} {} {} {delayed} {} {:?}",
            it.status.word(),
            tokens.join(","),
            fired.join(","),
            it.parked.is_some(),
            it.held
        );
    }
    for contact in world.contacts() {
        let _ = write!(key, "|{}", said(contact, world));
    }
    key
}

/// What a contact is, its dates only as past or ahead.
fn said(contact: &Contact, world: &World) -> String {
    let mut said: String = contact.tags.keys().map(|tag| format!("{},", tag.folded())).collect();
    for (field, value) in &contact.fields {
        let _ = match value {
            FieldValue::Datetime(at) => write!(said, " {field}:{}", *at > world.now()),
            FieldValue::Date(date) => {
                write!(said, " {field}:{}", *date > world.now().date_naive())
            }
            other => write!(said, " {field}={}", crate::journey::shown(other)),
        };
    }
    said
}
