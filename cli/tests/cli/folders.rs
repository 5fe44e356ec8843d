//! `dacapo pull`, `diff` and `push`: two people, each with a folder and a key, and one account.

use std::fs;

use serde_json::{Value, json};

use crate::people::{Person, WELCOME, draft};
use crate::support::Serve;

const SCENARIO: &str = "\
campaigns: [../welcome.yaml]
contact: { email: ann@example.com, tags: [Lead] }
then: [{ after: 2 days, post: { tags: [Old] } }]
expect: { status: completed }
";

#[test]
fn two_people_change_one_campaign_and_neither_loses_anything() {
    let serve = Serve::standing(None, "2026-12-01T08:00:00Z");
    let (ann, ben) = (Person::of(&serve, "ann"), Person::of(&serve, "ben"));

    // Ann has a campaign and a scenario in her folder. She looks what would be done, and does it.
    ann.writes("welcome.yaml", WELCOME);
    ann.writes("scenarios/welcome.yaml", SCENARIO);
    ann.does("push", &["--dry-run"])
        .says(0, &["would be created welcome.yaml", "1 would be created\n"]);
    ann.does("diff", &[]).says(1, &["here      welcome.yaml: only in the folder\n"]);
    ann.does("push", &[]).says(0, &["created   welcome.yaml\n", "1 created\n"]);
    ann.does("push", &[]).says(0, &["1 same\n"]);
    assert_eq!(draft(&serve, "welcome"), WELCOME, "byte by byte, with its comment");

    // Ben gets it, calls the file as he likes, and changes the wait.
    ben.does("pull", &[]).says(0, &["new       welcome.yaml\n", "1 new\n"]);
    assert_eq!(
        (ben.files(), ben.has("welcome.yaml")),
        (vec!["welcome.yaml".to_owned()], WELCOME.to_owned())
    );
    fs::rename(ben.path("welcome.yaml"), ben.path("greeting.yaml")).unwrap();
    let of_ben = WELCOME.replace("for: 1 day", "for: 2 days");
    ben.writes("greeting.yaml", &of_ben);
    ben.does("pull", &[]).says(0, &["kept      greeting.yaml", "dacapo push"]);
    ben.does("push", &[]).says(0, &["saved     greeting.yaml\n", "1 saved\n"]);

    // Ann changes the subject without knowing that. She is told, and her other campaign is sent.
    let of_ann = WELCOME.replace("subject: Hello", "subject: Welcome");
    ann.writes("welcome.yaml", &of_ann);
    ann.writes("other.yaml", &WELCOME.replace("id: welcome", "id: other"));
    let refused = ann.does("push", &[]);
    refused.says(
        1,
        &[
            "refused   welcome.yaml: the account has a draft that was not seen here: the API key `ben` saved it at 2026-12-01T08:00:00Z",
            "for: 2 days → 1 day",
            "subject: Hello → Welcome",
            "--force` takes theirs",
            "created   other.yaml\n",
            "1 created, 1 refused\n",
        ],
    );
    ann.does("push", &["--dry-run"]).says(1, &["refused   welcome.yaml", "1 refused, 1 same\n"]);
    assert_eq!(draft(&serve, "welcome"), of_ben);
    let refused = ann.does("pull", &[]);
    refused.says(
        1,
        &[
            "refused   welcome.yaml: it was changed here, and in the account",
            "--force",
            "1 refused, 1 same\n",
        ],
    );
    assert_eq!(ann.has("welcome.yaml"), of_ann, "nothing of hers is overwritten");

    // She takes what is there and puts hers on top.
    ann.does("pull", &["--force"]).says(0, &["updated   welcome.yaml\n", "1 updated, 1 same\n"]);
    assert_eq!(ann.has("welcome.yaml"), of_ben);
    let both = of_ben.replace("subject: Hello", "subject: Welcome");
    ann.writes("welcome.yaml", &both);
    let differs = ann.does("diff", &[]);
    differs.says(
        1,
        &[
            "differs   welcome.yaml: from the account to the folder:",
            "subject: Hello → Welcome",
            "1 differs, 1 same\n",
        ],
    );
    assert!(!differs.said.contains("for:"), "{}", differs.said);
    ann.does("push", &[]).says(0, &["saved     welcome.yaml\n"]);
    ben.does("pull", &[])
        .says(0, &["updated   greeting.yaml\n", "new       other.yaml\n", "1 new, 1 updated\n"]);
    assert_eq!(ben.has("greeting.yaml"), both);
    assert_eq!(ben.files(), ["greeting.yaml", "other.yaml"], "the file keeps its name");
    ben.does("diff", &[]).says(0, &["2 same\n"]);
    assert_eq!(ann.has("scenarios/welcome.yaml"), SCENARIO);
    assert_eq!(ann.files(), ["other.yaml", "welcome.yaml"]);

    // A comment alone is a difference, too, and is told as what it is.
    ben.writes("greeting.yaml", &format!("{both}# thanks, Ann\n"));
    ben.does("diff", &[]).says(1, &["comments or layout differ; it means the same"]);
    let told = ben.does("diff", &["--format", "json"]).json();
    assert_eq!(told["counts"], json!({ "differs": 1, "same": 1 }));
    let of_welcome =
        told["campaigns"].as_array().unwrap().iter().find(|it| it["id"] == "welcome").unwrap();
    assert_eq!(
        (&of_welcome["outcome"], &of_welcome["difference"]),
        (&json!("differs"), &json!([]))
    );
}

#[test]
fn what_was_pushed_is_published_as_it_was_pushed_and_once() {
    let serve = Serve::standing(None, "2026-12-01T08:00:00Z");
    let (ann, ben) = (Person::of(&serve, "ann"), Person::of(&serve, "ben"));
    ann.writes("welcome.yaml", WELCOME);
    ann.does("push", &[]).says(0, &["created   welcome.yaml\n"]);
    ben.does("pull", &[]).says(0, &["new"]);
    // What only was pulled is nobody's here to publish.
    ben.does("push", &["--publish"]).says(0, &["1 same\n"]);
    assert_eq!(serve.get("/v1/campaigns")["items"][0]["status"], "draft");
    ann.does("push", &["--publish", "--dry-run"]).says(0, &["would be published welcome.yaml\n"]);
    ann.does("push", &["--publish"])
        .says(0, &["published welcome.yaml: version 1\n", "1 published, 1 same\n"]);
    ann.does("push", &["--publish"]).says(0, &["1 same\n"]);

    ann.writes("welcome.yaml", &WELCOME.replace("1 day", "2 days"));
    ann.writes(
        "wrong.yaml",
        &WELCOME.replace("id: welcome", "id: wrong").replace("next: hello", "next: hallo"),
    );
    ann.writes("broken.yaml", "id: broken\nelements: [\n");
    let told = ann.does("push", &["--publish", "--in-flight", "migrate"]);
    told.says(
        1,
        &[
            "refused   broken.yaml: it seems to be a campaign, and cannot be read: line",
            "refused   wrong.yaml: line 7: ",
            "saved     welcome.yaml\n",
            "published welcome.yaml: version 2\n",
            "1 saved, 1 published, 2 refused\n",
        ],
    );
    let listed = serve.get("/v1/campaigns");
    assert_eq!(
        listed["items"].as_array().unwrap().len(),
        1,
        "what is wrong is not sent: {listed:#}"
    );

    // Ben saves another one after it was pushed: that is not what Ann wants to publish.
    ann.writes("welcome.yaml", &WELCOME.replace("1 day", "3 days"));
    fs::remove_file(ann.path("wrong.yaml")).unwrap();
    fs::remove_file(ann.path("broken.yaml")).unwrap();
    ann.does("push", &[]).says(0, &["saved     welcome.yaml\n"]);
    ben.does("pull", &[]).says(0, &["updated"]);
    ben.writes("welcome.yaml", &WELCOME.replace("1 day", "4 days"));
    ben.does("push", &[]).says(0, &["saved"]);
    let told = ann.does("push", &["--publish"]);
    told.says(1, &["refused   welcome.yaml: it is not published: the API key `ben` saved it at"]);
    assert_eq!(serve.get("/v1/campaigns")["items"][0]["version"], 2);
}

#[test]
fn what_was_deleted_in_the_account_is_told_and_deleted_only_when_asked() {
    let serve = Serve::standing(None, "2026-12-01T08:00:00Z");
    let ann = Person::of(&serve, "ann");
    ann.writes("welcome.yaml", WELCOME);
    ann.does("push", &[]).says(0, &["created"]);
    serve.call("DELETE", "/v1/campaigns/welcome", &Value::Null);
    let changed = WELCOME.replace("1 day", "2 days");
    ann.writes("welcome.yaml", &changed);
    ann.does("push", &[])
        .says(1, &["refused   welcome.yaml: it was deleted in the account after it was seen here"]);
    ann.does("pull", &[]).says(
        0,
        &["gone      welcome.yaml: it was deleted in the account, and is left here", "1 gone\n"],
    );
    ann.does("pull", &["--delete"])
        .says(1, &["gone      welcome.yaml: it was deleted in the account, and changed here"]);
    assert_eq!(ann.has("welcome.yaml"), changed);
    ann.does("push", &[]).says(0, &["created   welcome.yaml\n"]);

    serve.call("DELETE", "/v1/campaigns/welcome", &Value::Null);
    ann.does("pull", &["--delete"]).says(0, &["deleted   welcome.yaml\n", "1 deleted\n"]);
    assert!(ann.files().is_empty());
    ann.does("pull", &[]).says(0, &["no campaigns\n"]);

    // Who has the same campaign from elsewhere has seen it; who has another one has not.
    serve.publish_text("welcome", WELCOME);
    let ben = Person::of(&serve, "ben");
    ben.writes("a.yaml", WELCOME);
    ben.does("push", &[]).says(0, &["1 same\n"]);
    ann.writes("a.yaml", &changed);
    ann.does("push", &[]).says(1, &["not seen here", "for: 1 day → 2 days"]);
    ann.does("pull", &[])
        .says(1, &["refused   a.yaml: it is another one in the account, and was never pulled"]);
    ann.writes("b.yaml", WELCOME);
    for what in ["push", "pull"] {
        ann.does(what, &[]).says(
            1,
            &["refused   welcome: it is in a.yaml and in b.yaml; leave it in one of them\n"],
        );
    }
    ann.does("diff", &[]).says(2, &["failed    welcome: it is in a.yaml and in b.yaml"]);
    fs::remove_file(ann.path("b.yaml")).unwrap();

    // Nothing is written over a file that is no campaign.
    fs::remove_file(ann.path("a.yaml")).unwrap();
    ann.writes("welcome.yaml", "then: []\n");
    ann.does("pull", &[]).says(1, &["refused   welcome.yaml: there is another file of this name"]);
    assert_eq!(ann.has("welcome.yaml"), "then: []\n");
    // Nor beside a file that seems to be the campaign, and has a mistake.
    fs::remove_file(ann.path("welcome.yaml")).unwrap();
    ann.writes("mine.yaml", &WELCOME.replace("for: 1 day", "for: [1 day"));
    ann.does("pull", &[])
        .says(1, &["refused   mine.yaml: it seems to be a campaign, and cannot be read: line 8"]);
    assert_eq!(ann.files(), ["mine.yaml"]);
    ann.writes(".dacapo/accounts.json", "<<<<<<< ours\n");
    let damaged = ann.does("push", &[]);
    assert_eq!(damaged.code, Some(1));
    assert!(
        damaged.complained.contains("accounts.json") && damaged.complained.contains("conflict"),
        "{}",
        damaged.complained
    );
}

/// The same memory with the tag `*` for every campaign.
fn any_tag(memory: &str) -> String {
    let mut memory: Value = serde_json::from_str(memory).unwrap();
    for account in memory["accounts"].as_object_mut().unwrap().values_mut() {
        for seen in account.as_object_mut().unwrap().values_mut() {
            seen["etag"] = json!("*");
        }
    }
    memory.to_string()
}

#[test]
fn what_a_folder_remembers_goes_with_its_files_and_holds_no_key() {
    let serve = Serve::standing(None, "2026-12-01T08:00:00Z");
    let ann = Person::of(&serve, "ann");
    ann.writes("welcome.yaml", WELCOME);
    ann.does("push", &[]).says(0, &["created"]);
    let memory = ann.has(".dacapo/accounts.json");
    assert_eq!(ann.has(".dacapo/.gitignore"), "*.part\n", "it is committed, left-overs are not");
    assert!(!memory.contains(&ann.key) && !memory.contains("Hello"), "{memory}");
    let read: Value = serde_json::from_str(&memory).unwrap();
    let seen = &read["accounts"][serve.url()]["welcome"];
    assert!(seen["etag"].is_string() && seen["sha256"].is_string(), "{memory}");

    // Her clone on another machine, with both: it goes on as if it were hers.
    let clone =
        Person { folder: tempfile::tempdir().unwrap(), url: ann.url.clone(), key: ann.key.clone() };
    clone.writes(".dacapo/accounts.json", &memory);
    clone.writes("welcome.yaml", &WELCOME.replace("1 day", "2 days"));
    clone.does("push", &[]).says(0, &["saved     welcome.yaml\n"]);
    // The text that was seen was saved once more by somebody: nothing is lost.
    let texts = [draft(&serve, "welcome"), WELCOME.replace("1 day", "5 days")];
    let yaml = [("Content-Type", "application/yaml")];
    serve.try_call("PUT", "/v1/campaigns/welcome", &yaml, &texts[0]).unwrap();
    clone.writes("welcome.yaml", &texts[1]);
    clone.does("push", &[]).says(0, &["saved     welcome.yaml\n"]);
    assert_eq!(draft(&serve, "welcome"), texts[1]);
    // Ann's folder has not seen that.
    ann.writes("welcome.yaml", &WELCOME.replace("1 day", "3 days"));
    ann.does("push", &[]).says(1, &["not seen here"]);
    // A tag that stands for whatever is there is none that was seen.
    clone.writes(".dacapo/accounts.json", &any_tag(&ann.has(".dacapo/accounts.json")));
    let refused = clone.does("push", &[]);
    refused.says(1, &[]);
    assert!(refused.complained.contains("no entity tag"), "{}", refused.complained);
    // Another account knows nothing of it.
    let other = Serve::standing(None, "2026-12-01T08:00:00Z");
    let there = Person { folder: ann.folder, ..Person::of(&other, "ann") };
    there.does("push", &[]).says(0, &["created   welcome.yaml\n"]);
    let memory: Value = serde_json::from_str(&there.has(".dacapo/accounts.json")).unwrap();
    assert_eq!(memory["accounts"].as_object().unwrap().len(), 2, "{memory:#}");
}

#[test]
fn diff_tells_what_publishing_would_do_to_those_on_their_way() {
    let serve = Serve::standing(None, "2026-12-01T08:00:00Z");
    let ann = Person::of(&serve, "ann");
    ann.writes("welcome.yaml", WELCOME);
    ann.does("push", &["--publish"]).says(0, &["published welcome.yaml: version 1\n"]);
    serve.post("/v1/hooks/contact", &json!({ "email": "cem@example.com", "tags": ["Lead"] }));
    serve.post("/dev/idle", &json!({}));
    ann.does("diff", &[]).says(0, &["1 same\n"]);

    // Without the wait: who is in it would go nowhere.
    let wait = "  day: { type: wait, for: 1 day, next: hello }\n";
    ann.writes("welcome.yaml", &WELCOME.replace("next: day", "next: hello").replace(wait, ""));
    let waits = "1 at day, which the new version does not have";
    ann.does("diff", &[]).says(
        1,
        &["- element day", "Publishing makes version 2 of version 1.", waits, "They stay"],
    );
    let migrates = ["diff", "They migrate: 1 of 1 go elsewhere from now on."];
    ann.does(migrates[0], &["--in-flight", "migrate"]).says(1, &[waits, migrates[1]]);
    // Saved it is the same there and here, and still to be published.
    ann.does("push", &[]).says(0, &["saved     welcome.yaml\n"]);
    let told = ann.does("diff", &["--format", "json"]);
    told.says(0, &[]);
    let (told, publishing) = (told.json(), "publishing");
    assert_eq!(told["campaigns"][0]["outcome"], "same");
    assert_eq!(told["campaigns"][0][publishing]["dry_run"], true, "{told:#}");
    assert_eq!(serve.get("/v1/campaigns")["items"][0]["version"], 1, "nothing is published");
    // A key that may only look.
    let made = serve.post("/v1/keys", &json!({ "name": "look", "scopes": ["read"] }));
    let key = made["key"].as_str().unwrap().to_owned();
    let look = Person { folder: ann.folder, url: ann.url, key };
    look.does("diff", &[]).says(0, &["the draft is not published yet", "that needs `write`"]);
    let refused = look.does("push", &[]);
    refused.says(0, &["1 same\n"]);
}

/// A push whose answer was lost has saved the draft: the next one publishes it.
#[test]
fn what_was_saved_by_a_push_whose_answer_was_lost_is_published() {
    let serve = Serve::standing(None, "2026-12-01T08:00:00Z");
    let ann = Person::of(&serve, "ann");
    ann.writes("welcome.yaml", WELCOME);
    let yaml = [("Content-Type", "application/yaml")];
    serve.try_call("PUT", "/v1/campaigns/welcome", &yaml, WELCOME).unwrap();
    ann.does("push", &["--publish"]).says(0, &["published welcome.yaml: version 1\n"]);
    ann.does("push", &["--publish"]).says(0, &["1 same\n"]);
    assert_eq!(serve.get("/v1/campaigns")["items"][0]["version"], 1, "once");
}
