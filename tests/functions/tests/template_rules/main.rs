//! The rules of `template.yaml`, as code that reads it. `make template` finds what AWS itself would
//! refuse.
//!
//! Each test is one rule, and its message says what to do instead.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod alarms;
mod commands;
mod costs;
mod names;
mod privacy;
mod privileges;
mod reading;
mod references;
mod settings;

use std::collections::BTreeSet;

use chrono::TimeDelta;
use dacapo_aws::functions::queue::{pause, soon};
use dacapo_aws::functions::stream::LONGEST_WAIT;
use dacapo_aws::settings::{Function, read_by};
use dacapo_platform::mail_backoff;
use dacapo_platform::ports::{LONGEST_DELAY, PutOff};
use dacapo_platform::table::RESERVED;
use reading::{Template, list, referred};
use serde_json::{Value, json};

/// Functions whose caller waits for the answer, and is informed of a failure.
const ANSWER_THEIR_CALLER: [Function; 2] = [Function::Webhook, Function::Api];

/// How often a queue's messages stay hidden longer than its function may take.
const HIDDEN_FOR: i64 = 6;

/// The least number of times that a message is received before it is given up.
const RECEIVED_AT_LEAST: i64 = 100;

/// The logical name of a function's block, and its properties.
fn block(template: &Template, function: Function) -> (&str, &Value) {
    let code = format!("target/lambda/{}/bootstrap.zip", function.name());
    let blocks = template.resources("AWS::Serverless::Function");
    let mut found = blocks.into_iter().filter(|(_, block)| block["CodeUri"] == code.as_str());
    let first = found.next();
    assert!(found.next().is_none(), "{code} stands in two blocks: keep one");
    first.unwrap_or_else(|| panic!("no block has `CodeUri: {code}`: give the function one"))
}

/// The properties of all functions, unless a block overrides them.
fn globally(template: &Template) -> &Value {
    &template.0["Globals"]["Function"]
}

fn timeout(template: &Template, block: &Value) -> i64 {
    block["Timeout"].as_i64().or(globally(template)["Timeout"].as_i64()).unwrap()
}

/// The event source mappings of a function.
fn mappings<'a>(template: &'a Template, function: &str) -> Vec<(&'a str, &'a Value)> {
    let all = template.resources("AWS::Lambda::EventSourceMapping").into_iter();
    all.filter(|(_, mapping)| referred(&mapping["FunctionName"]) == Some(function)).collect()
}

fn names(variables: &Value) -> BTreeSet<String> {
    variables.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

#[test]
fn every_function_has_one_block_and_every_block_a_function() {
    let template = Template::read();
    for function in Function::ALL {
        block(&template, function);
    }
    let blocks = template.resources("AWS::Serverless::Function").len();
    assert_eq!(blocks, Function::ALL.len(), "take out the block that has no function any more");
}

#[test]
fn a_function_is_told_exactly_what_it_reads() {
    let template = Template::read();
    let everyone = names(&globally(&template)["Environment"]["Variables"]);
    for function in Function::ALL {
        let (name, block) = block(&template, function);
        let mut told = names(&block["Environment"]["Variables"]);
        told.extend(everyone.iter().cloned());
        // Lambda sets those of AWS itself, and refuses them as settings.
        let reads: BTreeSet<String> = read_by(function)
            .map(|variable| variable.name.to_owned())
            .filter(|name| !name.starts_with("AWS_"))
            .collect();
        let (missing, idle) = (&reads - &told, &told - &reads);
        assert!(missing.is_empty(), "{name} reads {missing:?}: add them to its Environment");
        assert!(idle.is_empty(), "{name} doesn't read {idle:?}: take them out of its Environment");
    }
}

#[test]
fn what_a_function_cannot_do_is_kept_somewhere() {
    let template = Template::read();
    for function in Function::ALL {
        let (name, block) = block(&template, function);
        let mappings = mappings(&template, name);
        let asynchronous = &block["EventInvokeConfig"]["DestinationConfig"]["OnFailure"];
        if ANSWER_THEIR_CALLER.contains(&function) {
            assert!(mappings.is_empty(), "{name} answers its caller: let another take queues");
        } else if mappings.is_empty() {
            let kept = referred(&asynchronous["Destination"]).is_some();
            assert!(kept, "{name} is called without waiting: give it an OnFailure destination");
        }
        for (mapping, properties) in mappings {
            let source = referred(&properties["EventSourceArn"]).unwrap();
            assert!(
                properties["FunctionResponseTypes"] == json!(["ReportBatchItemFailures"]),
                "{mapping}: without ReportBatchItemFailures, one failed record repeats its batch"
            );
            if source == "Table" {
                let destination = &properties["DestinationConfig"]["OnFailure"]["Destination"];
                assert!(
                    referred(destination).is_some(),
                    "{mapping}: give it an OnFailure destination: the stream forgets in a day"
                );
                let bisects = properties["BisectBatchOnFunctionError"] == true;
                let filters = properties["FilterCriteria"]["Filters"].is_array();
                assert!(bisects, "{mapping}: set BisectBatchOnFunctionError");
                assert!(filters, "{mapping}: filter, or it is called for every item");
                let age = properties["MaximumRecordAgeInSeconds"].as_i64().unwrap();
                assert!(
                    (3_600..86_400).contains(&age),
                    "{mapping}: MaximumRecordAgeInSeconds has to end before the stream's day does"
                );
            } else {
                redriven(&template, source, timeout(&template, block));
            }
        }
    }
}

/// A queue whose messages become visible late enough, and are kept when they were received too
/// often.
fn redriven(template: &Template, queue: &str, timeout: i64) {
    let properties = template.properties(queue);
    let hidden = properties["VisibilityTimeout"].as_i64().unwrap_or(30);
    assert!(
        hidden >= HIDDEN_FOR * timeout,
        "{queue}: its function may take {timeout} seconds, so hide messages for {HIDDEN_FOR} times as long"
    );
    let redrive = &properties["RedrivePolicy"];
    let dead = referred(&redrive["deadLetterTargetArn"]);
    assert_eq!(dead, Some("Dead"), "{queue}: what it cannot get rid of is watched in Dead");
    assert!(
        redrive["maxReceiveCount"].as_i64().unwrap() >= RECEIVED_AT_LEAST,
        "{queue}: what waits for its instant is received often: raise maxReceiveCount"
    );
}

/// How often something is received that waits so long each time, given how long it has waited,
/// until that is over.
fn receives(until: TimeDelta, mut wait: impl FnMut(TimeDelta) -> Option<TimeDelta>) -> i64 {
    let (mut waited, mut received) = (TimeDelta::zero(), 0);
    while waited < until {
        received += 1;
        let Some(wait) = wait(waited) else { break };
        waited += wait;
    }
    received
}

/// The twelve tries of the ledger, and other reasons to receive a message: functions that were
/// throttled or killed.
const TRIES: i64 = 12;
const SPARE: i64 = 30;

#[test]
fn mail_that_waits_is_received_less_often_than_its_queue_allows_and_kept_for_longer() {
    let template = Template::read();
    let for_slots =
        receives(mail_backoff::LONGEST_FOR_SLOT + mail_backoff::LONGEST_WAIT, |waited| {
            Some(mail_backoff::for_slot(TimeDelta::zero(), waited))
        });
    for hold in [PutOff::Rate, PutOff::Quota, PutOff::Stopped] {
        let for_service =
            receives(mail_backoff::LONGEST_WAIT, |waited| mail_backoff::next(hold, waited));
        let received = for_slots + for_service + behind_the_stream() + TRIES + SPARE;
        for queue in ["Transactional", "Marketing"] {
            let properties = template.properties(queue);
            let most = properties["RedrivePolicy"]["maxReceiveCount"].as_i64().unwrap();
            assert!(
                received <= most,
                "{queue}: {for_slots} receives for slots, {for_service} for the service, {} behind the stream: raise maxReceiveCount, {most}",
                behind_the_stream()
            );
            let kept = properties["MessageRetentionPeriod"].as_i64().unwrap();
            let longest =
                mail_backoff::LONGEST_FOR_SLOT + mail_backoff::LONGEST_WAIT + TimeDelta::days(1);
            assert!(kept >= longest.num_seconds(), "{queue}: keep messages for {longest}");
        }
    }
    // A message is never hidden for longer than SQS hides one, jitter included.
    for waited in (0..200).map(TimeDelta::hours) {
        let longest = mail_backoff::for_slot(TimeDelta::days(9), waited)
            .max(mail_backoff::next(PutOff::Quota, waited).unwrap_or_default());
        assert!(longest * 5 / 4 < TimeDelta::hours(12));
    }
}

/// How long the stream may be behind: an age at which its functions still receive a record.
fn oldest_record(template: &Template) -> TimeDelta {
    let mappings = template.resources("AWS::Lambda::EventSourceMapping").into_iter();
    let ages = mappings
        .filter_map(|(name, _)| template.properties(name)["MaximumRecordAgeInSeconds"].as_i64());
    TimeDelta::seconds(ages.max().unwrap())
}

/// How often work is received that has to come after the stream, while it is that late.
fn behind_the_stream() -> i64 {
    let until = oldest_record(&Template::read());
    let mut attempt = 0;
    receives(until, |_| {
        attempt += 1;
        Some(soon(attempt))
    })
}

#[test]
fn work_that_has_to_come_after_the_stream_outlives_the_longest_lag_of_the_stream() {
    let template = Template::read();
    assert!(oldest_record(&template) >= TimeDelta::hours(22), "docs/operations.md says 22 hours");
    for queue in ["Timers", "Stop"] {
        let queue_properties = template.properties(queue);
        let most = queue_properties["RedrivePolicy"]["maxReceiveCount"].as_i64().unwrap();
        let behind = behind_the_stream();
        assert!(
            behind + SPARE <= most,
            "{queue}: {behind} receives: raise maxReceiveCount, {most}"
        );
    }
    // The usual lag of a second or two costs no more than a few seconds.
    assert_eq!(soon(1), TimeDelta::seconds(2));
    assert!(soon(u32::MAX) * 2 < TimeDelta::hours(12));
}

#[test]
fn a_timer_that_is_not_taken_is_tried_for_most_of_a_day_and_comes_in_time_without_the_scheduler() {
    let template = Template::read();
    let queue = template.properties("Stop");
    let most = queue["RedrivePolicy"]["maxReceiveCount"].as_u64().unwrap();
    let most = u32::try_from(most).unwrap();
    let tried: TimeDelta = (1..=most).map(pause).sum();
    assert!(tried >= TimeDelta::hours(16), "{tried}: docs/operations.md says 16 hours at least");
    // It is received again before it is due, in time for the queue of timers to delay it until
    // then.
    let hidden = TimeDelta::seconds(queue["VisibilityTimeout"].as_i64().unwrap());
    let longest = hidden.max(pause(most) * 2);
    assert!(longest < LONGEST_DELAY, "{longest}: hide what waits in `Stop` for less");
}

#[test]
fn effects_answers_before_its_time_is_over() {
    let template = Template::read();
    let most = timeout(&template, block(&template, Function::Effects).1);
    let works = i64::try_from(LONGEST_WAIT.as_secs()).unwrap();
    assert!(works + 3 <= most, "it works for {works} seconds, and may take {most}");
}

#[test]
fn two_read_the_stream_and_never_a_third() {
    let template = Template::read();
    let all = template.resources("AWS::Lambda::EventSourceMapping").into_iter();
    let of_stream =
        all.filter(|(_, mapping)| referred(&mapping["EventSourceArn"]) == Some("Table"));
    let patterns: Vec<String> = of_stream
        .map(|(_, mapping)| {
            let filters = list(&mapping["FilterCriteria"]["Filters"]);
            filters.into_iter().map(|filter| filter["Pattern"].as_str().unwrap()).collect()
        })
        .collect();
    let expected = [
        r#"{"dynamodb":{"Keys":{"SK":{"S":["CONTACT",{"prefix":"O#"}]}}}}"#,
        r#"{"dynamodb":{"Keys":{"SK":{"S":[{"prefix":"E#"},{"prefix":"EO#"}]}}}}"#,
    ];
    let found: BTreeSet<&str> = patterns.iter().map(String::as_str).collect();
    assert_eq!(patterns.len(), 2, "a shard of the stream serves two readers: share one of them");
    assert_eq!(
        found,
        BTreeSet::from(expected),
        "contacts and objects for one, enrollments for the other"
    );
    assert_eq!(dacapo_platform::keys::CONTACT, "CONTACT", "change the filter with the key");
    assert_eq!(dacapo_platform::keys::OBJECT, "O#", "change the filter with the key");
    assert_eq!(dacapo_platform::keys::ENROLLMENT, "E#", "change the filter with the key");
    assert_eq!(dacapo_platform::keys::OBJECT_ENROLLMENT, "EO#", "change the filter with the key");
}

#[test]
fn the_table_is_the_one_that_the_port_knows_and_outlives_the_stack() {
    let template = Template::read();
    let table = &template.0["Resources"]["Table"];
    let properties = &table["Properties"];
    let attributes: BTreeSet<&str> = list(&properties["AttributeDefinitions"])
        .into_iter()
        .map(|attribute| attribute["AttributeName"].as_str().unwrap())
        .collect();
    for attribute in &attributes {
        assert!(RESERVED.contains(attribute), "the port knows no attribute {attribute}");
    }
    let ttl = properties["TimeToLiveSpecification"]["AttributeName"].as_str().unwrap();
    assert!(RESERVED.contains(&ttl), "the port lets items expire by another attribute than {ttl}");
    assert_eq!(table["UpdateReplacePolicy"], "Retain", "everything is in this table");
    let recovery = &properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"];
    assert_eq!(*recovery, json!(true), "keep point-in-time recovery");
    assert_eq!(properties["StreamSpecification"]["StreamViewType"], "NEW_AND_OLD_IMAGES");
}

#[test]
fn what_outlives_the_stack_does_not_outlive_a_deployment_that_failed_to_make_it() {
    let template = Template::read();
    for kept in ["Table", "LeftBehind"] {
        let resource = &template.0["Resources"][kept];
        assert_eq!(
            resource["DeletionPolicy"], "RetainExceptOnCreate",
            "{kept}: Retain would leave it behind when the first deployment is rolled back"
        );
        assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{kept}: its contents stay");
    }
    let protection = &template.properties("Table")["DeletionProtectionEnabled"];
    let protection = referred(protection).expect("a parameter says whether the table is protected");
    assert_eq!(
        template.0["Parameters"][protection]["Default"], "false",
        "CloudFormation could not delete a protected table when the first deployment is rolled back"
    );
}

#[test]
fn what_comes_in_masses_is_bounded_by_parameters() {
    let template = Template::read();
    let bound = |mapping: &str| {
        let config = &template.properties(mapping)["ScalingConfig"];
        let config = config["Fn::If"].get(1).unwrap_or(config);
        referred(&config["MaximumConcurrency"]).map(str::to_owned)
    };
    assert_eq!(bound("TimersAreTaken").as_deref(), Some("TimerConcurrency"));
    for mapping in ["TransactionalIsTaken", "MarketingIsTaken", "CallsAreTaken"] {
        assert_eq!(bound(mapping).as_deref(), Some("MailConcurrency"), "{mapping}");
    }
    let routes = &template.properties("Stage")["DefaultRouteSettings"];
    assert_eq!(referred(&routes["ThrottlingRateLimit"]), Some("RequestRate"));
    assert_eq!(referred(&routes["ThrottlingBurstLimit"]), Some("RequestBurst"));
    let own = &template.properties("Stage")["RouteSettings"];
    let unsubscribing = template.properties("UnsubscribeRoute")["RouteKey"].as_str().unwrap();
    let most = |limit: &str| own[unsubscribing][limit].as_i64().unwrap();
    let of_posts = |name: &str| template.0["Parameters"][name]["Default"].as_i64().unwrap();
    assert!(
        most("ThrottlingRateLimit") >= 10 * of_posts("RequestRate")
            && most("ThrottlingBurstLimit") >= 5 * of_posts("RequestBurst"),
        "a flood of posts takes no unsubscription away, and a mailing brings many at once"
    );
    let connections = template.properties("ConnectionsRoute")["RouteKey"].as_str().unwrap();
    assert_eq!(
        own[connections], own[unsubscribing],
        "a stranger's flood takes no tool's call away"
    );
    let waits_for = json!(["UnsubscribeRoute", "ConnectionsRoute"]);
    assert_eq!(template.0["Resources"]["Stage"]["DependsOn"], waits_for);
    for (function, parameter) in
        [(Function::Webhook, "WebhookReserved"), (Function::Api, "ApiReserved")]
    {
        let (_, block) = block(&template, function);
        assert_eq!(referred(&block["ReservedConcurrentExecutions"]), Some(parameter));
        assert_eq!(template.0["Parameters"][parameter]["Default"], 0, "a small account has none");
    }
}

#[test]
fn a_drill_sends_nothing() {
    let template = Template::read();
    let mappings = template.resources("AWS::Lambda::EventSourceMapping").into_iter();
    for (name, mapping) in mappings {
        let sends = referred(&mapping["FunctionName"]) == Some("DeliverFunction");
        assert_eq!(referred(&mapping["Enabled"]), sends.then_some("Sending"), "{name}");
    }
    assert_eq!(template.0["Parameters"]["Sending"]["Default"], "true");
}

#[test]
fn one_function_may_call_itself() {
    let template = Template::read();
    for function in Function::ALL {
        let (name, block) = block(&template, function);
        let allowed = block["RecursiveLoop"] == "Allow";
        let may = function == Function::StopCampaign;
        assert_eq!(allowed, may, "{name}: a chain of calls ends by itself only in stop-campaign");
    }
}
