//! The scenarios beside the examples come out as they expect, and what is wrong with a scenario is
//! said with its place and a remedy.

use std::path::{Path, PathBuf};

use dacapo_authoring::campaigns::together;
use dacapo_authoring::expectation::differences;
use dacapo_authoring::explore::{Exploration, Limits, explore};
use dacapo_authoring::graph::{ContactPath, Picture, PictureOverlay};
use dacapo_authoring::journey::Journey;
use dacapo_authoring::scenario::Scenario;
use dacapo_authoring::simulate::{Bounds, Surroundings, placed, simulate};
use dacapo_engine::campaign::reader::read_as;
use dacapo_engine::problem::Problem;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

fn example(name: &str) -> String {
    std::fs::read_to_string(examples().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What comes of a scenario with these campaigns.
fn play(campaigns: &[String], text: &str) -> Result<(Scenario, Journey), Vec<Problem>> {
    play_within(campaigns, text, &Bounds::default())
}

fn play_within(
    campaigns: &[String],
    text: &str,
    bounds: &Bounds,
) -> Result<(Scenario, Journey), Vec<Problem>> {
    let texts: Vec<_> =
        campaigns.iter().map(|text| ("a campaign".to_owned(), text.clone())).collect();
    let around = Surroundings::default();
    let documents = together(&texts, &around).expect("campaigns without errors").documents;
    let (scenario, places) = read_as::<Scenario>(text)?;
    let journey = simulate(&documents, &scenario, &around, bounds);
    let journey = journey.map_err(|problems| placed(problems, &places))?;
    Ok((scenario, journey))
}

#[test]
fn every_scenario_of_the_examples_comes_out_as_it_expects() {
    let folder = examples().join("scenarios");
    let mut played = Vec::new();
    for entry in std::fs::read_dir(&folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a text");
        let (scenario, _) = read_as::<Scenario>(&text).expect("a scenario");
        let campaigns = scenario.campaigns.iter().map(|file| {
            std::fs::read_to_string(folder.join(file)).expect("a campaign beside the scenario")
        });
        let campaigns: Vec<String> = campaigns.collect();
        let (scenario, journey) = play(&campaigns, &text).expect("a journey");
        let first = journey.campaigns.first();
        let different = differences(&scenario, &journey, first);
        assert!(different.is_empty(), "{}: {different:#?}", path.display());
        assert!(scenario.expect.is_some(), "{} expects nothing", path.display());
        played.extend(journey.campaigns);
    }
    for campaign in
        ["appointment-loop", "appointments", "birthday", "onboarding", "re-permission", "webinar"]
    {
        assert!(played.iter().any(|id| id.as_str() == campaign), "{campaign} has no scenario");
    }
}

const ANN: &str = "contact: { email: ann@example.com, first_name: Ann, tags: [Lead] }\n";

/// The only problem: code, path, line, column, and all that is said.
fn refused(text: &str) -> (String, String, u32, u32, String) {
    let problems = play(&[example("appointment-loop.yaml")], text).expect_err("a problem");
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    (
        problem.code.to_owned(),
        problem.path.clone(),
        problem.line.unwrap_or_default(),
        problem.column.unwrap_or_default(),
        format!("{}; {}", problem.message, problem.remedy),
    )
}

#[test]
fn what_is_wrong_with_a_scenario_is_said_with_its_place_and_a_remedy() {
    let wrong = [
        ("then:\n  - { after: 1 day, pst: {} }\n", "unknown_key", 3, "`post`"),
        ("then:\n  - { after: soon, event: x }\n", "invalid_value", 3, "soon"),
        ("then:\n  - { at: tomorrow, event: x }\n", "invalid_value", 3, "2026-12-01 09:00"),
        ("then:\n  - { on: someday 10:00, event: x }\n", "invalid_value", 3, "friday 10:00"),
        ("then:\n  - { after: 1 day }\n", "missing_key", 3, "post"),
        ("then:\n  - { after: -1 day, event: x }\n", "invalid_value", 3, "order"),
        ("then:\n  - { event: x, reset: appointment-loop }\n", "contradiction", 3, "event, reset"),
        (
            "then:\n  - { after: 1 day, at: 2027-01-01 09:00, event: x }\n",
            "contradiction",
            3,
            "keep",
        ),
        ("then:\n  - { contact: bob, event: x }\n", "unknown_name", 3, "`ann`"),
        ("then:\n  - { when_sent: invit, event: x }\n", "unknown_name", 3, "`invite`"),
        ("then:\n  - { reset: appointment-lop }\n", "unknown_name", 3, "`appointment-loop`"),
        (
            "then:\n  - { post: { apointment: 2026-12-02 14:00 } }\n",
            "unknown_name",
            3,
            "`appointment`",
        ),
        ("then:\n  - { post: { appointment: someday } }\n", "invalid_value", 3, "someday"),
        ("then:\n  - { post: { tags: [7, {}] } }\n", "wrong_type", 3, "a tag"),
        ("then:\n  - { at: 2026-11-01 09:00, event: x }\n", "contradiction", 3, "2026-11-01 09:00"),
        (
            "until: 2026-12-02 09:00\nthen:\n  - { after: 9 days, event: x }\n",
            "contradiction",
            4,
            "until",
        ),
        ("time_zone: Berlin/Europe\n", "invalid_value", 2, "Europe/Berlin"),
    ];
    for (text, code, line, says) in wrong {
        let text = format!("{ANN}{text}");
        let (found, path, at, column, said) = refused(&text);
        assert_eq!((found.as_str(), at), (code, line), "{text}{path}: {said}");
        assert!(column > 0 && said.contains(says), "{text}{path}: {said}");
    }
    let (code, .., said) = refused("name: nobody\n");
    assert!(code == "missing_key" && said.contains("contact"), "{said}");
}

#[test]
fn every_bound_of_a_scenario_is_named() {
    let campaigns = [example("appointment-loop.yaml")];
    let steps = "then:\n".to_owned() + &"  - { after: 1 day, event: x }\n".repeat(3);
    let contacts = "contacts: { ann: { email: a@example.com }, bob: { email: b@example.com } }\n";
    let few = Bounds::default();
    let cases = [
        (format!("{ANN}{steps}"), Bounds { steps: 2, ..few }, "3 steps; at most 2"),
        (contacts.to_owned(), Bounds { contacts: 1, ..few }, "2 contacts; at most 1"),
        (ANN.to_owned(), Bounds { events: 3, ..few }, "more than 3 events"),
        (ANN.to_owned(), Bounds { messages: 0, ..few }, "more than 0 messages"),
        (
            format!("{ANN}then:\n  - {{ after: 1000 days, event: x }}\n"),
            Bounds { length: chrono::TimeDelta::days(100), ..few },
            "more than 100 days",
        ),
    ];
    for (text, bounds, says) in cases {
        let problems = play_within(&campaigns, &text, &bounds).expect_err("a bound");
        let said = format!("{problems:?}");
        assert!(said.contains(says), "{text}{said}");
    }
}

#[test]
fn a_difference_names_what_is_expected_and_what_came() {
    let text = format!(
        "{ANN}expect:\n  messages:\n    - {{ element: invite }}\n    - {{ subject: Surprise }}\n  status: completed\n"
    );
    let (scenario, journey) = play(&[example("appointment-loop.yaml")], &text).expect("a journey");
    let all = differences(&scenario, &journey, journey.campaigns.first());
    let said: Vec<String> = all.iter().map(|one| format!("{}: {}", one.path, one.text)).collect();
    let said = said.join("\n");
    for part in
        ["- a message with the subject \"Surprise\"", "+ 2026-12-03 09:00 to ann", "is active"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}

fn explored(text: &str) -> Exploration {
    let around = Surroundings::default();
    let texts = [("a campaign".to_owned(), text.to_owned())];
    let documents = together(&texts, &around).expect("a campaign without errors").documents;
    explore(&documents, &around, &Limits::default())
}

#[test]
fn the_appointment_loop_is_explored_whole() {
    let found = explored(&example("appointment-loop.yaml"));
    assert!(!found.bound.reached, "{:?}", found.bound);
    assert!(found.never_reached.is_empty(), "{:?}", found.never_reached);
    assert!(found.silences.is_empty(), "{:#?}", found.silences);
    let goes_round = |element: &str| {
        let through =
            |place: &dacapo_authoring::explore::CampaignElement| place.element.as_str() == element;
        found.loops.iter().any(|one| one.elements.iter().any(through))
    };
    assert!(goes_round("again") && goes_round("booked"), "{:#?}", found.loops);
    assert!(found.shortest.is_some() && found.longest.is_some());
}

/// The article's own trap: the tag that resets is never withdrawn, so the second no-show and the
/// second booking do nothing.
#[test]
fn a_tag_that_nobody_withdraws_leads_into_silence() {
    let text = example("appointment-loop.yaml").replace("next: withdraw }", "next: sorry }");
    let text = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("withdraw:"))
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    let found = explored(&text);
    let silent: Vec<&str> = found.silences.iter().map(|it| it.place.element.as_str()).collect();
    assert_eq!(silent, ["booked"], "{}", found.as_text());
}

/// The picture in docs/authoring.md: `UPDATE_EXPECT=1` draws it anew.
#[test]
fn the_picture_in_the_documentation_is_the_way_of_the_example() {
    let loop_of_appointments = example("appointment-loop.yaml");
    let scenario = example("scenarios/appointment-loop-twice.yaml");
    let (_, journey) =
        play(std::slice::from_ref(&loop_of_appointments), &scenario).expect("a journey");
    let way = ContactPath::of(&journey, "ann", "appointment-loop");
    assert!(!way.passed.is_empty(), "Ann went nowhere");
    let source = dacapo_engine::campaign::reader::read(&loop_of_appointments).expect("a campaign");
    let shown = PictureOverlay { way: Some(way), ..PictureOverlay::default() };
    let picture = Picture::of(&source.document, &shown).expect("a picture");
    expect_test::expect_file!["../../docs/pictures/appointment-loop-twice.svg"]
        .assert_eq(&picture.as_svg());
}
