//! The API's calls about campaigns: drafts, publishing, pausing, deleting, statistics.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use dacapo_embedded::SqliteStore;
use dacapo_engine::campaign::format::FieldDefinition;
use dacapo_engine::campaign::reader;
use dacapo_engine::field::FieldType;
use dacapo_engine::ids::{CampaignId, FieldKey};
use dacapo_platform::api::{AdminKey, router};
use dacapo_platform::error::Error;
use dacapo_platform::table::{Table as _, Write};
use dacapo_tests::described::hold;
use dacapo_tests::kit::TestBench;
use serde_json::{Value, json};
use tower::ServiceExt as _;

const SMALL: &str = "\
id: small
name: A small one
sender: { address: hello@studio-nord.example }
elements:
  lead:  { type: start, when: { tag: Lead }, next: mail }
  mail:  { type: email, email: hello }
emails:
  hello: { subject: Hello, text: \"Hello. {{ unsubscribe_url }}\" }
";

/// All faults of the document can be read.
const WRONG: &str = "\
id: wrong
elements:
  lead:
    type: start
    when: { field: nowhere, is: set }
    next: nobody
  lonely: { type: email, email: missing }
";

struct Api {
    bench: TestBench,
    router: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// The body, if the status is this one.
    #[track_caller]
    fn is(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }
}

impl Api {
    fn new() -> Self {
        let store = SqliteStore::open(None, |_| false).expect("a store");
        let bench = TestBench::on(store);
        let router = router(bench.platform.clone(), Some(AdminKey::of("secret")));
        Self { bench, router }
    }

    async fn call(&self, call: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let (method, path) = call.split_once(' ').expect("a method and a path");
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in [("authorization", "Bearer secret")].iter().chain(headers) {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let kind = parts.headers.get("content-type").and_then(|kind| kind.to_str().ok());
        hold(method, path, parts.status.as_u16(), kind);
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        let text = String::from_utf8(body.to_vec()).expect("UTF-8");
        Answer { status: parts.status, headers: parts.headers, text }
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(&format!("GET {path}"), &[], "").await
    }

    async fn put(&self, id: &str, document: &str) -> Answer {
        let call = format!("PUT /v1/campaigns/{id}");
        self.call(&call, &[("content-type", "application/yaml")], document).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        let call = format!("POST /v1/campaigns/{path}");
        self.call(&call, &[("content-type", "application/json")], &body.to_string()).await
    }

    async fn publish(&self, id: &str) -> Value {
        self.post(&format!("{id}/publish"), &json!({})).await.is(200)["version"].clone()
    }

    async fn published(&self, id: &str, document: &str) {
        self.put(id, document).await.is(201);
        assert_eq!(self.publish(id).await, 1);
    }
}

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn id(text: &str) -> CampaignId {
    CampaignId::new(text).expect("an id")
}

#[tokio::test]
async fn r7_what_lints_find_is_a_warning_when_it_is_validated_and_published() {
    let api = Api::new();
    let source = example("appointment-loop.yaml").replace(", Not reached]", "]");
    api.put("appointment-loop", &source).await.is(201);
    let validated = api.call("POST /v1/campaigns/appointment-loop/validate", &[], "").await.is(200);
    let found = &validated["problems"][0];
    assert_eq!((&found["code"], &found["severity"]), (&json!("D104"), &json!("warning")));
    let published = api.post("appointment-loop/publish", &json!({})).await.is(200);
    assert_eq!(published["version"], 1);
    let told = published["problems"].as_array().expect("a list");
    assert_eq!((told.len(), &told[0]), (2, found));
    // Whoever publishes an example as it is is told what to change before mail leaves.
    assert_eq!((&told[1]["code"], &told[1]["path"]), (&json!("example_host"), &json!("sender")));
    assert!(told[1]["message"].as_str().unwrap().contains("`studio-nord.example`"));
}

#[tokio::test]
async fn the_examples_are_saved_validated_and_published() {
    let api = Api::new();
    for name in ["appointment-loop", "webinar"] {
        let source = example(&format!("{name}.yaml"));
        let saved = api.put(name, &source).await.is(201);
        assert_eq!((&saved["id"], &saved["problems"]), (&json!(name), &json!([])));
        let found = api.post(&format!("{name}/validate"), &json!([])).await.is(200);
        assert_eq!(found["problems"][0]["severity"], "error", "a list is no campaign");
        let found = api.call(&format!("POST /v1/campaigns/{name}/validate"), &[], "").await.is(200);
        assert_eq!(found, json!({ "problems": [] }));
        assert_eq!(api.publish(name).await, 1);
    }
    let listed = api.get("/v1/campaigns").await.is(200);
    assert_eq!(listed["next_cursor"], Value::Null);
    assert_eq!(
        listed["items"][1],
        json!({
            "id": "webinar",
            "name": "Webinar registration",
            "status": "published",
            "version": 1,
            "published_at": "2026-12-01T12:00:00Z",
            "draft": false,
        })
    );
    let fields =
        api.bench.platform.catalog.current().await.expect("a catalog").catalog.fields.clone();
    let fields: Vec<&str> = fields.keys().map(FieldKey::as_str).collect();
    assert_eq!(fields, ["appointment", "webinar_date"], "publishing makes the fields");
}

#[tokio::test]
async fn a_draft_comes_back_as_it_was_written() {
    let api = Api::new();
    let yaml = example("appointment-loop.yaml");
    let path = "/v1/campaigns/appointment-loop";
    let saved = api.put("appointment-loop", &yaml).await;
    assert_eq!(saved.is(201)["name"], "Repeat automated appointment scheduling");

    let accepts = [("accept", "application/yaml")];
    let answer = api.call(&format!("GET {path}"), &accepts, "").await;
    assert_eq!(answer.text, yaml);
    assert_eq!(answer.headers["content-type"], "application/yaml");
    assert_eq!(api.get(&format!("{path}?format=yaml")).await.text, yaml);

    let as_json = api.get(path).await;
    assert_eq!(as_json.headers["content-type"], "application/json");
    let (written, read) = (reader::read(&yaml), reader::read(&as_json.text));
    let documents = (written.expect("the example").document, read.expect("the answer").document);
    assert_eq!(documents.0, documents.1, "with its elements in order");

    let other = Api::new();
    let saved = other.put("appointment-loop", &as_json.text).await.is(201);
    let found = saved["problems"].as_array().expect("a list");
    // JSON made from YAML contains the defaults, which may give a warning.
    assert!(found.iter().all(|problem| problem["severity"] == "warning"), "{found:?}");
    assert_eq!(other.get(path).await.text, as_json.text);
    assert_eq!(other.publish("appointment-loop").await, 1);
    other.get(&format!("{path}?format=xml")).await.is(422);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_its_places() {
    let api = Api::new();
    let refused = api.put("small", "id: small\nelements: [\n").await;
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    assert_eq!(refused.is(422)["errors"][0]["code"], "syntax");

    let refused = api.put("small", &SMALL.replace("next: mail", "nxet: mail")).await.is(422);
    let error = &refused["errors"][0];
    assert_eq!((&error["path"], &error["line"]), (&json!("elements.lead.nxet"), &json!(5)));

    let refused = api.put("large", SMALL).await.is(422);
    assert_eq!(refused["errors"][0]["code"], "other_id");
    assert_eq!(refused["errors"][0]["path"], "id");

    let long = format!("{SMALL}description: {}\n", "x".repeat(300 * 1024));
    api.put("small", &long).await.is(413);
    api.call("PUT /v1/campaigns/no%20id", &[], SMALL).await.is(404);
    api.get("/v1/campaigns/small").await.is(404);
    assert_eq!(api.get("/v1/campaigns").await.is(200)["items"], json!([]));
}

#[tokio::test]
async fn what_is_wrong_is_saved_but_not_published() {
    let api = Api::new();
    let saved = api.put("wrong", WRONG).await.is(201);
    let found = saved["problems"].as_array().expect("a list").clone();
    assert!(found.len() >= 4, "{found:?}");

    let refused = api.post("wrong/publish", &json!({})).await;
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    let refused = refused.is(422);
    let errors = refused["errors"].as_array().expect("a list");
    for error in errors {
        for key in ["path", "code", "message", "remedy"] {
            assert!(error[key].is_string(), "{key} is missing: {error}");
        }
        assert!(error["line"].as_u64() > Some(0) && error["column"].as_u64() > Some(0), "{error}");
    }
    let codes: BTreeSet<&str> = errors.iter().filter_map(|error| error["code"].as_str()).collect();
    for code in ["unknown_field", "dangling_edge", "unknown_email"] {
        assert!(codes.contains(code), "{code} is not among {codes:?}");
    }
    let item = &api.get("/v1/campaigns").await.is(200)["items"][0];
    assert_eq!((&item["status"], &item["version"]), (&json!("draft"), &Value::Null));
    assert_eq!(item["name"], "wrong", "an id serves as a name");

    let call = "POST /v1/campaigns/wrong/validate";
    let found_again = api.call(call, &[], "").await.is(200);
    assert_eq!(found_again["problems"], saved["problems"]);
    let given = api.call(call, &[], &SMALL.replace("id: small", "id: wrong")).await.is(200);
    assert_eq!(given["problems"], json!([]), "the given document, not the draft");
    api.call("POST /v1/campaigns/none/validate", &[], "").await.is(404);
}

#[tokio::test]
async fn a_field_has_one_type_in_the_account() {
    let api = Api::new();
    let declared = |kind: &str| format!("{SMALL}fields:\n  when:\n    type: {kind}\n");
    api.published("small", &declared("date")).await;
    let other = declared("datetime").replace("id: small", "id: other");
    assert_eq!(api.put("other", &other).await.is(201)["problems"][0]["code"], "field_type_differs");
    let refused = api.post("other/publish", &json!({})).await.is(422);
    let error = &refused["errors"][0];
    assert_eq!((&error["path"], &error["line"]), (&json!("fields.when.type"), &json!(11)));
    assert_eq!(refused["errors"].as_array().map(Vec::len), Some(1));

    let field = FieldDefinition { kind: FieldType::Number, label: Some("Mine".to_owned()) };
    let key = FieldKey::new("size").expect("a key");
    let changed = api.bench.platform.catalog.change::<_, Error>(|catalog| {
        catalog.fields.insert(key.clone(), field.clone());
        Ok(((), Vec::new()))
    });
    changed.await.expect("a change");
    let same = format!("{SMALL}fields:\n  size: {{ type: number, label: Theirs }}\n");
    api.put("small", &same).await.is(200);
    assert_eq!(api.publish("small").await, 2);
    let fields = &api.bench.platform.catalog.current().await.expect("a catalog").catalog.fields;
    assert_eq!(fields[&key], field, "what the account says of a field stays");
}

#[tokio::test]
async fn a_version_never_changes() {
    let api = Api::new();
    api.published("small", SMALL).await;
    let next = SMALL.replace("A small one", "Another");
    assert_eq!(api.put("small", &next).await.is(200)["name"], "A small one");
    let item = &api.get("/v1/campaigns").await.is(200)["items"][0];
    assert_eq!((&item["version"], &item["draft"]), (&json!(1), &json!(true)));
    assert_eq!(api.publish("small").await, 2);
    assert_eq!(api.publish("small").await, 3, "also if nothing was changed");
    let versions = [(1, SMALL), (2, &next), (3, &next)];
    for (version, source) in versions {
        let path = format!("/v1/campaigns/small?version={version}&format=yaml");
        assert_eq!(api.get(&path).await.text, source);
    }
    api.get("/v1/campaigns/small?version=4").await.is(404);
    assert_eq!(api.get("/v1/campaigns").await.is(200)["items"][0]["name"], "Another");
}

#[tokio::test]
async fn whoever_publishes_at_the_same_time_gets_a_version_of_their_own() {
    let api = Api::new();
    api.put("small", SMALL).await.is(201);
    let all = tokio::join!(
        api.publish("small"),
        api.publish("small"),
        api.put("small", SMALL),
        api.publish("small"),
        api.publish("small"),
    );
    let versions = BTreeSet::from([&all.0, &all.1, &all.3, &all.4].map(|v| v.as_u64()));
    assert_eq!(versions, (1..=4).map(Some).collect());
    assert_eq!(api.publish("small").await, 5);
}

#[tokio::test]
async fn the_same_key_publishes_once() {
    let api = Api::new();
    api.put("small", SMALL).await.is(201);
    let key = [("idempotency-key", "k1")];
    for call in ["publish", "pause", "resume"] {
        let call = format!("POST /v1/campaigns/small/{call}");
        let first = api.call(&call, &[("idempotency-key", &call)], "").await;
        let again = api.call(&call, &[("idempotency-key", &call)], "").await;
        assert_eq!(first.text, again.text);
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(first.is(200)["version"], 1);
    }
    let call = "POST /v1/campaigns/small/publish";
    api.call(call, &key, "").await.is(200);
    api.call(call, &key, "{\"in_flight\":\"migrate\"}").await.is(422);
    assert_eq!(api.publish("small").await, 3);
}

#[tokio::test]
async fn a_campaign_is_paused_and_resumed() {
    let api = Api::new();
    for call in ["publish", "pause", "resume"] {
        api.post(&format!("small/{call}"), &json!({})).await.is(404);
    }
    api.put("small", SMALL).await.is(201);
    for call in ["pause", "resume"] {
        api.post(&format!("small/{call}"), &json!({})).await.is(409);
    }
    assert_eq!(api.publish("small").await, 1);
    let running = json!({ "status": "published", "version": 1 });
    let paused = json!({ "status": "paused", "version": 1 });
    assert_eq!(api.post("small/resume", &json!({})).await.is(200), running);
    assert_eq!(api.bench.ordered().await, [], "one that runs is left alone");
    for _ in 0..2 {
        assert_eq!(api.post("small/pause", &json!({})).await.is(200), paused);
    }
    assert_eq!(api.get("/v1/campaigns").await.is(200)["items"][0]["status"], "paused");
    let timeline = |api: &Api| {
        let platform = api.bench.platform.clone();
        async move {
            let loaded = platform.catalog.current().await.expect("a catalog");
            loaded.catalog.campaigns[&id("small")].timeline.count()
        }
    };
    assert_eq!(timeline(&api).await, 2, "pausing again is nothing that happened");
    api.bench.clock.advance(60);
    let how = json!({ "mode": "skip", "enroll_existing": true });
    assert_eq!(api.post("small/resume", &how).await.is(200), running);
    assert_eq!(api.bench.done().await, [(1, "milestones"), (2, "enroll_existing")]);
    assert_eq!(timeline(&api).await, 3);
    api.post("small/resume", &json!({ "mode": "jump" })).await.is(422);
    api.post("small/publish", &json!({ "enrol_existing": true })).await.is(422);
}

#[tokio::test]
async fn no_job_is_lost_and_those_of_a_campaign_come_one_after_the_other() {
    let api = Api::new();
    api.put("small", SMALL).await.is(201);
    api.publish("small").await;
    assert_eq!(api.bench.ordered().await, [], "nobody is enrolled unless asked");

    api.bench.outbox.shut(true);
    let how = json!({ "in_flight": "migrate", "enroll_existing": true });
    assert_eq!(api.post("small/publish", &how).await.is(200)["version"], 2);
    assert_eq!(api.post("small/publish", &how).await.is(200)["version"], 3);
    assert!(api.bench.platform.jobs.dispatch_pending().await.is_err());
    api.bench.outbox.shut(false);
    api.bench.platform.jobs.dispatch_pending().await.expect("the first is ordered");
    api.bench.platform.jobs.dispatch_pending().await.expect("the others wait");
    let both =
        [(1, "milestones"), (2, "enroll_existing"), (3, "milestones"), (4, "enroll_existing")];
    assert_eq!(api.bench.done().await, both);
    assert_eq!(api.bench.ordered().await, []);

    api.post("small/pause", &json!({})).await.is(200);
    api.post("small/publish", &how).await.is(200);
    assert_eq!(api.bench.done().await, [(5, "milestones")], "nobody enters a paused campaign");
    api.post("small/resume", &json!({})).await.is(200);
    assert_eq!(api.bench.done().await, [(6, "milestones"), (7, "enroll_existing")]);
}

#[tokio::test]
async fn a_campaign_is_deleted_when_nobody_is_on_the_way() {
    let api = Api::new();
    api.call("DELETE /v1/campaigns/small", &[], "").await.is(404);
    api.put("small", SMALL).await.is(201);
    api.call("DELETE /v1/campaigns/small", &[], "").await.is(204);
    api.get("/v1/campaigns/small").await.is(404);

    api.published("small", SMALL).await;
    let platform = &api.bench.platform;
    let active = |amount| {
        let key = platform.store.keys.statistics(&id("small"), 3);
        let counters = BTreeMap::from([("active".to_owned(), amount)]);
        platform.store.table.write(vec![Write::Add { key, index: None, counters }], None)
    };
    active(1).await.expect("a write");
    for call in ["pause", "resume", "pause"] {
        let refused = api.call("DELETE /v1/campaigns/small", &[], "").await.is(409);
        assert!(refused["detail"].as_str().is_some_and(|text| text.contains("mass action")));
        api.post(&format!("small/{call}"), &json!({})).await.is(200);
    }
    active(-1).await.expect("a write");
    api.call("DELETE /v1/campaigns/small", &[], "").await.is(204);
    for path in ["", "/statistics"] {
        api.get(&format!("/v1/campaigns/small{path}")).await.is(404);
    }
    for call in ["publish", "pause", "resume"] {
        api.post(&format!("small/{call}"), &json!({})).await.is(404);
    }
    assert_eq!(api.get("/v1/campaigns").await.is(200)["items"], json!([]));
    assert!(platform.catalog.current().await.expect("a catalog").campaigns.is_empty());
    assert_eq!(api.get("/v1/campaigns/small?version=1&format=yaml").await.text, SMALL);

    api.put("small", SMALL).await.is(201);
    let item = &api.get("/v1/campaigns").await.is(200)["items"][0];
    assert_eq!((&item["status"], &item["version"]), (&json!("draft"), &Value::Null));
    assert_eq!(api.publish("small").await, 2, "a version never changes");
    let item = &api.get("/v1/campaigns").await.is(200)["items"][0];
    assert_eq!(item["status"], "published", "it is not paused any more");
}

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let api = Api::new();
    for name in ["a", "b", "c"] {
        api.put(name, &SMALL.replace("id: small", &format!("id: {name}"))).await.is(201);
    }
    let mut seen = Vec::new();
    let mut path = "/v1/campaigns?limit=2".to_owned();
    loop {
        let page = api.get(&path).await.is(200);
        let items = page["items"].as_array().expect("a list").clone();
        seen.extend(items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/campaigns?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ["a", "b", "c"]);
    api.get("/v1/campaigns?cursor=nonsense").await.is(422);
}

#[tokio::test]
async fn r53_statistics_begin_with_zeros() {
    let api = Api::new();
    api.get("/v1/campaigns/small/statistics").await.is(404);
    api.put("small", SMALL).await.is(201);
    let drafted = api.get("/v1/campaigns/small/statistics").await.is(200);
    assert_eq!(drafted["elements"], json!({}));
    api.publish("small").await;
    let zero = json!({ "entered": 0, "left": 0, "at": 0 });
    let mut expected = json!({
        "entered": 0, "completed": 0, "restarted": 0,
        "active": 0, "stopped": 0, "held": 0, "awaiting_restart": 0,
        "elements": { "lead": zero, "mail": zero },
        "messages": { "sent": 0, "suppressed": 0, "failed": 0, "unknown": 0 },
    });
    assert_eq!(api.get("/v1/campaigns/small/statistics").await.is(200), expected);

    let platform = &api.bench.platform;
    for shard in [0, 7] {
        let key = platform.store.keys.statistics(&id("small"), shard);
        let counted = [("entered", 2), ("e:mail", 2), ("at:mail", 1), ("e:gone", 1), ("sent", 1)];
        let counters = counted.map(|(name, amount)| (name.to_owned(), amount)).into();
        let write = Write::Add { key, index: None, counters };
        platform.store.table.write(vec![write], None).await.expect("a write");
    }
    expected["entered"] = json!(4);
    expected["messages"]["sent"] = json!(2);
    expected["elements"]["mail"] = json!({ "entered": 4, "left": 2, "at": 2 });
    expected["elements"]["gone"] = json!({ "entered": 2, "left": 2, "at": 0 });
    assert_eq!(api.get("/v1/campaigns/small/statistics").await.is(200), expected);
}

#[tokio::test]
async fn the_schema_of_the_document_is_served() {
    let api = Api::new();
    let schema = api.get("/v1/campaign-schema.json").await.is(200);
    assert_eq!(schema["properties"]["elements"]["type"], "object");
}
