//! The pictures hold what they promise, for hostile names and for the largest campaigns.

use dacapo_engine::campaign::reader::read;
use serde_json::json;

use super::layout::{LayoutInput, place};
use super::words::{condition_words, shortened};
use super::{ContactPath, Count, Picture, PictureOverlay};

fn picture(text: &str, shown: &PictureOverlay) -> Picture {
    Picture::of(&read(text).expect("a document").document, shown).expect("a picture")
}

const LOOP: &str = include_str!("../../../../examples/appointment-loop.yaml");

#[test]
fn what_authors_write_is_text_in_the_picture_and_nothing_else() {
    let text = r##"{ "id": "x", "name": "<script>alert(1)</script>\u202e&\"'", "elements": {
        "a": { "type": "start", "when": { "tag": "<b onload='x'>]]>\"#;`" }, "next": "b" },
        "b": { "type": "webhook", "url": "https://x.example/\"><script>%%{init}%%" } } }"##;
    let picture = picture(text, &PictureOverlay::default());
    let svg = picture.as_svg();
    assert!(!svg.contains("<script") && !svg.contains("<b ") && !svg.contains('\u{202e}'), "{svg}");
    assert!(svg.contains("&lt;script&gt;"), "{svg}");
    let mermaid = picture.as_mermaid();
    let boxes = mermaid.lines().filter(|line| line.trim_start().starts_with('n'));
    for line in boxes.filter(|line| line.contains('"')) {
        assert_eq!(line.matches('"').count(), 2, "{line}");
        assert!(!line.contains("<script") && !line.contains('`') && !line.contains("%%"), "{line}");
    }
}

#[test]
fn conditions_are_told_in_words() {
    for (when, words) in [
        (json!({ "tag": "Lead" }), "Lead"),
        (json!({ "not": { "tag": "Lead" } }), "not Lead"),
        (
            json!({ "all": [{ "field": "f", "is": "set" }, { "any": [{ "tag": "A" }, { "tag": "B" }] }] }),
            "f is set and (A or B)",
        ),
        (json!({ "campaign": "c", "status": ["active", "held"] }), "active or held in c"),
    ] {
        assert_eq!(condition_words(&when), words);
    }
    assert_eq!(shortened("a  b\nc", 9), "a b c");
    assert_eq!(shortened("abcdef", 4), "abc…");
}

#[test]
fn a_way_is_drawn_along_the_edges_that_it_took() {
    let id = |text: &str| dacapo_engine::ids::ElementId::new(text).expect("an id");
    let way = ContactPath {
        who: "ann".to_owned(),
        passed: ["lead", "invite", "two_days", "two_days", "booked", "confirm"].map(id).into(),
        rests: [id("hour_before")].into(),
        unsent: [id("confirm")].into(),
    };
    let counts = [(id("invite"), Count { entered: 12, at: 3 })].into();
    let picture = picture(LOOP, &PictureOverlay { counts: Some(counts), way: Some(way) });
    let name = |place: usize| picture.nodes[place].id.as_str();
    let passed: Vec<_> = (picture.edges.iter().filter(|edge| edge.passed))
        .map(|edge| format!("{} {}", name(edge.from), name(edge.to)))
        .collect();
    let expected = ["lead invite", "invite two_days", "booked confirm", "confirm hour_before"];
    assert_eq!(passed, expected);
    let svg = picture.as_svg();
    assert!(svg.contains("3 here, 12 in all") && svg.contains("rests"), "{svg}");
    assert!(svg.contains("The way of ann: lead, invite, two_days, booked, confirm."), "{svg}");
    // What is so is also said, not only coloured.
    let boxed = |id: &str| {
        let named = format!(">{id}</text>");
        svg.lines().find(|line| line.contains(&named)).expect("a box").to_owned()
    };
    assert!(boxed("confirm").contains(">not sent<") && boxed("confirm").contains("dasharray"));
    assert!(boxed("hour_before").contains(">now here<"), "{}", boxed("hour_before"));
    assert!(!boxed("invite").contains("not sent") && !boxed("invite").contains("now here"));
    let mermaid = picture.as_mermaid();
    assert!(mermaid.contains("linkStyle 0,1,"), "{mermaid}");
    assert!(
        mermaid.contains("<b>not sent</b>") && mermaid.contains("class n5 unsent"),
        "{mermaid}"
    );
}

/// A campaign of so many elements; `edges` says where each condition leads.
fn campaign(elements: usize, edges: impl Fn(usize) -> [usize; 2]) -> String {
    let mut text = String::from("id: large\nelements:\n");
    text.push_str("  e0: { type: start, when: { tag: A }, next: e1 }\n");
    for nth in 1..elements {
        let [then, otherwise] = edges(nth).map(|to| to.clamp(1, elements - 1));
        text.push_str(&format!(
            "  e{nth}: {{ type: condition, when: {{ tag: T }}, then: e{then}, else: e{otherwise} }}\n"
        ));
    }
    text
}

/// Shapes that take a bad algorithm long: diamonds in a row, all back to the first, all to the
/// last, a tree, and anything.
#[test]
fn the_largest_campaigns_are_drawn_in_bounded_size() {
    let shapes: [fn(usize) -> [usize; 2]; 7] = [
        |nth| [nth + 1, nth + 2],
        |nth| [nth + 1, 1],
        |nth| [nth + 1, 499],
        |nth| [nth * 2, nth * 2 + 1],
        |nth| [nth * 7_919 % 500, nth * 104_729 % 500],
        |nth| [nth, nth],
        |nth| [nth + 1, nth + 50],
    ];
    for (nth, shape) in shapes.into_iter().enumerate() {
        let picture = picture(&campaign(500, shape), &PictureOverlay::default());
        let svg = picture.as_svg();
        assert!(svg.len() < 1_200_000, "shape {nth}: {} bytes", svg.len());
        assert_eq!(svg, picture.as_svg(), "shape {nth}: the same picture each time");
    }
}

#[test]
fn boxes_never_overlap_and_the_library_does_not_give_up() {
    let mut seed = 7_u64;
    let mut next = |most: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((seed >> 33) % (most as u64)).expect("a small number")
    };
    let mut plainly = 0;
    for case in 0..120 {
        let boxes = 1 + next(16);
        let sizes: Vec<_> =
            (0..boxes).map(|_| (120.0 + next(130) as f64, 47.0 + 17.0 * next(2) as f64)).collect();
        let edges: Vec<_> = (0..next(boxes * 2 + 1))
            .map(|_| (next(boxes), next(boxes), ["", "", "yes", "no", "50 %"][next(5)]))
            .collect();
        let placed = place(&LayoutInput { sizes: &sizes, edges: &edges });
        assert_eq!(placed.boxes.len(), boxes, "case {case}");
        plainly += usize::from(placed.plainly);
        for one in 0..boxes {
            for other in 0..one {
                let ((x, y), (to_x, to_y)) = (placed.boxes[one], placed.boxes[other]);
                let apart_x = (x - to_x).abs() + 0.1 >= (sizes[one].0 + sizes[other].0) / 2.0;
                let apart_y = (y - to_y).abs() + 0.1 >= (sizes[one].1 + sizes[other].1) / 2.0;
                assert!(apart_x || apart_y, "case {case}: {one} and {other} overlap: {edges:?}");
            }
        }
    }
    assert!(plainly <= 6, "the library gave up {plainly} times of 120");
}

/// The templates of `dacapo new` that are nowhere else.
#[test]
fn the_new_templates_have_no_finding() {
    for (name, text) in [
        ("onboarding", include_str!("../../../../examples/onboarding.yaml")),
        ("re-permission", include_str!("../../../../examples/re-permission.yaml")),
    ] {
        let report = crate::report::Report::of(vec![(name.to_owned(), text.to_owned())]);
        let found: Vec<_> = report.files.iter().flat_map(|file| &file.findings).collect();
        assert!(found.is_empty(), "{name}: {found:#?}");
    }
}
