//! The graph: its entries, its edges, what can be reached, and cycles without a rest (R41). In a
//! campaign without errors each edge leads to an element that exists, and each cycle has an element
//! at which tokens rest.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::bounds::MOST_ELEMENTS;
use crate::campaign::checks::{At, Findings};
use crate::campaign::elements::Arrival;
use crate::campaign::format::{Document, Element};
use crate::campaign::nearest;
use crate::campaign::node::Path;
use crate::ids::ElementId;

pub(super) fn check(document: &Document, findings: &mut Findings<'_>) {
    let elements = Path::root().key("elements");
    if document.elements.is_empty() {
        findings.error(
            "no_elements",
            &At::Key(&elements),
            "the campaign has no elements",
            "add a start and what follows it",
        );
        return;
    }
    let graph = TakenEdges::of(document);
    edges(document, &graph, findings);
    let has_entry = document.elements.iter().any(|(_, element)| element.lets_in());
    if has_entry {
        unreachable(document, &graph, findings);
    } else {
        findings.error(
            "no_entry",
            &At::Key(&elements),
            "no contact can enter: there is neither a start nor an event",
            "add an element of type `start` or `event`",
        );
    }
    // Beyond the bound the document is refused anyway, and this looks at every pair of elements.
    if document.elements.len() <= MOST_ELEMENTS {
        cycles(document, &graph, findings);
    }
}

/// The edges that tokens take, by the position of the elements in the document.
struct TakenEdges<'a> {
    positions: HashMap<&'a ElementId, usize>,
    next: Vec<Vec<usize>>,
}

impl<'a> TakenEdges<'a> {
    fn of(document: &'a Document) -> Self {
        let positions: HashMap<&ElementId, usize> =
            document.elements.iter().enumerate().map(|(i, (id, _))| (id, i)).collect();
        let next = document
            .elements
            .iter()
            .map(|(_, element)| {
                let edges = element.edges_taken(&document.id);
                edges.iter().filter_map(|(_, to)| positions.get(to).copied()).collect()
            })
            .collect();
        Self { positions, next }
    }
}

fn edges(document: &Document, graph: &TakenEdges<'_>, findings: &mut Findings<'_>) {
    for (id, element) in &document.elements {
        let path = Path::root().key("elements").key(id.as_str());
        for (key, to) in element.edges() {
            if findings.is_full() {
                return;
            }
            let edge_path = || key.path(&path);
            if to == id {
                findings.error(
                    "self_edge",
                    &At::Value(&edge_path()),
                    format!("`{id}` leads to itself"),
                    "lead to another element; to repeat something, put a wait in between",
                );
                continue;
            }
            match graph.positions.get(to).and_then(|i| document.elements.get(*i)) {
                None => {
                    let known = document.elements.iter().map(|(id, _)| id.as_str());
                    findings.error(
                        "dangling_edge",
                        &At::Value(&edge_path()),
                        format!("there is no element `{to}`"),
                        nearest::remedy(to.as_str(), known),
                    );
                }
                Some((_, Element::Start(start))) => {
                    let remedy = match &start.next {
                        Some(after) => format!("lead to `{after}`, the element after it"),
                        None => "lead to the element that should follow".to_owned(),
                    };
                    findings.error(
                        "edge_into_start",
                        &At::Value(&edge_path()),
                        format!("`{to}` is a start, where contacts enter; no path leads into it"),
                        remedy,
                    );
                }
                Some(_) if element.arrival(&document.id) == Arrival::EndsPath => findings.warning(
                    "edge_without_effect",
                    &At::Value(&edge_path()),
                    "a path that stops its own campaign ends; this edge is never taken",
                    "remove it, or name the other campaign that is to be stopped",
                ),
                Some(_) => {}
            }
        }
    }
}

fn unreachable(document: &Document, graph: &TakenEdges<'_>, findings: &mut Findings<'_>) {
    let mut reached: Vec<bool> = document.elements.iter().map(|(_, each)| each.lets_in()).collect();
    let mut ahead: Vec<usize> = (0..reached.len()).filter(|i| reached[*i]).collect();
    while let Some(i) = ahead.pop() {
        for &to in &graph.next[i] {
            if !std::mem::replace(&mut reached[to], true) {
                ahead.push(to);
            }
        }
    }
    for (i, (id, _)) in document.elements.iter().enumerate() {
        if !reached[i] {
            findings.error(
                "unreachable",
                &At::Key(&Path::root().key("elements").key(id.as_str())),
                format!("no path from a start or an event leads to `{id}`"),
                "lead an edge to it, or remove it",
            );
        }
    }
}

/// Every element without a rest that lies on a cycle of such elements is named in at least one
/// error.
fn cycles(document: &Document, graph: &TakenEdges<'_>, findings: &mut Findings<'_>) {
    let restless: Vec<bool> = document
        .elements
        .iter()
        .map(|(_, each)| each.arrival(&document.id) != Arrival::Rests)
        .collect();
    let mut named = BTreeSet::new();
    for (i, (id, _)) in document.elements.iter().enumerate() {
        if !restless[i] || named.contains(&i) {
            continue;
        }
        let Some(cycle) = shortest_cycle(graph, &restless, i) else {
            continue;
        };
        let names: Vec<&str> =
            cycle.iter().chain([&i]).map(|i| document.elements[*i].0.as_str()).collect();
        findings.error(
            "cycle_without_rest",
            &At::Key(&Path::root().key("elements").key(id.as_str())),
            format!("a token would run in a circle without resting: {}", names.join(" → ")),
            "put a wait, a date timer, an event or a goal with `unmet: wait` between them",
        );
        named.extend(cycle);
    }
}

/// The shortest way from the element back to itself, beginning with it. An edge from an element to
/// itself is refused by itself and no cycle here.
fn shortest_cycle(graph: &TakenEdges<'_>, restless: &[bool], from: usize) -> Option<Vec<usize>> {
    let mut came_from: BTreeMap<usize, usize> = BTreeMap::new();
    let mut ahead = VecDeque::from([from]);
    while let Some(i) = ahead.pop_front() {
        for &to in graph.next[i].iter().filter(|to| **to != i && restless[**to]) {
            if to == from {
                let mut way = vec![i];
                while let Some(before) = way.last().and_then(|last| came_from.get(last)) {
                    way.push(*before);
                }
                way.reverse();
                return Some(way);
            }
            if let std::collections::btree_map::Entry::Vacant(unseen) = came_from.entry(to) {
                unseen.insert(i);
                ahead.push_back(to);
            }
        }
    }
    None
}
