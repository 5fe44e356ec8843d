//! The picture as SVG: one file that needs nothing else, readable on light and on dark ground.
//!
//! Text is measured by counting, because which font there is is not known; it is shortened so that
//! it stays within its box. All of it is told in the box's `title`.

use std::fmt::Write as _;

use super::layout::{LayoutInput, Line, PlacedGraph, place};
use super::{Edge, Node, Picture, words};

/// The width of a box, at least and at most, and what one line of it takes in height.
const NARROWEST: f64 = 120.0;
const WIDEST: f64 = 250.0;
const LINE: f64 = 17.0;

/// The width of a letter, at 13 pixels and at 11.5.
const LETTER: f64 = 7.5;
const SMALL_LETTER: f64 = 6.4;

/// The space around the whole.
const MARGIN: f64 = 24.0;

/// What is above the boxes.
const HEAD: f64 = 34.0;

/// The colours: classes with a fill and a stroke, on light ground and on dark.
const COLOURS: [(&str, [&str; 2], [&str; 2]); 7] = [
    ("entry", ["#fff3d6", "#b7791f"], ["#3d3013", "#ecc46b"]),
    ("mail", ["#e4efff", "#2b6cb0"], ["#152b45", "#7db7f5"]),
    ("rest", ["#eeeaf8", "#6b46c1"], ["#2a2145", "#b59df0"]),
    ("choice", ["#e6f6f7", "#0e7490"], ["#0f3138", "#67d1e0"]),
    ("write", ["#f0f2f5", "#57606a"], ["#232a33", "#9aa5b4"]),
    ("again", ["#ffe3e3", "#c53030"], ["#431c1f", "#ff9a9a"]),
    ("over", ["#e3f6e8", "#2f855a"], ["#14351f", "#7fd8a0"]),
];

impl Picture {
    /// See the module.
    pub fn as_svg(&self) -> String {
        let sizes: Vec<_> = self.nodes.iter().map(size).collect();
        let edges: Vec<_> =
            self.edges.iter().map(|edge| (edge.from, edge.to, edge.label.as_str())).collect();
        let placed = place(&LayoutInput { sizes: &sizes, edges: &edges });
        let bounds = Bounds::of(&placed, &sizes, &self.edges);
        let (left, top) = (bounds.left - MARGIN, bounds.top - MARGIN - HEAD);
        let width = (bounds.right - bounds.left).max(letters(&self.title) * 9.0) + 2.0 * MARGIN;
        let height = bounds.bottom - bounds.top + 2.0 * MARGIN + HEAD;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"{left:.0} {top:.0} {width:.0} \
             {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" \
             aria-labelledby=\"dacapo-title dacapo-desc\" class=\"dacapo\">\n\
             <title id=\"dacapo-title\">{}</title>\n<desc id=\"dacapo-desc\">{}</desc>\n",
            escaped(&self.title),
            escaped(&self.told)
        );
        out.push_str(&style());
        for head in ["head", "passed", "again"] {
            let _ = writeln!(
                out,
                "<marker id=\"dacapo-{head}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" \
                 markerWidth=\"8\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" \
                 orient=\"auto-start-reverse\"><path class=\"tip {head}\" d=\"M0 0L8 4L0 8z\"/>\
                 </marker>"
            );
        }
        let _ = writeln!(
            out,
            "<rect class=\"paper\" x=\"{left:.0}\" y=\"{top:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\"/>\n<text class=\"heading\" x=\"{:.0}\" y=\"{:.0}\">{}</text>",
            left + MARGIN,
            top + MARGIN + 6.0,
            escaped(&self.title)
        );
        for (edge, line) in self.edges.iter().zip(&placed.lines) {
            self.arrow(edge, line, &placed, &sizes, &mut out);
        }
        for ((x, y), label) in &placed.labels {
            let width = letters(label) * SMALL_LETTER + 8.0;
            let _ = writeln!(
                out,
                "<rect class=\"paper\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"16\"/>\
                 <text class=\"small mid\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
                x - width / 2.0,
                y - 8.0,
                y + 4.0,
                escaped(label)
            );
        }
        for (node, (at, size)) in self.nodes.iter().zip(placed.boxes.iter().zip(&sizes)) {
            self.boxed(node, *at, *size, &mut out);
        }
        out.push_str("</svg>\n");
        out
    }

    fn arrow(
        &self,
        edge: &Edge,
        line: &Line,
        placed: &PlacedGraph,
        sizes: &[(f64, f64)],
        out: &mut String,
    ) {
        let head = if edge.passed {
            "passed"
        } else if edge.again {
            "again"
        } else {
            "head"
        };
        let class = match (edge.passed, edge.again, self.has_way) {
            (true, _, _) => "line passed",
            (_, true, false) => "line again",
            (_, true, true) => "line again pale",
            (_, false, true) => "line pale",
            (_, false, false) => "line",
        };
        let ((x, y), (width, height)) = (placed.boxes[edge.from], sizes[edge.from]);
        let right = x + width / 2.0;
        match line {
            Line::Curve { points, back } => {
                let [first, second, rest @ ..] = points.as_slice() else { return };
                let mut path = format!(
                    "M{:.1} {:.1}C{:.1} {:.1},{:.1} {:.1},{:.1} {:.1}",
                    first.0.0,
                    first.0.1,
                    first.1.0,
                    first.1.1,
                    second.0.0,
                    second.0.1,
                    second.1.0,
                    second.1.1
                );
                for (control, to) in rest {
                    let _ =
                        write!(path, "S{:.1} {:.1},{:.1} {:.1}", control.0, control.1, to.0, to.1);
                }
                let end = if *back { "start" } else { "end" };
                let _ = writeln!(
                    out,
                    "<path class=\"{class}\" d=\"{path}\" marker-{end}=\"url(#dacapo-{head})\"/>"
                );
            }
            Line::Own => {
                let _ = writeln!(
                    out,
                    "<path class=\"{class}\" d=\"M{right:.1} {:.1}C{:.1} {:.1},{:.1} \
                     {:.1},{right:.1} {:.1}\" marker-end=\"url(#dacapo-{head})\"/>",
                    y - 9.0,
                    right + 26.0,
                    y - 16.0,
                    right + 26.0,
                    y + 16.0,
                    y + 9.0
                );
            }
            Line::Stub => {
                // Several of one box stand one below the other.
                let above = self.edges.iter().zip(&placed.lines).take_while(|(it, _)| *it != edge);
                let above = above.filter(|(it, line)| it.from == edge.from && **line == Line::Stub);
                let at = y - height / 2.0
                    + 12.0
                    + 15.0 * f64::from(u16::try_from(above.count()).unwrap_or(0));
                let _ = writeln!(
                    out,
                    "<path class=\"{class}\" d=\"M{right:.1} {at:.1}h14\" \
                     marker-end=\"url(#dacapo-{head})\"/><text class=\"small\" x=\"{:.1}\" \
                     y=\"{:.1}\">{}</text>",
                    right + 18.0,
                    at + 4.0,
                    escaped(&self.stub(edge))
                );
            }
        }
    }

    /// What stands at an arrow that is cut.
    fn stub(&self, edge: &Edge) -> String {
        let to = words::shortened(&self.nodes[edge.to].id, 24);
        if edge.label.is_empty() { to } else { format!("{}: {to}", edge.label) }
    }

    fn boxed(&self, node: &Node, at: (f64, f64), size: (f64, f64), out: &mut String) {
        let ((x, y), (width, height)) = (at, size);
        let mut class = format!("box {}", node.look.class());
        for (is, word) in [
            (node.passed, " passed"),
            (node.rests, " rests"),
            (self.has_way && !node.passed, " pale"),
        ] {
            class.push_str(if is { word } else { "" });
        }
        let mut told = format!("{} ({})", node.id, node.kind);
        if !node.does.is_empty() {
            let _ = write!(told, ": {}", node.does);
        }
        let round = match node.look {
            super::Look::Entry => height / 2.0,
            super::Look::Again | super::Look::Over => 14.0,
            _ => 6.0,
        };
        let dashes = if node.unsent { " stroke-dasharray=\"5 4\"" } else { "" };
        let _ = write!(
            out,
            "<g class=\"{class}\"><title>{}</title><rect x=\"{:.1}\" y=\"{:.1}\" \
             width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{round:.0}\"{dashes}/>",
            escaped(&told),
            x - width / 2.0,
            y - height / 2.0,
        );
        for (nth, (class, line)) in lines(node).iter().enumerate() {
            let row = f64::from(u16::try_from(nth).unwrap_or(0));
            let _ = write!(
                out,
                "<text class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
                y - height / 2.0 + 20.0 + row * LINE,
                escaped(line)
            );
        }
        out.push_str("</g>\n");
    }
}

/// The lines in a box: its id and type, what it does, how many are there, and what is so of the
/// way.
fn lines(node: &Node) -> Vec<(&'static str, String)> {
    let fits = |letter: f64| ((WIDEST - 24.0) / letter) as usize;
    let mut lines = vec![("name", cut(&node.id, fits(LETTER)))];
    let does = match node.does.as_str() {
        "" => node.kind.to_owned(),
        does => format!("{} · {does}", node.kind),
    };
    lines.push(("small mid", cut(&does, fits(SMALL_LETTER))));
    if let Some(count) = node.count {
        let words = format!("{} here, {} in all", count.at, count.entered);
        lines.push((if count.at > 0 { "count here" } else { "count" }, words));
    }
    lines.extend(node.of_the_way().map(|words| ("count here", words.to_owned())));
    lines
}

/// A text that is so many letters wide at most.
fn cut(text: &str, most: usize) -> String {
    let mut kept = String::new();
    let mut wide = 0.0;
    for c in text.chars() {
        wide += letter(c);
        if wide > most as f64 {
            kept.pop();
            return format!("{}…", kept.trim_end());
        }
        kept.push(c);
    }
    kept
}

fn size(node: &Node) -> (f64, f64) {
    let lines = lines(node);
    let wide = lines
        .iter()
        .map(|(class, line)| letters(line) * if *class == "name" { LETTER } else { SMALL_LETTER });
    let widest = wide.fold(0.0_f64, f64::max) + 24.0;
    let rows = f64::from(u16::try_from(lines.len()).unwrap_or(0));
    (widest.clamp(NARROWEST, WIDEST), rows * LINE + 13.0)
}

/// How wide a text is, in letters: those of East Asian scripts are about twice as wide.
fn letters(text: &str) -> f64 {
    text.chars().map(letter).sum()
}

fn letter(c: char) -> f64 {
    match u32::from(c) {
        0x0300..=0x036f | 0x200b..=0x200f => 0.0,
        0x1100..=0x11ff | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff => 1.9,
        0xfe30..=0xfe6f | 0xff00..=0xff60 | 0x1f000.. => 1.9,
        _ => 1.0,
    }
}

/// What is around all that is drawn.
struct Bounds {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Bounds {
    fn of(placed: &PlacedGraph, sizes: &[(f64, f64)], edges: &[Edge]) -> Self {
        let mut all = Self { left: 0.0, top: 0.0, right: 1.0, bottom: 1.0 };
        if let Some((x, y)) = placed.boxes.first() {
            all = Self { left: *x, top: *y, right: *x, bottom: *y };
        }
        for ((x, y), (width, height)) in placed.boxes.iter().zip(sizes) {
            all.take(x - width / 2.0, y - height / 2.0);
            all.take(x + width / 2.0, y + height / 2.0);
        }
        for ((x, y), label) in &placed.labels {
            let half = letters(label) * SMALL_LETTER / 2.0;
            all.take(x - half, y - 8.0);
            all.take(x + half, y + 8.0);
        }
        for (edge, line) in edges.iter().zip(&placed.lines) {
            let ((x, y), (width, height)) = (placed.boxes[edge.from], sizes[edge.from]);
            match line {
                Line::Curve { points, .. } => {
                    for ((x, y), (to_x, to_y)) in points {
                        all.take(*x, *y);
                        all.take(*to_x, *to_y);
                    }
                }
                Line::Stub => all.take(x + width / 2.0 + 220.0, y + height / 2.0 + 16.0),
                Line::Own => all.take(x + width / 2.0 + 26.0, y),
            }
        }
        all
    }

    fn take(&mut self, x: f64, y: f64) {
        (self.left, self.right) = (self.left.min(x), self.right.max(x));
        (self.top, self.bottom) = (self.top.min(y), self.bottom.max(y));
    }
}

/// The style sheet, on light ground and on dark. All of it is about this picture only.
fn style() -> String {
    let ground = |dark: bool| {
        let [ink, dim, paper, way, here] = if dark {
            ["#e6e9ef", "#a9b3c2", "#10151c", "#56d364", "#ff9bce"]
        } else {
            ["#1f2430", "#566070", "#ffffff", "#1a7f37", "#bf3989"]
        };
        let mut css = format!(
            ".dacapo text{{fill:{ink}}}.dacapo .small,.dacapo .count{{fill:{dim}}}\
             .dacapo .count.here{{fill:{here}}}.dacapo .paper{{fill:{paper}}}\
             .dacapo .line{{stroke:{dim}}}.dacapo .tip.head{{fill:{dim}}}"
        );
        for (class, light, on_dark) in COLOURS {
            let [fill, stroke] = if dark { on_dark } else { light };
            let _ = write!(css, ".dacapo .{class} rect{{fill:{fill};stroke:{stroke}}}");
            if class == "again" {
                let _ = write!(
                    css,
                    ".dacapo .line.again{{stroke:{stroke}}}.dacapo .tip.again{{fill:{stroke}}}"
                );
            }
        }
        let _ = write!(
            css,
            ".dacapo .line.passed{{stroke:{way}}}.dacapo .tip.passed{{fill:{way}}}\
             .dacapo .passed rect{{stroke:{way}}}.dacapo .rests rect{{stroke:{here}}}"
        );
        css
    };
    format!(
        "<style>\n.dacapo text{{font:13px system-ui,-apple-system,\"Segoe UI\",sans-serif;\
         text-anchor:middle}}.dacapo text.name{{font-weight:600}}.dacapo text.heading{{\
         font-size:16px;font-weight:600;text-anchor:start}}.dacapo text.small,.dacapo text.count{{\
         font-size:11.5px}}.dacapo text.small{{text-anchor:start}}.dacapo text.mid{{\
         text-anchor:middle}}.dacapo text.small.mid{{text-anchor:middle}}.dacapo text.here{{\
         font-weight:600}}.dacapo .box rect{{stroke-width:1.5}}.dacapo .line{{fill:none;\
         stroke-width:1.6}}.dacapo .line.again{{stroke-dasharray:5 4}}.dacapo .line.passed{{\
         stroke-width:3}}.dacapo .passed rect{{stroke-width:3}}.dacapo .rests rect{{\
         stroke-width:4}}.dacapo .box.pale{{opacity:.55}}.dacapo .line.pale{{opacity:.5}}\n{}\n\
         @media (prefers-color-scheme:dark){{{}}}\n</style>\n",
        ground(false),
        ground(true)
    )
}

/// A text in XML, in content or in quotes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
