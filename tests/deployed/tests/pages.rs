//! The commands of docs/deploy.md make a stack that sends its first reminder. The commands of
//! docs/operations.md about dead letters leave no dead letter.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use dacapo_deployed_tests::{Cloud, Stack, run, typed};

/// Fills the places for failed work: an object with records of the stream, a report of the mail
/// service as Lambda leaves it, one as EventBridge does, a timer.
const FAILED_WORK: &str = r#"
cd "$(mktemp --directory)"
leave() { aws sqs send-message --queue-url "$(resource Undelivered)" --message-body "$1" > /dev/null; }
report=$(jq -c . "$ROOT/tests/events/feedback-delivery.json")
leave "{\"requestContext\": {}, \"requestPayload\": $report}"
leave "$report"
leave "$(jq -r '.Records[0].body' "$ROOT/tests/events/timer.json")"
name=$(resource TagChangeFunction)
function=$(aws lambda get-function --function-name "$name" --query Configuration.FunctionArn --output text)
jq -n --arg function "$function" '{requestContext: {functionArn: $function}, payload: ({Records: []} | tojson)}' > left.json
aws s3api put-object --bucket "$(output LeftBehindBucket)" --key one.json --body file://left.json > /dev/null
"#;

/// How many are left there.
const HOW_MUCH: &str = r#"
echo "objects $(aws s3api list-objects-v2 --bucket "$(output LeftBehindBucket)" --query 'length(Contents || `[]`)' --output text)"
echo "undelivered $(aws sqs get-queue-attributes --queue-url "$(resource Undelivered)" \
  --attribute-names ApproximateNumberOfMessages ApproximateNumberOfMessagesNotVisible \
  --query 'values(Attributes)' --output text)"
"#;

#[test]
fn what_the_pages_say_is_typed_and_works() {
    let cloud = Cloud::start();
    let deploy = |from: &str, until: &str| typed("docs/deploy.md", from, until);
    let operations = |from: &str, until: &str| typed("docs/operations.md", from, until);
    let commands = [
        deploy("## Before", "### If the first deployment fails"),
        deploy("## 3. The first key", "## 5. Zapier"),
        operations("## Alarms", "### DeadAlarm"),
        FAILED_WORK.to_owned(),
        HOW_MUCH.to_owned(),
        operations("## Dead letters", "## After a restore"),
        HOW_MUCH.to_owned(),
    ];
    let said = run(&cloud, Stack::told().architecture(), &commands.concat());
    for line in [r#""version":1"#, "appointment-loop", "objects 1", "objects 0", "undelivered 0\t0"]
    {
        assert!(said.contains(line), "nobody says {line}:\n{said}");
    }
    // The contact was made for her history, which is the last call of the page.
    assert!(said.contains(r#""campaign":"appointment-loop","run":1"#), "{said}");
}
