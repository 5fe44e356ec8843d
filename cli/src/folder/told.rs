//! What came of each campaign: a line each for people, and in the end a line that counts; or JSON.

use std::error::Error;

use serde_json::{Map, Value, json};

use crate::out;
use crate::settings::Format;

/// What came of a campaign.
#[derive(Debug, Default)]
pub(super) struct CampaignOutcome {
    /// One word.
    pub(super) word: &'static str,
    pub(super) id: Option<String>,
    pub(super) file: Option<String>,
    /// Why, and what to do; the first line stands behind the file, others below it.
    pub(super) why: String,
    /// Whether it is not as the user wants it: the exit code is 1.
    pub(super) is_refusal: bool,
    /// What is told to programs besides.
    pub(super) more: Map<String, Value>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Summary {
    format: Format,
    /// What is counted, in this order; the others are counted behind them.
    words: Vec<&'static str>,
    counts: Vec<usize>,
    items: Vec<Value>,
    refusals: usize,
}

impl Summary {
    /// Nothing yet. `words` are always counted in the end, and the last of them without a line.
    pub(super) fn new(format: Format, words: &[&'static str]) -> Self {
        let (words, counts) = (words.to_vec(), vec![0; words.len()]);
        Self { format, words, counts, items: Vec::new(), refusals: 0 }
    }

    /// Tells what came of a campaign. `quiet` is counted, and is no line for people.
    pub(super) fn tell(
        &mut self,
        outcome: CampaignOutcome,
        quiet: bool,
    ) -> Result<(), Box<dyn Error>> {
        let CampaignOutcome { word, id, file, why, is_refusal, more } = outcome;
        match self.words.iter().position(|one| *one == word) {
            Some(at) => self.counts[at] += 1,
            None => {
                self.words.push(word);
                self.counts.push(1);
            }
        }
        self.refusals += usize::from(is_refusal);
        match self.format {
            Format::Text if quiet => {}
            Format::Text => {
                let name = file.or(id).unwrap_or_default();
                let why = if why.is_empty() { why } else { format!(": {why}") };
                let text = format!("{word:<9} {name}{why}").replace('\n', "\n          ");
                out::line(text.replace("\n          \n", "\n\n"))?;
            }
            Format::Json => {
                let mut item = Map::new();
                item.insert("id".to_owned(), json!(id));
                item.insert("file".to_owned(), json!(file));
                item.insert("outcome".to_owned(), json!(word));
                if !why.is_empty() {
                    item.insert("why".to_owned(), json!(why));
                }
                item.extend(more);
                self.items.push(Value::Object(item));
            }
        }
        Ok(())
    }

    /// Tells the counts; whether nothing was refused.
    pub(super) fn end(self) -> Result<bool, Box<dyn Error>> {
        let counted = self.words.iter().zip(&self.counts).filter(|(_, count)| **count > 0);
        match self.format {
            Format::Text => {
                let counts: Vec<String> =
                    counted.map(|(word, count)| format!("{count} {word}")).collect();
                let counts = counts.join(", ");
                out::line(if counts.is_empty() { "no campaigns" } else { &counts })?;
            }
            Format::Json => {
                let counts: Map<String, Value> =
                    counted.map(|(word, count)| ((*word).to_owned(), json!(count))).collect();
                out::line(json!({ "campaigns": self.items, "counts": counts }))?;
            }
        }
        Ok(self.refusals == 0)
    }
}
