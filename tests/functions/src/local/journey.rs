//! The appointment loop under `sam local`: the campaign is published over the API, the posts of
//! Zapier are sent, the functions do the rest, and the result is read over the API.

use dacapo_tests::host::{Call, Host as _, Remote};
use serde_json::{Value, json};

use super::turning::Turning;
use crate::samples::KEY;

const CAMPAIGN: &str = include_str!("../../../../examples/appointment-loop.yaml");

/// What Zapier posts, in the order of the story: `examples/README.md`.
const POSTS: [Post; 5] = [
    Post {
        name: "lead.json",
        body: include_str!("../../../../examples/payloads/lead.json"),
        changed: &["Lead"],
        mails: &["Let's meet, Ann"],
    },
    Post {
        name: "zapier-booked.form",
        body: include_str!("../../../../examples/payloads/zapier-booked.form"),
        changed: &["Appointment made"],
        mails: &["See you on "],
    },
    Post {
        name: "calendly-moved.json",
        body: include_str!("../../../../examples/payloads/calendly-moved.json"),
        changed: &[],
        mails: &[],
    },
    Post {
        name: "not-reached.json",
        body: include_str!("../../../../examples/payloads/not-reached.json"),
        changed: &["Not reached"],
        mails: &["We could not reach you"],
    },
    Post {
        name: "calendly-rebooked.json",
        body: include_str!("../../../../examples/payloads/calendly-rebooked.json"),
        changed: &["Appointment made"],
        mails: &["See you on "],
    },
];

/// A post, and its effects.
struct Post {
    name: &'static str,
    body: &'static str,
    /// The new tags in the answer.
    changed: &'static [&'static str],
    /// How the subjects of the mails that follow begin.
    mails: &'static [&'static str],
}

impl Post {
    /// The body, a century later: so no appointment is ever in the past.
    fn body(&self) -> String {
        self.body.replace("2026-12-", "2126-12-")
    }

    fn media_type(&self) -> &'static str {
        if self.name.ends_with(".form") {
            "application/x-www-form-urlencoded"
        } else {
            "application/json"
        }
    }
}

/// Ann's way so far.
pub struct Loop<'a> {
    api: Remote,
    turning: Turning<'a>,
    zapier: String,
    subjects: Vec<&'static str>,
}

impl<'a> Loop<'a> {
    /// Publishes the campaign, and makes Zapier's key, which may only post.
    ///
    /// # Errors
    ///
    /// What was answered instead.
    pub fn begin(api: Remote, turning: Turning<'a>) -> Result<Self, String> {
        let path = "/v1/campaigns/appointment-loop";
        let draft = Call::post(path, CAMPAIGN).method("PUT").of("application/yaml").by(KEY);
        api.ask(&draft)?;
        let publish = format!("{path}/publish");
        let published = api.ask(&Call::post(&publish, "{}").by(KEY))?;
        same("the version that was published", &published["version"], &json!(1))?;
        let key = json!({ "name": "zapier", "scopes": ["webhook"] }).to_string();
        let made = api.ask(&Call::post("/v1/keys", &key).by(KEY))?;
        let zapier = made["key"].as_str().ok_or("no key was made")?.to_owned();
        let refused = api.call(&Call::get("/v1/campaigns").by(&zapier))?.status;
        same("what Zapier's key is answered that reads campaigns", &refused.into(), &json!(403))?;
        Ok(Self { api, turning, zapier, subjects: Vec::new() })
    }

    /// Plays it to its end. Prints each step.
    ///
    /// # Errors
    ///
    /// Which result is wrong.
    pub async fn go(&mut self) -> Result<(), String> {
        for post in &POSTS {
            let said = self.post(post).await.map_err(|error| format!("{}: {error}", post.name))?;
            println!("ok     {} {said}", post.name);
        }
        self.reads_back()
    }

    async fn post(&mut self, post: &Post) -> Result<String, String> {
        let body = post.body();
        let call = Call::post("/v1/hooks/contact", &body).of(post.media_type()).by(&self.zapier);
        let key = [("Idempotency-Key", post.name)];
        let posted = self.api.call_with(&call, &key)?;
        same("the status", &posted.status.into(), &json!(200))?;
        same("the tags that are new", &posted.body["changed"]["tags_added"], &json!(post.changed))?;
        // As on the Zapier page, a second delivery receives the first answer, and has no effect.
        let again = self.api.call_with(&call, &key)?;
        same("the answer to a second delivery", &again.body, &posted.body)?;
        let batches = self.turning.until_idle().await?;
        self.subjects.extend(post.mails);
        let mut sent = self.messages()?;
        sent.sort_by_key(|message| message["at"].as_str().unwrap_or_default().to_owned());
        let statuses: Vec<_> = sent.iter().map(|message| &message["status"]).collect();
        let subjects: Vec<_> = sent.iter().map(|message| message["subject"].as_str()).collect();
        let as_told = subjects.len() == self.subjects.len()
            && subjects.iter().zip(&self.subjects).all(|(subject, begins)| {
                subject.is_some_and(|subject| subject.starts_with(begins))
            });
        if as_told && statuses.iter().all(|status| **status == "sent") {
            return Ok(format!("({batches} batches followed, {} messages by now)", sent.len()));
        }
        Err(format!("the messages are {subjects:?} {statuses:?}, not {:?}", self.subjects))
    }

    fn messages(&self) -> Result<Vec<Value>, String> {
        self.api.list("/v1/contacts/email:ann@example.com/messages", KEY)
    }

    /// The contact, where she stands, and her history.
    fn reads_back(&self) -> Result<(), String> {
        let ann = self.api.ask(&Call::get("/v1/contacts/email:ann@example.com").by(KEY))?;
        let tags: Vec<_> =
            ann["tags"].as_object().into_iter().flatten().map(|(tag, _)| tag).collect();
        same("Ann's tags", &json!(tags), &json!(["Appointment made", "Lead"]))?;
        same("Ann's name", &ann["last_name"], &json!("Lindqvist"))?;
        let appointment = ann["fields"]["appointment"].as_str().unwrap_or_default();
        same("Ann's appointment", &json!(appointment.starts_with("2126-12-")), &json!(true))?;
        let places = self.api.list("/v1/contacts/email:ann@example.com/enrollments", KEY)?;
        let place = places.first().ok_or("Ann is in no campaign")?;
        same("Ann's run", &place["run"], &json!(2))?;
        same("where Ann waits", &place["tokens"][0]["element"], &json!("hour_before"))?;
        let history = self.api.list("/v1/contacts/email:ann@example.com/history", KEY)?;
        let told = |line: &&Value| line["campaign"] == "appointment-loop";
        let runs: Vec<_> =
            history.iter().filter(told).filter_map(|line| line["run"].as_u64()).collect();
        if !(runs.contains(&1) && runs.contains(&2)) {
            return Err(format!("the history does not tell of two runs: {history:#?}"));
        }
        for line in history.iter().rev() {
            let words = ["element", "text", "cause"].map(|name| line[name].as_str().unwrap_or("-"));
            println!("         run {:4} {}", line["run"], words.join(" | "));
        }
        println!("ok     Ann is read back, with {} lines of history", history.len());
        Ok(())
    }
}

fn same(what: &str, found: &Value, expected: &Value) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: {found}, not {expected}"))
}
