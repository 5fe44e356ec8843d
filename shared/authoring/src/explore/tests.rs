//! What the explorer finds in small campaigns, and in the examples.

use dacapo_engine::campaign::reader::read;

use super::{Exploration, Limits, explore};
use crate::simulate::Surroundings;

fn explored(text: &str) -> Exploration {
    let source = read(text).expect("a campaign");
    explore(&[source.document], &Surroundings::default(), &Limits::default())
}

#[test]
fn the_longest_way_is_no_shorter_than_the_shortest() {
    let examples = [
        include_str!("../../../../examples/appointment-loop.yaml"),
        include_str!("../../../../examples/appointments.yaml"),
        include_str!("../../../../examples/webinar.yaml"),
    ];
    for text in examples {
        let found = explored(text);
        let (shortest, longest) = (found.shortest.as_ref(), found.longest.as_ref());
        let (Some(shortest), Some(longest)) = (shortest, longest) else { panic!("{found:#?}") };
        assert!(shortest.seconds <= longest.seconds, "{}", found.as_text());
        assert!(found.never_reached.is_empty() && found.silences.is_empty(), "{}", found.as_text());
    }
}

#[test]
fn waits_take_their_time_and_what_nothing_leads_to_is_told() {
    let found = explored(
        "\
id: small
elements:
  lead: { type: start, when: { tag: Lead }, next: wait }
  wait: { type: wait, for: 3 days, next: more }
  more: { type: condition, when: { tag: Lead }, then: over, else: never }
  over: { type: end }
  never: { type: wait, for: 1 day }
",
    );
    assert_eq!(found.shortest.as_ref().map(|way| way.seconds), Some(3 * 86_400));
    let never: Vec<&str> = found.never_reached.iter().map(|it| it.element.as_str()).collect();
    assert_eq!(never, ["never"], "nobody withdraws the tag: {}", found.as_text());
    assert!(found.loops.is_empty(), "{:#?}", found.loops);
    assert_eq!(found.most_messages_a_day.messages, 0);
}

#[test]
fn an_exploration_ends_at_its_bound_and_says_so() {
    let text = include_str!("../../../../examples/appointments.yaml");
    let source = read(text).expect("a campaign");
    let limits = Limits { places: 3, ..Limits::default() };
    let found = explore(&[source.document], &Surroundings::default(), &limits);
    let text = found.as_text();
    assert!(found.bound.reached && text.contains("The bound of 3 places"), "{text}");
    // What was not looked at may be there.
    for sure in ["Never reached", "No way into silence", "No loops", "it has none"] {
        assert!(!text.contains(sure), "{sure}: {text}");
    }
    assert!(text.contains("Not reached so far: ") && text.contains("none found so far"), "{text}");
    assert!(found.silences.is_empty(), "of places that were not walked from nothing is known");
}
