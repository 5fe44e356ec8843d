//! Statistics of a campaign: sums over all time, and by day.

use axum::extract::State;
use chrono::{Days, NaiveDate};
use dacapo_engine::ids::CampaignId;
use dacapo_engine::time::day_of;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::Api;
use crate::api::call::extract::{Path, Query};
use crate::api::call::problem::Problem;
use crate::api::call::surface::{Surface, calls};
use crate::campaigns::Statistics;
use crate::platform::Platform;

/// How many days are shown unless asked otherwise.
const USUAL_DAYS: u64 = 30;

/// The most days that are shown: history is kept for that long.
const MOST_DAYS: i64 = 731;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, statistics)
}

/// How statistics are shown.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct HowToCount {
    /// `day` shows the days, too.
    #[param(inline)]
    by: Option<By>,
    /// The first day, such as `2026-12-01`; 29 days before the last unless given.
    #[param(value_type = Option<String>)]
    from: Option<NaiveDate>,
    /// The last day; today unless given.
    #[param(value_type = Option<String>)]
    to: Option<NaiveDate>,
}

/// What statistics are split by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum By {
    /// The account's calendar days.
    Day,
}

/// What happened in a campaign, and where its contacts are now.
#[utoipa::path(get, path = "/v1/campaigns/{id}/statistics", tag = "Campaigns",
    params(("id" = String, Path), HowToCount),
    responses((status = 200, body = Statistics), (status = 404, body = Problem)))]
async fn statistics(
    State(api): State<Api>,
    Path(id): Path<CampaignId>,
    Query(how): Query<HowToCount>,
) -> Result<axum::Json<Statistics>, Problem> {
    let Platform { store, catalog, campaigns, .. } = &api.platform;
    let mut statistics = campaigns.statistics(&id).await?;
    if how.by == Some(By::Day) {
        let zone = catalog.current().await?.account.zone;
        let to = how.to.unwrap_or_else(|| day_of(store.now(), zone));
        let from = how.from.unwrap_or(to - Days::new(USUAL_DAYS - 1));
        if from > to || (to - from).num_days() >= MOST_DAYS {
            let message = format!("it has to be a day up to {MOST_DAYS} days before `to`");
            return Err(Problem::invalid_at("from", "parameter", message));
        }
        statistics.days = Some(campaigns.statistics_by_day(&id, from, to).await?);
    }
    Ok(axum::Json(statistics))
}
