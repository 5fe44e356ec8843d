//! A scenario as it is played where mail is really made: what the simulator of
//! `dacapo_authoring`, which knows no HTML, leaves open is added.

use dacapo_authoring::journey::Journey;
use dacapo_authoring::scenario::Scenario;
use dacapo_authoring::simulate::{Bounds, Surroundings, simulate};
use dacapo_engine::campaign::format::Document;
use dacapo_engine::problem::Problem;
use dacapo_engine::template::Budget;

use crate::rendering::text_of_html;

/// Plays a scenario. The text of a message whose e-mail has only HTML is made from that, as it is
/// when it leaves; of HTML that is too long for the small budget it is left empty.
///
/// # Errors
///
/// Those of [`simulate`].
pub fn play(
    documents: &[Document],
    scenario: &Scenario,
    surroundings: &Surroundings,
    bounds: &Bounds,
) -> Result<Journey, Vec<Problem>> {
    let mut journey = simulate(documents, scenario, surroundings, bounds)?;
    for mail in &mut journey.messages {
        if let Some(html) = mail.html.as_deref().filter(|_| mail.text.is_empty())
            && let Ok(text) = text_of_html(html, Budget::Small)
        {
            mail.text = text;
        }
    }
    Ok(journey)
}
