//! The consumed units, by step, function and kind of item, for one contact.

use std::collections::BTreeMap;
use std::fmt;

use super::scenario::CONTACTS;
use crate::kit::Units;

/// A million write units, in dollars (us-east-1, on demand).
const WRITES: f64 = 0.625;

/// A million read units, in dollars.
const READS: f64 = 0.125;

/// A line.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What happened.
    pub step: String,
    /// Which function did it.
    pub function: String,
    /// The kind of item that was read or written.
    pub what: String,
    /// Read units of one contact.
    pub read: f64,
    /// Write units of one contact.
    pub written: f64,
}

/// What a loop consumed, for one contact.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    steps: Vec<String>,
    units: BTreeMap<(usize, String, String), (f64, f64)>,
}

impl Report {
    pub(crate) fn add(&mut self, step: &str, function: &str, units: &Units) {
        let nth = match self.steps.iter().position(|known| known == step) {
            Some(nth) => nth,
            None => {
                self.steps.push(step.to_owned());
                self.steps.len() - 1
            }
        };
        let what = format!("{} {}", units.verb, units.what);
        let sums = self.units.entry((nth, function.to_owned(), what)).or_default();
        sums.0 += units.read;
        sums.1 += units.written;
    }

    /// The lines, in order of the steps.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        self.units.iter().map(|((step, function, what), (read, written))| Row {
            step: self.steps[*step].clone(),
            function: function.clone(),
            what: what.clone(),
            read: each(*read),
            written: each(*written),
        })
    }

    /// Read units of one contact.
    #[must_use]
    pub fn read(&self) -> f64 {
        self.rows().map(|row| row.read).sum()
    }

    /// Write units of one contact.
    #[must_use]
    pub fn written(&self) -> f64 {
        self.rows().map(|row| row.written).sum()
    }

    /// The DynamoDB cost of a million loops, in dollars.
    #[must_use]
    pub fn dollars(&self) -> f64 {
        self.written() * WRITES + self.read() * READS
    }
}

fn each(units: f64) -> f64 {
    units / CONTACTS as f64
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<15} {:<11} {:>6} {:>6}  what it is", "step", "function", "write", "read")?;
        for Row { step, function, what, read, written } in self.rows() {
            writeln!(f, "{step:<15} {function:<11} {written:>6.1} {read:>6.1}  {what}")?;
        }
        let (written, read) = (self.written(), self.read());
        let dollars = self.dollars();
        writeln!(f, "{:<27} {written:>6.1} {read:>6.1}  ${dollars:.2} a million loops", "together")
    }
}
