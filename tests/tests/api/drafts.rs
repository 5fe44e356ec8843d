//! Two editors, one draft: what names a draft, what is refused to whoever has not seen it, and what
//! the refusal tells.

use dacapo_engine::ids::CampaignId;
use dacapo_platform::table::{Body, Condition, Consistency, Item, Write};
use serde_json::{Value, json};

use crate::called::{ADMIN, Answer, Called};

const PATH: &str = "/v1/campaigns/welcome";

const WELCOME: &str = "\
id: welcome
name: Welcome
sender: { address: studio@example.com }
elements:
  lead: { type: start, when: { tag: Lead }, next: day }
  day: { type: wait, for: 1 day, next: hello }
  hello: { type: email, email: hello }
emails:
  hello: { purpose: transactional, subject: Hello, text: Hello }
";

/// Somebody with a key of their own.
struct Editor<'a> {
    api: &'a Called,
    key: String,
}

impl<'a> Editor<'a> {
    async fn of(api: &'a Called, name: &str) -> Self {
        Self { api, key: api.key(name, "write").await }
    }

    async fn call(&self, call: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
        let (method, path) = call.split_once(' ').expect("a method and a path");
        let mut all = vec![("x-api-key", self.key.as_str())];
        all.extend(headers);
        self.api.bare(method, path, &all, body.into()).await
    }

    async fn put(&self, headers: &[(&str, &str)], text: &str) -> Answer {
        self.call(&format!("PUT {PATH}"), headers, text).await
    }

    async fn reads(&self) -> (String, String) {
        let answer = self.call(&format!("GET {PATH}?format=yaml"), &[], "").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        (tag(&answer), answer.text)
    }
}

fn tag(answer: &Answer) -> String {
    answer.headers["etag"].to_str().expect("a tag").to_owned()
}

#[tokio::test]
async fn a_draft_has_a_tag_for_each_of_its_representations() {
    let api = Called::new().await;
    let ann = Editor::of(&api, "ann").await;
    let made = ann.put(&[], WELCOME).await;
    made.is(201);
    let written = ann.call(&format!("GET {PATH}"), &[("accept", "application/yaml")], "").await;
    assert_eq!((tag(&written), written.text.as_str()), (tag(&made), WELCOME));
    assert_eq!(written.headers["vary"], "Accept");
    let json = ann.call(&format!("GET {PATH}"), &[], "").await;
    json.is(200);
    assert_ne!(tag(&json), tag(&written), "other bytes, another tag");
    assert!(tag(&json).starts_with('"') && tag(&json).ends_with('"'), "{}", tag(&json));

    for (accept, of, other) in [("yaml", &written, &json), ("json", &json, &written)] {
        for method in ["GET", "HEAD"] {
            let call = format!("{method} {PATH}?format={accept}");
            let none_match = |of: &Answer| tag(of);
            let (own, others) = (none_match(of), none_match(other));
            let again = ann.call(&call, &[("if-none-match", &own)], "").await;
            assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""), "{call}");
            assert_eq!((tag(&again), &again.headers["vary"]), (own.clone(), &of.headers["vary"]));
            let weak = format!("\"x\", W/{own}");
            let again = ann.call(&call, &[("if-none-match", &weak)], "").await;
            assert_eq!(again.status, 304, "{call}: a proxy may have weakened it");
            let changed = ann.call(&call, &[("if-none-match", &others)], "").await;
            assert_eq!((changed.status.as_u16(), tag(&changed)), (200, own.clone()), "{call}");
            assert_eq!(changed.text.is_empty(), method == "HEAD", "{call}");
            let refused = ann.call(&call, &[("if-match", &others)], "").await;
            assert_eq!(refused.status, 412, "{call}");
        }
    }
    // Saved again it is another draft, published it is the same one.
    ann.call(&format!("POST {PATH}/publish"), &[], "").await.is(200);
    assert_eq!(ann.reads().await.0, tag(&made));
    let version = ann.call(&format!("GET {PATH}?version=1"), &[], "").await;
    assert!(version.headers.get("etag").is_none(), "a version never changes");
    let again = ann.put(&[], WELCOME).await;
    again.is(200);
    assert_ne!(tag(&again), tag(&made));
}

#[tokio::test]
async fn who_has_not_seen_a_draft_does_not_overwrite_it_and_is_told_whose_it_is() {
    let api = Called::new().await;
    let (ann, ben) = (Editor::of(&api, "ann").await, Editor::of(&api, "ben").await);
    ann.put(&[], WELCOME).await.is(201);
    let (seen, text) = ann.reads().await;
    let (bens, _) = ben.reads().await;
    assert_eq!(seen, bens);
    let of_ben = text.replace("for: 1 day", "for: 2 days");
    let saved = ben.put(&[("if-match", &bens)], &of_ben).await;
    saved.is(200);

    let of_ann = text.replace("subject: Hello", "subject: Welcome");
    let refused = ann.put(&[("if-match", &seen)], &of_ann).await;
    let problem = refused.problem(412);
    assert_eq!(problem["type"], "urn:dacapo:problem:changed");
    let there = json!({ "by": "ben", "at": "2026-11-01T12:00:00Z", "etag": tag(&saved) });
    assert_eq!(problem["draft"], there);
    let part = |key: &str, before: &str, after: &str| json!([{ "key": key, "before": before, "after": after }]);
    let difference = problem["difference"].as_array().expect("a difference");
    let short: Vec<Value> =
        difference.iter().map(|it| json!([it["part"], it["id"], it["kind"]])).collect();
    let expected = [json!(["elements", "day", "changed"]), json!(["emails", "hello", "changed"])];
    assert_eq!(short, expected, "{problem:#}");
    assert_eq!(
        difference[0]["keys"],
        part("for", "2 days", "1 day"),
        "from what is there to what was sent"
    );
    let detail = problem["detail"].as_str().expect("text");
    for words in ["`welcome`", "`ben`", "2026-11-01T12:00:00Z", "If-Match"] {
        assert!(detail.contains(words), "{words}: {detail}");
    }
    assert_eq!(ann.reads().await, (tag(&saved), of_ben), "nothing was overwritten");

    // What both say, on top of what is there now.
    let both = of_ann.replace("for: 1 day", "for: 2 days");
    let etag = there["etag"].as_str().expect("a tag");
    ann.put(&[("if-match", etag)], &both).await.is(200);
    assert_eq!(ben.reads().await.1, both);
    // A program that says nothing writes as ever, and a tag of the JSON is as good.
    let json = ben.call(&format!("GET {PATH}"), &[], "").await;
    ben.put(&[("if-match", &tag(&json))], WELCOME).await.is(200);
    ben.put(&[], WELCOME).await.is(200);
}

#[tokio::test]
async fn a_call_whose_answer_was_lost_is_answered_when_it_is_made_again() {
    let api = Called::new().await;
    let (ann, ben) = (Editor::of(&api, "ann").await, Editor::of(&api, "ben").await);
    ann.put(&[], WELCOME).await.is(201);
    let seen = ann.reads().await.0;
    let changed = WELCOME.replace("for: 1 day", "for: 2 days");
    let first = ann.put(&[("if-match", &seen)], &changed).await;
    let again = ann.put(&[("if-match", &seen)], &changed).await;
    assert_eq!(first.is(200), again.is(200));
    assert_eq!(tag(&first), tag(&again), "it was saved once");
    let refused = ben.put(&[("if-match", &seen)], WELCOME).await.problem(412);
    assert_eq!(refused["draft"]["by"], "ann");
}

#[tokio::test]
async fn a_draft_is_made_published_and_deleted_only_as_it_was_seen() {
    let api = Called::new().await;
    let (ann, ben) = (Editor::of(&api, "ann").await, Editor::of(&api, "ben").await);
    let (new, any) = ([("if-none-match", "*")], [("if-match", "*")]);
    let missing = ann.put(&any, WELCOME).await.problem(412);
    assert_eq!(missing.get("draft"), None, "there is none");
    for call in ["DELETE", "POST"] {
        let path = if call == "POST" { format!("{PATH}/publish") } else { PATH.to_owned() };
        ann.call(&format!("{call} {path}"), &any, "").await.problem(404);
    }
    ann.put(&new, WELCOME).await.is(201);
    let refused = ben.put(&new, WELCOME).await.problem(412);
    assert_eq!((&refused["draft"]["by"], &refused["difference"]), (&json!("ann"), &json!([])));
    ben.put(&any, WELCOME).await.is(200);

    let (seen, _) = ann.reads().await;
    let other = WELCOME.replace("1 day", "3 days");
    let saved = ben.put(&[], &other).await;
    let late = [("if-match", seen.as_str())];
    let publish = format!("POST {PATH}/publish");
    let refused = ann.call(&publish, &late, "").await.problem(412);
    assert_eq!((&refused["draft"]["by"], refused.get("difference")), (&json!("ben"), None));
    assert_eq!(
        ann.call(&format!("DELETE {PATH}"), &late, "").await.problem(412)["draft"]["by"],
        "ben"
    );
    let listed = ann.call("GET /v1/campaigns", &[], "").await.is(200);
    assert_eq!(listed["items"][0]["status"], "draft", "it was not published: {listed}");

    let now = tag(&saved);
    let now = [("if-match", now.as_str())];
    assert_eq!(ann.call(&publish, &now, "").await.is(200)["version"], 1);
    ann.call(&format!("DELETE {PATH}"), &now, "").await.is(204);
    let gone = ben.put(&now, WELCOME).await.problem(412);
    assert!(gone["detail"].as_str().is_some_and(|detail| detail.contains("deleted")), "{gone}");
    assert_eq!(gone.get("draft"), None, "it was deleted meanwhile");
    ben.call(&publish, &now, "").await.problem(404);
    ben.put(&new, WELCOME).await.is(201);
}

#[tokio::test]
async fn the_same_idempotency_key_publishes_no_other_draft() {
    let api = Called::new().await;
    let ann = Editor::of(&api, "ann").await;
    let first = tag(&ann.put(&[], WELCOME).await);
    let publish = format!("POST {PATH}/publish");
    let once = |tag: &str| [("idempotency-key", "k1".to_owned()), ("if-match", tag.to_owned())];
    let headers = once(&first);
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(ann.call(&publish, &headers, "").await.is(200)["version"], 1);
    assert_eq!(ann.call(&publish, &headers, "").await.headers["idempotency-replayed"], "true");
    let second = tag(&ann.put(&[], WELCOME).await);
    let headers = once(&second);
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let reused = ann.call(&publish, &headers, "").await.faults(422);
    assert_eq!(reused[0].1, "key_reused");
}

#[tokio::test]
async fn a_draft_that_was_stored_before_says_nobody_and_can_be_seen_and_replaced() {
    let api = Called::new().await;
    let ann = Editor::of(&api, "ann").await;
    ann.put(&[], WELCOME).await.is(201);
    let store = &api.embedded.platform.store;
    let key = store.keys.draft(&CampaignId::new("welcome").expect("an id"));
    let stored =
        store.table.get(&key, Consistency::Strong).await.expect("an answer").expect("an item");
    let mut body: Value = stored.body.read().expect("a body");
    assert_eq!(body["by"], "ann");
    // As versions before this one have written it.
    body.as_object_mut().expect("members").remove("by");
    let names: Vec<&str> = body.as_object().expect("members").keys().map(String::as_str).collect();
    assert_eq!(names, ["at", "saved", "source"]);
    let item = Item { body: Body::of(&body).expect("a body"), ..stored };
    store.table.write(vec![Write::put(item, Condition::Always)], None).await.expect("written");

    let (seen, text) = ann.reads().await;
    assert_eq!(text, WELCOME);
    let refused = ann.put(&[("if-match", "\"other\"")], &WELCOME.replace("1 day", "2 days")).await;
    let problem = refused.problem(412);
    assert_eq!((&problem["draft"]["by"], &problem["draft"]["etag"]), (&Value::Null, &json!(seen)));
    assert!(problem["detail"].as_str().is_some_and(|it| it.contains("somebody")), "{problem}");
    ann.put(&[("if-match", &seen)], &WELCOME.replace("1 day", "2 days")).await.is(200);
    assert_eq!(ann.put(&[("if-match", &seen)], WELCOME).await.problem(412)["draft"]["by"], "ann");
}

#[tokio::test]
async fn what_is_kept_otherwise_than_it_was_sent_has_no_tag_and_what_is_no_tag_is_told() {
    let api = Called::new().await;
    let ann = Editor::of(&api, "ann").await;
    let latin = [("content-type", "application/yaml; charset=windows-1252")];
    let call = format!("PUT {PATH}");
    let body = [WELCOME.as_bytes(), b"description: caf\xe9\n"].concat();
    let saved = ann.call(&call, &latin, body).await;
    saved.is(201);
    assert!(saved.headers.get("etag").is_none(), "other bytes are kept");
    assert!(ann.reads().await.1.ends_with("description: café\n"));

    for header in ["If-Match", "If-None-Match"] {
        let lower = header.to_ascii_lowercase();
        let wrong = [(lower.as_str(), "welcome")];
        let refused = ann.put(&wrong, WELCOME).await;
        assert_eq!(refused.faults(422), [(header.to_owned(), "header".to_owned())]);
        assert!(refused.text.contains("quotation marks"), "{}", refused.text);
    }
    let (seen, _) = ann.reads().await;
    let weak = format!("W/{seen}");
    ann.put(&[("if-match", &weak)], WELCOME).await.problem(412);
    ann.put(&[("if-match", &format!("\"x\" , {seen}"))], WELCOME).await.is(200);
    let admin = [("x-api-key", ADMIN), ("if-match", "\"x\"")];
    let refused = api.bare("PUT", PATH, &admin, WELCOME.replace('1', "2")).await;
    assert_eq!(refused.problem(412)["draft"]["by"], "ann");
}
