//! Ways through what was walked: the quickest to a place, round and round, the slowest, and the
//! most messages within a day.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use chrono::TimeDelta;
use dacapo_engine::ids::ElementId;

use super::ExploredPath;
use super::walk::{ExploredStep, Node};

/// The quickest way to a place.
pub(super) fn quickest(nodes: &[Node], to: usize) -> ExploredPath {
    let mut steps = Vec::new();
    let mut at = to;
    while let Some((from, words)) = &nodes[at].from {
        steps.push(words.clone());
        at = *from;
    }
    steps.reverse();
    ExploredPath { seconds: nodes[to].elapsed.num_seconds(), steps }
}

/// For each place the number of its loop: places with the same number can be come to from each
/// other. Numbers are in order: no step leads to a higher one.
pub(super) fn loops(nodes: &[Node]) -> Vec<usize> {
    let mut order = Vec::new();
    let mut seen = vec![false; nodes.len()];
    for root in 0..nodes.len() {
        if seen[root] {
            continue;
        }
        seen[root] = true;
        let mut open = vec![(root, 0)];
        while let Some((at, nth)) = open.pop() {
            match nodes[at].edges.get(nth) {
                Some(step) => {
                    open.push((at, nth + 1));
                    if !seen[step.to] {
                        seen[step.to] = true;
                        open.push((step.to, 0));
                    }
                }
                None => order.push(at),
            }
        }
    }
    let mut back: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (from, node) in nodes.iter().enumerate() {
        node.edges.iter().for_each(|step| back[step.to].push(from));
    }
    let mut number = vec![usize::MAX; nodes.len()];
    let mut count = 0;
    for root in order.into_iter().rev() {
        if number[root] != usize::MAX {
            continue;
        }
        let mut open = vec![root];
        while let Some(at) = open.pop() {
            if number[at] == usize::MAX {
                number[at] = count;
                open.extend(back[at].iter().filter(|from| number[**from] == usize::MAX));
            }
        }
        count += 1;
    }
    // Sources come first; turned round, no step leads to a higher number.
    number.iter().map(|n| count - 1 - n).collect()
}

/// The quickest way back to where a step begins, the step first: each as place and number of the
/// step there.
pub(super) fn round(
    nodes: &[Node],
    number: &[usize],
    from: usize,
    nth: usize,
) -> Option<Vec<(usize, usize)>> {
    let first = &nodes[from].edges[nth];
    if first.to == from {
        return Some(vec![(from, nth)]);
    }
    let mut came: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    let mut open = VecDeque::from([first.to]);
    while let Some(at) = open.pop_front() {
        for (nth_step, step) in nodes[at].edges.iter().enumerate() {
            if number[step.to] != number[from] || step.to == first.to || came.contains_key(&step.to)
            {
                continue;
            }
            came.insert(step.to, (at, nth_step));
            if step.to == from {
                let mut steps = Vec::new();
                let mut back = from;
                while back != first.to {
                    let step = came.get(&back)?;
                    steps.push(*step);
                    back = step.0;
                }
                steps.push((from, nth));
                steps.reverse();
                return Some(steps);
            }
            open.push_back(step.to);
        }
    }
    None
}

/// By place: the time to it, and the step by which it is come to, as place and number of the step.
type Longest = BTreeMap<usize, (TimeDelta, Option<(usize, usize)>)>;

/// The slowest way to a place where all paths of a campaign have ended, that goes round no loop:
/// inside of a loop it takes the quickest way on.
pub(super) fn slowest(nodes: &[Node], number: &[usize]) -> Option<ExploredPath> {
    let mut places: Vec<usize> = (0..nodes.len()).collect();
    places.sort_by_key(|place| (Reverse(number[*place]), *place));
    let mut longest = Longest::new();
    for (place, node) in nodes.iter().enumerate().filter(|(_, node)| node.from.is_none()) {
        longest.insert(place, (node.elapsed, None));
    }
    for together in places.chunk_by(|one, other| number[*one] == number[*other]) {
        spread(nodes, number, together, &mut longest);
        for &place in together {
            let Some((so_far, _)) = longest.get(&place).copied() else { continue };
            for (nth, step) in nodes[place].edges.iter().enumerate() {
                let total = so_far + step.elapsed;
                let known = longest.get(&step.to).map(|(time, _)| *time);
                if number[step.to] != number[place] && known.is_none_or(|known| total > known) {
                    longest.insert(step.to, (total, Some((place, nth))));
                }
            }
        }
    }
    let ends = (0..nodes.len()).filter(|place| nodes[*place].ended);
    let ends = ends.filter_map(|place| Some((longest.get(&place)?.0, place)));
    let (time, mut at) = ends.max_by_key(|(time, place)| (*time, Reverse(*place)))?;
    let mut steps = Vec::new();
    while let Some((_, Some((from, nth)))) = longest.get(&at) {
        steps.push(nodes[*from].edges[*nth].words.clone());
        at = *from;
    }
    steps.reverse();
    Some(ExploredPath { seconds: time.num_seconds(), steps })
}

/// How many ways into a loop are followed, the slowest first.
const MOST_WAYS_IN: usize = 20;

/// From where a loop is come to, to all its places: from the slowest way in that leads there.
fn spread(nodes: &[Node], number: &[usize], together: &[usize], longest: &mut Longest) {
    let mut ways_in: Vec<(TimeDelta, usize)> = together
        .iter()
        .filter_map(|place| longest.get(place).map(|(time, _)| (*time, *place)))
        .collect();
    ways_in.sort_by_key(|(time, place)| (Reverse(*time), *place));
    // Who was come to by a slower way is left as it is, so the steps back never go round.
    let mut done: BTreeSet<usize> = BTreeSet::new();
    for (time, entry) in ways_in.into_iter().take(MOST_WAYS_IN) {
        if done.contains(&entry) {
            continue;
        }
        let mut open = BinaryHeap::from([Reverse((time, entry))]);
        done.insert(entry);
        while let Some(Reverse((so_far, place))) = open.pop() {
            for (nth, step) in nodes[place].edges.iter().enumerate() {
                if number[step.to] == number[place] && done.insert(step.to) {
                    let total = so_far + step.elapsed;
                    longest.insert(step.to, (total, Some((place, nth))));
                    open.push(Reverse((total, step.to)));
                }
            }
        }
    }
}

/// The most messages within 24 hours, up to `most`: the elements that send them.
pub(super) fn busiest(nodes: &[Node], most: usize) -> Vec<ElementId> {
    /// A place, with so many messages sent in the last hours.
    type PlaceAndCount = (usize, usize);
    let day = TimeDelta::hours(24);
    let mut quickest: BTreeMap<PlaceAndCount, TimeDelta> = BTreeMap::new();
    let mut came: BTreeMap<PlaceAndCount, (Option<PlaceAndCount>, usize, usize)> = BTreeMap::new();
    let mut open: BinaryHeap<Reverse<(TimeDelta, PlaceAndCount)>> = BinaryHeap::new();
    for (from, node) in nodes.iter().enumerate() {
        for (nth, step) in node.edges.iter().enumerate().filter(|(_, it)| !it.messages.is_empty()) {
            // The day begins with the first message of this step.
            let at = (step.to, step.messages.len().min(most));
            if quickest.insert(at, TimeDelta::zero()).is_none() {
                came.insert(at, (None, from, nth));
                open.push(Reverse((TimeDelta::zero(), at)));
            }
        }
    }
    let mut best: Option<PlaceAndCount> = None;
    while let Some(Reverse((elapsed, at))) = open.pop() {
        if quickest.get(&at).is_some_and(|known| *known < elapsed) {
            continue;
        }
        if best.is_none_or(|best| at.1 > best.1) {
            best = Some(at);
        }
        if at.1 >= most {
            break;
        }
        let (place, sent) = at;
        for (nth, step) in nodes[place].edges.iter().enumerate() {
            let total = elapsed + step.elapsed;
            let next = (step.to, (sent + step.messages.len()).min(most));
            if total < day && quickest.get(&next).is_none_or(|known| total < *known) {
                quickest.insert(next, total);
                came.insert(next, (Some(at), place, nth));
                open.push(Reverse((total, next)));
            }
        }
    }
    let mut elements: Vec<Vec<ElementId>> = Vec::new();
    let mut at = best;
    while let Some(here) = at {
        let Some((before, place, nth)) = came.get(&here) else { break };
        let step: &ExploredStep = &nodes[*place].edges[*nth];
        elements.push(step.messages.clone());
        // Where no message was sent in between, a place may come again.
        if elements.len() > 1_000 {
            break;
        }
        at = *before;
    }
    elements.reverse();
    elements.into_iter().flatten().take(most).collect()
}
