//! Bytes in every charset that forms, tools and spreadsheets send: decoded correctly, or refused.

use serde_json::json;

use crate::called::{Answer, Called};
use crate::input::{FORM, form, import, percent};

const HOOK: &str = "/v1/hooks/contact";

async fn raw_json(api: &Called, kind: &str, body: &[u8]) -> Answer {
    form(api, kind, body).await
}

#[tokio::test]
async fn nothing_is_decoded_with_loss() {
    let api = Called::with_fields().await;
    for (kind, body, email) in [
        (FORM, &b"email=j%F6rg%40example.com&city=K%F6ln"[..], "jörg@example.com"),
        (FORM, b"email=j%FCrg%40example.com", "jürg@example.com"),
        (FORM, b"email=j%C3%A4rg%40example.com", "järg@example.com"),
        (
            "application/x-www-form-urlencoded; charset=ISO-8859-1",
            b"email=j%E9rg%40example.com",
            "jérg@example.com",
        ),
    ] {
        form(&api, kind, body).await.is(200);
        let contact = api.get(&format!("/v1/contacts/email:{}", percent(email))).await.is(200);
        assert_eq!(contact["email"], email);
    }
    assert_eq!(
        api.get(&format!("/v1/contacts/email:{}", percent("jörg@example.com"))).await.is(200)["fields"]
            ["city"],
        "Köln"
    );
    for (kind, body, status) in [
        ("application/x-www-form-urlencoded; charset=utf-8", &b"email=a%F6%40example.com"[..], 400),
        ("application/x-www-form-urlencoded; charset=EUC-JP", b"email=a%40example.com", 415),
        (FORM, b"email=a%40example.com&city=%C3%B6&phone=%F6", 400),
        ("application/json", b"{\"email\": \"a\xf6@example.com\"}", 400),
        ("application/json; charset=big5", b"{}", 415),
        (FORM, b"email=a%EF%BF%BD%40example.com", 422),
    ] {
        let answer = form(&api, kind, body).await;
        let problem = answer.problem(status);
        if status == 415 {
            assert!(answer.text.contains("EUC-JP") || answer.text.contains("big5"), "{problem}");
        }
    }
    let marked = b"\xef\xbb\xbf{\"email\": \"ann@example.com\", \"city\": \"\xc3\x96hringen\"}";
    raw_json(&api, "application/json", marked).await.is(200);
    assert_eq!(api.ann().await["fields"]["city"], "Öhringen");
    let lost = api.post(HOOK, &json!({ "email": "ann@example.com", "city": "K\u{fffd}ln" })).await;
    assert!(lost.text.contains("U+FFFD (REPLACEMENT CHARACTER)"), "{}", lost.text);
    assert_eq!(lost.faults(422), [("city".to_owned(), "value".to_owned())]);
    for query in ["?tag=%F6", "?q=%FF"] {
        api.get(&format!("/v1/contacts{query}")).await.problem(400);
    }
}

#[tokio::test]
async fn nothing_is_decoded_with_loss_whatever_the_bytes_are() {
    let api = Called::with_fields().await;
    let mut lots = 0x2545_f491_4f6c_dd1d_u64;
    let mut byte = move || {
        lots ^= lots << 13;
        lots ^= lots >> 7;
        lots ^= lots << 17;
        (lots >> 32) as u8
    };
    for n in 0..300 {
        let some: Vec<u8> = (0..6).map(|_| byte()).collect();
        let escaped: String = some.iter().map(|byte| format!("%{byte:02X}")).collect();
        let kind =
            if n % 2 == 0 { FORM } else { "application/x-www-form-urlencoded; charset=utf-8" };
        let body = format!("email=a{escaped}%40example.com&first_name={escaped}&city={escaped}");
        let status = form(&api, kind, body.as_bytes()).await.status.as_u16();
        assert!([200, 400, 422].contains(&status), "{status}: {body}");
        let mut json = br#"{"email": "b@example.com", "city": ""#.to_vec();
        json.extend(&some);
        json.extend(br#""}"#);
        let status = raw_json(&api, "application/json", &json).await.status.as_u16();
        assert!([200, 400, 422].contains(&status), "{status}: {some:?}");
        let file = [b"email,city\nc@example.com,", some.as_slice(), b"\n"].concat();
        import(&api, "", "text/csv", &file).await;
    }
    let everybody = api.get("/v1/contacts?limit=200").await;
    assert!(!everybody.text.contains('\u{fffd}'), "something was lost");
}
