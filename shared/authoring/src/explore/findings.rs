//! What is found in what was walked.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use dacapo_engine::campaign::format::Document;
use dacapo_engine::compact::CollectCompactly as _;

use super::alphabet::Trigger;
use super::walk::{Node, Walked};
use super::ways::{busiest, loops, quickest, round, slowest};
use super::{
    Bound, Busiest, CampaignElement, DAYS_AHEAD, Exploration, ExploredPath, Limits, Loop, Silence,
};

/// How many loops are told.
const MOST_LOOPS: usize = 30;

/// From how many steps a way round is looked for.
const MOST_ROUNDS: usize = 2_000;

pub(super) fn of(documents: &[Document], walked: &Walked, limits: &Limits) -> Exploration {
    let nodes = &walked.nodes;
    let number = loops(nodes);
    let elements = documents.iter().flat_map(|document| {
        let campaign = &document.id;
        let place = |element: &_| CampaignElement {
            campaign: campaign.clone(),
            element: Clone::clone(element),
        };
        document.elements.iter().map(move |(id, _)| place(id))
    });
    let never_reached = elements.filter(|place| !walked.reached.contains(place)).collect();
    let ends = (0..nodes.len()).filter(|place| nodes[*place].ended);
    let first = ends.min_by_key(|place| (nodes[*place].elapsed, *place));
    let guard = documents.iter().map(|document| document.settings.max_messages_per_day).max();
    let guard = usize::try_from(guard.unwrap_or(20)).unwrap_or(usize::MAX).clamp(1, 100);
    let elements = busiest(nodes, guard);
    let shortest = first.map(|place| quickest(nodes, place));
    // Of many ways into a loop not all are followed.
    let slowest = slowest(nodes, &number);
    let longest = slowest.into_iter().chain(shortest.clone()).max_by_key(|way| way.seconds);
    Exploration {
        campaigns: documents.iter().map(|document| document.id.clone()).collect(),
        bound: Bound {
            places: nodes.len(),
            most_places: limits.places,
            reached: walked.is_bounded,
            days_ahead: DAYS_AHEAD,
        },
        triggers: walked.triggers.iter().map(Trigger::words).collect(),
        never_reached,
        shortest,
        longest,
        most_messages_a_day: Busiest {
            messages: elements.len(),
            only_bounded_by_the_guard: elements.len() >= guard,
            elements,
        },
        loops: all_loops(nodes, &number),
        silences: silences(nodes),
    }
}

/// Every way round, of those through the same elements the one with the fewest steps; without those
/// that contain another on which the same happens.
fn all_loops(nodes: &[Node], number: &[usize]) -> Vec<Loop> {
    let mut found: BTreeMap<BTreeSet<CampaignElement>, Loop> = BTreeMap::new();
    let steps = nodes.iter().enumerate().flat_map(|(from, node)| {
        node.edges.iter().enumerate().map(move |(nth, step)| (from, nth, step))
    });
    let inside = steps
        .filter(|(from, _, step)| number[*from] == number[step.to] && !step.entered.is_empty());
    for (from, nth, _) in inside.take(MOST_ROUNDS) {
        let Some(way) = round(nodes, number, from, nth) else { continue };
        let mut elements: Vec<CampaignElement> = Vec::new();
        let (mut words, mut time, mut messages) = (Vec::new(), TimeDelta::zero(), 0);
        for (place, nth) in way {
            let step = &nodes[place].edges[nth];
            for entered in &step.entered {
                if elements.last() != Some(entered) {
                    elements.push(entered.clone());
                }
            }
            words.push(step.words.clone());
            time += step.elapsed;
            messages += step.messages.len();
        }
        let set: BTreeSet<CampaignElement> = elements.iter().cloned().collect_compactly();
        // A timer that only follows its date goes nowhere.
        if set.len() == 1 && messages == 0 {
            continue;
        }
        let round = ExploredPath { seconds: time.num_seconds(), steps: words };
        let one = Loop { elements, round, messages };
        match found.get(&set) {
            Some(known) if known.round.steps.len() <= one.round.steps.len() => {}
            Some(_) | None => {
                found.insert(set, one);
            }
        }
    }
    let happens =
        |one: &Loop| one.round.steps.iter().cloned().collect_compactly::<BTreeSet<String>>();
    let known: Vec<_> = found.iter().map(|(set, one)| (set.clone(), happens(one))).collect();
    found.retain(|set, one| {
        let steps = happens(one);
        !known
            .iter()
            .any(|(other, same)| other.len() < set.len() && other.is_subset(set) && *same == steps)
    });
    let mut all: Vec<Loop> = found.into_values().collect();
    all.sort_by_key(|one| (one.round.steps.len(), one.elements.len()));
    all.truncate(MOST_LOOPS);
    all
}

/// The places at which a path waits, and from which nothing leads to where it goes on.
fn silences(nodes: &[Node]) -> Vec<Silence> {
    let all: BTreeSet<&CampaignElement> =
        nodes.iter().flat_map(|node| &node.waits).collect_compactly();
    let mut back: Vec<Vec<(usize, usize)>> = vec![Vec::new(); nodes.len()];
    for (from, node) in nodes.iter().enumerate() {
        for (nth, step) in node.edges.iter().enumerate() {
            back[step.to].push((from, nth));
        }
    }
    let mut silences = Vec::new();
    for place in all {
        let waits = |at: usize| nodes[at].waits.contains(place);
        // Where it can go on: a step from there lets it, or leads to where it can. Of a place that
        // was not walked from nothing is known.
        let mut goes_on = vec![false; nodes.len()];
        let mut open: Vec<usize> = (0..nodes.len())
            .filter(|at| {
                let node = &nodes[*at];
                waits(*at)
                    && (!node.is_walked || node.edges.iter().any(|step| step.left.contains(place)))
            })
            .collect();
        open.iter().for_each(|at| goes_on[*at] = true);
        while let Some(at) = open.pop() {
            for (from, nth) in &back[at] {
                let stays = !nodes[*from].edges[*nth].left.contains(place);
                if !goes_on[*from] && waits(*from) && stays {
                    goes_on[*from] = true;
                    open.push(*from);
                }
            }
        }
        let silent = (0..nodes.len()).filter(|at| waits(*at) && !goes_on[*at]);
        if let Some(at) = silent.min_by_key(|at| (nodes[*at].elapsed, *at)) {
            silences.push(Silence {
                place: place.clone(),
                way: quickest(nodes, at),
                tags: nodes[at].tags.clone(),
            });
        }
    }
    silences
}
