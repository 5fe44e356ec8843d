//! An API that is called without a network: everything in one process, in memory, with a manual
//! clock at noon UTC of 1 November 2026.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use dacapo_embedded::clock::ClockKind;
use dacapo_embedded::{Embedded, Options};
use dacapo_platform::Instant;
use dacapo_platform::api::AdminKey;
use dacapo_tests::described::hold;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// The key that has all scopes.
pub(crate) const ADMIN: &str = "the-admin-key";

/// An API.
pub(crate) struct Called {
    /// What is behind it.
    pub(crate) embedded: Embedded,
    router: Router,
}

/// An answer.
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: StatusCode,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON, if the status is this one.
    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// Path and code of every fault, if the status is this one and the body is a problem.
    #[track_caller]
    pub(crate) fn faults(&self, status: u16) -> Vec<(String, String)> {
        let problem = self.problem(status);
        let faults = problem["errors"].as_array().expect("a list of errors");
        let text = |fault: &Value, name: &str| fault[name].as_str().expect(name).to_owned();
        assert!(faults.iter().all(|fault| !text(fault, "message").is_empty()), "{problem}");
        faults.iter().map(|fault| (text(fault, "path"), text(fault, "code"))).collect()
    }

    /// The problem, if the status is this one.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> Value {
        let problem = self.is(status);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(problem["status"], status, "{problem}");
        for member in ["type", "title", "detail"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
        }
        problem
    }
}

impl Called {
    /// An empty account.
    pub(crate) async fn new() -> Self {
        Self::started(None).await
    }

    /// An empty account, kept in a directory.
    pub(crate) async fn kept_in(directory: &std::path::Path) -> Self {
        Self::started(Some(directory.to_owned())).await
    }

    async fn started(directory: Option<std::path::PathBuf>) -> Self {
        let noon = Instant::from_timestamp(1_793_534_400, 0).expect("an instant");
        let options = Options {
            directory,
            clock: ClockKind::Manual(noon),
            time_zone: None,
            locale: None,
            smtp: None,
            public_url: "https://dacapo.example".to_owned(),
            local: true,
        };
        let embedded = Embedded::start(options).await.expect("it starts");
        let router = embedded.router(Some(AdminKey::of(ADMIN)));
        Self { embedded, router }
    }

    /// An account with fields of every type.
    pub(crate) async fn with_fields() -> Self {
        let called = Self::new().await;
        for (key, kind) in [
            ("appointment", "datetime"),
            ("birthday", "date"),
            ("score", "number"),
            ("vip", "boolean"),
            ("city", "text"),
        ] {
            called.put(&format!("/v1/fields/{key}"), &json!({ "type": kind })).await.is(200);
        }
        called
    }

    /// A call with these headers only.
    pub(crate) async fn bare(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok());
        // A request line may name a host before the path.
        let path = path.find("://").map_or(path, |at| {
            let rest = &path[at + 3..];
            rest.find('/').map_or("/", |slash| &rest[slash..])
        });
        hold(method, path, status.as_u16(), kind);
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        let text = String::from_utf8(body.to_vec()).expect("UTF-8");
        Answer { status, headers, text }
    }

    /// A call by the admin, with JSON.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let bearer = format!("Bearer {ADMIN}");
        let mut headers = vec![("authorization", bearer.as_str())];
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let body = body.map(ToString::to_string).unwrap_or_default();
        self.bare(method, path, &headers, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call("PATCH", path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.call("PUT", path, Some(body)).await
    }

    /// A post by the admin with an idempotency key.
    pub(crate) async fn once(&self, key: &str, path: &str, body: &Value) -> Answer {
        let headers =
            [("x-api-key", ADMIN), ("content-type", "application/json"), ("idempotency-key", key)];
        self.bare("POST", path, &headers, body.to_string()).await
    }

    /// A post to the hook that is accepted.
    #[track_caller]
    pub(crate) fn hook(&self, body: &Value) -> impl Future<Output = Value> {
        let body = body.clone();
        async move { self.post("/v1/hooks/contact", &body).await.is(200) }
    }

    /// Ann as she is.
    pub(crate) async fn ann(&self) -> Value {
        self.get("/v1/contacts/email:ann@example.com").await.is(200)
    }

    /// A new key with a scope.
    pub(crate) async fn key(&self, name: &str, scope: &str) -> String {
        let made = self.post("/v1/keys", &json!({ "name": name, "scopes": [scope] })).await;
        made.is(201)["key"].as_str().expect("a key").to_owned()
    }

    /// A call with a key.
    pub(crate) async fn with_key(&self, key: &str, method: &str, path: &str) -> Answer {
        let headers = [("x-api-key", key), ("content-type", "application/json")];
        self.bare(method, path, &headers, "{}").await
    }

    /// Stops it, and closes the store.
    pub(crate) async fn stop(self) {
        let Self { embedded, router } = self;
        drop(router);
        embedded.stop().await;
    }

    /// Until nothing is left to do.
    pub(crate) async fn idle(&self) {
        self.embedded.worker.idle().await;
    }
}
