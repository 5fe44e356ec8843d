//! A function that does nothing: the others' start is compared with its start.

use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let answer = async |event: LambdaEvent<Value>| Ok::<_, Error>(event.payload);
    Runtime::new(service_fn(answer)).run().await
}
