//! What the bootstraps weigh, how quickly they start, how much memory they take; beside an empty function in the same run.
//!
//! A function starts before it has connected to anything: here nobody listens where it would. Of several starts the
//! quickest counts, since whatever else the machine does can only make one slower.

use std::fmt;

use dacapo_aws::settings::{Function, read_by};

use crate::rie::{Rie, zipped};

/// The largest archive, in bytes.
const LARGEST: usize = 3_500_000;

/// The slowest start, in starts of the empty function.
const SLOWEST: f64 = 1.5;

/// The most memory, in bytes.
const MOST_MEMORY: u64 = 30 * 1024 * 1024;

/// How often each is started.
const STARTS: usize = 7;

/// What was measured.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The empty function.
    pub empty: Figures,
    /// The others.
    pub functions: Vec<Figures>,
}

/// The figures of a function.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Its name.
    pub name: &'static str,
    /// Its archive, in bytes.
    pub zipped: usize,
    /// Its quickest start, in milliseconds.
    pub init: f64,
    /// The most memory it has had, in bytes.
    pub memory: u64,
}

/// Measures all of them.
pub async fn all() -> Measured {
    let empty = figures("empty", &[]).await;
    let mut functions = Vec::new();
    for function in Function::ALL {
        let settings: Vec<(&str, &str)> =
            read_by(function).map(|variable| (variable.name, value(variable.name))).collect();
        functions.push(figures(function.name(), &settings).await);
    }
    Measured { empty, functions }
}

fn value(name: &str) -> &'static str {
    match name {
        // Nobody listens at the discard port: whoever connects is refused at once.
        "AWS_ENDPOINT_URL" => "http://127.0.0.1:9",
        "DACAPO_SENDER" => "sender@example.com",
        "DACAPO_RESTART_DELAY_SECONDS" => "300",
        "DACAPO_LOG" => "error",
        _ => "x",
    }
}

async fn figures(name: &'static str, settings: &[(&str, &str)]) -> Figures {
    let (mut init, mut memory) = (f64::MAX, 0);
    for _ in 0..STARTS {
        let rie = Rie::start(name, settings).await;
        // An event that every function can do nothing with: what counts is that it has been handed over.
        let _ = rie.invoke("{}").await;
        let took = rie.init().unwrap_or_else(|| panic!("{name} told no start:\n{}", rie.log()));
        init = init.min(took);
        memory = memory.max(rie.memory().unwrap_or_else(|| panic!("{name} runs no more")));
    }
    Figures { name, zipped: zipped(name), init, memory }
}

impl Measured {
    /// What is over its bound, in words.
    pub fn over_their_bounds(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for figures in &self.functions {
            let Figures { name, zipped, init, memory } = figures;
            if *zipped > LARGEST {
                wrong.push(format!("{name}: {zipped} bytes zipped, at most {LARGEST}"));
            }
            if *init > SLOWEST * self.empty.init {
                wrong.push(format!(
                    "{name}: starts in {init:.1} ms, the empty one in {:.1}",
                    self.empty.init
                ));
            }
            if *memory > MOST_MEMORY {
                wrong.push(format!("{name}: {memory} bytes of memory, at most {MOST_MEMORY}"));
            }
        }
        wrong
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<14} {:>12} {:>9} {:>9} {:>10}",
            "function", "zipped", "init", "of empty", "memory"
        )?;
        for figures in std::iter::once(&self.empty).chain(&self.functions) {
            let Figures { name, zipped, init, memory } = figures;
            let (megabytes, of_empty) = (*zipped as f64 / 1e6, init / self.empty.init);
            let memory = *memory as f64 / (1024.0 * 1024.0);
            writeln!(
                f,
                "{name:<14} {megabytes:>9.2} MB {init:>6.1} ms {of_empty:>8.2}x {memory:>6.1} MiB"
            )?;
        }
        Ok(())
    }
}
