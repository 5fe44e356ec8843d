//! Laws of input: one identity, however it is written, and nothing lost.

use dacapo_engine::address;
use dacapo_engine::conventions::{Conventions, DateOrder};
use dacapo_engine::field::{FieldType, FieldValue};
use dacapo_engine::ids::Tag;
use dacapo_engine::text;
use dacapo_engine::time::{Zone, zone_named};
use proptest::prelude::*;
use serde_json::json;

use crate::check;

#[test]
fn one_identity_folding_is_idempotent_and_blind_to_case() {
    check(2_000, &any::<String>(), |written| {
        let folded = text::folded(&written);
        assert_eq!(text::folded(&folded), folded, "{written:?}");
        assert_eq!(text::folded(&text::composed(&written)), folded, "{written:?}");
        let composed = text::composed(&written).into_owned();
        assert_eq!(text::composed(&composed), composed, "{written:?}");
    });
}

#[test]
fn one_identity_an_address_that_is_read_reads_as_itself() {
    let written = "[a-zäßA-Z.+]{1,6}@[a-zäüßéA-Z-]{1,6}(\\.[a-zöA-Z]{2,4}){1,2}";
    check(2_000, &written, |written| {
        let folded = address::folded(&written);
        assert_eq!(address::folded(&folded), folded, "{written}");
        if let Ok(read) = address::read(&written) {
            assert_eq!(address::read(&read).as_ref(), Ok(&read), "{written}");
            assert_eq!(address::folded(&address::for_sending(&read)), read, "{written}");
            assert!(address::is_plausible(&address::for_sending(&read)), "{written}");
        }
    });
}

#[test]
fn one_identity_a_tag_is_the_same_however_it_is_written() {
    check(2_000, &any::<String>(), |written| {
        let Ok(tag) = Tag::new(&written) else { return };
        assert!(!tag.as_str().contains(text::is_unseen), "{written:?}");
        for other in
            [written.to_lowercase(), text::composed(&written).into_owned(), format!(" {written} ")]
        {
            if let Ok(other) = Tag::new(&other) {
                assert_eq!(other, tag, "{written:?}");
            }
        }
        let stored: Tag = serde_json::from_value(json!(tag.as_str())).unwrap();
        assert_eq!((stored.as_str(), stored.folded()), (tag.as_str(), tag.folded()));
    });
}

#[test]
fn nothing_is_decoded_with_loss_no_value_holds_a_replacement() {
    let texts = prop::collection::vec(
        prop_oneof![any::<char>(), Just('\u{fffd}'), Just('\u{202e}')],
        0..12,
    );
    let conventions = Conventions::of_senders(Zone::UTC, "de", Some(DateOrder::DayFirst));
    check(1_000, &texts, |chars| {
        let written: String = chars.into_iter().collect();
        for kind in [
            FieldType::Text,
            FieldType::Number,
            FieldType::Boolean,
            FieldType::Date,
            FieldType::Datetime,
        ] {
            if let Ok(Some(FieldValue::Text(kept))) = kind.read_sent(&json!(written), &conventions)
            {
                assert!(!kept.contains(['\u{fffd}', '\u{202e}']), "{written:?}");
            }
        }
        let _ = zone_named(&written);
    });
}

#[test]
fn a_bad_optional_value_numbers_never_mean_two_things() {
    let written = "-?[0-9]{1,4}([.,'][0-9]{2,3}){0,3}";
    check(3_000, &written, |written| {
        let read = |locale: &str| {
            let conventions = Conventions::of_senders(Zone::UTC, locale, None);
            match FieldType::Number.read_sent(&json!(written), &conventions) {
                Ok(Some(FieldValue::Number(number))) => Some(number),
                _ => None,
            }
        };
        // Both languages read an input alike, except the form that each reads differently.
        if let (Some(german), Some(english)) = (read("de"), read("en")) {
            assert!((german - english).abs() < 1e-9, "{written}: {german} or {english}");
        }
    });
}
