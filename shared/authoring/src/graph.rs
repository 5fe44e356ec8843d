//! A campaign as a picture: Mermaid and SVG, with a contact's way and the counts on it.
//!
//! A [`Picture`] is what is drawn, as data: a box for each element, an arrow for each edge, in
//! definition order. It is a function of the document: the same document gives the same bytes.
//! Whatever an author or a contact has written is shortened and escaped.

mod layout;
mod mermaid;
mod svg;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use dacapo_engine::campaign::format::{Document, Element};
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::ids::ElementId;

use crate::journey::Journey;

/// The most elements that are drawn: a campaign has no more.
pub const MOST_ELEMENTS: usize = dacapo_engine::campaign::validate::MOST_ELEMENTS;

/// What is drawn of a campaign beside the campaign.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PictureOverlay {
    /// How many were at each element, and how many are there now.
    pub counts: Option<BTreeMap<ElementId, Count>>,
    /// Where somebody went.
    pub way: Option<ContactPath>,
}

/// How many were at an element.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// How often it was reached.
    pub entered: u64,
    /// How many paths rest there now.
    pub at: u64,
}

/// Where a contact went, and where it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContactPath {
    /// Whose way it is, as people call them.
    pub who: String,
    /// The elements that it came to, in order; one may come several times.
    pub passed: Vec<ElementId>,
    /// Where it rests now.
    pub rests: BTreeSet<ElementId>,
    /// The e-mails that it came to and whose newest message was not sent.
    pub unsent: BTreeSet<ElementId>,
}

impl ContactPath {
    /// The way of a contact through a campaign in a journey; of all its objects where it has some.
    pub fn of(journey: &Journey, contact: &str, campaign: &str) -> Self {
        let is_its = |id: Option<&str>, who: &str| id == Some(campaign) && who == contact;
        let mut way = Self { who: contact.to_owned(), ..Self::default() };
        for entry in &journey.entries {
            let id = entry.campaign.as_ref().map(|id| id.as_str());
            if is_its(id, entry.contact.as_deref().unwrap_or_default()) {
                way.comes(entry.kind, entry.element.as_ref());
            }
        }
        let standing = journey.enrollments.iter();
        let standing = standing.filter(|it| is_its(Some(it.campaign.as_str()), &it.contact));
        way.rests =
            standing.flat_map(|it| &it.waits).map(|wait| wait.element.clone()).collect_compactly();
        way
    }

    /// Adds a line of the history, of this kind and about this element; the oldest comes first.
    pub fn comes(&mut self, kind: &str, element: Option<&ElementId>) {
        let Some(element) = element else { return };
        if is_passing(kind) {
            self.passed.push(element.clone());
        }
        match kind {
            "message_suppressed" | "message_failed" | "message_dropped" => {
                self.unsent.insert(element.clone());
            }
            "message_sent" | "message_unknown" => {
                self.unsent.remove(element);
            }
            _ => {}
        }
    }
}

/// Whether a line of a contact's history, of this kind, shows that a path was at its element.
pub(crate) fn is_passing(kind: &str) -> bool {
    let not = [
        "used_up",
        "parked",
        "parked_forgotten",
        "not_fired",
        "not_started",
        "nothing_followed",
        "nothing_changed",
        "ignored",
        "start_ignored",
        "recheck",
        "left_out",
        "element_gone",
        "statistics_reset",
        "stopped",
        "held",
        "released",
        "step",
    ];
    !not.contains(&kind)
}

/// A campaign as boxes and arrows.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// What it shows.
    title: String,
    /// The same in a sentence or two, for whoever does not see it.
    told: String,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    has_counts: bool,
    has_way: bool,
}

/// An element.
#[derive(Debug, Clone, PartialEq)]
struct Node {
    id: String,
    kind: &'static str,
    look: Look,
    /// What it does, in a few words; empty if its type says it all.
    does: String,
    count: Option<Count>,
    /// Whether the way goes through it.
    passed: bool,
    /// Whether the way ends in it, for now.
    rests: bool,
    /// Whether the newest message of the way from here was not sent.
    unsent: bool,
}

impl Node {
    /// What is so of somebody's way here, in words.
    fn of_the_way(&self) -> impl Iterator<Item = &'static str> {
        let words = [(self.unsent, "not sent"), (self.rests, "now here")];
        words.into_iter().filter_map(|(is, words)| is.then_some(words))
    }
}

/// What kind of thing an element is, as people tell them apart at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Entry,
    Mail,
    Rest,
    Choice,
    Write,
    Again,
    Over,
}

impl Look {
    /// Its class in style sheets.
    fn class(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Mail => "mail",
            Self::Rest => "rest",
            Self::Choice => "choice",
            Self::Write => "write",
            Self::Again => "again",
            Self::Over => "over",
        }
    }
}

/// An arrow between two elements, by their places.
#[derive(Debug, Clone, PartialEq)]
struct Edge {
    from: usize,
    to: usize,
    /// What has to be so to go there; empty for `next`.
    label: String,
    /// Whether it is no edge of the document: a restart leads to the starts.
    again: bool,
    /// Whether the way goes along it.
    passed: bool,
}

/// Why there is no picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the campaign has {elements} elements; at most {MOST_ELEMENTS} are drawn")]
pub struct TooLarge {
    /// How many it has.
    pub elements: usize,
}

impl Picture {
    /// The picture of a campaign. Edges that lead nowhere are left out.
    ///
    /// # Errors
    ///
    /// If it has more than [`MOST_ELEMENTS`].
    pub fn of(document: &Document, shown: &PictureOverlay) -> Result<Self, TooLarge> {
        let elements = document.elements.len();
        if elements > MOST_ELEMENTS {
            return Err(TooLarge { elements });
        }
        let places: BTreeMap<&ElementId, usize> = document
            .elements
            .iter()
            .enumerate()
            .map(|(place, (id, _))| (id, place))
            .collect_compactly();
        let mut edges = edges(document, &places);
        let way = shown.way.as_ref();
        let mut nodes: Vec<Node> = document
            .elements
            .iter()
            .map(|(id, element)| Node {
                id: id.to_string(),
                kind: words::kind(element),
                look: words::look(element),
                does: words::does(element, document),
                count: shown.counts.as_ref().map(|all| all.get(id).copied().unwrap_or_default()),
                passed: false,
                rests: way.is_some_and(|way| way.rests.contains(id)),
                unsent: way.is_some_and(|way| way.unsent.contains(id)),
            })
            .collect();
        if let Some(way) = way {
            go(way, &places, &mut nodes, &mut edges);
        }
        let title = match document.name.trim() {
            "" => document.id.to_string(),
            name => words::shortened(name, 120),
        };
        let told = words::description(document, way);
        let (has_counts, has_way) = (shown.counts.is_some(), way.is_some());
        Ok(Self { title, told, nodes, edges, has_counts, has_way })
    }
}

/// The arrows in definition order; behind them those from restarts to the starts.
fn edges(document: &Document, places: &BTreeMap<&ElementId, usize>) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (from, (_, element)) in document.elements.iter().enumerate() {
        for (key, to) in element.edges() {
            if let Some(&to) = places.get(to) {
                let label = words::label(element, key);
                edges.push(Edge { from, to, label, again: false, passed: false });
            }
        }
    }
    let is_start = |element: &Element| matches!(element, Element::Start(_));
    let starts: Vec<usize> = (0..document.elements.len())
        .filter(|place| is_start(&document.elements[*place].1))
        .collect();
    for (from, (_, element)) in document.elements.iter().enumerate() {
        // With many of them the arrows would hide what the campaign does.
        if matches!(element, Element::Restart(_)) && starts.len() <= 3 {
            let again = |&to: &usize| Edge {
                from,
                to,
                label: "again".to_owned(),
                again: true,
                passed: false,
            };
            edges.extend(starts.iter().map(again));
        }
    }
    edges
}

/// Marks where the way went. Several paths may be under way at once, so the arrow to an element is
/// from where the way was last among those that lead to it.
fn go(
    way: &ContactPath,
    places: &BTreeMap<&ElementId, usize>,
    nodes: &mut [Node],
    edges: &mut [Edge],
) {
    let mut last: Vec<Option<usize>> = vec![None; nodes.len()];
    for (nth, id) in way.passed.iter().chain(&way.rests).enumerate() {
        let Some(&place) = places.get(id) else { continue };
        // What happens to it while it is there is no new arrival.
        if nth == 0 || last[place].is_none_or(|before| before + 1 != nth) {
            let leads = edges.iter().filter(|edge| edge.to == place && edge.from != place);
            let newest = leads.filter_map(|edge| last[edge.from]).max();
            for edge in edges.iter_mut().filter(|edge| edge.to == place && edge.from != place) {
                edge.passed |= newest.is_some() && last[edge.from] == newest;
            }
        }
        last[place] = Some(nth);
        nodes[place].passed = true;
    }
}
