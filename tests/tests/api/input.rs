//! Realistic input of forms and tools: names, charsets, notations, identities, unreadable values.
//! Each test names its kind.

use serde_json::{Value, json};

use crate::called::{ADMIN, Answer, Called};

const HOOK: &str = "/v1/hooks/contact";

pub(crate) async fn form(api: &Called, kind: &str, body: &[u8]) -> Answer {
    let headers = [("x-api-key", ADMIN), ("content-type", kind)];
    api.bare("POST", HOOK, &headers, body.to_vec()).await
}

pub(crate) async fn import(api: &Called, parameters: &str, kind: &str, body: &[u8]) -> Answer {
    let headers = [("x-api-key", ADMIN), ("content-type", kind)];
    api.bare("POST", &format!("/v1/contacts/import{parameters}"), &headers, body.to_vec()).await
}

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn empty_is_not_sent_beside_a_value_that_is_there() {
    for (sent, first, last) in [
        (json!({ "name": "Ann Lindqvist", "first_name": "", "last_name": "" }), "Ann", "Lindqvist"),
        (
            json!({ "name": "Ann Lindqvist", "first_name": null, "last_name": null }),
            "Ann",
            "Lindqvist",
        ),
        (
            json!({ "name": "Ann Lindqvist", "first_name": "Anna", "last_name": " " }),
            "Anna",
            "Lindqvist",
        ),
        (json!({ "name": "", "first_name": "Ann", "last_name": "Lindqvist" }), "Ann", "Lindqvist"),
        (
            json!({ "Vorname": "Ann", "first_name": "", "Last Name": "Lindqvist", "last_name": null }),
            "Ann",
            "Lindqvist",
        ),
    ] {
        let api = Called::with_fields().await;
        let mut body = sent.clone();
        body["email"] = json!("ann@example.com");
        api.hook(&body).await;
        let ann = api.ann().await;
        assert_eq!(
            (&ann["first_name"], &ann["last_name"]),
            (&json!(first), &json!(last)),
            "{sent}"
        );
        // Nor does it erase what the contact has.
        api.hook(
            &json!({ "email": "ann@example.com", "first_name": "", "last_name": " ", "phone": "" }),
        )
        .await;
        assert_eq!(api.ann().await["rev"], ann["rev"], "{sent}");
    }
    let api = Called::with_fields().await;
    let both = json!({ "email": "ann@example.com", "appointment": null, "fields": { "appointment": "2026-12-01 10:00" } });
    api.hook(&both).await;
    assert_eq!(api.ann().await["fields"]["appointment"], "2026-12-01T10:00:00Z");
    let address =
        api.post(HOOK, &json!({ "email": "", "E-Mail": "ann@example.com", "city": "Kiel" })).await;
    address.is(200);
    assert_eq!(api.ann().await["fields"]["city"], "Kiel");
}

#[tokio::test]
async fn empty_is_not_sent_and_clearing_is_asked_for_by_name() {
    let api = Called::with_fields().await;
    let full = json!({ "email": "ann@example.com", "phone": "1", "city": "Kiel", "score": 7, "appointment": "2026-12-01 10:00" });
    api.hook(&full).await;
    api.hook(
        &json!({ "email": "ann@example.com", "fields": { "city": "", "score": " " }, "phone": "" }),
    )
    .await;
    assert_eq!(api.ann().await["rev"], 1, "empty says nothing");
    api.patch(
        "/v1/contacts/email:ann@example.com",
        &json!({ "phone": "", "fields": { "city": "" } }),
    )
    .await
    .is(200);
    assert_eq!(api.ann().await["rev"], 1, "by the API, too");
    api.hook(&json!({ "email": "ann@example.com", "clear": ["phone", "fields.city"] })).await;
    let ann = api.ann().await;
    assert_eq!((&ann["phone"], &ann["fields"]["city"]), (&Value::Null, &Value::Null));
    form(&api, FORM, b"email=ann%40example.com&clear=score").await.is(200);
    // Of several values of a name the last one that is not empty counts, wherever it stands.
    for ticked in
        ["city=Ulm&city=", "fields[city]=Kiel&fields[city]=", "fields.city=Bonn&fields.city="]
    {
        form(&api, FORM, format!("email=ann%40example.com&{ticked}").as_bytes()).await.is(200);
        let city = ticked.split(['=', '&']).nth(1);
        assert_eq!(api.ann().await["fields"]["city"].as_str(), city, "{ticked}");
    }
    api.hook(&json!({ "email": "ann@example.com", "clear": "city" })).await;
    assert_eq!(api.ann().await["fields"]["score"], Value::Null);
    api.hook(&json!({ "email": "ann@example.com", "appointment": null })).await;
    assert_eq!(api.ann().await["fields"], json!({}));
    for (clear, code) in [
        (json!(["email"]), "clear"),
        (json!(["tags"]), "clear"),
        (json!(["shoe"]), "clear"),
        (json!({ "phone": true }), "shape"),
    ] {
        let answer = api.post(HOOK, &json!({ "email": "ann@example.com", "clear": clear })).await;
        assert_eq!(answer.faults(422), [("clear".to_owned(), code.to_owned())], "{clear}");
    }
    let twice = json!({ "email": "ann@example.com", "clear": "city", "city": "Ulm" });
    assert_eq!(api.post(HOOK, &twice).await.faults(422)[0].1, "clear");
}

#[tokio::test]
async fn empty_is_not_sent_in_a_file_and_clear_names_fields() {
    let api = Called::with_fields().await;
    api.hook(&json!({ "email": "ann@example.com", "phone": "1", "city": "Kiel" })).await;
    import(&api, "", "text/csv", b"email,phone,city,clear\nann@example.com,,,\n").await.is(200);
    assert_eq!(api.ann().await["rev"], 1);
    import(&api, "", "text/csv", b"email,phone,clear\nann@example.com,,\"phone,city\"\n")
        .await
        .is(200);
    let ann = api.ann().await;
    assert_eq!((&ann["phone"], &ann["fields"]), (&Value::Null, &json!({})));
}

pub(crate) fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn one_identity_of_addresses_and_tags() {
    let api = Called::new().await;
    let first =
        api.hook(&json!({ "email": "ann@müller.example", "tags": ["Straße", "Über uns"] })).await;
    for (email, tags) in [
        ("ann@xn--mller-kva.example", "STRASSE"),
        ("ANN@MÜLLER.EXAMPLE", "straße"),
        ("ann@mu\u{308}ller.example", "U\u{308}ber uns"),
    ] {
        let again = api.hook(&json!({ "email": email, "tags": [tags] })).await;
        assert_eq!(again["contact_id"], first["contact_id"], "{email}");
        assert_eq!(again["changed"]["tags_added"], json!([]), "{tags}");
    }
    api.idle().await;
    for name in ["ann@xn--mller-kva.example", "ann@müller.example"] {
        let contact = api.get(&format!("/v1/contacts/email:{}", percent(name))).await.is(200);
        assert_eq!(
            (&contact["id"], &contact["email"]),
            (&first["contact_id"], &json!("ann@müller.example"))
        );
        assert_eq!(contact["tags"].as_object().map(serde_json::Map::len), Some(2));
    }
    for tag in ["strasse", "Straße", "STRASSE"] {
        let listed = api.get(&format!("/v1/contacts?tag={}", percent(tag))).await.is(200);
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "{tag}");
    }
    for (body, path, named) in [
        (json!({ "email": "ann\u{200b}@example.com" }), "email", "ZERO WIDTH SPACE"),
        (json!({ "email": "ann@exam\u{ad}ple.com\u{202e}" }), "email", "SOFT HYPHEN"),
        (
            json!({ "email": "ann@example.com", "tags": ["Lead\u{200b}"] }),
            "tags.0",
            "ZERO WIDTH SPACE",
        ),
        (
            json!({ "email": "ann@example.com", "tags": "\u{2066}Lead\u{2069}" }),
            "tags",
            "LEFT-TO-RIGHT ISOLATE",
        ),
        (
            json!({ "email": "ann@example.com", "first_name": "A\u{202e}nn" }),
            "first_name",
            "RIGHT-TO-LEFT OVERRIDE",
        ),
        (json!({ "email": ".lead@example.com" }), "email", "a dot"),
        (json!({ "email": "a..b@example.com" }), "email", "a dot"),
        (json!({ "email": "lead.@example.com" }), "email", "a dot"),
    ] {
        let answer = api.post(HOOK, &body).await;
        assert_eq!(answer.faults(422)[0].0, path, "{body}");
        assert!(answer.text.contains(named), "{named}: {}", answer.text);
    }
    api.hook(&json!({ "email": "x@example.com", "first_name": "می\u{200c}خواهم", "phone": "\u{202a}+49 30 1\u{202c}" })).await;
    let kept = api.get("/v1/contacts/email:x@example.com").await.is(200);
    assert_eq!(
        (&kept["first_name"], &kept["phone"]),
        (&json!("می\u{200c}خواهم"), &json!("+49 30 1"))
    );
}

#[tokio::test]
async fn one_identity_mail_leaves_for_a_domain_that_every_server_knows() {
    use dacapo_engine::address::for_sending;
    assert_eq!(for_sending("ann@müller.example"), "ann@xn--mller-kva.example");
    let api = Called::new().await;
    // A contact that was stored before addresses were normalized is still found.
    api.hook(&json!({ "email": "ann@example.com" })).await;
    let moved = json!({ "email": "ann@xn--mller-kva.example" });
    let ann = api.patch("/v1/contacts/email:ann@example.com", &moved).await.is(200);
    assert_eq!(ann["email"], "ann@müller.example");
    api.post("/v1/contacts", &json!({ "email": "ann@müller.example" })).await.problem(409);
}

#[tokio::test]
async fn tags_in_another_notation_are_read_or_refused_with_what_was_sent() {
    let api = Called::new().await;
    for sent in [
        json!("[\"Lead\", \"Kunde\"]"),
        json!("\"Lead\",\"Kunde\""),
        json!([{ "label": "Lead" }, { "name": "Kunde" }]),
        json!("Lead, Kunde"),
    ] {
        let email = "ann@example.com";
        api.hook(&json!({ "email": email, "tags": sent })).await;
        let ann = api.ann().await;
        let tags: Vec<&String> = ann["tags"].as_object().expect("tags").keys().collect();
        assert_eq!(tags, ["Kunde", "Lead"], "{sent}");
        let removed = api
            .post("/v1/contacts/email:ann@example.com/tags", &json!({ "remove": sent }))
            .await
            .is(200);
        assert_eq!(removed["tags"], json!({}), "{sent}");
    }
    for sent in ["Lead;Kunde", "Lead|Kunde", "[Lead]"] {
        let answer = api.post(HOOK, &json!({ "email": "ann@example.com", "tags": sent })).await;
        assert_eq!(answer.faults(422), [("tags".to_owned(), "tag".to_owned())], "{sent}");
        assert!(answer.text.contains(sent), "{}", answer.text);
        let answer =
            api.post("/v1/contacts/email:ann@example.com/tags", &json!({ "add": sent })).await;
        assert_eq!(answer.faults(422), [("add".to_owned(), "tag".to_owned())], "{sent}");
    }
    api.hook(&json!({ "email": "ann@example.com", "tags": ["a;b", "say \"x\""] })).await;
    api.idle().await;
    let exported = api.get("/v1/contacts/export").await;
    let other = Called::new().await;
    import(&other, "", "text/csv", exported.text.as_bytes()).await.is(200);
    assert_eq!(
        other.ann().await["tags"].as_object().map(|tags| tags.keys().cloned().collect::<Vec<_>>()),
        api.ann().await["tags"].as_object().map(|tags| tags.keys().cloned().collect::<Vec<_>>()),
        "an export reads as the same"
    );
}

#[tokio::test]
async fn one_reader_of_names_in_hooks_and_files() {
    let names = ["E-Mail-Adresse", "Vorname", "Nachname", "Telefon", "Zeitzone"];
    let values = ["ann@example.com", "Ann", "Lindqvist", "+49 30 1", "europe/zurich"];
    let api = Called::with_fields().await;
    let body: serde_json::Map<_, _> =
        names.iter().zip(values).map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    api.hook(&Value::Object(body)).await;
    let by_hook = api.ann().await;
    let other = Called::with_fields().await;
    let file = format!("sep=;\r\n{}\r\n{}\r\n", names.join(";"), values.join(";"));
    import(&other, "", "text/csv", file.as_bytes()).await.is(200);
    let by_file = other.ann().await;
    for (key, value) in [
        ("first_name", "Ann"),
        ("last_name", "Lindqvist"),
        ("phone", "+49 30 1"),
        ("time_zone", "Europe/Zurich"),
    ] {
        assert_eq!((&by_hook[key], &by_file[key]), (&json!(value), &json!(value)), "{key}");
    }
    let elementor = b"form_fields%5Bemail%5D=bob%40example.com&form_fields%5Bname%5D=Meier%2C+Katharina&form_fields%5Bscore%5D=7";
    form(&api, FORM, elementor).await.is(200);
    let bob = api.get("/v1/contacts/email:bob@example.com").await.is(200);
    assert_eq!((&bob["first_name"], &bob["last_name"]), (&json!("Katharina"), &json!("Meier")));
    assert_eq!(bob["fields"]["score"], 7);

    let whole = json!({ "email": "ann@example.com", "id": "1", "created_at": "x", "updated_at": "x", "contact_id": "2",
                        "rev": 7, "city": "Kiel" });
    let mut faults = api.post(HOOK, &whole).await.faults(422);
    faults.sort();
    assert!(faults.iter().all(|(_, code)| code == "read_only") && faults.len() == 5, "{faults:?}");
    api.post(&format!("{HOOK}?unknown_fields=ignore"), &whole).await.is(200);
    assert_eq!(api.ann().await["fields"]["city"], "Kiel");
    let csv = b"email,id,created_at,updated_at,contact_id,city\nann@example.com,1,x,x,2,Ulm\n";
    import(&api, "?unknown_fields=ignore", "text/csv", csv).await.is(200);
    assert_eq!(api.ann().await["fields"]["city"], "Ulm");

    let twice = json!({ "email": "ann@example.com", "Telefon": "1", "Telefonnummer": "2" });
    assert_eq!(api.post(HOOK, &twice).await.faults(422)[0].1, "twice");
    let unknown = api.post(HOOK, &json!({ "email": "ann@example.com", "wunsch": "x" })).await;
    let (first, custom) = (unknown.text.find("`first_name`"), unknown.text.find("`city`"));
    assert!(first.is_some() && first < custom, "the built-in names first: {}", unknown.text);
}

#[tokio::test]
async fn one_reader_of_names_reads_a_file_of_excel_as_a_whole() {
    let api = Called::with_fields().await;
    let mut excel = b"E-Mail;Vorname;Nachname\r\n".to_vec();
    for n in 0..200 {
        excel.extend(format!("p{n}@example.com;J").bytes());
        excel.extend(b"\xf6rg;Gro\xdf\r\n");
    }
    let imported = import(&api, "", "text/csv", &excel).await.is(200);
    assert_eq!(
        (&imported["created"], &imported["refused"]),
        (&json!(200), &json!(0)),
        "{imported}"
    );
    let one = api.get("/v1/contacts/email:p7@example.com").await.is(200);
    assert_eq!((&one["first_name"], &one["last_name"]), (&json!("Jörg"), &json!("Groß")));
    import(&api, "", "text/csv; charset=shift_jis", b"email\n").await.problem(415);
    let declared = import(
        &api,
        "",
        "text/csv; charset=windows-1252",
        b"email,city\nann@example.com,\xd6hringen\n",
    )
    .await;
    declared.is(200);
    assert_eq!(api.ann().await["fields"]["city"], "Öhringen");
}

#[tokio::test]
async fn a_bad_optional_value_does_not_cost_the_booking() {
    let api = Called::with_fields().await;
    let body = json!({ "email": "ann@example.com", "time_zone": "Mars/Base", "tags": "Lead;Kunde", "city": "Kiel",
                       "vip": "perhaps", "fields": { "appointment": "12/02/26 02:00PM", "birthday": "46358.58" },
                       "locale": "german please", "name": 7 });
    assert_eq!(api.post(HOOK, &body).await.faults(422).len(), 7, "all of it is told");
    api.get("/v1/contacts/email:ann@example.com").await.problem(404);
    let answer = api.post(&format!("{HOOK}?invalid=skip"), &body).await.is(200);
    let skipped = answer["skipped"].as_array().expect("what was left out");
    let mut paths: Vec<&str> = skipped.iter().filter_map(|one| one["path"].as_str()).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        ["fields.appointment", "fields.birthday", "locale", "name", "tags", "time_zone", "vip"]
    );
    let told = answer.to_string();
    for sent in
        ["12/02/26 02:00PM", "46358.58", "Mars/Base", "Lead;Kunde", "perhaps", "german please"]
    {
        assert!(told.contains(sent), "{sent} is quoted: {told}");
    }
    assert_eq!(api.ann().await["fields"], json!({ "city": "Kiel" }));
    let history = api.get("/v1/contacts/email:ann@example.com/history").await.is(200);
    let lines = history["items"].as_array().expect("lines");
    let line = lines.iter().find(|line| line["kind"] == "left_out").expect("a line about it");
    assert_eq!(line["campaign"], Value::Null, "{history}");
    assert!(line["text"].as_str().is_some_and(|text| text.contains("46358.58")), "{line}");

    for never in
        [json!({ "email": "nobody" }), json!({ "email": "ann@example.com", "consent": "ja" })]
    {
        assert_eq!(
            api.post(&format!("{HOOK}?invalid=skip"), &never).await.faults(422).len(),
            1,
            "{never}"
        );
    }
    api.post(&format!("{HOOK}?invalid=maybe"), &body).await.faults(422);
    let plain = api
        .post(
            &format!("{HOOK}?invalid=skip"),
            &json!({ "email": "ann@example.com", "city": "Ulm" }),
        )
        .await;
    assert_eq!(plain.is(200)["skipped"], Value::Null, "nothing was left out");

    let csv = b"email,score,city\nann@example.com,many,Bonn\nbob@example.com,1,Kiel\n,2,x\n";
    let imported = import(&api, "?invalid=skip", "text/csv", csv).await.is(200);
    assert_eq!(
        (&imported["refused"], &imported["skipped_rows"]),
        (&json!(1), &json!(1)),
        "{imported}"
    );
    assert_eq!(imported["skipped"][0]["line"], 2);
    assert_eq!(api.ann().await["fields"]["city"], "Bonn");
}

#[tokio::test]
async fn a_bad_optional_value_is_read_by_the_accounts_language_and_order() {
    let api = Called::with_fields().await;
    let posts = |key: &str, value: Value| {
        let body = json!({ "email": "ann@example.com", "fields": { key: value } });
        let api = &api;
        async move { api.post(HOOK, &body).await }
    };
    api.patch("/v1/account", &json!({ "locale": "de", "time_zone": "Mitteleuropäische Zeit" }))
        .await
        .is(200);
    assert_eq!(api.get("/v1/account").await.is(200)["time_zone"], "Europe/Berlin");
    for (key, value, read) in [
        ("score", json!("49,90"), json!(49.9)),
        ("score", json!("1.234,5"), json!(1_234.5)),
        ("score", json!(1.234), json!(1.234)),
        ("vip", json!("Nein"), json!(false)),
        ("vip", json!("Ja"), json!(true)),
        ("birthday", json!(1_796_083_200_000_i64), json!("2026-12-01")),
        ("birthday", json!("946684800000"), json!("2000-01-01")),
        ("appointment", json!(1_796_131_800_000_i64), json!("2026-12-01T13:30:00Z")),
    ] {
        posts(key, value.clone()).await.is(200);
        assert_eq!(api.ann().await["fields"][key], read, "{key} {value}");
    }
    let ambiguous = posts("score", json!("1.234")).await;
    ambiguous.problem(422);
    assert!(ambiguous.text.contains("ambiguous"), "{}", ambiguous.text);
    for text in ["03/12/2026", "13/12/2026"] {
        assert!(
            posts("birthday", json!(text)).await.text.contains("date_order"),
            "{text}: both are refused"
        );
    }
    let order = |order: Value| {
        let (api, body) = (&api, json!({ "date_order": order }));
        async move { api.patch("/v1/account", &body).await }
    };
    order(json!("day_first")).await.is(200);
    for (text, day) in [("03/12/2026", "2026-12-03"), ("13/12/2026", "2026-12-13")] {
        posts("birthday", json!(text)).await.is(200);
        assert_eq!(api.ann().await["fields"]["birthday"], day);
    }
    order(json!("month_first")).await.is(200);
    posts("birthday", json!("03/12/2026")).await.is(200);
    assert_eq!(api.ann().await["fields"]["birthday"], "2026-03-12");
    posts("birthday", json!("13/12/2026")).await.faults(422);
    assert_eq!(order(json!("backwards")).await.faults(422)[0].0, "date_order");
    assert_eq!(order(json!(null)).await.is(200)["date_order"], Value::Null);
}

#[tokio::test]
async fn a_bad_optional_value_zones_go_by_every_common_name() {
    let api = Called::with_fields().await;
    for (sent, zone) in [
        ("europe/zurich", "Europe/Zurich"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("Eastern Time - US & Canada", "America/New_York"),
        ("GMT+1", "Etc/GMT-1"),
        ("UTC+01:00", "Etc/GMT-1"),
    ] {
        let body = json!({ "email": "ann@example.com", "time_zone": sent, "appointment": "2026-12-01 12:00" });
        api.hook(&body).await;
        assert_eq!(api.ann().await["time_zone"], zone, "{sent}");
    }
    assert_eq!(
        api.ann().await["fields"]["appointment"],
        "2026-12-01T11:00:00Z",
        "an hour ahead of Greenwich"
    );
}
