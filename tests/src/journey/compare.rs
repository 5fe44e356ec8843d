//! Compares the written script with the result.

/// The same text, with the results of one instant in an order that does not depend on timing.
///
/// Order within an instant is visible outside only in the history of one contact in one campaign.
/// So the lines below each command are ordered by instant and contact. For one contact, the history
/// is first, campaign by campaign, each in its order; the messages follow in alphabetical order.
/// The answer to a question stays below them; that of `history` is ordered by campaign.
pub fn in_no_order(text: &str) -> String {
    let mut ordered = String::new();
    let mut block: Vec<&str> = Vec::new();
    let end = |block: &mut Vec<&str>, ordered: &mut String| {
        block.sort_by_key(|line| place(line));
        for line in block.drain(..) {
            ordered.push_str(line);
            ordered.push('\n');
        }
    };
    for line in text.lines() {
        if line.starts_with(OUT) {
            block.push(line);
        } else {
            end(&mut block, &mut ordered);
            ordered.push_str(line);
            ordered.push('\n');
        }
    }
    end(&mut block, &mut ordered);
    ordered
}

/// The prefix of result lines.
const OUT: &str = "    > ";

/// The sort key of a result line; the sort is stable.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place<'a> {
    /// The line that nothing changed is first.
    Nothing,
    /// Something that happened: instant, contact, then the campaign of a history line, or a
    /// message.
    Happened(&'a str, &'a str, Kind<'a>),
    /// A line of an answer: of `history` by campaign.
    Answered(&'a str),
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind<'a> {
    History(&'a str),
    Message(&'a str),
}

fn place(line: &str) -> Place<'_> {
    let said = &line[OUT.len()..];
    if said == "nothing changed" {
        return Place::Nothing;
    }
    // `12-01 09:00:00 ` comes before everything that happened.
    if let Some((instant, what)) = said.split_at_checked(15)
        && instant.starts_with(|c: char| c.is_ascii_digit())
    {
        let message = what.strip_prefix("MAIL to ").or_else(|| what.strip_prefix("NO MAIL to "));
        return match message {
            Some(message) => {
                let contact = message.split(' ').next().unwrap_or_default();
                Place::Happened(instant, contact, Kind::Message(what))
            }
            None => {
                // An object is told as `ann's appointment a1 in …`.
                let (whose, rest) = what.split_once(" in ").unwrap_or((what, ""));
                let campaign = rest.split(' ').next().unwrap_or_default();
                Place::Happened(instant, whose, Kind::History(campaign))
            }
        };
    }
    match said.strip_prefix("in ") {
        Some(told) => Place::Answered(told.split(' ').next().unwrap_or_default()),
        None => Place::Answered(""),
    }
}

/// The first lines that differ.
pub fn difference(written: &str, came_out: &str) -> String {
    let mut a = written.lines();
    let mut b = came_out.lines();
    let mut nth = 0;
    loop {
        nth += 1;
        match (a.next(), b.next()) {
            (None, None) => return "only in line ends".to_owned(),
            (a, b) if a == b => {}
            (a, b) => {
                return format!(
                    "  line {nth}\n  written:  {}\n  came out: {}",
                    a.unwrap_or("(nothing)"),
                    b.unwrap_or("(nothing)")
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_instant_brings_has_one_order() {
        let came_out = "\
ann: +Lead
    > nothing changed
    > 12-01 09:00:00 bob in club run 1 at lead: entered the campaign
    > 12-01 09:00:00 ann in shop run 1 at lead: entered the campaign
    > 12-01 09:00:00 MAIL to ann (hello, run 1): Hello
    > 12-01 09:00:00 ann in club run 1 at lead: entered the campaign
    > 12-01 09:00:00 ann in club run 1 at hello: message on its way
    > 12-01 08:00:00 bob in club run 1 at a: b
where ann
    > shop: run 1, completed
    > club: run 1, completed
";
        let ordered = "\
ann: +Lead
    > nothing changed
    > 12-01 08:00:00 bob in club run 1 at a: b
    > 12-01 09:00:00 ann in club run 1 at lead: entered the campaign
    > 12-01 09:00:00 ann in club run 1 at hello: message on its way
    > 12-01 09:00:00 ann in shop run 1 at lead: entered the campaign
    > 12-01 09:00:00 MAIL to ann (hello, run 1): Hello
    > 12-01 09:00:00 bob in club run 1 at lead: entered the campaign
where ann
    > shop: run 1, completed
    > club: run 1, completed
";
        assert_eq!(in_no_order(came_out), ordered);
        assert_eq!(in_no_order(ordered), ordered);
    }

    #[test]
    fn the_history_of_a_campaign_keeps_its_order() {
        let one = "    > 12-01 09:00:00 ann in c run 1 at a: x\n    > 12-01 09:00:00 ann in c run 1 at b: y\n";
        let other = "    > 12-01 09:00:00 ann in c run 1 at b: y\n    > 12-01 09:00:00 ann in c run 1 at a: x\n";
        assert_ne!(in_no_order(one), in_no_order(other));
    }
}
