//! Figures: one line on standard output for everything that an invocation counted.
//!
//! CloudWatch bills each series every month, so there are [`SERIES`] and no more, with one
//! dimension: the line declares them in the embedded metric format. The other figures are fields of
//! the same line, for Logs Insights.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use dacapo_engine::statistics::Outcome;
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

/// The metrics of CloudWatch: one series each for a stack. An alarm watches the first; the second
/// shows whether timers are in time (R23).
pub const SERIES: [&str; 2] = [TROUBLES, "timer_lateness_ms"];

/// How often something went wrong; docs/logging.md says what counts.
pub const TROUBLES: &str = "troubles";

/// How late a timer may be committed on an idle system (R23), in milliseconds.
const LATEST_IN_TIME_MS: i64 = 60_000;

/// How many writes of campaigns may cause each other before a user should look: half of the bound
/// of R42.
const MOST_CAUSAL_DEPTH: i64 = 10;

/// How many values one line holds of a figure.
const MOST_VALUES: usize = 100;

/// What has been counted since the last line.
#[derive(Debug, Clone)]
pub struct Figures {
    counted: Arc<Mutex<BTreeMap<Metric, Vec<i64>>>>,
    troubles: Arc<Mutex<i64>>,
    function: &'static str,
    table: String,
}

impl Figures {
    /// The figures of a function, in a stack with this table.
    pub fn of(function: Function, table: &str) -> Self {
        let (function, table) = (function.name(), table.to_owned());
        Self { counted: Arc::default(), troubles: Arc::default(), function, table }
    }

    /// The layer that listens for them.
    pub(crate) fn layer(&self) -> Listener {
        Listener(self.clone())
    }

    fn count(&self, metric: Metric, value: i64) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let values = counted.entry(metric).or_default();
        match (aggregation(metric), values.last_mut()) {
            (Aggregation::Sum, Some(sum)) => *sum += value,
            (Aggregation::Greatest, Some(greatest)) => *greatest = value.max(*greatest),
            (Aggregation::Sum | Aggregation::Greatest, None) | (Aggregation::Each, _) => {
                values.push(value);
            }
        }
        let troubles = troubles(metric, value);
        if troubles > 0 {
            *self.troubles.lock().unwrap_or_else(PoisonError::into_inner) += troubles;
        }
    }

    /// Writes what was counted, and starts again.
    pub(crate) fn write(&self, now: Instant) {
        for line in self.lines(now) {
            // Without standard output they are dropped.
            let _ = writeln!(std::io::stdout(), "{line}");
        }
    }

    /// The lines for what was counted.
    pub fn lines(&self, now: Instant) -> Vec<Value> {
        let counted =
            std::mem::take(&mut *self.counted.lock().unwrap_or_else(PoisonError::into_inner));
        let troubles =
            std::mem::take(&mut *self.troubles.lock().unwrap_or_else(PoisonError::into_inner));
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
        if let Some(first) = lines.first_mut().filter(|_| troubles > 0) {
            first.insert(TROUBLES.to_owned(), json!(troubles));
        }
        lines.into_iter().map(|line| self.line(line, now)).collect()
    }

    fn line(&self, mut line: Map<String, Value>, now: Instant) -> Value {
        let series = SERIES.iter().filter(|name| line.contains_key(**name));
        let series: Vec<Value> =
            series.map(|name| json!({ "Name": name, "Unit": unit(name) })).collect();
        line.insert("stack".to_owned(), json!(self.table));
        line.insert("function".to_owned(), json!(self.function));
        if !series.is_empty() {
            let directive = json!({
                "Namespace": NAMESPACE,
                "Dimensions": [["stack"]],
                "Metrics": series,
            });
            let about = json!({
                "Timestamp": now.timestamp_millis(),
                "CloudWatchMetrics": [directive],
            });
            line.insert("_aws".to_owned(), about);
        }
        Value::Object(line)
    }
}

/// The values of a figure within one invocation.
enum Aggregation {
    Sum,
    Greatest,
    Each,
}

fn aggregation(metric: Metric) -> Aggregation {
    match metric {
        Metric::TimerLateness => Aggregation::Each,
        Metric::CausalDepth => Aggregation::Greatest,
        Metric::Decisions
        | Metric::Conflicts
        | Metric::Messages(_)
        | Metric::MessagesHeld
        | Metric::WebhooksFailed
        | Metric::WebhooksLate
        | Metric::CallsFailed
        | Metric::CallsRefused
        | Metric::CallsUnfinished
        | Metric::Parked
        | Metric::Held
        | Metric::Undecided
        | Metric::PutAside
        | Metric::TimersPending
        | Metric::Throttled => Aggregation::Sum,
    }
}

/// How many troubles a value of a figure counts as.
fn troubles(metric: Metric, value: i64) -> i64 {
    match metric {
        Metric::Messages(Outcome::Failed | Outcome::Unknown)
        | Metric::MessagesHeld
        | Metric::WebhooksFailed
        | Metric::WebhooksLate
        | Metric::CallsFailed
        | Metric::CallsRefused
        | Metric::CallsUnfinished
        | Metric::Held
        | Metric::Undecided
        | Metric::PutAside
        | Metric::TimersPending
        | Metric::Throttled => value,
        Metric::TimerLateness => i64::from(value > LATEST_IN_TIME_MS),
        Metric::CausalDepth => i64::from(value > MOST_CAUSAL_DEPTH),
        Metric::Messages(Outcome::Sent | Outcome::Suppressed)
        | Metric::Decisions
        | Metric::Conflicts
        | Metric::Parked => 0,
    }
}

fn unit(series: &str) -> &'static str {
    if series.ends_with("_ms") { "Milliseconds" } else { "Count" }
}

/// Listens for figures.
pub(crate) struct Listener(Figures);

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != TARGET {
            return;
        }
        let mut fields = EventFields::default();
        event.record(&mut fields);
        let metric = Metric::ALL.into_iter().find(|metric| metric.name() == fields.metric);
        if let Some(metric) = metric {
            self.0.count(metric, fields.value);
        }
    }
}

#[derive(Default)]
struct EventFields {
    metric: String,
    value: i64,
}

impl Visit for EventFields {
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
            Metric::Decisions.emit(1);
            Metric::Decisions.emit(1);
            Metric::Messages(Outcome::Unknown).emit(1);
            Metric::TimerLateness.emit(700);
            Metric::TimerLateness.emit(1_200);
            tracing::error!("no figure");
        });
        let expected = json!({
            "_aws": {
                "Timestamp": 1_796_126_400_000_i64,
                "CloudWatchMetrics": [{
                    "Namespace": "Dacapo",
                    "Dimensions": [["stack"]],
                    "Metrics": [
                        { "Name": "troubles", "Unit": "Count" },
                        { "Name": "timer_lateness_ms", "Unit": "Milliseconds" },
                    ],
                }],
            },
            "stack": "dacapo-table",
            "function": "timer",
            "decisions": 2,
            "messages_unknown": 1,
            "timer_lateness_ms": [700, 1_200],
            "troubles": 1,
        });
        assert_eq!(lines, [expected]);
    }

    #[test]
    fn more_values_than_a_line_holds_are_several_lines() {
        let lines = lines_of(|| (0..250).for_each(|late| Metric::TimerLateness.emit(late)));
        let lengths = |line: &Value| line["timer_lateness_ms"].as_array().map(Vec::len);
        assert_eq!(lines.iter().map(lengths).collect::<Vec<_>>(), [Some(100), Some(100), Some(50)]);
    }

    #[test]
    fn what_no_series_is_made_of_is_a_field_and_costs_no_metric() {
        let lines = lines_of(|| {
            Metric::Decisions.emit(1);
            Metric::CausalDepth.emit(3);
            Metric::CausalDepth.emit(2);
        });
        let expected = json!({
            "stack": "dacapo-table", "function": "timer", "decisions": 1, "causal_depth": 3,
        });
        assert_eq!(lines, [expected]);
    }

    #[test]
    fn all_that_ought_not_to_happen_is_one_figure() {
        let lines = lines_of(|| {
            Metric::Messages(Outcome::Sent).emit(1);
            Metric::Messages(Outcome::Failed).emit(1);
            Metric::Held.emit(1);
            Metric::Undecided.emit(1);
            Metric::PutAside.emit(2);
            Metric::Throttled.emit(1);
            Metric::TimersPending.emit(1);
            Metric::WebhooksLate.emit(1);
            // R23, and half of R42: a value at the bound is no trouble.
            [60_000, 60_001].into_iter().for_each(|late| Metric::TimerLateness.emit(late));
            [10, 11].into_iter().for_each(|depth| Metric::CausalDepth.emit(depth));
        });
        assert_eq!(lines.iter().map(|line| &line["troubles"]).collect::<Vec<_>>(), [&json!(10)]);
    }

    #[test]
    fn nothing_counted_is_no_line() {
        assert_eq!(lines_of(|| {}), [] as [Value; 0]);
    }
}
