//! Where boxes and arrows are: layers from top to bottom, by the crate `layout-rs`.
//!
//! The library looks for circles in a way that takes exponential time, and its work grows with the
//! cube of boxes and rows that arrows pass. So it gets a graph without circles, in an order in
//! which it finds none at once, and arrows that would pass too many rows are cut: they end in a
//! stub that names where they go. A campaign that is too large even so is drawn in plain rows; so
//! is one for which the library's own assertions fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use dacapo_engine::compact::SortCompactly as _;
use layout::core::base::Orientation;
use layout::core::format::{ClipHandle, RenderBackend};
use layout::core::geometry::{Point, Position};
use layout::core::style::StyleAttr;
use layout::std_shapes::shapes::{Arrow, Element, LineEndKind, ShapeKind};
use layout::topo::layout::VisualGraph;

/// The space around a box.
const AROUND: (f64, f64) = (28.0, 46.0);

/// How many rows arrows may pass, all together, before the longest are cut.
const MOST_PASSED: usize = 120;

/// How many rows an arrow passes at least that may be cut.
const LONG_ARROW_ROWS: usize = 6;

/// How many boxes and passed rows the library gets at most; with more, the rows are plain.
const MOST_PLACED: usize = 220;

/// What is placed: sizes of boxes, and arrows between them with what stands at them.
pub(super) struct LayoutInput<'a> {
    pub(super) sizes: &'a [(f64, f64)],
    pub(super) edges: &'a [(usize, usize, &'a str)],
}

/// Where everything is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct PlacedGraph {
    /// The middle of each box.
    pub(super) boxes: Vec<(f64, f64)>,
    /// Each arrow.
    pub(super) lines: Vec<Line>,
    /// Where something stands at arrows, and what.
    pub(super) labels: Vec<((f64, f64), String)>,
    /// Whether the library gave up.
    #[cfg(test)]
    pub(super) plainly: bool,
}

/// How an arrow goes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Line {
    /// Along the points of a path in SVG: the first two are a start and its control point, each
    /// other two a control point and a point. `back` if its head is at the start.
    Curve { points: Vec<((f64, f64), (f64, f64))>, back: bool },
    /// It is cut: a stub beside its box.
    Stub,
    /// Back to its own box.
    Own,
}

/// Places everything.
pub(super) fn place(given: &LayoutInput<'_>) -> PlacedGraph {
    let order = Order::of(given);
    if order.passed + given.sizes.len() > MOST_PLACED {
        return plainly(given, &order);
    }
    let placed = catch_unwind(AssertUnwindSafe(|| by_the_library(given, &order)));
    placed.unwrap_or_else(|_| plainly(given, &order))
}

/// An order without circles, and the rows that follow from it.
struct Order {
    /// Whether each arrow is turned.
    turned: Vec<bool>,
    /// The row of each box.
    rows: Vec<usize>,
    /// Whether each arrow is cut.
    cut: Vec<bool>,
    /// The boxes, each before those behind it.
    sorted: Vec<usize>,
    /// How many rows arrows pass, all together.
    passed: usize,
}

impl Order {
    fn of(given: &LayoutInput<'_>) -> Self {
        let boxes = given.sizes.len();
        let mut out: Vec<Vec<usize>> = vec![Vec::new(); boxes];
        for (nth, (from, _, _)) in given.edges.iter().enumerate() {
            out[*from].push(nth);
        }
        let (turned, sorted) = turn(given, &out);
        let mut cut: Vec<bool> = given.edges.iter().map(|(from, to, _)| from == to).collect();
        let mut rows = rows(given, &turned, &cut, &sorted);
        let passes = |rows: &[usize], nth: usize| {
            let (from, to, label) = given.edges[nth];
            // What stands at an arrow takes a row.
            rows[from].abs_diff(rows[to]).saturating_sub(1) + usize::from(!label.is_empty())
        };
        let passed = loop {
            let open = (0..cut.len()).filter(|nth| !cut[*nth]);
            let (sum, longest) = open.fold((0, (0, 0)), |(sum, longest), nth| {
                let passed = passes(&rows, nth);
                (sum + passed, longest.max((passed, nth)))
            });
            if sum <= MOST_PASSED || longest.0 < LONG_ARROW_ROWS {
                break sum;
            }
            // All that are nearly as long, so that it ends soon.
            for (nth, is_cut) in cut.iter_mut().enumerate() {
                *is_cut |= passes(&rows, nth) >= LONG_ARROW_ROWS.max(longest.0 / 2);
            }
            rows = self::rows(given, &turned, &cut, &sorted);
        };
        Self { turned, rows, cut, sorted, passed }
    }
}

/// Which arrows are turned so that there are no circles, and the order that is left: those that
/// lead back to where a walk in definition order is on its way.
fn turn(given: &LayoutInput<'_>, out: &[Vec<usize>]) -> (Vec<bool>, Vec<usize>) {
    let boxes = out.len();
    let (mut begun, mut done) = (vec![false; boxes], vec![false; boxes]);
    let mut turned = vec![false; given.edges.len()];
    let mut after = Vec::with_capacity(boxes);
    // First from what nothing leads to, then from the rest.
    let mut is_led_to = vec![false; boxes];
    for (from, to, _) in given.edges {
        is_led_to[*to] |= from != to;
    }
    let free = (0..boxes).filter(|place| !is_led_to[*place]);
    for first in free.chain(0..boxes) {
        if begun[first] {
            continue;
        }
        begun[first] = true;
        let mut open = vec![(first, 0)];
        while let Some((place, nth)) = open.pop() {
            let Some(&edge) = out[place].get(nth) else {
                done[place] = true;
                after.push(place);
                continue;
            };
            open.push((place, nth + 1));
            let to = given.edges[edge].1;
            if !begun[to] {
                begun[to] = true;
                open.push((to, 0));
            } else if !done[to] {
                turned[edge] = true;
            }
        }
    }
    after.reverse();
    (turned, after)
}

/// The row of each box: one below the lowest that leads to it.
fn rows(given: &LayoutInput<'_>, turned: &[bool], cut: &[bool], sorted: &[usize]) -> Vec<usize> {
    let mut down: Vec<Vec<(usize, usize)>> = vec![Vec::new(); given.sizes.len()];
    for (nth, (from, to, label)) in given.edges.iter().enumerate() {
        if !cut[nth] {
            let (from, to) = if turned[nth] { (*to, *from) } else { (*from, *to) };
            down[from].push((to, if label.is_empty() { 1 } else { 2 }));
        }
    }
    let mut rows = vec![0; given.sizes.len()];
    for place in sorted {
        for (to, steps) in &down[*place] {
            rows[*to] = rows[*to].max(rows[*place] + steps);
        }
    }
    rows
}

fn by_the_library(given: &LayoutInput<'_>, order: &Order) -> PlacedGraph {
    if given.sizes.is_empty() {
        return PlacedGraph::default();
    }
    let mut graph = VisualGraph::new(Orientation::TopToBottom);
    // It would look for circles after each arrow.
    graph.dag.set_validate(false);
    let look = StyleAttr::simple();
    let handles: Vec<_> = given
        .sizes
        .iter()
        .map(|(width, height)| {
            let shape = ShapeKind::Box(String::new());
            let size = Point::new(*width, *height);
            let mut element = Element::create(shape, look.clone(), Orientation::TopToBottom, size);
            let around = Point::new(AROUND.0, AROUND.1);
            element.pos = Position::new(Point::zero(), size, Point::zero(), around);
            graph.add_node(element)
        })
        .collect();
    let mut place_in_order = vec![0; given.sizes.len()];
    for (nth, place) in order.sorted.iter().enumerate() {
        place_in_order[*place] = nth;
    }
    // Sorted by where they begin: the library looks for a way back from where each ends, and
    // nothing leads on from there yet.
    let ends = |nth: usize| {
        let (from, to, _) = given.edges[nth];
        if order.turned[nth] { (to, from) } else { (from, to) }
    };
    let mut drawn: Vec<usize> = (0..given.edges.len()).filter(|nth| !order.cut[*nth]).collect();
    drawn.sort_compactly_by_key(|nth| (place_in_order[ends(*nth).0], *nth));
    for nth in &drawn {
        let (from, to) = ends(*nth);
        let mut arrow = Arrow::simple(given.edges[*nth].2);
        if order.turned[*nth] {
            (arrow.start, arrow.end) = (LineEndKind::Arrow, LineEndKind::None);
        }
        arrow.properties = Some(nth.to_string());
        graph.add_edge(arrow, handles[from], handles[to]);
    }
    let mut canvas = Canvas::default();
    graph.do_it(false, false, false, &mut canvas);
    let mut lines: Vec<Line> = (given.edges.iter())
        .map(|(from, to, _)| if from == to { Line::Own } else { Line::Stub })
        .collect();
    for (nth, line) in canvas.lines {
        lines[nth] = line;
    }
    let boxes = handles.iter().map(|handle| at(graph.pos(*handle).center())).collect();
    PlacedGraph {
        boxes,
        lines,
        labels: canvas.labels,
        #[cfg(test)]
        plainly: false,
    }
}

/// Boxes in rows one below the other, and straight arrows.
fn plainly(given: &LayoutInput<'_>, order: &Order) -> PlacedGraph {
    let mut boxes = vec![(0.0, 0.0); given.sizes.len()];
    let mut top = 0.0;
    for row in 0..=order.rows.iter().max().copied().unwrap_or(0) {
        let (mut left, mut highest) = (0.0, 0.0_f64);
        for place in (0..boxes.len()).filter(|place| order.rows[*place] == row) {
            let (width, height) = given.sizes[place];
            boxes[place] = (left + width / 2.0, top + height / 2.0);
            left += width + AROUND.0;
            highest = highest.max(height);
        }
        top += if highest > 0.0 { highest + AROUND.1 } else { 0.0 };
    }
    let lines = given.edges.iter().enumerate().map(|(nth, (from, to, _))| {
        if from == to {
            return Line::Own;
        }
        if order.cut[nth] {
            return Line::Stub;
        }
        let edge_of = |place: usize, down: bool| {
            let (x, y) = boxes[place];
            let half = given.sizes[place].1 / 2.0;
            (x, if down { y + half } else { y - half })
        };
        let down = order.rows[*from] < order.rows[*to];
        let (one, other) = (edge_of(*from, down), edge_of(*to, !down));
        Line::Curve { points: vec![(one, one), (other, other)], back: false }
    });
    let lines = lines.collect();
    PlacedGraph {
        boxes,
        lines,
        labels: Vec::new(),
        #[cfg(test)]
        plainly: true,
    }
}

fn at(point: Point) -> (f64, f64) {
    (point.x, point.y)
}

/// Keeps what the library would draw.
#[derive(Default)]
struct Canvas {
    lines: Vec<(usize, Line)>,
    labels: Vec<((f64, f64), String)>,
}

impl RenderBackend for Canvas {
    fn draw_rect(
        &mut self,
        _: Point,
        _: Point,
        _: &StyleAttr,
        _: Option<String>,
        _: Option<ClipHandle>,
    ) {
    }

    fn draw_line(&mut self, _: Point, _: Point, _: &StyleAttr, _: Option<String>) {}

    fn draw_circle(&mut self, _: Point, _: Point, _: &StyleAttr, _: Option<String>) {}

    fn draw_text(&mut self, place: Point, text: &str, _: &StyleAttr) {
        if !text.is_empty() {
            self.labels.push((at(place), text.to_owned()));
        }
    }

    fn draw_arrow(
        &mut self,
        path: &[(Point, Point)],
        _: bool,
        (start, _): (bool, bool),
        _: &StyleAttr,
        properties: Option<String>,
        _: &str,
    ) {
        let Some(nth) = properties.and_then(|nth| nth.parse().ok()) else { return };
        let points = path.iter().map(|(one, other)| (at(*one), at(*other))).collect();
        self.lines.push((nth, Line::Curve { points, back: start }));
    }

    fn create_clip(&mut self, _: Point, _: Point, _: usize) -> ClipHandle {
        0
    }
}
