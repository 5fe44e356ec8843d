//! Simulating: a scenario played on a virtual clock, with the engine that runs. Nothing is written,
//! and nobody gets mail.

use axum::extract::State;
use dacapo_authoring::campaigns::{ReadCampaigns, together};
use dacapo_authoring::expectation::differences;
use dacapo_authoring::journey::Journey;
use dacapo_authoring::scenario::Scenario;
use dacapo_authoring::simulate::{Bounds, Surroundings};
use dacapo_engine::campaign::reader::read_as;
use dacapo_engine::ids::CampaignId;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::api::Api;
use crate::api::call::extract::{Json, Path};
use crate::api::call::idempotency::Answer;
use crate::api::call::problem::{Fault, Problem};
use crate::api::call::room::{Room, json_text};
use crate::api::call::surface::{Surface, calls};
use crate::campaigns::Campaigns;
use crate::platform::Platform;
use crate::played::play;

/// How many other campaigns may take part.
const MOST_OTHERS: usize = 20;

/// How many bytes all documents have together at most.
const LONGEST_TOGETHER: usize = 600 * 1024;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, simulate)
}

/// What is simulated.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WhatToSimulate {
    /// What happens to whom, and when. Its format is described in `docs/authoring.md`; the
    /// account's zone, fields and types of objects are there unless it says otherwise. `campaigns`
    /// in it is not used.
    #[schema(value_type = std::collections::BTreeMap<String, Value>)]
    scenario: Value,
    /// A document instead of the draft, YAML or JSON.
    document: Option<String>,
    /// A published version instead of the draft.
    version: Option<u32>,
    /// Other campaigns that take part: their newest version, or the draft if they have none.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    campaigns: Vec<CampaignId>,
}

/// Plays a scenario with the draft on a virtual clock, and answers the journey. Nothing is written
/// and nobody gets mail. Steps, contacts, events and messages are bounded.
#[utoipa::path(
    post, path = "/v1/campaigns/{id}/simulate", tag = "Campaigns",
    params(("id" = String, Path)),
    request_body = WhatToSimulate,
    responses(
        (status = 200, description = "The journey, as docs/authoring.md describes it: `entries`, `messages`, \
                       `enrollments`, `contacts`, `findings`, `differences`", body = std::collections::BTreeMap<String, Value>),
        (status = 404, body = Problem), (status = 422, body = Problem),
    ),
)]
async fn simulate(
    State(api): State<Api>,
    Path(id): Path<CampaignId>,
    Json(what): Json<WhatToSimulate>,
) -> Result<Answer, Problem> {
    let Platform { campaigns, catalog, blocking, .. } = &api.platform;
    let texts = texts(campaigns, &id, &what).await?;
    let loaded = catalog.current().await?;
    let surroundings = Surroundings {
        account: loaded.account.clone(),
        fields: loaded.catalog.fields.clone(),
        objects: loaded.catalog.objects.clone(),
    };
    let scenario = what.scenario.to_string();
    let played = blocking.run(move || played(&texts, &scenario, &surroundings)).await??;
    let Played { scenario, journey, warnings } = played;
    let mut answer = json!(journey);
    answer["findings"] = json!(warnings);
    if scenario.expect.is_some() {
        answer["differences"] = json!(differences(&scenario, &journey, Some(&id)));
    }
    let mut room = Room::WHOLE;
    if !room.holds(json_text(&answer)?.as_bytes()) {
        let message = "the journey is longer than an answer may be; let the scenario be shorter";
        return Err(Problem::invalid_at("scenario", "too_large", message));
    }
    Answer::ok(&answer)
}

/// What came of playing.
struct Played {
    scenario: Scenario,
    journey: Journey,
    warnings: Vec<dacapo_engine::problem::Problem>,
}

fn played(
    texts: &[(String, String)],
    scenario: &str,
    surroundings: &Surroundings,
) -> Result<Played, Problem> {
    // Read as a text, so that every problem names its path.
    let (scenario, _) =
        read_as::<Scenario>(scenario).map_err(|problems| refused("scenario", problems))?;
    let ReadCampaigns { documents, warnings } = together(texts, surroundings).map_err(|all| {
        let faults = all.into_iter().flat_map(|(name, problems)| {
            problems.into_iter().map(move |problem| Fault {
                message: format!("{name}: {}", problem.message),
                ..Fault::from(problem)
            })
        });
        Problem::invalid(faults.collect())
    })?;
    let journey = play(&documents, &scenario, surroundings, &Bounds::of_a_call())
        .map_err(|problems| refused("scenario", problems))?;
    let warnings = warnings.into_iter().flat_map(|(_, problems)| problems).collect();
    Ok(Played { scenario, journey, warnings })
}

/// The texts of the campaigns that are played, this one first, each with its id.
async fn texts(
    campaigns: &Campaigns,
    id: &CampaignId,
    what: &WhatToSimulate,
) -> Result<Vec<(String, String)>, Problem> {
    let own = match (&what.document, what.version) {
        (Some(_), Some(_)) => {
            let message = "a document is given, so no version is taken; leave out one of them";
            return Err(Problem::invalid_at("version", "contradiction", message));
        }
        (Some(text), None) => text.clone(),
        (None, version) => campaigns.text(id, version).await?,
    };
    if what.campaigns.len() > MOST_OTHERS {
        let message = format!("at most {MOST_OTHERS} other campaigns take part; name fewer");
        return Err(Problem::invalid_at("campaigns", "too_many", message));
    }
    let mut texts = vec![(id.to_string(), own)];
    for other in what.campaigns.iter().filter(|other| *other != id) {
        let newest = campaigns.head(other).await?.state.version();
        texts.push((other.to_string(), campaigns.text(other, newest).await?));
    }
    let bytes: usize = texts.iter().map(|(_, text)| text.len()).sum();
    if bytes > LONGEST_TOGETHER {
        let message = format!(
            "the documents have {bytes} bytes together; at most {LONGEST_TOGETHER} are played: \
             name fewer campaigns"
        );
        return Err(Problem::invalid_at("campaigns", "too_large", message));
    }
    Ok(texts)
}

/// What is wrong with a member of the body.
fn refused(member: &str, problems: Vec<dacapo_engine::problem::Problem>) -> Problem {
    let faults = problems.into_iter().map(|problem| {
        let path = match problem.path.as_str() {
            "" => member.to_owned(),
            path => format!("{member}.{path}"),
        };
        Fault { path, line: None, column: None, ..Fault::from(problem) }
    });
    Problem::invalid(faults.collect())
}
