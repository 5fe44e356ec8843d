//! The graph that the engine walks: a published document with what follows from it, computed once.
//!
//! A version never changes, so neither does its graph; it is shared and cached for ever.

use std::collections::{BTreeMap, HashMap};

use crate::campaign::elements::Arrival;
use crate::campaign::format::{Document, Edge, Element, EventElement, ObjectDefinition};
use crate::compact::CollectCompactly as _;
use crate::condition::Reads;
use crate::contact::Change;
use crate::field::{FieldType, built_in};
use crate::ids::{ElementId, FieldKey, ObjectType};
use crate::reads::PersonReads;

/// A version of a campaign, ready to be walked.
#[derive(Debug)]
pub struct Graph {
    /// The version, from 1.
    pub version: u32,
    /// What people wrote.
    pub document: Document,
    /// The types of all the account's fields when it was published, the document's included.
    fields: BTreeMap<FieldKey, FieldType>,
    /// The types of the fields of the objects that it is about; `None` if it is about contacts.
    own: Option<BTreeMap<FieldKey, FieldType>>,
    places: HashMap<ElementId, usize>,
    /// `reach[i][j]`: element `j` can be reached from element `i` by at least one edge, but not
    /// through a restart or a reset of this campaign (R9).
    reach: Vec<Vec<bool>>,
    /// From how many entries a token can come to each element without passing an event, which
    /// begins a token of its own.
    entries: Vec<usize>,
    start_reads: Vec<(usize, Reads)>,
    reads: Reads,
    custom_events: Vec<String>,
}

impl Graph {
    /// Prepares a validated document. Edges that lead nowhere are taken as ends.
    /// The account's contact fields and types of objects are those of when it was published.
    pub fn new(
        version: u32,
        document: Document,
        account: &BTreeMap<FieldKey, FieldType>,
        objects: &BTreeMap<ObjectType, ObjectDefinition>,
    ) -> Self {
        let own = document.per.as_ref().map(|kind| {
            let types = objects.get(kind).into_iter().chain(document.objects.get(kind));
            let fields = types.flat_map(|of| of.fields.iter());
            fields.map(|(key, field)| (key.clone(), field.kind)).collect_compactly()
        });
        let mut fields = account.clone();
        fields.extend(document.fields.iter().map(|(key, field)| (key.clone(), field.kind)));
        let places: HashMap<ElementId, usize> =
            document.elements.iter().enumerate().map(|(i, (id, _))| (id.clone(), i)).collect();
        let mut graph = Self {
            version,
            document,
            fields,
            own,
            places,
            reach: Vec::new(),
            entries: Vec::new(),
            start_reads: Vec::new(),
            reads: Reads::default(),
            custom_events: Vec::new(),
        };
        let all = 0..graph.document.elements.len();
        graph.reach =
            all.clone().map(|from| graph.reached(from, |place| graph.is_passed(place))).collect();
        graph.entries = vec![0; all.len()];
        for from in all {
            // Of a reset of this campaign a token of the next run goes on (R11).
            if graph.element_at(from).lets_in() || graph.arrival(from) == Arrival::BeginsNextRun {
                let is_event = |place| matches!(graph.element_at(place), Element::Event(_));
                let passes = |place| place == from || (graph.is_passed(place) && !is_event(place));
                let reached = graph.reached(from, passes);
                for (entries, reached) in graph.entries.iter_mut().zip(reached) {
                    *entries += usize::from(reached);
                }
            }
        }
        for (place, (_, element)) in graph.document.elements.iter().enumerate() {
            if let Element::Start(start) = element {
                graph.start_reads.push((place, start.when.reads()));
            }
        }
        graph.collect_reads();
        graph
    }

    /// The elements in the order of the document (R10).
    pub fn elements(&self) -> impl Iterator<Item = (usize, &ElementId, &Element)> {
        self.document.elements.iter().enumerate().map(|(place, (id, element))| (place, id, element))
    }

    /// An element and its place in the document.
    pub fn element(&self, id: &ElementId) -> Option<(usize, &Element)> {
        let place = *self.places.get(id)?;
        Some((place, &self.document.elements[place].1))
    }

    /// The type of an element, to be compared.
    pub fn type_of(&self, id: &ElementId) -> Option<std::mem::Discriminant<Element>> {
        self.element(id).map(|(_, element)| std::mem::discriminant(element))
    }

    /// The starts with what their conditions read, in the order of the document.
    pub fn starts(
        &self,
    ) -> impl Iterator<Item = (usize, &ElementId, &crate::campaign::format::Start, &Reads)> {
        self.start_reads.iter().filter_map(|(place, reads)| {
            let (id, element) = &self.document.elements[*place];
            if let Element::Start(start) = element {
                Some((*place, id, start, reads))
            } else {
                None
            }
        })
    }

    /// Whether a token at `from` is upstream of the event or goal at `to` (R9).
    pub fn is_upstream(&self, from: usize, to: usize) -> bool {
        from == to || self.reach[from][to]
    }

    /// Whether `to` comes after `from`, by at least one edge.
    pub fn leads_to(&self, from: usize, to: usize) -> bool {
        self.reach[from][to]
    }

    /// Whether `to` comes after `from` and not before it too, as in a circle.
    pub fn is_only_ahead(&self, from: usize, to: usize) -> bool {
        self.leads_to(from, to) && !self.leads_to(to, from)
    }

    /// Whether an entry is used up by the events that fire on the same occasion before it and after
    /// it: one of them lies ahead of it (R10). Of events in a circle only the first one counts.
    pub fn is_used_up(
        &self,
        entry: usize,
        before: impl IntoIterator<Item = usize>,
        after: impl IntoIterator<Item = usize>,
    ) -> bool {
        before.into_iter().any(|event| self.leads_to(entry, event))
            || after.into_iter().any(|event| self.is_only_ahead(entry, event))
    }

    /// Whether more than one token can pass the element in the same run: one that comes back to it,
    /// or one of another entry.
    pub fn is_passed_again(&self, place: usize) -> bool {
        self.reach[place][place] || self.entries[place] > 1
    }

    /// What starts, events, goals and date timers read. See [`Graph::is_concerned_by`].
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// What a campaign about objects reads of the person (R72): a change of anything else of the
    /// person concerns none of its objects.
    pub fn person_reads(&self) -> &PersonReads {
        &self.reads.person
    }

    /// Whether a start that reads this is looked at because of a change of the subject (R6). In a
    /// campaign about objects, one that reads more than the object is looked at on every change of
    /// the object: a change of the contact concerns no object without tokens (R72).
    pub fn makes_start_checked(&self, change: &Change, reads: &Reads) -> bool {
        let of_the_object = self.own.is_some() && change.person.is_none();
        change.touches(reads) || (of_the_object && reads.more_than_the_subject())
    }

    /// Whether a change can let the subject in or move it: one of anything else moves nobody who is
    /// not awaiting a restart.
    pub fn is_concerned_by(&self, change: &Change) -> bool {
        change.touches(&self.reads)
            || change.event.as_ref().is_some_and(|event| self.custom_events.contains(event))
            || self.start_reads.iter().any(|(_, reads)| self.makes_start_checked(change, reads))
    }

    /// Whether any condition asks for the contact's status in other campaigns.
    pub fn asks_for_statuses(&self) -> bool {
        let mut elements = self.document.elements.iter();
        elements.any(|(_, element)| {
            element.condition().is_some_and(|asked| !asked.reads().campaigns.is_empty())
        })
    }

    /// The type of a field of the subject.
    pub fn field_type(&self, key: &FieldKey) -> Option<FieldType> {
        match &self.own {
            Some(own) => own.get(key).copied(),
            None => self.contact_field_type(key),
        }
    }

    /// The type of a contact field.
    pub fn contact_field_type(&self, key: &FieldKey) -> Option<FieldType> {
        built_in(key.as_str()).or_else(|| self.fields.get(key).copied())
    }

    fn element_at(&self, place: usize) -> &Element {
        &self.document.elements[place].1
    }

    fn arrival(&self, place: usize) -> Arrival {
        self.element_at(place).arrival(&self.document.id)
    }

    /// Whether a token that comes to the element can go on by its edges in the same run.
    fn is_passed(&self, place: usize) -> bool {
        match self.arrival(place) {
            Arrival::GoesOn | Arrival::Rests => true,
            Arrival::BeginsNextRun | Arrival::EndsPath => false,
        }
    }

    /// What can be reached from an element, through those that let a token pass.
    fn reached(&self, from: usize, passes: impl Fn(usize) -> bool) -> Vec<bool> {
        let mut reached = vec![false; self.document.elements.len()];
        let mut open = vec![from];
        while let Some(place) = open.pop() {
            if !passes(place) {
                continue;
            }
            for (_, to) in self.element_at(place).edges() {
                if let Some(&to) = self.places.get(to)
                    && !reached[to]
                {
                    reached[to] = true;
                    open.push(to);
                }
            }
        }
        reached
    }

    fn collect_reads(&mut self) {
        for (_, element) in &self.document.elements {
            element.of_type().add_reads(&mut self.reads);
            if let Element::Event(EventElement { on: Edge::Custom(name), .. }) = element {
                self.custom_events.push(name.clone());
            }
        }
        // The zone is the person's (R21, R72).
        if self.own.is_some() && self.reads.fields.contains("time_zone") {
            self.reads.person.fields.extend(FieldKey::new("time_zone"));
        }
    }
}
