//! Figures, in CloudWatch's embedded metric format: one line on standard output for everything that an invocation counted.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use dacapo_platform::Instant;
use dacapo_platform::metrics::{Metric, TARGET};
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::settings::Function;

/// The namespace.
pub const NAMESPACE: &str = "Dacapo";

/// How many values one line holds of a figure.
const MOST_VALUES: usize = 100;

/// What has been counted since the last line.
#[derive(Debug, Clone)]
pub struct Figures {
    counted: Arc<Mutex<BTreeMap<Metric, Vec<i64>>>>,
    function: &'static str,
    table: String,
}

impl Figures {
    /// Those of a function, in a stack that has this table.
    pub fn of(function: Function, table: &str) -> Self {
        let (function, table) = (function.name(), table.to_owned());
        Self { counted: Arc::default(), function, table }
    }

    /// What listens for them.
    pub(crate) fn layer(&self) -> Listener {
        Listener(self.clone())
    }

    fn count(&self, metric: Metric, value: i64) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let values = counted.entry(metric).or_default();
        match (is_distribution(metric), values.last_mut()) {
            (false, Some(sum)) => *sum += value,
            (false, None) | (true, _) => values.push(value),
        }
    }

    /// Writes what was counted, and begins anew.
    pub(crate) fn tell(&self, now: Instant) {
        for line in self.lines(now) {
            // Without standard output there is nobody to tell.
            let _ = writeln!(std::io::stdout(), "{line}");
        }
    }

    /// The lines for what was counted.
    pub fn lines(&self, now: Instant) -> Vec<Value> {
        let counted =
            std::mem::take(&mut *self.counted.lock().unwrap_or_else(PoisonError::into_inner));
        let mut lines: Vec<Map<String, Value>> = Vec::new();
        for (metric, values) in &counted {
            for (nth, some) in values.chunks(MOST_VALUES).enumerate() {
                let value = match some {
                    [one] => json!(one),
                    several => json!(several),
                };
                if lines.len() <= nth {
                    lines.push(Map::new());
                }
                lines[nth].insert(metric.name().to_owned(), value);
            }
        }
        lines.into_iter().map(|line| self.line(line, now)).collect()
    }

    fn line(&self, mut line: Map<String, Value>, now: Instant) -> Value {
        let metrics: Vec<Value> = Metric::ALL
            .iter()
            .filter(|metric| line.contains_key(metric.name()))
            .map(|metric| json!({ "Name": metric.name(), "Unit": unit(*metric) }))
            .collect();
        line.insert("stack".to_owned(), json!(self.table));
        line.insert("function".to_owned(), json!(self.function));
        let directive = json!({
            "Namespace": NAMESPACE,
            "Dimensions": [["stack"], ["stack", "function"]],
            "Metrics": metrics,
        });
        let about = json!({
            "Timestamp": now.timestamp_millis(),
            "CloudWatchMetrics": [directive],
        });
        line.insert("_aws".to_owned(), about);
        Value::Object(line)
    }
}

/// Whether single values matter, not only their sum.
fn is_distribution(metric: Metric) -> bool {
    match metric {
        Metric::TimerLateness | Metric::CausalDepth => true,
        Metric::Decisions
        | Metric::Conflicts
        | Metric::Messages(_)
        | Metric::MessagesHeld
        | Metric::WebhooksFailed
        | Metric::Parked
        | Metric::Held
        | Metric::Undecided
        | Metric::PutAside => false,
    }
}

fn unit(metric: Metric) -> &'static str {
    match metric {
        Metric::TimerLateness => "Milliseconds",
        Metric::Decisions
        | Metric::Conflicts
        | Metric::Messages(_)
        | Metric::MessagesHeld
        | Metric::WebhooksFailed
        | Metric::Parked
        | Metric::Held
        | Metric::Undecided
        | Metric::PutAside
        | Metric::CausalDepth => "Count",
    }
}

/// Listens for figures.
pub(crate) struct Listener(Figures);

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != TARGET {
            return;
        }
        let mut heard = Heard::default();
        event.record(&mut heard);
        let metric = Metric::ALL.into_iter().find(|metric| metric.name() == heard.metric);
        if let Some(metric) = metric {
            self.0.count(metric, heard.value);
        }
    }
}

#[derive(Default)]
struct Heard {
    metric: String,
    value: i64,
}

impl Visit for Heard {
    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name() == "value" {
            self.value = value;
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "metric" {
            value.clone_into(&mut self.metric);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use dacapo_engine::statistics::Outcome;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn lines_of(tell: impl Fn()) -> Vec<Value> {
        let figures = Figures::of(Function::Timer, "dacapo-table");
        let subscriber = tracing_subscriber::registry().with(figures.layer());
        tracing::subscriber::with_default(subscriber, tell);
        figures.lines(Instant::from_timestamp_millis(1_796_126_400_000).unwrap())
    }

    #[test]
    fn an_invocation_is_one_line() {
        let lines = lines_of(|| {
            Metric::Decisions.tell(1);
            Metric::Decisions.tell(1);
            Metric::Messages(Outcome::Unknown).tell(1);
            Metric::TimerLateness.tell(700);
            Metric::TimerLateness.tell(1_200);
            tracing::error!("no figure");
        });
        let expected = json!({
            "_aws": {
                "Timestamp": 1_796_126_400_000_i64,
                "CloudWatchMetrics": [{
                    "Namespace": "Dacapo",
                    "Dimensions": [["stack"], ["stack", "function"]],
                    "Metrics": [
                        { "Name": "decisions", "Unit": "Count" },
                        { "Name": "messages_unknown", "Unit": "Count" },
                        { "Name": "timer_lateness_ms", "Unit": "Milliseconds" },
                    ],
                }],
            },
            "stack": "dacapo-table",
            "function": "timer",
            "decisions": 2,
            "messages_unknown": 1,
            "timer_lateness_ms": [700, 1_200],
        });
        assert_eq!(lines, [expected]);
    }

    #[test]
    fn more_values_than_a_line_holds_are_several_lines() {
        let lines = lines_of(|| (0..250).for_each(|depth| Metric::CausalDepth.tell(depth)));
        let lengths = |line: &Value| line["causal_depth"].as_array().map(Vec::len);
        assert_eq!(lines.iter().map(lengths).collect::<Vec<_>>(), [Some(100), Some(100), Some(50)]);
    }

    #[test]
    fn nothing_counted_is_no_line() {
        assert_eq!(lines_of(|| {}), [] as [Value; 0]);
    }
}
