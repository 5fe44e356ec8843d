//! Finds cycles among the modules of a crate, from the paths that its files name.
//!
//! Modules are compared level by level: those at the root of the crate, those in each module. One
//! depends on another of its level if any file below it names an item of the other, in a `use` or
//! in a path. Tests are ignored. A name that another module re-exports counts as that of the module
//! where it is defined. A cycle through methods of a type that several modules add to, such as the
//! builder of a decision, is not found.

use std::collections::{BTreeMap, BTreeSet};

use super::scan::scanned;
use super::{expect_none, extension, files, shown, text};

/// The crates whose modules form no cycles. To check another crate, add its folder here.
const WITHOUT_CIRCLES: &[&str] = &[
    "cli",
    "shared/authoring",
    "shared/aws",
    "shared/embedded",
    "shared/engine",
    "shared/platform",
];

#[test]
fn modules_form_no_circles() {
    let mut wrong = Vec::new();
    for name in WITHOUT_CIRCLES {
        let src = format!("{name}/src");
        let files: Vec<_> = files(&[&src])
            .iter()
            .filter(|path| extension(path) == Some("rs"))
            .map(|path| (shown(path)[src.len() + 1..].to_owned(), text(path)))
            .collect();
        assert!(!files.is_empty(), "{src} has no file: mend this test's list");
        for Circle { inside, modules, arrows } in circles(&files) {
            let (modules, arrows) = (modules.join(", "), arrows.join("\n    "));
            wrong.push(format!("{name}, in `{inside}`: {modules}\n    {arrows}"));
        }
    }
    expect_none(
        &wrong,
        "move what both need into a module below them; what names both, above them",
    );
}

/// A module, by its names from the root of the crate.
type Module = Vec<String>;

/// Modules of a level that depend on each other.
#[derive(Debug, PartialEq, Eq)]
struct Circle {
    /// The module that they are in, such as `store`; empty for the root of the crate.
    inside: String,
    /// Their names, in order.
    modules: Vec<String>,
    /// The dependencies, and the files that cause them.
    arrows: Vec<String>,
}

/// The cycles among the modules of these files, each given by its path below `src` and its text.
fn circles(files: &[(String, String)]) -> Vec<Circle> {
    let mut sources: BTreeMap<Module, (&str, String)> = BTreeMap::new();
    let mut tests: Vec<Module> = Vec::new();
    for (path, text) in files {
        let module = module_of(path);
        let (code, declared) = without_tests(&scanned(text).0);
        tests.extend(declared.into_iter().map(|name| below(&module, &[name])));
        sources.insert(module, (path, code));
    }
    sources.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
    let names = Names::of(&sources);
    let mut levels: BTreeMap<Module, Arrows<'_>> = BTreeMap::new();
    for (module, (path, code)) in &sources {
        for named in names.modules_in(code, module) {
            let shared = module.iter().zip(&named).take_while(|(one, other)| one == other).count();
            if let (Some(from), Some(to)) = (module.get(shared), named.get(shared)) {
                let level = levels.entry(module[..shared].to_vec()).or_default();
                level.entry((from.clone(), to.clone())).or_default().insert(*path);
            }
        }
    }
    levels.iter().flat_map(|(inside, arrows)| circles_of(&inside.join("/"), arrows)).collect()
}

/// The dependencies at one level, and the files that cause them.
type Arrows<'a> = BTreeMap<(String, String), BTreeSet<&'a str>>;

/// The cycles of one level.
fn circles_of(inside: &str, arrows: &Arrows<'_>) -> Vec<Circle> {
    let names: BTreeSet<&String> = arrows.keys().map(|(from, _)| from).collect();
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        names.iter().map(|from| (*from, reached_from(from, arrows))).collect();
    let leads = |from: &String, to: &String| reached.get(from).is_some_and(|all| all.contains(to));
    let mut open = names;
    let mut found = Vec::new();
    while let Some(first) = open.pop_first() {
        if !leads(first, first) {
            continue;
        }
        let mut modules = vec![first.clone()];
        modules.extend(
            open.iter()
                .filter(|other| leads(first, other) && leads(other, first))
                .map(|it| (*it).clone()),
        );
        open.retain(|other| !modules.contains(other));
        let is_in_it =
            |(from, to): &(String, String)| modules.contains(from) && modules.contains(to);
        let shown = |(from, to): &(String, String), files: &BTreeSet<&str>| {
            let files: Vec<_> = files.iter().copied().collect();
            format!("{from} -> {to} in {}", files.join(", "))
        };
        let inside_it = arrows.iter().filter(|(arrow, _)| is_in_it(arrow));
        let arrows = inside_it.map(|(arrow, files)| shown(arrow, files)).collect();
        found.push(Circle { inside: inside.to_owned(), modules, arrows });
    }
    found
}

fn reached_from<'a>(from: &String, arrows: &'a Arrows<'_>) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(place) = open.pop() {
        for (_, to) in arrows.keys().filter(|(from, _)| from == place) {
            if reached.insert(to) {
                open.push(to);
            }
        }
    }
    reached
}

/// The module that a file below `src` is.
fn module_of(path: &str) -> Module {
    let mut names: Module = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if names.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        names.pop();
    }
    names
}

fn below(module: &[String], names: &[String]) -> Module {
    [module, names].concat()
}

/// The code without test-only items, and the test modules that are separate files.
fn without_tests(code: &str) -> (String, Vec<String>) {
    const FOR_TESTS: &str = "#[cfg(test)]";
    let (mut kept, mut declared, mut rest) = (String::new(), Vec::new(), code);
    while let Some(at) = rest.find(FOR_TESTS) {
        kept.push_str(&rest[..at]);
        let item = &rest[at + FOR_TESTS.len()..];
        let end = item.find([';', '{']).expect("an item ends");
        let words: Vec<&str> = item[..end].split_whitespace().collect();
        if item[end..].starts_with(';') {
            if let [.., "mod", name] = words[..] {
                declared.push(name.to_owned());
            }
            rest = &item[end + 1..];
        } else {
            rest = &item[end + block(&item[end..])..];
        }
    }
    kept.push_str(rest);
    (kept, declared)
}

/// The length of the block that begins here.
fn block(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, one) in code.char_indices() {
        match one {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// All modules of a crate, and the names that each of them takes from others.
struct Names {
    modules: BTreeSet<Module>,
    /// By module: the names in its `use` items, each with its path from the root of the crate.
    used: BTreeMap<Module, BTreeMap<String, Vec<String>>>,
}

impl Names {
    fn of(sources: &BTreeMap<Module, (&str, String)>) -> Self {
        let modules = sources.keys().cloned().collect();
        let mut names = Self { modules, used: BTreeMap::new() };
        let mut used = BTreeMap::new();
        for (module, (_, code)) in sources {
            let paths = paths_in(&words_of(code), true);
            let full = paths.iter().filter_map(|path| names.full(path, module));
            let named = full.filter_map(|path| Some((path.last()?.clone(), path)));
            used.insert(module.clone(), named.collect());
        }
        names.used = used;
        names
    }

    /// The modules that the code of a module names.
    fn modules_in(&self, code: &str, module: &Module) -> BTreeSet<Module> {
        let paths = paths_in(&words_of(code), false);
        paths.iter().filter_map(|path| Some(self.defined(self.full(path, module)?))).collect()
    }

    /// A path from the root of the crate; `None` if it leads out of the crate.
    fn full(&self, path: &[&str], module: &Module) -> Option<Vec<String>> {
        let supers = path.iter().take_while(|name| **name == "super").count();
        let (from, names) = match path.first()? {
            &"crate" => (&[][..], &path[1..]),
            &"self" => (&module[..], &path[1..]),
            &"super" => (&module[..module.len().saturating_sub(supers)], &path[supers..]),
            child if self.modules.contains(&below(module, &[(*child).to_owned()])) => {
                (&module[..], path)
            }
            _ => return None,
        };
        let names = names.iter().map(|name| (*name).to_owned());
        Some(from.iter().cloned().chain(names).collect())
    }

    /// The module in which the item with this path is defined.
    fn defined(&self, path: Vec<String>) -> Module {
        // Each step leads to another module; a bound, lest two re-export each other.
        let mut path = path;
        for _ in 0..self.modules.len() {
            let mut module = path.clone();
            while !module.is_empty() && !self.modules.contains(&module) {
                module.pop();
            }
            let item = path.get(module.len());
            let used = item.and_then(|item| self.used.get(&module)?.get(item));
            match used.filter(|used| !used.starts_with(&path[..=module.len()])) {
                Some(used) => path = [used, &path[module.len() + 1..]].concat(),
                None => return module,
            }
        }
        path
    }
}

/// The paths that code names, in `use` items and elsewhere, or in `use` items alone.
fn paths_in<'a>(words: &[&'a str], only_used: bool) -> Vec<Vec<&'a str>> {
    let mut paths: Vec<Vec<&str>> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let is_start = ["crate", "super", "self"].contains(word) && !only_used;
        if *word == "use" {
            let end = words[at..]
                .iter()
                .position(|word| *word == ";")
                .map_or(words.len(), |end| at + end);
            tree(&words[at + 1..end], &mut 0, &[], &mut paths);
        } else if is_start && words.get(at + 1) == Some(&"::") {
            let mut path = vec![*word];
            let mut next = at + 1;
            while words.get(next) == Some(&"::")
                && words.get(next + 1).is_some_and(|it| is_name(it))
            {
                path.push(words[next + 1]);
                next += 2;
            }
            paths.push(path);
        }
    }
    paths
}

/// The paths of a `use` item, from the word at `at` on.
fn tree<'a>(words: &[&'a str], at: &mut usize, before: &[&'a str], paths: &mut Vec<Vec<&'a str>>) {
    let mut path = before.to_vec();
    while let Some(word) = words.get(*at) {
        match *word {
            "{" => {
                *at += 1;
                while words.get(*at).is_some_and(|word| *word != "}") {
                    tree(words, at, &path, paths);
                    if words.get(*at) == Some(&",") {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            "," | "}" => break,
            "::" => {}
            // The new name is no path.
            "as" => *at += 1,
            word => path.push(word),
        }
        *at += 1;
    }
    paths.push(path);
}

/// Names, `::`, and every other character by itself.
fn words_of(code: &str) -> Vec<&str> {
    let (mut words, mut rest) = (Vec::new(), code.trim_start());
    while let Some(first) = rest.chars().next() {
        let end = if is_of_name(first) {
            rest.find(|c| !is_of_name(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        words.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    words
}

fn is_name(word: &str) -> bool {
    word.chars().all(is_of_name)
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[test]
fn a_circle_is_found_with_its_arrows_and_what_tests_name_makes_none() {
    let files = [
        ("lib.rs", "mod high; mod low; mod other { }"),
        ("high/mod.rs", "mod one;\nmod two;\n#[cfg(test)]\nmod tests;\nuse crate::low::Low;"),
        ("high/one.rs", "use super::{Above, two::{Two as Second, nested}};"),
        ("high/two.rs", "fn f() -> super::one::One { g(\"super::one\") } // crate::low"),
        ("high/tests.rs", "use crate::low::Low;"),
        ("again/mod.rs", "mod three;\nmod four;\npub use three::Three;\npub use four::Four;"),
        ("again/three.rs", "use super::Four;"),
        ("again/four.rs", "fn f() -> crate::again::Three { }"),
        ("low.rs", "use serde::Serialize;\n#[cfg(test)]\nmod tests { use crate::high::High; }"),
    ];
    let circle = Circle {
        inside: "high".to_owned(),
        modules: vec!["one".to_owned(), "two".to_owned()],
        arrows: vec![
            "one -> two in high/one.rs".to_owned(),
            "two -> one in high/two.rs".to_owned(),
        ],
    };
    // Each takes the other's name from where it is re-exported.
    let again = Circle {
        inside: "again".to_owned(),
        modules: vec!["four".to_owned(), "three".to_owned()],
        arrows: vec![
            "four -> three in again/four.rs".to_owned(),
            "three -> four in again/three.rs".to_owned(),
        ],
    };
    let owned = |(path, text): (&str, &str)| (path.to_owned(), text.to_owned());
    assert_eq!(circles(&files.map(owned)), [again, circle]);
}
