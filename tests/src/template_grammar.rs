//! Unusual templates, made from bytes: the same bytes make the same template.
//!
//! Property tests draw the bytes at random, the fuzz target (`fuzz/`) chooses those that reach new
//! code. Every construct of the language can occur, nested and repeated, with sizes that are too
//! large.

use std::fmt::Write as _;

/// The length in bytes after which a template is ended.
const ENOUGH: usize = 20_000;

const FILTERS: &[&str] = &[
    "upper",
    "lower",
    "title",
    "capitalize",
    "trim",
    "trim('ab')",
    "length",
    "first",
    "last",
    "list",
    "reverse",
    "sort",
    "unique",
    "join",
    "join(a)",
    "join('xxxxxxxxxx')",
    "replace('', a)",
    "replace('a', a)",
    "replace('x', 'yyyyyyyy')",
    "batch(3)",
    "batch(100000000, a)",
    "slice(3)",
    "slice(100000000)",
    "indent(4)",
    "indent(width=100000000)",
    "center(100000000)",
    "center",
    "format(a, b)",
    "format(1)",
    "tojson",
    "tojson(indent=100000)",
    "urlencode",
    "e",
    "escape",
    "forceescape",
    "safe",
    "striptags",
    "truncate(3)",
    "truncate(length=5, end=a)",
    "wordcount",
    "wordwrap(1, wrapstring=a)",
    "wordwrap",
    "filesizeformat",
    "int",
    "float",
    "abs",
    "round(3)",
    "round(-400)",
    "string",
    "bool",
    "sum",
    "sum(start='')",
    "min",
    "max",
    "dictsort",
    "items",
    "groupby('a')",
    "map('upper')",
    "map('replace', '', a)",
    "map(attribute='a.b.c')",
    "select",
    "select('in', a)",
    "reject('eq', a)",
    "selectattr('a')",
    "rejectattr('a', 'in', b)",
    "chain(a)",
    "zip(a, a, a)",
    "split('')",
    "split('x')",
    "lines",
    "default",
    "default(a)",
    "date",
    "attr('a')",
    "date('%Y%Y%Y%Y')",
];

const TESTS: &[&str] = &[
    "defined",
    "none",
    "odd",
    "divisibleby(0)",
    "in(a)",
    "eq(a)",
    "lt(a)",
    "startingwith(a)",
    "sameas(a)",
    "string",
    "mapping",
    "upper",
    "not iterable",
];

const OPERATORS: &[&str] =
    &["~", "+", "*", "-", "/", "//", "%", "**", "==", "!=", "<", ">=", "in", "not in", "and", "or"];

const NAMES: &[&str] = &[
    "a",
    "b",
    "c",
    "contact",
    "contact.name",
    "contact.tags",
    "contact.text",
    "contact.at",
    "loop",
    "loop.index",
    "caller()",
    "m(a, a ~ a)",
    "loop(a)",
    "loop.changed(a)",
    "range(100000)",
    "range(3)",
    "dict(a=a, b=b)",
    "dict(**a)",
    "m(*a)",
    "loop.cycle(a, b)",
    "none",
    "true",
];

const LITERALS: &[&str] = &[
    "0",
    "1",
    "7",
    "-1",
    "1000000",
    "9223372036854775807",
    "1.5",
    "1e308",
    "'x'",
    "''",
    "'xxxxxxxx'",
    "'%s%1000000d'",
    "'%(a)s%(a)s'",
    "'<b>&amp;</b>'",
    "[]",
    "{}",
    "[1, 2, 3]",
    "{'a': 1}",
    "'ß ﬁ İ'",
];

/// The template that these bytes make.
pub fn template_of(bytes: &[u8]) -> String {
    let mut maker = Maker { bytes, text: String::from("{% set a = 'xy' %}{% set b = [a] %}") };
    while !maker.bytes.is_empty() && maker.text.len() < ENOUGH {
        maker.piece(0);
    }
    maker.text
}

struct Maker<'a> {
    bytes: &'a [u8],
    text: String,
}

impl Maker<'_> {
    fn next(&mut self) -> usize {
        match self.bytes.split_first() {
            Some((first, rest)) => {
                self.bytes = rest;
                usize::from(*first)
            }
            None => 0,
        }
    }

    fn one_of<'s>(&mut self, all: &[&'s str]) -> &'s str {
        all[self.next() % all.len()]
    }

    fn put(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn piece(&mut self, depth: usize) {
        let which = if depth > 30 { self.next() % 3 } else { self.next() % 13 };
        match which {
            0 => self.put("text "),
            1 => {
                self.put("{{ ");
                self.expression(depth);
                self.put(" }}");
            }
            2 => {
                let name = self.one_of(&["a", "b", "c"]);
                let _ = write!(self.text, "{{% set {name} = ");
                self.expression(depth);
                self.put(" %}");
            }
            3 => {
                self.put("{% for a in ");
                self.expression(depth);
                let kind = self.one_of(&["", " recursive", " if a"]);
                self.put(kind);
                self.put(" %}");
                self.piece(depth + 1);
                self.put("{% else %}-{% endfor %}");
            }
            4 => {
                self.put("{% if ");
                self.expression(depth);
                self.put(" %}");
                self.piece(depth + 1);
                for _ in 0..self.next() {
                    self.put("{% elif a %}x");
                }
                self.put("{% endif %}");
            }
            5 => {
                self.put("{% macro m(a, b) %}");
                self.piece(depth + 1);
                self.put("{% endmacro %}{{ m(a, b) }}");
            }
            6 => {
                self.put("{% set a %}");
                self.piece(depth + 1);
                self.put("{% endset %}");
            }
            7 => {
                let filter = self.one_of(FILTERS);
                let _ = write!(self.text, "{{% filter {filter} %}}");
                self.piece(depth + 1);
                self.put("{% endfilter %}");
            }
            8 => {
                self.put("{% with b = ");
                self.expression(depth);
                self.put(" %}");
                self.piece(depth + 1);
                self.put("{% endwith %}");
            }
            9 => {
                let begin = self.text.len();
                self.piece(depth + 1);
                let piece = self.text[begin..].to_owned();
                for _ in 0..self.next() {
                    if self.text.len() < ENOUGH {
                        self.put(&piece);
                    }
                }
            }
            10 => {
                self.put("{% call(b) m(a, b) %}");
                self.piece(depth + 1);
                self.put("{% endcall %}");
            }
            11 => {
                let mode = self.one_of(&["true", "'html'", "'json'", "'none'"]);
                let _ = write!(self.text, "{{% autoescape {mode} %}}");
                self.piece(depth + 1);
                self.put("{% endautoescape %}");
            }
            _ => {
                self.piece(depth + 1);
                self.piece(depth + 1);
            }
        }
    }

    fn expression(&mut self, depth: usize) {
        if depth > 40 || self.text.len() > ENOUGH {
            return self.put("a");
        }
        match self.next() % 15 {
            0 | 1 => {
                let name = self.one_of(NAMES);
                self.put(name);
            }
            2 | 3 => {
                let literal = self.one_of(LITERALS);
                self.put(literal);
            }
            4 | 5 => {
                self.expression(depth + 1);
                let operator = self.one_of(OPERATORS);
                let _ = write!(self.text, " {operator} ");
                self.expression(depth + 1);
            }
            6 | 7 => {
                self.expression(depth + 1);
                let filter = self.one_of(FILTERS);
                let _ = write!(self.text, "|{filter}");
            }
            8 => {
                self.expression(depth + 1);
                let test = self.one_of(TESTS);
                let _ = write!(self.text, " is {test}");
            }
            9 => {
                self.put("(");
                self.expression(depth + 1);
                self.put(")");
            }
            10 => {
                self.put("[");
                self.expression(depth + 1);
                self.put(", ");
                self.expression(depth + 1);
                self.put("]");
            }
            11 => {
                self.expression(depth + 1);
                let taken = self.one_of(&[
                    "[0]",
                    "[a]",
                    ".a",
                    "[1:]",
                    "[::-1]",
                    "[:1000000:9223372036854775807]",
                    "['a']",
                    "[5:1:-9223372036854775807]",
                ]);
                self.put(taken);
            }
            12 => {
                self.put("{a: ");
                self.expression(depth + 1);
                self.put(", 'b': b}");
            }
            13 => {
                let before = self.one_of(&["-", "not ", "(", "["]);
                let times = self.next();
                self.put(&before.repeat(times));
                self.put("a");
                let close = match before {
                    "(" => ")",
                    "[" => "]",
                    _ => "",
                };
                self.put(&close.repeat(times));
            }
            _ => {
                let link = self.one_of(&[
                    ".a",
                    "|e",
                    "+1",
                    "~a",
                    "[0]",
                    " if a else b",
                    " and a",
                    " is odd",
                ]);
                let times = self.next();
                self.put("a");
                self.put(&link.repeat(times));
            }
        }
    }
}
