//! The picture as a flowchart of Mermaid, which GitHub draws.

use std::fmt::Write as _;

use super::{Look, Node, Picture};

impl Picture {
    /// See the module. Boxes are called `n0`, `n1` …, in definition order.
    pub fn as_mermaid(&self) -> String {
        let mut out = String::from("flowchart TD\n");
        let _ = writeln!(out, "    accTitle: {}", on_a_line(&self.title));
        let _ = writeln!(out, "    accDescr: {}", on_a_line(&self.told));
        for (place, node) in self.nodes.iter().enumerate() {
            let (open, close) = match node.look {
                Look::Entry => ("([", "])"),
                Look::Choice => ("{", "}"),
                Look::Rest => ("{{", "}}"),
                Look::Again | Look::Over => ("((", "))"),
                Look::Mail | Look::Write => ("[", "]"),
            };
            let _ = writeln!(out, "    n{place}{open}\"{}\"{close}", said(node));
        }
        let mut passed = Vec::new();
        for (nth, edge) in self.edges.iter().enumerate() {
            let line = if edge.again { "-.->" } else { "-->" };
            let label = match edge.label.as_str() {
                "" => String::new(),
                label => format!("|\"{}\"|", escaped(label)),
            };
            let _ = writeln!(out, "    n{} {line}{label} n{}", edge.from, edge.to);
            if edge.passed {
                passed.push(nth.to_string());
            }
        }
        self.mark(&mut out, "passed", "stroke:#1a7f37,stroke-width:3px", |node| node.passed);
        self.mark(&mut out, "rests", "stroke:#bf3989,stroke-width:4px", |node| node.rests);
        self.mark(&mut out, "unsent", "stroke-dasharray:5 4", |node| node.unsent);
        if !passed.is_empty() {
            let _ =
                writeln!(out, "    linkStyle {} stroke:#1a7f37,stroke-width:3px", passed.join(","));
        }
        out
    }

    fn mark(&self, out: &mut String, class: &str, style: &str, is: fn(&Node) -> bool) {
        let marked: Vec<String> = (self.nodes.iter().enumerate())
            .filter(|(_, node)| is(node))
            .map(|(place, _)| format!("n{place}"))
            .collect();
        if !marked.is_empty() {
            let _ = writeln!(out, "    classDef {class} {style}");
            let _ = writeln!(out, "    class {} {class}", marked.join(","));
        }
    }
}

/// What stands in a box.
fn said(node: &Node) -> String {
    let mut said = format!("<b>{}</b><br/>{}", escaped(&node.id), node.kind);
    if !node.does.is_empty() {
        let _ = write!(said, "<br/>{}", escaped(&super::words::shortened(&node.does, 60)));
    }
    if let Some(count) = node.count {
        let _ = write!(said, "<br/><i>{} here, {} in all</i>", count.at, count.entered);
    }
    for words in node.of_the_way() {
        let _ = write!(said, "<br/><b>{words}</b>");
    }
    said
}

/// A text without the characters that mean something in a diagram, or in HTML or Markdown in it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let means = matches!(
            c,
            '#' | ';'
                | '<'
                | '>'
                | '"'
                | '&'
                | '`'
                | '*'
                | '_'
                | '['
                | ']'
                | '{'
                | '}'
                | '('
                | ')'
                | '|'
                | '\\'
                | '%'
                | '~'
                | '$'
        );
        if means {
            let _ = write!(out, "#{};", u32::from(c));
        } else {
            out.push(if c.is_control() { ' ' } else { c });
        }
    }
    out
}

/// A text in a statement that ends with the line.
fn on_a_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || "#;<>{}\"`%&".contains(c) { ' ' } else { c })
        .collect()
}
