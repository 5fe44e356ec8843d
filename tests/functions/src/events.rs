//! Events as AWS delivers them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dacapo_platform::ports::QueueMessage;
use dacapo_platform::table::{Item, Key};
use serde_json::{Map, Value, json};

/// A call of an HTTP API.
pub fn http(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Value {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let headers: Map<String, Value> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1" },
            "requestId": "request",
            "stage": "$default",
        },
        // The gateway encodes every body whose content type is not text.
        "body": STANDARD.encode(body),
        "isBase64Encoded": true,
    })
}

/// A record of the table's stream.
pub fn record(number: i64, key: &Key, old: Option<&Item>, new: Option<&Item>) -> Value {
    let name = match (old, new) {
        (None, _) => "INSERT",
        (_, None) => "REMOVE",
        (Some(_), Some(_)) => "MODIFY",
    };
    let mut change = json!({
        "Keys": { "PK": { "S": key.pk }, "SK": { "S": key.sk } },
        "SequenceNumber": number.to_string(),
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    });
    for (image, item) in [("OldImage", old), ("NewImage", new)] {
        if let Some(item) = item {
            change[image] = image_of(item);
        }
    }
    json!({ "eventID": number.to_string(), "eventName": name, "eventSource": "aws:dynamodb", "dynamodb": change })
}

/// An item as the stream shows it.
pub fn image_of(item: &Item) -> Value {
    let body: Map<String, Value> = item.body.read().expect("a body");
    let mut image: Map<String, Value> =
        body.iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
    image.insert("PK".to_owned(), json!({ "S": item.key.pk }));
    image.insert("SK".to_owned(), json!({ "S": item.key.sk }));
    if let Some(rev) = item.rev {
        image.insert("rev".to_owned(), json!({ "N": rev.to_string() }));
    }
    if let Some(index) = &item.index {
        image.insert("GSI1PK".to_owned(), json!({ "S": index.pk }));
        image.insert("GSI1SK".to_owned(), json!({ "S": index.sk }));
    }
    if let Some(at) = item.expires {
        image.insert("ttl".to_owned(), json!({ "N": at.timestamp().to_string() }));
    }
    Value::Object(image)
}

fn attribute(value: &Value) -> Value {
    match value {
        Value::Null => json!({ "NULL": true }),
        Value::Bool(truth) => json!({ "BOOL": truth }),
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::String(text) => json!({ "S": text }),
        Value::Array(list) => json!({ "L": list.iter().map(attribute).collect::<Vec<_>>() }),
        Value::Object(map) => {
            let members = map.iter().map(|(name, value)| (name.clone(), attribute(value)));
            json!({ "M": members.collect::<Map<_, _>>() })
        }
    }
}

/// A message received from a queue.
pub fn message(id: &str, queue: &str, attempt: u32, message: &QueueMessage) -> Value {
    body(id, queue, attempt, &serde_json::to_string(message).expect("a message is JSON"))
}

/// The same, with any body.
pub fn body(id: &str, queue: &str, attempt: u32, body: &str) -> Value {
    json!({
        "messageId": id,
        "receiptHandle": format!("receipt-{id}"),
        "body": body,
        "attributes": { "ApproximateReceiveCount": attempt.to_string() },
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:eu-central-1:123456789012:{queue}"),
        "awsRegion": "eu-central-1",
    })
}

/// Records as one event.
pub fn batch(records: Vec<Value>) -> Value {
    Value::Object([("Records".to_owned(), Value::Array(records))].into_iter().collect())
}

/// The items of a batch that its answer reports as failed.
pub fn failed(answer: &Value) -> Vec<String> {
    let failures = answer["batchItemFailures"].as_array().expect("an answer to a batch");
    let id = |failure: &Value| failure["itemIdentifier"].as_str().expect("an id").to_owned();
    failures.iter().map(id).collect()
}
