//! Every failure raises an alarm, and the alarm says what to do.

use std::collections::BTreeSet;

use dacapo_aws::metrics::{NAMESPACE, SERIES};
use serde_json::Value;

use crate::reading::{Template, list, page, referred};

/// What a section about an alarm must contain.
const SAYS: [&str; 3] = ["**Means**", "**Look**", "**Do**"];

/// The queues that no function takes from.
fn nobody_takes(template: &Template) -> BTreeSet<&str> {
    let mappings = template.resources("AWS::Lambda::EventSourceMapping").into_iter();
    let taken: BTreeSet<&str> =
        mappings.filter_map(|(_, mapping)| referred(&mapping["EventSourceArn"])).collect();
    let queues = template.resources("AWS::SQS::Queue").into_iter();
    queues.map(|(queue, _)| queue).filter(|queue| !taken.contains(queue)).collect()
}

fn watched<'a>(alarms: &[(&str, &'a Value)], metric: &str) -> BTreeSet<&'a str> {
    let of_metric = alarms.iter().filter(|(_, alarm)| alarm["MetricName"] == metric);
    of_metric.filter_map(|(_, alarm)| referred(&alarm["Dimensions"][0]["Value"])).collect()
}

#[test]
fn every_queue_that_nobody_empties_is_watched() {
    let template = Template::read();
    let alarms = template.resources("AWS::CloudWatch::Alarm");
    assert_eq!(
        watched(&alarms, "ApproximateNumberOfMessagesVisible"),
        nobody_takes(&template),
        "watch those that nobody empties, and no others"
    );
}

#[test]
fn what_a_promise_rests_on_is_watched() {
    let template = Template::read();
    let alarms = template.resources("AWS::CloudWatch::Alarm");
    let metrics: BTreeSet<(&str, &str)> = alarms
        .iter()
        .filter_map(|(_, alarm)| {
            Some((alarm["Namespace"].as_str()?, alarm["MetricName"].as_str()?))
        })
        .collect();
    for metric in [
        ("AWS/SES", "Reputation.BounceRate"),
        ("AWS/SES", "Reputation.ComplaintRate"),
        ("AWS/Lambda", "Throttles"),
        ("AWS/Lambda", "Errors"),
        ("AWS/ApiGateway", "5xx"),
        (NAMESPACE, "troubles"),
    ] {
        assert!(metrics.contains(&metric), "no alarm looks at {metric:?}");
    }
    let late = watched(&alarms, "IteratorAge");
    assert_eq!(late, BTreeSet::from(["TagChangeFunction", "EffectsFunction"]));
    // It is reported when a function is called: with little traffic not every minute, and not in
    // several minutes in succession.
    for (name, alarm) in alarms.iter().filter(|(_, alarm)| alarm["MetricName"] == "IteratorAge") {
        assert_eq!(
            (&alarm["Period"], &alarm["EvaluationPeriods"]),
            (&Value::from(300), &Value::from(1)),
            "{name}"
        );
    }
    // Marketing waits on purpose where SES takes fewer mails than there are. A webhook that waited
    // is counted among the troubles when it is tried, and so is what the table throttles.
    let waiting = watched(&alarms, "ApproximateAgeOfOldestMessage");
    assert_eq!(waiting, BTreeSet::from(["Timers", "Transactional", "Stop"]));
}

#[test]
fn an_alarm_is_told_and_its_figure_exists() {
    let template = Template::read();
    for (name, alarm) in template.resources("AWS::CloudWatch::Alarm") {
        for told in ["AlarmActions", "OKActions"] {
            let to: Vec<_> = list(&alarm[told]).into_iter().filter_map(referred).collect();
            assert_eq!(to, ["Alarms"], "{name}: nobody would hear it");
        }
        if alarm["Namespace"] == NAMESPACE {
            let metric = alarm["MetricName"].as_str().unwrap();
            assert!(SERIES.contains(&metric), "{name}: CloudWatch has no series {metric}");
        }
    }
    let bucket = &template.properties("LeftBehind")["NotificationConfiguration"];
    assert_eq!(bucket["EventBridgeConfiguration"]["EventBridgeEnabled"], true);
    let rule = template.properties("LeftBehindTells");
    let told: Vec<_> =
        list(&rule["Targets"]).into_iter().filter_map(|target| referred(&target["Arn"])).collect();
    assert_eq!(told, ["Alarms"], "what was left behind is told of");
    assert_eq!(template.properties("AlarmsTake")["Topics"][0]["Ref"], "Alarms");
}

#[test]
fn who_is_told_is_a_choice() {
    let template = Template::read();
    let parameter = &template.0["Parameters"]["AlarmAddress"];
    assert!(parameter["Default"].is_null(), "alarms that nobody gets have to be asked for");
    let pattern = parameter["AllowedPattern"].as_str().unwrap();
    assert!(pattern.contains("none|"), "the word `none` says that nobody is told");
}

#[test]
fn every_alarm_has_a_section_that_says_what_to_do() {
    let template = Template::read();
    let page = page("docs/operations.md");
    let sections: Vec<(&str, &str)> = page
        .split("\n### ")
        .skip(1)
        .map(|section| section.split_once('\n').unwrap())
        .map(|(title, text)| (title.trim(), text.split("\n## ").next().unwrap()))
        .collect();
    let mut named: BTreeSet<&str> =
        template.resources("AWS::CloudWatch::Alarm").into_iter().map(|(name, _)| name).collect();
    named.insert("LeftBehindTells");
    for name in &named {
        let text = sections.iter().find(|(title, _)| title == name).map(|(_, text)| *text);
        let text = text.unwrap_or_else(|| panic!("docs/operations.md has no section `### {name}`"));
        for says in SAYS {
            assert!(text.contains(says), "docs/operations.md, {name}: says no {says}");
        }
    }
    let alarms = sections.iter().filter(|(_, text)| text.contains(SAYS[0]));
    let gone: Vec<_> = alarms.map(|(title, _)| *title).filter(|it| !named.contains(it)).collect();
    assert!(gone.is_empty(), "docs/operations.md tells of alarms that are gone: {gone:?}");
}
