//! What the stack costs while nothing happens, counted from the template at AWS's prices in
//! us-east-1.
//!
//! docs/scale.md shows the table that is computed here.

use std::fmt::Write as _;

use dacapo_aws::metrics::SERIES;
use serde_json::Value;

use crate::reading::{Template, list, page, referred};

/// The most that it may cost a month, without any allowance of AWS, in dollars.
const MOST_DOLLARS_A_MONTH: f64 = 4.0;

/// The most with the permanent allowances of AWS.
const MOST_WITH_ALLOWANCES: f64 = 1.0;

/// A month has 730 hours in AWS's own estimates.
const SECONDS: f64 = 730.0 * 3_600.0;

/// How long a receive waits for a message, in seconds: as long as SQS allows.
const LONG_POLL: f64 = 20.0;

/// How many pollers read a queue on which there is little: two, but five where the mapping is
/// bounded. Where Lambda does not come down to two it is five as well.
const POLLERS: f64 = 2.0;
const POLLERS_OF_A_BOUNDED: f64 = 5.0;

/// How many metrics a mapping with event counts makes, each billed as a custom metric.
const SERIES_OF_A_MAPPING: usize = 6;

/// Prices, in dollars.
mod price {
    pub(super) const ALARM: f64 = 0.10;
    pub(super) const SERIES: f64 = 0.30;
    pub(super) const DASHBOARD: f64 = 3.0;
    pub(super) const SECRET: f64 = 0.40;
    pub(super) const QUEUE_REQUEST: f64 = 0.40 / 1e6;
    pub(super) const CALL: f64 = 0.20 / 1e6;
    pub(super) const GIGABYTE_SECOND: f64 = 13.33 / 1e6;
    pub(super) const READ_UNIT: f64 = 0.125 / 1e6;
}

/// The monthly free allowances of AWS.
mod allowance {
    pub(super) const ALARMS: f64 = 10.0;
    pub(super) const SERIES: f64 = 10.0;
    pub(super) const DASHBOARDS: f64 = 3.0;
    pub(super) const QUEUE_REQUESTS: f64 = 1e6;
}

/// A look for what was not ordered or not ended: a fifth of a second, in which the function starts,
/// and four read units (assumed).
const LOOK_TAKES_SECONDS: f64 = 0.2;
const LOOK_READ_UNITS: f64 = 4.0;

/// Types of resources that cost nothing while nothing happens. Those below are counted.
const COSTLESS_TYPES: [&str; 24] = [
    "AWS::DynamoDB::Table",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Role",
    "AWS::XRay::SamplingRule",
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Stage",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::DomainName",
    "AWS::ApiGatewayV2::ApiMapping",
    "AWS::Route53::RecordSet",
    "AWS::Logs::LogGroup",
    "AWS::Lambda::Permission",
    "AWS::Serverless::Function",
    "AWS::SQS::Queue",
    "AWS::SQS::QueuePolicy",
    "AWS::S3::Bucket",
    "AWS::Scheduler::ScheduleGroup",
    "AWS::SES::ConfigurationSet",
    "AWS::SES::ConfigurationSetEventDestination",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SNS::Subscription",
    "AWS::Events::Rule",
];
const COUNTED: [&str; 4] = [
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::SecretsManager::Secret",
    "AWS::Lambda::EventSourceMapping",
];

/// A line of the bill.
struct Line {
    what: String,
    price: String,
    dollars: f64,
    with_allowances: f64,
}

/// The resources of the template with its defaults only.
struct Made<'a>(Vec<(&'a str, &'a str, &'a Value)>);

impl<'a> Made<'a> {
    fn of(template: &'a Template) -> Self {
        let all = template.0["Resources"].as_object().unwrap().iter();
        let made = all.filter(|(_, resource)| match resource["Condition"].as_str() {
            Some(condition) => template.holds(condition),
            None => true,
        });
        Self(
            made.map(|(name, resource)| {
                (name.as_str(), resource["Type"].as_str().unwrap(), &resource["Properties"])
            })
            .collect(),
        )
    }

    fn all(&self, kind: &str) -> Vec<&'a Value> {
        self.0.iter().filter(|(_, its, _)| *its == kind).map(|(_, _, it)| *it).collect()
    }

    fn number(&self, kind: &str) -> f64 {
        number(self.all(kind).len())
    }
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

/// How many metrics an alarm reads: AWS bills each of them.
fn looked_at(alarm: &Value) -> usize {
    let math = list(&alarm["Metrics"]).into_iter();
    math.filter(|metric| metric["MetricStat"].is_object()).count().max(1)
}

/// How many pollers read all queues, if Lambda uses as few as possible.
fn pollers(template: &Template, made: &Made<'_>) -> f64 {
    let mappings = made.all("AWS::Lambda::EventSourceMapping").into_iter();
    let of_queues =
        mappings.filter(|mapping| referred(&mapping["EventSourceArn"]) != Some("Table"));
    of_queues
        .map(|mapping| {
            let bounded = template.chosen(&mapping["ScalingConfig"]).is_some();
            if bounded { POLLERS_OF_A_BOUNDED } else { POLLERS }
        })
        .sum()
}

/// The functions that rules call.
fn called<'a>(made: &Made<'a>) -> Vec<(&'a str, f64)> {
    let rules = made.all("AWS::Events::Rule").into_iter();
    let targets = rules.flat_map(|rule| {
        list(&rule["Targets"]).into_iter().map(move |target| (target, calls(rule)))
    });
    targets.map(|(target, calls)| (referred(&target["Arn"]).unwrap(), calls)).collect()
}

/// The memory of a function in gigabytes.
fn memory(template: &Template, function: &str) -> f64 {
    let own = &template.0["Resources"][function]["Properties"]["MemorySize"];
    let megabytes =
        own.as_f64().or_else(|| template.0["Globals"]["Function"]["MemorySize"].as_f64());
    megabytes.unwrap() / 1_024.0
}

/// How often a rule calls each of its functions in a month.
fn calls(rule: &Value) -> f64 {
    let Some(rate) = rule["ScheduleExpression"].as_str() else { return 0.0 };
    let minutes = rate.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(" minutes)"));
    SECONDS / 60.0 / minutes.and_then(|it| it.parse::<f64>().ok()).unwrap()
}

fn bill(template: &Template) -> Vec<Line> {
    let made = Made::of(template);
    let alarms = number(made.all("AWS::CloudWatch::Alarm").into_iter().map(looked_at).sum());
    let counting = made.all("AWS::Lambda::EventSourceMapping").into_iter();
    let counting = counting.filter(|mapping| !mapping["MetricsConfig"].is_null()).count();
    let series = number(SERIES.len() + counting * SERIES_OF_A_MAPPING);
    let dashboards = made.number("AWS::CloudWatch::Dashboard");
    let secrets = made.number("AWS::SecretsManager::Secret");
    let pollers = pollers(template, &made);
    let receives = pollers * SECONDS / LONG_POLL;
    let called = called(&made);
    let looks: f64 = called.iter().map(|(_, calls)| calls).sum();
    let time = called.iter().map(|(function, calls)| {
        calls * memory(template, function) * LOOK_TAKES_SECONDS * price::GIGABYTE_SECOND
    });
    let time: f64 = time.sum();
    let units = looks * LOOK_READ_UNITS * price::READ_UNIT;
    let mut lines = vec![
        Line {
            what: format!("{alarms} alarms, each over one metric"),
            price: "$0.10 a metric".to_owned(),
            dollars: alarms * price::ALARM,
            with_allowances: (alarms - allowance::ALARMS).max(0.0) * price::ALARM,
        },
        Line {
            what: format!("{series} metrics of its own: `{}`", SERIES.join("`, `")),
            price: "$0.30 each".to_owned(),
            dollars: series * price::SERIES,
            with_allowances: (series - allowance::SERIES).max(0.0) * price::SERIES,
        },
        Line {
            what: format!("{secrets} secret: the admin key"),
            price: "$0.40 each".to_owned(),
            dollars: secrets * price::SECRET,
            with_allowances: secrets * price::SECRET,
        },
        Line {
            what: format!(
                "{pollers} pollers at five queues, a receive every {LONG_POLL} seconds: {} requests",
                thousands(receives)
            ),
            price: "$0.40 a million".to_owned(),
            dollars: receives * price::QUEUE_REQUEST,
            with_allowances: (receives - allowance::QUEUE_REQUESTS).max(0.0) * price::QUEUE_REQUEST,
        },
        Line {
            what: format!("{} looks for what was not ordered or not ended", thousands(looks)),
            price: "calls, time and read units".to_owned(),
            dollars: looks * price::CALL + time + units,
            with_allowances: units,
        },
    ];
    if dashboards > 0.0 {
        lines.push(Line {
            what: format!("{dashboards} dashboards"),
            price: "$3 each".to_owned(),
            dollars: dashboards * price::DASHBOARD,
            with_allowances: (dashboards - allowance::DASHBOARDS).max(0.0) * price::DASHBOARD,
        });
    }
    lines
}

fn thousands(count: f64) -> String {
    let digits = format!("{count:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The table as docs/scale.md shows it.
fn shown(lines: &[Line]) -> String {
    let mut text = String::from(
        "| while nothing happens | price | $ a month | with allowances |\n|---|---|---|---|\n",
    );
    for line in lines {
        let Line { what, price, dollars, with_allowances } = line;
        writeln!(text, "| {what} | {price} | {dollars:.2} | {with_allowances:.2} |").unwrap();
    }
    let (all, with_allowances) = sums(lines);
    writeln!(text, "| **all** | | **{all:.2}** | **{with_allowances:.2}** |").unwrap();
    text
}

fn sums(lines: &[Line]) -> (f64, f64) {
    (
        lines.iter().map(|line| line.dollars).sum(),
        lines.iter().map(|line| line.with_allowances).sum(),
    )
}

#[test]
fn idle_it_costs_four_dollars_at_most_and_one_with_allowances() {
    let lines = bill(&Template::read());
    let (all, with_allowances) = sums(&lines);
    let table = shown(&lines);
    assert!(all <= MOST_DOLLARS_A_MONTH, "{all:.2} dollars a month:\n{table}");
    assert!(with_allowances <= MOST_WITH_ALLOWANCES, "{with_allowances:.2} dollars:\n{table}");
    assert!(page("docs/scale.md").contains(&table), "docs/scale.md has to show\n{table}");
}

#[test]
fn idle_it_costs_four_dollars_at_most_even_if_no_queue_has_fewer_than_five_pollers() {
    let template = Template::read();
    let made = Made::of(&template);
    let queues = made.all("AWS::Lambda::EventSourceMapping").into_iter();
    let queues = queues.filter(|it| referred(&it["EventSourceArn"]) != Some("Table")).count();
    let more = number(queues) * POLLERS_OF_A_BOUNDED - pollers(&template, &made);
    let more = more * SECONDS / LONG_POLL * price::QUEUE_REQUEST;
    let (all, with_allowances) = sums(&bill(&template));
    let (all, with_allowances) = (all + more, with_allowances + more);
    assert!(all <= MOST_DOLLARS_A_MONTH, "{all:.2} dollars a month");
    let said = format!("${all:.2}, and ${with_allowances:.2} with allowances");
    assert!(page("docs/scale.md").contains(&said), "docs/scale.md has to say {said}");
}

#[test]
fn nothing_is_made_whose_price_nobody_knows() {
    let template = Template::read();
    for (name, resource) in template.0["Resources"].as_object().unwrap() {
        let kind = resource["Type"].as_str().unwrap();
        let known = COSTLESS_TYPES.contains(&kind) || COUNTED.contains(&kind);
        assert!(known, "{name}: what does {kind} cost while nothing happens? Add it here");
    }
}
