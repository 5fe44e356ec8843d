//! No role may do more than its function does.

use std::collections::BTreeSet;

use dacapo_aws::settings::{Function, url_of};
use dacapo_platform::ports::Queue;
use serde_json::Value;

use crate::reading::{Template, list, referred};
use crate::{block, mappings};

/// Actions for which AWS knows no narrower resource than all.
const NO_NARROWER: [&str; 4] =
    ["dynamodb:ListStreams", "ses:GetAccount", "xray:PutTraceSegments", "xray:PutTelemetryRecords"];

/// The shared policies that a function's role may have: what docs/settings.md says of it.
fn shared(function: Function) -> BTreeSet<&'static str> {
    let more: &[&str] = match function {
        Function::Webhook => &["ReadsAdminKey"],
        Function::Api => &["ReadsIndex", "ReadsAdminKey"],
        Function::TagChange | Function::Effects => &["ReadsStream"],
        Function::StopCampaign => &["ReadsIndex"],
        Function::Timer | Function::Deliver | Function::Feedback => &[],
    };
    let timers = function.sets_timers().then_some("SetsTimers");
    more.iter().copied().chain(["UsesTable", "Traces"]).chain(timers).collect()
}

/// The name of a queue in the template.
fn queue(queue: Queue) -> &'static str {
    match queue {
        Queue::Timers => "Timers",
        Queue::Transactional => "Transactional",
        Queue::Marketing => "Marketing",
        Queue::Calls => "Calls",
        Queue::Jobs => "Stop",
    }
}

fn names_of(queues: &[Queue]) -> BTreeSet<&'static str> {
    queues.iter().map(|one| queue(*one)).collect()
}

/// A statement of a policy: what may be done to what.
struct Statement<'a> {
    policy: String,
    actions: Vec<&'a str>,
    resources: Vec<&'a Value>,
}

fn statements<'a>(policy: &str, document: &'a Value) -> Vec<Statement<'a>> {
    let statements = list(&document["Statement"]).into_iter();
    statements
        .map(|statement| Statement {
            policy: policy.to_owned(),
            actions: list(&statement["Action"])
                .into_iter()
                .map(|action| action.as_str().unwrap())
                .collect(),
            resources: list(&statement["Resource"]),
        })
        .collect()
}

/// What a role may do, apart from the shared policies.
fn own<'a>(name: &str, role: &'a Value) -> Vec<Statement<'a>> {
    list(&role["Policies"])
        .into_iter()
        .flat_map(|policy| statements(name, &policy["PolicyDocument"]))
        .collect()
}

#[test]
fn no_policy_says_everything() {
    let template = Template::read();
    let mut all: Vec<Statement<'_>> = template
        .resources("AWS::IAM::ManagedPolicy")
        .into_iter()
        .flat_map(|(name, policy)| statements(name, &policy["PolicyDocument"]))
        .collect();
    for (name, role) in template.resources("AWS::IAM::Role") {
        all.extend(own(name, role));
    }
    for Statement { policy, actions, resources } in all {
        for action in &actions {
            assert!(!action.contains('*'), "{policy}: say which actions, not {action}");
        }
        if resources.iter().any(|resource| **resource == "*") {
            let narrow = actions.iter().filter(|action| !NO_NARROWER.contains(action));
            let narrow: Vec<_> = narrow.collect();
            assert!(narrow.is_empty(), "{policy}: name the resource of {narrow:?}");
        }
    }
}

#[test]
fn a_function_has_a_role_of_its_own_with_what_it_needs() {
    let template = Template::read();
    for function in Function::ALL {
        let (name, properties) = block(&template, function);
        let role = referred(&properties["Role"]).unwrap();
        assert_eq!(format!("{role}Function").replace("Role", ""), name, "{name}: share no role");
        let role = template.properties(role);
        let has: BTreeSet<&str> =
            list(&role["ManagedPolicyArns"]).into_iter().filter_map(referred).collect();
        assert_eq!(has, shared(function), "{name}: docs/settings.md says what it may do");
        let own = own(name, role);

        // Its settings have the queues that it sends to or receives from, each by its own name.
        let told = &properties["Environment"]["Variables"];
        for one in Queue::ALL {
            let known = function.knows(one).then(|| queue(one));
            assert_eq!(referred(&told[url_of(one)]), known, "{name}: {}", url_of(one));
        }
        // It sends to those that it has orders for, and to those for failed work; it receives from
        // those that it handles.
        let failures = &properties["EventInvokeConfig"]["DestinationConfig"]["OnFailure"];
        let mut sends = names_of(function.orders());
        sends.extend(referred(&failures["Destination"]));
        let works_off = names_of(function.works_off());
        let fed: BTreeSet<&str> = mappings(&template, name)
            .iter()
            .filter_map(|(_, mapping)| referred(&mapping["EventSourceArn"]))
            .filter(|source| *source != "Table")
            .collect();
        assert_eq!(fed, works_off, "{name}: a mapping for each queue that it works off");
        assert_eq!(resources_of(&own, "sqs:SendMessage"), sends, "{name}: queues it may send to");
        for action in ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"] {
            assert_eq!(resources_of(&own, action), works_off, "{name}: {action}");
        }

        // And it writes to one log group, which is its own.
        let group = referred(&properties["LoggingConfig"]["LogGroup"]).unwrap();
        assert_eq!(
            resources_of(&own, "logs:PutLogEvents"),
            BTreeSet::from([group]),
            "{name}: logs"
        );
        let mails = own.iter().any(|statement| statement.actions.contains(&"ses:SendEmail"));
        assert_eq!(mails, function == Function::Deliver, "{name}: only deliver sends mail");
    }
}

#[test]
fn deliver_sends_for_the_senders_that_were_named_and_for_no_others() {
    let template = Template::read();
    let role = template.properties("DeliverRole");
    let statements = list(&role["Policies"][0]["PolicyDocument"]["Statement"]);
    let sending: Vec<_> = statements
        .into_iter()
        .filter(|statement| list(&statement["Action"]).iter().any(|it| **it == "ses:SendEmail"))
        .collect();
    assert_eq!(sending.len(), 1);
    let from = &sending[0]["Condition"]["StringLike"]["ses:FromAddress"];
    let from = from.to_string();
    for parameter in ["SenderAddress", "SenderDomains"] {
        assert!(from.contains(&format!(r#"{{"Ref":"{parameter}"}}"#)), "{parameter}: {from}");
    }
    assert!(!from.contains(r#""*""#), "not everybody: {from}");
}

#[test]
fn what_is_not_traced_may_hand_in_no_traces() {
    let template = Template::read();
    assert_eq!(template.0["Resources"]["Traces"]["Condition"], "Traced");
    assert_eq!(template.0["Resources"]["Sampling"]["Condition"], "Traced");
    assert!(!template.holds("Traced"), "tracing is asked for, not given");
    for function in Function::ALL {
        let (name, properties) = block(&template, function);
        let role = template.properties(referred(&properties["Role"]).unwrap());
        let may = list(&role["ManagedPolicyArns"]);
        let may = may.into_iter().filter_map(|policy| template.chosen(policy));
        let traces = may.filter_map(referred).any(|policy| policy == "Traces");
        assert!(!traces, "{name}: by default nobody traces");
    }
}

fn resources_of<'a>(statements: &[Statement<'a>], action: &str) -> BTreeSet<&'a str> {
    statements
        .iter()
        .filter(|statement| statement.actions.contains(&action))
        .flat_map(|statement| &statement.resources)
        .filter_map(|resource| referred(resource))
        .collect()
}
