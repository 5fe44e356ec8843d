//! Templates of one message or call, rendered within a budget; plain text made from HTML, too.
//!
//! Nearly everything needs less than the small budget and is rendered on the caller's thread. What
//! needs more is rendered again with the full one, on other threads (`Blocking`). What needs more
//! than that fails.

use std::panic::catch_unwind;

use dacapo_engine::template::{Budget, Escape, MergeValues, render_within};

/// How many templates of one message or call may need more than the small budget.
const MOST_LARGE: usize = 4;

/// How many templates one message or call may have.
const MOST_TEMPLATES: usize = 200;

/// How much HTML is made into text within the small budget, in bytes.
const SMALL_HTML: usize = 16 * 1024;

/// How deep elements of HTML may be nested where text is made from it; a mail of nested tables has
/// twenty levels.
const DEEPEST_HTML: usize = 100;

/// How deep lists, tables and quotations may be nested: each level takes the time of everything
/// inside it again.
const DEEPEST_BOXES: usize = 12;

/// How many tags HTML may have.
const MOST_TAGS: usize = 10_000;

/// Why something could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unrendered {
    /// As text.
    pub reason: String,
    /// Whether a larger budget may be enough.
    pub over_budget: bool,
}

impl Unrendered {
    pub(crate) fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), over_budget: false }
    }

    pub(crate) fn broken_off() -> Self {
        Self::because("rendering was broken off")
    }
}

/// Renders the templates of one message or call.
pub(crate) struct Renderer<'a> {
    values: &'a MergeValues,
    budget: Budget,
    rendered: usize,
    large: usize,
}

impl<'a> Renderer<'a> {
    pub(crate) fn new(values: &'a MergeValues, budget: Budget) -> Self {
        Self { values, budget, rendered: 0, large: 0 }
    }

    pub(crate) fn render(&mut self, source: &str, escape: Escape) -> Result<String, Unrendered> {
        self.rendered += 1;
        if self.rendered > MOST_TEMPLATES {
            return Err(Unrendered::because(format!("more than {MOST_TEMPLATES} templates")));
        }
        let within = |budget| render_within(budget, source, escape, self.values);
        let error = match (within(Budget::Small), self.budget) {
            (Ok(text), _) => return Ok(text),
            (Err(error), Budget::Full) if error.is_over_budget() => {
                self.large += 1;
                if self.large > MOST_LARGE {
                    let reason = format!("more than {MOST_LARGE} templates take many steps");
                    return Err(Unrendered::because(reason));
                }
                match within(Budget::Full) {
                    Ok(text) => return Ok(text),
                    Err(error) => return Err(Unrendered::because(error.to_string())),
                }
            }
            (Err(error), Budget::Small | Budget::Full) => error,
        };
        Err(Unrendered { over_budget: error.is_over_budget(), reason: error.to_string() })
    }
}

/// Plain text made from HTML. HTML that is nested too deep for a layout is shown without one.
///
/// # Errors
///
/// If the HTML is too long for the small budget.
pub fn text_of_html(html: &str, budget: Budget) -> Result<String, Unrendered> {
    if Shape::of(html).is_too_much() {
        return Ok(without_tags(html));
    }
    if budget == Budget::Small && html.len() > SMALL_HTML {
        let reason = "the HTML is too long to be made into text at once".to_owned();
        return Err(Unrendered { reason, over_budget: true });
    }
    // A table whose cells span more than there is makes the layout panic.
    let laid_out = catch_unwind(|| html2text::from_read(html.as_bytes(), 78));
    Ok(laid_out.ok().and_then(Result::ok).unwrap_or_else(|| without_tags(html)))
}

/// How deep HTML is nested, and how many tags it has.
#[derive(Default)]
struct Shape {
    tags: usize,
    depth: usize,
    boxes: usize,
}

impl Shape {
    /// An end tag closes the element that it names and everything in it, and nothing if no such
    /// element is open.
    fn of(html: &str) -> Self {
        let mut shape = Self::default();
        let mut open: Vec<String> = Vec::new();
        let is_box = |name: &String| {
            matches!(name.as_str(), "ul" | "ol" | "dl" | "table" | "blockquote" | "pre")
        };
        let mut boxes = 0;
        for (at, _) in html.match_indices('<') {
            let rest = &html[at + 1..];
            let closes = rest.starts_with('/');
            let name: String = rest
                .trim_start_matches('/')
                .chars()
                .take(12)
                .take_while(char::is_ascii_alphanumeric)
                .map(|c| c.to_ascii_lowercase())
                .collect();
            if name.is_empty() {
                continue;
            }
            shape.tags += 1;
            if shape.is_too_much() {
                break;
            }
            if STAND_ALONE.contains(&name.as_str()) {
                continue;
            }
            if !closes {
                boxes += usize::from(is_box(&name));
                open.push(name);
            } else if let Some(its) = open.iter().rposition(|one| *one == name) {
                boxes -= open.drain(its..).filter(is_box).count();
            }
            shape.depth = shape.depth.max(open.len());
            shape.boxes = shape.boxes.max(boxes);
        }
        shape
    }

    fn is_too_much(&self) -> bool {
        self.tags > MOST_TAGS || self.depth > DEEPEST_HTML || self.boxes > DEEPEST_BOXES
    }
}

/// Elements without an end tag, or whose end tag is optional.
const STAND_ALONE: [&str; 15] = [
    "br", "hr", "img", "meta", "link", "input", "col", "area", "base", "wbr", "source", "p", "li",
    "dt", "dd",
];

/// The text of HTML without any layout: a line for each block.
fn without_tags(html: &str) -> String {
    let mut text = String::with_capacity(html.len() / 2);
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        text.push_str(&rest[..open]);
        rest = &rest[open..];
        let Some(close) = rest.find('>') else { break };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        rest = &rest[close + 1..];
    }
    if !rest.starts_with('<') {
        text.push_str(rest);
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join("\n");
    text.replace("&nbsp;", " ").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nested_too_deep_is_text_without_layout() {
        let html = "<ul><li>".repeat(50) + "Ann &amp; Co" + &"</li></ul>".repeat(50) + "<p>End</p>";
        assert_eq!(text_of_html(&html, Budget::Small).unwrap(), "Ann & Co\nEnd");
        // End tags of elements that are not open, and optional end tags, do not reduce the depth.
        for opens in ["<div><p></p>", "<blockquote></ul>", "<div></div >"] {
            let deep = opens.repeat(3_000) + "Ann";
            let is_deep = Shape::of(&deep).is_too_much();
            assert_eq!(is_deep, opens != "<div></div >", "{opens}");
        }
        assert_eq!(Shape::of("<div><span></div><div>").depth, 2);
    }

    #[test]
    fn a_table_that_cannot_be_laid_out_is_text_without_layout() {
        let cells = "<td colspan=4294967295>Ann<td rowspan=999999999>Ben";
        for html in [format!("<table>{cells}"), format!("<p>Hello</p><table><tr>{cells}</table>")] {
            let text = text_of_html(&html, Budget::Small).unwrap();
            assert!(text.contains("Ann") && text.contains("Ben"), "{text}");
        }
        let lists = "<ol start=99999999999999999999><li>Ann</ol><ol start=-9223372036854775808><li>Ben</ol>";
        assert!(text_of_html(lists, Budget::Small).unwrap().contains("Ben"));
    }
}
