//! What lints ask about campaigns: where paths lead, who writes and who reads a tag or a field.
//! Worked out once.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use dacapo_engine::campaign::format::{
    Arrival, DateTimer, Document, Element, EventElement, Of, Start,
};
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::condition::{Condition, Reads};
use dacapo_engine::field::{FieldType, built_in};
use dacapo_engine::ids::{ElementId, FieldKey, ObjectType, Tag};
use dacapo_engine::template;

/// All campaigns that are given together.
pub(super) struct AllFacts<'a> {
    pub(super) campaigns: Vec<Facts<'a>>,
    looked_at: usize,
    tags_removed: BTreeMap<Owned<Tag>, Vec<ElementIndex>>,
    tags_added: BTreeMap<Owned<Tag>, Vec<ElementIndex>>,
    tags_read: BTreeMap<Owned<Tag>, Vec<ElementIndex>>,
    fields_set: BTreeMap<Owned<FieldKey>, Vec<ElementIndex>>,
}

/// A tag or a field of contacts, or of a type of objects.
pub(super) type Owned<T> = (Option<ObjectType>, T);

/// An element of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ElementIndex {
    pub(super) campaign: usize,
    pub(super) element: usize,
}

impl<'a> AllFacts<'a> {
    /// Of these documents the first are looked at; the others are only known.
    pub(super) fn of(looked_at: usize, documents: impl Iterator<Item = &'a Document>) -> Self {
        let campaigns: Vec<Facts<'a>> =
            documents.enumerate().map(|(nth, document)| Facts::of(nth, document)).collect();
        let mut all = Self {
            campaigns: Vec::new(),
            looked_at,
            tags_removed: BTreeMap::new(),
            tags_added: BTreeMap::new(),
            tags_read: BTreeMap::new(),
            fields_set: BTreeMap::new(),
        };
        for facts in &campaigns {
            for element in 0..facts.len() {
                let used = ElementIndex { campaign: facts.nth, element };
                note(&mut all.tags_added, facts.adds(element), used);
                note(&mut all.tags_removed, facts.removes(element), used);
                note(&mut all.fields_set, facts.sets(element), used);
                let reads = facts.reads(element);
                note(&mut all.tags_read, reads.tags.iter().map(|tag| (tag, facts.kind())), used);
                note(&mut all.tags_read, reads.person.tags.iter().map(|tag| (tag, None)), used);
            }
        }
        all.campaigns = campaigns;
        all
    }

    /// Those in which findings are told.
    pub(super) fn looked_at(&self) -> &[Facts<'a>] {
        &self.campaigns[..self.looked_at]
    }

    /// Whether what concerns both campaigns is told in this one: the later of two that are looked
    /// at, so that it is told once.
    pub(super) fn tells(&self, facts: &Facts<'_>, other: &Facts<'_>) -> bool {
        other.nth < facts.nth || other.nth >= self.looked_at
    }

    /// The elements that withdraw the tag.
    pub(super) fn removing(&self, tag: &Owned<Tag>) -> &[ElementIndex] {
        self.tags_removed.get(tag).map_or(&[], Vec::as_slice)
    }

    /// The elements that assign the tag.
    pub(super) fn adding(&self, tag: &Owned<Tag>) -> &[ElementIndex] {
        self.tags_added.get(tag).map_or(&[], Vec::as_slice)
    }

    /// The elements that read the tag.
    pub(super) fn reading(&self, tag: &Owned<Tag>) -> &[ElementIndex] {
        self.tags_read.get(tag).map_or(&[], Vec::as_slice)
    }

    /// The elements that set or clear the field.
    pub(super) fn setting(&self, field: &Owned<FieldKey>) -> &[ElementIndex] {
        self.fields_set.get(field).map_or(&[], Vec::as_slice)
    }

    /// The tags of a subject that anything assigns, withdraws or reads.
    pub(super) fn tags(&self, kind: Option<&ObjectType>) -> BTreeSet<&Tag> {
        let keys = self.tags_added.keys().chain(self.tags_removed.keys());
        let keys = keys.chain(self.tags_read.keys());
        keys.filter(|(of, _)| of.as_ref() == kind).map(|(_, tag)| tag).collect_compactly()
    }
}

/// Notes an element for each of the names that it uses, with whose they are.
fn note<'a, T: Clone + Ord + 'a>(
    uses: &mut BTreeMap<Owned<T>, Vec<ElementIndex>>,
    names: impl IntoIterator<Item = (&'a T, Option<ObjectType>)>,
    used: ElementIndex,
) {
    for (name, kind) in names {
        uses.entry((kind, name.clone())).or_default().push(used);
    }
}

/// One campaign.
pub(super) struct Facts<'a> {
    pub(super) nth: usize,
    pub(super) document: &'a Document,
    next: Vec<Vec<(&'static str, usize)>>,
    reach: OnceCell<Vec<Vec<bool>>>,
    printed: OnceCell<BTreeSet<String>>,
}

impl<'a> Facts<'a> {
    fn of(nth: usize, document: &'a Document) -> Self {
        let places: HashMap<&ElementId, usize> =
            document.elements.iter().enumerate().map(|(i, (id, _))| (id, i)).collect();
        let edges = document.elements.iter().map(|(_, element)| {
            let edges = element.edges_taken(&document.id).into_iter();
            edges.filter_map(|(key, to)| Some((word(key), *places.get(to)?))).collect()
        });
        let next = edges.collect();
        Self { nth, document, next, reach: OnceCell::new(), printed: OnceCell::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.document.elements.len()
    }

    pub(super) fn id(&self, element: usize) -> &'a ElementId {
        &self.document.elements[element].0
    }

    pub(super) fn element(&self, element: usize) -> &'a Element {
        &self.document.elements[element].1
    }

    /// The type of objects that it is about.
    pub(super) fn kind(&self) -> Option<ObjectType> {
        self.document.per.clone()
    }

    /// The edges of an element, each with its key and where it leads.
    pub(super) fn edges(&self, element: usize) -> &[(&'static str, usize)] {
        &self.next[element]
    }

    /// Where an edge of an element leads.
    pub(super) fn edge(&self, element: usize, key: &str) -> Option<usize> {
        self.edges(element).iter().find(|(other, _)| *other == key).map(|(_, to)| *to)
    }

    /// The element that sends and stands directly behind another one.
    pub(super) fn message_behind(&self, element: usize) -> Option<usize> {
        self.edge(element, "next").filter(|next| self.sends(*next))
    }

    /// The elements, each with its place.
    pub(super) fn elements(&self) -> impl Iterator<Item = (usize, &'a Element)> + use<'a> {
        self.document.elements.iter().enumerate().map(|(place, (_, element))| (place, element))
    }

    pub(super) fn starts(&self) -> impl Iterator<Item = (usize, &'a Start)> + use<'a> {
        self.elements().filter_map(|(place, element)| match element {
            Element::Start(start) => Some((place, start)),
            _ => None,
        })
    }

    pub(super) fn events(&self) -> impl Iterator<Item = (usize, &'a EventElement)> + use<'a> {
        self.elements().filter_map(|(place, element)| match element {
            Element::Event(event) => Some((place, event)),
            _ => None,
        })
    }

    pub(super) fn timers(&self) -> impl Iterator<Item = (usize, &'a DateTimer)> + use<'a> {
        self.elements().filter_map(|(place, element)| match element {
            Element::DateTimer(timer) => Some((place, timer)),
            _ => None,
        })
    }

    pub(super) fn is_entry(&self, element: usize) -> bool {
        self.element(element).lets_in()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).filter(|element| self.is_entry(*element))
    }

    /// Whether it sends a message.
    pub(super) fn sends(&self, element: usize) -> bool {
        self.element(element).message().is_some()
    }

    /// Whether the next run begins here.
    pub(super) fn begins_next_run(&self, element: usize) -> bool {
        self.arrival(element) == Arrival::BeginsNextRun
    }

    /// The elements at which the next run begins.
    pub(super) fn beginnings(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).filter(|element| self.begins_next_run(*element))
    }

    /// Whether a token that arrives stays for a while.
    pub(super) fn is_rest(&self, element: usize) -> bool {
        self.arrival(element) == Arrival::Rests
    }

    /// What a token does that arrives.
    fn arrival(&self, element: usize) -> Arrival {
        self.element(element).arrival(&self.document.id)
    }

    /// Whether `to` comes after `from` in the same run, by at least one edge (R9).
    pub(super) fn leads_to(&self, from: usize, to: usize) -> bool {
        let reach = self.reach.get_or_init(|| {
            (0..self.len()).map(|from| self.reached(from, |at| !self.begins_next_run(at))).collect()
        });
        reach[from][to]
    }

    /// What is reached from an element by at least one edge. `passes` says whether a path goes on
    /// from an element; it is asked about the first one too.
    pub(super) fn reached(&self, from: usize, passes: impl Fn(usize) -> bool) -> Vec<bool> {
        let mut reached = vec![false; self.len()];
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            if !passes(at) {
                continue;
            }
            for (_, to) in &self.next[at] {
                if !std::mem::replace(&mut reached[*to], true) {
                    open.push(*to);
                }
            }
        }
        reached
    }

    /// The shortest way from one element to another, both included, each with the edge by which
    /// it is left; `passes` is asked about those in between. An element to itself is a circle.
    pub(super) fn way(
        &self,
        from: usize,
        to: usize,
        passes: impl Fn(usize) -> bool,
    ) -> Option<ElementPath> {
        self.way_by(&[from], to, |at, _| at == from || passes(at))
    }

    /// The same from any of several elements. `passes` is asked about each edge of the way, with
    /// the element that it leaves.
    pub(super) fn way_by(
        &self,
        from: &[usize],
        to: usize,
        passes: impl Fn(usize, &'static str) -> bool,
    ) -> Option<ElementPath> {
        let mut came: HashMap<usize, (usize, &'static str)> = HashMap::new();
        let mut open: VecDeque<usize> = from.iter().copied().collect();
        while let Some(at) = open.pop_front() {
            for (key, next) in &self.next[at] {
                if came.contains_key(next) || !passes(at, key) {
                    continue;
                }
                came.insert(*next, (at, key));
                if *next != to {
                    open.push_back(*next);
                    continue;
                }
                let mut way = vec![(to, "")];
                let mut here = to;
                while let Some((before, key)) = came.get(&here) {
                    way.push((*before, *key));
                    here = *before;
                    if from.contains(&here) {
                        break;
                    }
                }
                way.reverse();
                return Some(way);
            }
        }
        None
    }

    /// A way that ends at a date timer goes on from it, when the date has come, to another element.
    pub(super) fn on_time(&self, mut way: ElementPath, to: usize) -> Option<ElementPath> {
        let timer = way.last_mut()?;
        timer.1 = "next";
        let next = self.edge(timer.0, "next")?;
        if next == to {
            way.push((to, ""));
        } else {
            way.extend(self.way(next, to, |it| !self.begins_next_run(it))?);
        }
        Some(way)
    }

    /// What an element assigns, and whose it is.
    pub(super) fn adds(&self, element: usize) -> Vec<(&'a Tag, Option<ObjectType>)> {
        match self.element(element) {
            Element::Tag(tags) => tags.add.iter().map(|tag| (tag, self.whose(tags.of))).collect(),
            Element::Restart(restart) => restart.tag.iter().map(|tag| (tag, self.kind())).collect(),
            _ => Vec::new(),
        }
    }

    /// What an element withdraws, and whose it is.
    pub(super) fn removes(&self, element: usize) -> Vec<(&'a Tag, Option<ObjectType>)> {
        match self.element(element) {
            Element::Tag(tags) => {
                let added = |tag: &&Tag| !tags.add.contains(*tag);
                tags.remove.iter().filter(added).map(|tag| (tag, self.whose(tags.of))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The fields that an element sets or clears, and whose they are.
    pub(super) fn sets(&self, element: usize) -> Vec<(&'a FieldKey, Option<ObjectType>)> {
        match self.element(element) {
            Element::SetField(set) => {
                set.fields.keys().map(|key| (key, self.whose(set.of))).collect()
            }
            _ => Vec::new(),
        }
    }

    fn whose(&self, of: Option<Of>) -> Option<ObjectType> {
        match of {
            Some(Of::Contact) => None,
            None => self.kind(),
        }
    }

    /// What an element reads: its condition, its edge, its date.
    pub(super) fn reads(&self, element: usize) -> Reads {
        let mut reads = Reads::default();
        let element = self.element(element);
        if let Some(condition) = element.condition() {
            condition.add_reads(&mut reads);
        }
        match element {
            Element::Event(event) => event.on.add_reads(&mut reads),
            Element::DateTimer(timer) => reads.fields.extend(timer.field.clone()),
            _ => {}
        }
        reads
    }

    /// The condition of a start or a goal, or of an event that reacts to one.
    pub(super) fn condition(&self, element: usize) -> Option<&'a Condition> {
        use dacapo_engine::campaign::format::Edge;
        match self.element(element) {
            Element::Event(EventElement { on: Edge::Becomes(condition), .. }) => Some(condition),
            other => other.condition(),
        }
    }

    /// The key of an element in which its condition or its edge stands.
    pub(super) fn asks_in(&self, element: usize) -> &'static str {
        if matches!(self.element(element), Element::Event(_)) { "on" } else { "when" }
    }

    /// The fields of contacts, or of a type of objects, that the document declares.
    pub(super) fn declares(
        &self,
        kind: Option<&ObjectType>,
    ) -> impl Iterator<Item = (&'a FieldKey, FieldType)> + use<'a> {
        let fields = match kind {
            None => Some(&self.document.fields),
            Some(kind) => self.document.objects.get(kind).map(|of| &of.fields),
        };
        fields.into_iter().flatten().map(|(key, field)| (key, field.kind))
    }

    /// Whether an element reads a field of contacts, or of a type of objects.
    pub(super) fn reads_field(
        &self,
        element: usize,
        kind: Option<&ObjectType>,
        key: &FieldKey,
    ) -> bool {
        let reads = self.reads(element);
        let own = self.document.per.as_ref() == kind && reads.fields.contains(key);
        own || (kind.is_none() && reads.person.fields.contains(key))
    }

    /// How often the campaign names a field, besides declaring it: its elements that read or set
    /// it, and its templates together.
    pub(super) fn names_field(&self, kind: Option<&ObjectType>, key: &FieldKey) -> usize {
        let names = |at: &usize| {
            let sets = || self.sets(*at).iter().any(|(it, of)| *it == key && of.as_ref() == kind);
            self.reads_field(*at, kind, key) || sets()
        };
        (0..self.len()).filter(names).count() + usize::from(self.prints(key))
    }

    /// The type of a field of the subject.
    pub(super) fn field_type(&self, key: &FieldKey) -> Option<FieldType> {
        match &self.document.per {
            Some(kind) => {
                let kind = self.document.objects.get(kind)?;
                kind.fields.get(key).map(|field| field.kind)
            }
            None => self.contact_field_type(key),
        }
    }

    /// The type of a field of the contact.
    pub(super) fn contact_field_type(&self, key: &FieldKey) -> Option<FieldType> {
        let declared = self.document.fields.get(key).map(|field| field.kind);
        declared.or_else(|| built_in(key.as_str()))
    }

    /// The type of a field of the contact, or of the subject.
    pub(super) fn type_of(&self, of_person: bool, key: &FieldKey) -> Option<FieldType> {
        if of_person { self.contact_field_type(key) } else { self.field_type(key) }
    }

    /// Whether a template of an e-mail prints a field or asks for it, whosever it is.
    pub(super) fn prints(&self, key: &FieldKey) -> bool {
        let ends = format!(".{key}");
        // Templates are read only if there is something to find.
        let is_there = self.texts().any(|text| text.contains(key.as_str()));
        is_there && self.printed().iter().any(|name| name.ends_with(&ends))
    }

    /// What the templates of all e-mails print or ask for, such as `contact.first_name`.
    fn printed(&self) -> &BTreeSet<String> {
        self.printed.get_or_init(|| {
            let texts = self.texts().filter(|text| text.contains("{{") || text.contains("{%"));
            texts.filter_map(|text| template::placeholders(text).ok()).flatten().collect_compactly()
        })
    }

    fn texts(&self) -> impl Iterator<Item = &'a String> + use<'a> {
        let emails = self.document.emails.values();
        emails
            .flat_map(|email| [Some(&email.subject), email.text.as_ref(), email.html.as_ref()])
            .flatten()
    }
}

/// Elements, each with the edge by which it is left; the last one has none.
pub(super) type ElementPath = Vec<(usize, &'static str)>;

fn word(key: dacapo_engine::campaign::format::EdgeKey) -> &'static str {
    use dacapo_engine::campaign::format::EdgeKey;
    match key {
        EdgeKey::Key(key) => key,
        EdgeKey::Branch(_) => "branches",
    }
}
