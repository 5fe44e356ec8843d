//! docs/privacy.md names every resource of the template that may hold personal data, and for how
//! many days.

use std::collections::BTreeMap;

use dacapo_platform::dead_letters;

use crate::reading::{Template, page};

/// The subject of the page.
const PAGE: &str = "docs/privacy.md";

/// Resources that keep or pass on data, each with the name of its row in the page.
const KEEPS: [(&str, &str); 9] = [
    ("AWS::DynamoDB::Table", "the table"),
    ("AWS::SQS::Queue", "queues"),
    ("AWS::S3::Bucket", "`LeftBehind`"),
    ("AWS::Logs::LogGroup", "CloudWatch Logs"),
    ("AWS::Scheduler::ScheduleGroup", "EventBridge Scheduler"),
    ("AWS::Events::Rule", "EventBridge"),
    ("AWS::SES::ConfigurationSet", "SES"),
    ("AWS::SNS::Topic", "`Alarms`"),
    ("AWS::XRay::SamplingRule", "X-Ray"),
];

/// Resources without personal data.
const KNOWS_NOBODY: [&str; 20] = [
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::ApiMapping",
    "AWS::ApiGatewayV2::DomainName",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Role",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
    "AWS::Route53::RecordSet",
    "AWS::SES::ConfigurationSetEventDestination",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::SecretsManager::Secret",
    // Its queue of events that wait for delivery has its own row.
    "AWS::Serverless::Function",
    "AWS::CloudFormation::Stack",
];

/// The rows of the page's tables: by what stands in the first cell, all cells.
fn rows() -> BTreeMap<String, Vec<String>> {
    let page = page(PAGE);
    let rows = page.lines().filter(|line| line.starts_with("| ")).map(|line| {
        let cells = line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned());
        cells.collect::<Vec<_>>()
    });
    rows.map(|cells| (cells[0].clone(), cells)).collect()
}

/// The only row whose first cell has this in it.
fn row(named: &str) -> Vec<String> {
    let mut found = rows().into_iter().filter(|(first, _)| first.contains(named));
    let (_, cells) = found.next().unwrap_or_else(|| panic!("{PAGE} has no row of {named}"));
    cells
}

/// Seconds as the page writes them.
fn span(seconds: i64) -> String {
    match seconds {
        seconds if seconds % 86_400 == 0 => format!("{} days", seconds / 86_400),
        seconds if seconds % 3_600 == 0 => format!("{} hours", seconds / 3_600),
        seconds => panic!("say {seconds} seconds in hours or days"),
    }
}

#[test]
fn every_resource_that_may_keep_something_of_a_person_has_a_row() {
    let template = Template::read();
    for (name, resource) in template.0["Resources"].as_object().unwrap() {
        let kind = resource["Type"].as_str().unwrap();
        match KEEPS.iter().find(|(keeps, _)| *keeps == kind) {
            Some((_, named)) => assert!(row(named).len() >= 4, "{name}: {named}"),
            None => assert!(
                KNOWS_NOBODY.contains(&kind),
                "{name}: say in {PAGE} what a {kind} keeps of people, and for how long; or here that it keeps nothing"
            ),
        }
    }
}

#[test]
fn the_page_names_every_queue_and_how_long_it_keeps_messages() {
    let template = Template::read();
    let said = rows();
    for (name, queue) in template.resources("AWS::SQS::Queue") {
        let quoted = format!("`{name}`");
        let row = said.values().find(|cells| cells[0].contains(&quoted));
        let row = row.unwrap_or_else(|| panic!("{PAGE} has no row of {quoted}"));
        let kept = span(queue["MessageRetentionPeriod"].as_i64().expect("seconds"));
        assert!(row[2].starts_with(&kept), "{name}: {kept}, and not {:?}", row[2]);
    }
}

#[test]
fn the_page_says_how_long_the_rest_is_kept() {
    let template = Template::read();
    let rules = &template.properties("LeftBehind")["LifecycleConfiguration"]["Rules"];
    assert_eq!(rules.as_array().map(Vec::len), Some(1), "one rule for all objects: {rules}");
    let rule = &rules[0];
    assert_eq!((&rule["Status"], &rule["Prefix"]), (&"Enabled".into(), &serde_json::Value::Null));
    let days = format!("{} days", rule["ExpirationInDays"].as_i64().expect("days"));
    let versions = &template.properties("LeftBehind")["VersioningConfiguration"];
    assert!(versions.is_null(), "an expired object would live on as a version");
    assert!(row("`LeftBehind`")[2].starts_with(&days), "{:?}", row("`LeftBehind`"));
    let told = format!("Objects are kept for {days}");
    assert!(page("docs/operations.md").contains(&told), "docs/operations.md has to say: {told}");

    let recovery = &template.properties("Table")["PointInTimeRecoverySpecification"];
    let period = recovery["RecoveryPeriodInDays"].as_i64().unwrap_or(35);
    assert!(row("point-in-time recovery")[2].starts_with(&format!("{period} days")));
    assert!(
        page(PAGE).contains(&format!("for {period} days")),
        "how long ids are kept for a restore"
    );

    let logs = template.resources("AWS::Logs::LogGroup");
    for (name, group) in logs {
        assert_eq!(group["RetentionInDays"]["Ref"], "LogRetentionDays", "{name}");
    }
    let default = template.0["Parameters"]["LogRetentionDays"]["Default"].as_i64().expect("days");
    let said = format!("`LogRetentionDays`, {default} days unless given");
    assert!(row("CloudWatch Logs")[2].contains(&said), "{said}");

    let invoked = &template.properties("FeedbackFunction")["EventInvokeConfig"];
    let waits = span(invoked["MaximumEventAgeInSeconds"].as_i64().expect("seconds"));
    assert!(row("events that wait for `feedback`")[2].starts_with(&waits), "{waits}");
    let tries = &template.properties("FeedbackIsHeard")["Targets"][0]["RetryPolicy"];
    assert!(tries.is_null(), "{PAGE} says EventBridge's own 24 hours");
}

#[test]
fn the_page_says_how_long_a_dead_letter_is_kept() {
    let days = format!("{} days", dead_letters::DEAD_LETTERS_KEPT.num_days());
    assert!(row("dead letters in the table")[2].contains(&days), "{days}");
    assert!(page("docs/operations.md").contains(&days), "docs/operations.md: {days}");
}

#[test]
fn what_is_said_to_rest_on_aws_names_its_page() {
    let page = page(PAGE);
    let (_, on_aws) = page.split_once("\n## On AWS\n").expect("a section");
    let rows =
        on_aws.lines().filter(|line| line.starts_with("| ") && !line.contains("| how long |"));
    for row in rows {
        let known = row.contains("](https://docs.aws.amazon.com/") || row.contains("the same");
        assert!(known, "name the page of AWS that says so:\n{row}");
    }
}
