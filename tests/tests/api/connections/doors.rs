//! The sequence that `make e2e` drives through the deployed functions, in one process (0050).

use axum::body::Body;
use dacapo_tests::doors::{Outside, are_held};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::called::Called;

struct InProcess {
    api: Called,
    runtime: Runtime,
}

impl Outside for InProcess {
    fn admin(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let answer = self.runtime.block_on(self.api.call(method, path, body));
        let body = serde_json::from_str(&answer.text).unwrap_or(Value::Null);
        (answer.status.as_u16(), body)
    }

    fn tool(&self, path: &str, headers: &[(&str, &str)], body: &str) -> u16 {
        let body = Body::from(body.to_owned());
        self.runtime.block_on(self.api.bare("POST", path, headers, body)).status.as_u16()
    }

    fn seconds(&self) -> i64 {
        self.api.embedded.platform.store.now().timestamp()
    }
}

#[test]
fn what_tools_post_is_answered_kept_and_written_as_promised() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let api = runtime.block_on(Called::new());
    are_held(&InProcess { api, runtime }, "doors");
}
