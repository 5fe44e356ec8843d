//! What AWS does between the functions, for a stack of which only the functions run. The table's
//! stream and the queues are read from the cloud here and passed to the functions under `sam local
//! start-lambda`, as the event sources in `template.yaml` define it.
//!
//! Timers are not fired: they are due days later.

use dacapo_aws::settings::Function;
use dacapo_tests::host::Remote;
use dacapo_tests::host::{Call, Host as _};
use serde_json::{Value, json};

use super::logical;
use crate::events;
use crate::stack::Stack;

/// How many batches may follow from one post.
const ENOUGH: usize = 50;

/// The queues of mail and webhooks.
const QUEUES: [&str; 3] = ["transactional", "marketing", "calls"];

/// The stream of a table, the queues, and the functions that receive their content.
pub struct Turning<'a> {
    stack: &'a Stack,
    cloud: Remote,
    lambda: Remote,
    iterators: Vec<String>,
}

impl<'a> Turning<'a> {
    /// Starts at the beginning of a table's stream.
    ///
    /// # Errors
    ///
    /// If the table has no stream.
    pub fn of(stack: &'a Stack, table: &str, lambda: Remote) -> Result<Self, String> {
        let endpoint = stack.clients.config().endpoint_url().unwrap_or_default();
        let mut turning =
            Self { stack, cloud: Remote::at(endpoint, ""), lambda, iterators: Vec::new() };
        let streams = turning.ask("ListStreams", &json!({ "TableName": table }))?;
        let stream = &streams["Streams"][0]["StreamArn"];
        let described = turning.ask("DescribeStream", &json!({ "StreamArn": stream }))?;
        let shards = described["StreamDescription"]["Shards"].as_array().cloned();
        for shard in shards.unwrap_or_default() {
            let asked = json!({
                "StreamArn": stream,
                "ShardId": shard["ShardId"],
                "ShardIteratorType": "TRIM_HORIZON",
            });
            let iterator = turning.ask("GetShardIterator", &asked)?;
            turning.iterators.extend(iterator["ShardIterator"].as_str().map(str::to_owned));
        }
        if turning.iterators.is_empty() {
            return Err(format!("the table {table} has no stream: {streams} {described}"));
        }
        Ok(turning)
    }

    /// Works until nothing is left to do. Returns the number of batches.
    ///
    /// # Errors
    ///
    /// What a function did not do, or that the work did not end.
    pub async fn until_idle(&mut self) -> Result<usize, String> {
        let mut batches = 0;
        loop {
            let before = batches;
            batches += self.stream()?;
            batches += self.queues().await?;
            if batches == before {
                return Ok(batches);
            }
            if batches > ENOUGH {
                return Err(format!("{batches} batches, and still there is something to do"));
            }
        }
    }

    /// Passes on what is new in the stream.
    fn stream(&mut self) -> Result<usize, String> {
        let mut records = Vec::new();
        for nth in 0..self.iterators.len() {
            let asked = json!({ "ShardIterator": self.iterators[nth] });
            let read = self.ask("GetRecords", &asked)?;
            records.extend(read["Records"].as_array().cloned().unwrap_or_default());
            if let Some(next) = read["NextShardIterator"].as_str() {
                next.clone_into(&mut self.iterators[nth]);
            }
        }
        let mut batches = 0;
        for function in [Function::TagChange, Function::Effects] {
            let wanted = records.iter().filter(|record| follows(record) == Some(function));
            let batch: Vec<Value> = wanted.cloned().collect();
            if !batch.is_empty() {
                self.hand(function, batch)?;
                batches += 1;
            }
        }
        Ok(batches)
    }

    /// Passes on what is in the queues.
    async fn queues(&self) -> Result<usize, String> {
        let mut batches = 0;
        for queue in QUEUES {
            let bodies = self.stack.taken(queue).await;
            let message =
                |(nth, body): (usize, &String)| events::body(&format!("m{nth}"), queue, 1, body);
            let batch: Vec<Value> = bodies.iter().enumerate().map(message).collect();
            if !batch.is_empty() {
                self.hand(Function::Deliver, batch)?;
                batches += 1;
            }
        }
        Ok(batches)
    }

    /// Passes a batch to a function, which must do all of it.
    fn hand(&self, function: Function, batch: Vec<Value>) -> Result<(), String> {
        let path = format!("/2015-03-31/functions/{}/invocations", logical(function));
        let event = events::batch(batch).to_string();
        let answer = self.lambda.call(&Call::post(&path, &event))?;
        let done = json!({ "batchItemFailures": [] });
        if answer.status == 200 && answer.body == done {
            return Ok(());
        }
        Err(format!("{} answers {answer:?} to {event}", logical(function)))
    }

    /// Calls DynamoDB Streams.
    fn ask(&self, what: &str, parameters: &Value) -> Result<Value, String> {
        let target = format!("DynamoDBStreams_20120810.{what}");
        let body = parameters.to_string();
        let call = Call::post("/", &body).of("application/x-amz-json-1.0");
        let answer = self.cloud.call_with(&call, &[("X-Amz-Target", &target)])?;
        if answer.status == 200 {
            return Ok(answer.body);
        }
        Err(format!("{what} {parameters}: {answer:?}"))
    }
}

/// The functions that receive a record, by the patterns of the template's event sources.
fn follows(record: &Value) -> Option<Function> {
    match record["dynamodb"]["Keys"]["SK"]["S"].as_str() {
        Some("CONTACT") => Some(Function::TagChange),
        Some(sort) if sort.starts_with("O#") => Some(Function::TagChange),
        Some(sort) if sort.starts_with("E#") || sort.starts_with("EO#") => Some(Function::Effects),
        _ => None,
    }
}
