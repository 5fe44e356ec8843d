//! docs/settings.md says of each function what the template tells it, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use dacapo_aws::settings::Function;

use crate::block;
use crate::reading::{Template, page};
use crate::{globally, names};

/// What the page says that each function reads, without what Lambda sets itself. A function is named, or it is `every function`.
fn said(page: &str) -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut said: BTreeMap<&'static str, BTreeSet<String>> =
        Function::ALL.into_iter().map(|function| (function.name(), BTreeSet::new())).collect();
    for line in page.lines().filter(|line| line.starts_with("| `DACAPO_")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let variable = cells[1].trim_matches('`').to_owned();
        for (function, reads) in &mut said {
            if cells[2] == "every function" || cells[2].contains(&format!("`{function}`")) {
                reads.insert(variable.clone());
            }
        }
    }
    said
}

#[test]
fn the_page_and_the_template_say_the_same_of_every_function() {
    let template = Template::read();
    let said = said(&page("docs/settings.md"));
    let everyone = names(&globally(&template)["Environment"]["Variables"]);
    for function in Function::ALL {
        let (name, block) = block(&template, function);
        let mut told = names(&block["Environment"]["Variables"]);
        told.extend(everyone.iter().cloned());
        let page = &said[function.name()];
        let (unsaid, untold) = (&told - page, page - &told);
        assert!(unsaid.is_empty(), "{name}: docs/settings.md does not say {unsaid:?}");
        assert!(
            untold.is_empty(),
            "{name}: docs/settings.md says {untold:?}, the template doesn't"
        );
    }
}

#[test]
fn the_page_says_of_every_function_what_calls_it_and_what_it_may_do() {
    let page = page("docs/settings.md");
    for function in Function::ALL {
        let row = format!("\n| `{}` | ", function.name());
        assert!(page.contains(&row), "docs/settings.md has no row of {}", function.name());
    }
}
