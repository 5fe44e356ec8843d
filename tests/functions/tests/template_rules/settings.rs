//! docs/settings.md lists for each function exactly the settings that the template gives it.

use std::collections::{BTreeMap, BTreeSet};

use dacapo_aws::settings::{Function, sender};
use dacapo_platform::ports::Queue;

use crate::block;
use crate::reading::{Template, page};
use crate::{globally, names};

/// What the page says that each function reads, without what Lambda sets itself. A function is
/// named, or it is `every function`.
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

/// The words in italics after these words, up to the end of the sentence: queues, by their names in
/// the page.
fn queues_behind(cell: &str, words: &str) -> BTreeSet<String> {
    let behind = cell.split_once(words).map_or("", |(_, behind)| behind);
    let sentence = behind.split(';').next().unwrap_or_default();
    sentence.split('*').skip(1).step_by(2).map(str::to_owned).collect()
}

fn called(queues: &[Queue]) -> BTreeSet<String> {
    let name = |queue: &Queue| match queue {
        Queue::Jobs => "stop".to_owned(),
        Queue::Timers | Queue::Transactional | Queue::Marketing | Queue::Calls => {
            queue.name().to_owned()
        }
    };
    queues.iter().map(name).collect()
}

#[test]
fn the_page_says_of_every_function_what_it_orders_and_works_off() {
    let page = page("docs/settings.md");
    for function in Function::ALL {
        let begins = format!("| `{}` | ", function.name());
        let row = page.lines().find(|line| line.starts_with(&begins));
        let cells: Vec<&str> = row.unwrap().split('|').map(str::trim).collect();
        let (by, may) = (cells[2], cells[4]);
        let name = function.name();
        let works_off = called(function.works_off());
        assert_eq!(queues_behind(by, ""), works_off, "{name} is called by");
        assert_eq!(queues_behind(may, "change visibility on"), works_off, "{name} may take from");
        assert_eq!(queues_behind(may, "send to"), called(function.orders()), "{name} may send to");
        let timers = may.contains("Scheduler: create, update, delete");
        assert_eq!(timers, function.sets_timers(), "{name} may set timers");
    }
}

/// A sender that CloudFormation takes and the functions refuse would stop every function.
#[test]
fn a_sender_that_the_template_takes_is_one_that_the_functions_take() {
    let template = Template::read();
    let pattern = template.0["Parameters"]["SenderAddress"]["AllowedPattern"].as_str().unwrap();
    let pattern = regex_lite::Regex::new(pattern).unwrap();
    for good in [
        "jo@example.com",
        "Jo <jo@example.com>",
        "\"Jo, A\" <a.b+c@mail.example.co>",
        "j@xn--mller-kva.example",
    ] {
        assert!(pattern.is_match(good) && sender(good).is_ok(), "{good}");
    }
    for bad in [
        "jo@localhost",
        "jo@example",
        "jo",
        "@example.com",
        "jo@",
        "jo@example.com>",
        "<jo@example.com",
        ".jo@example.com",
        "jo.@example.com",
        "j..o@example.com",
        "jörg@example.com",
        "jo@example.1",
        "jo@-x.example",
        "jo@x-.example",
        "j o@example.com",
        "jo@exam ple.com",
        "Jo <jo@localhost>",
        "jo,a@example.com",
        "jo@example..com",
        "jo@.example.com",
        "jo@example.com.",
        "a@b@example.com",
    ] {
        assert!(sender(bad).is_err(), "{bad}: the functions take it");
        assert!(!pattern.is_match(bad), "{bad}: the template takes it, the functions do not");
    }
}
