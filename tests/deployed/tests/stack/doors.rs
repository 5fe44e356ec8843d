//! Tools post to the URLs of connections, through the gateway and the function `webhook` (0050).

use dacapo_deployed_tests::{Api, Stack, now};
use dacapo_tests::doors::{Outside, are_held};
use serde_json::Value;

use crate::beside_others;

struct Deployed {
    admin: Api,
    /// Without a key, as tools are.
    tools: Api,
}

impl Outside for Deployed {
    fn admin(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let body = body.map(ToString::to_string).unwrap_or_default();
        self.admin.once(method, path, &[], &body).unwrap()
    }

    fn tool(&self, path: &str, headers: &[(&str, &str)], body: &str) -> u16 {
        self.tools.once("POST", path, headers, body).unwrap().0
    }

    fn seconds(&self) -> i64 {
        now().timestamp()
    }
}

#[test]
fn what_tools_post_is_answered_kept_and_written_as_promised() {
    let _beside_others = beside_others();
    let stack = Stack::told();
    let admin = stack.api();
    let tools = Api::new(admin.base().to_owned(), String::new());
    are_held(&Deployed { admin, tools }, "doors");
}
