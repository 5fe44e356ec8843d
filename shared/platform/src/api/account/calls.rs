//! The account's settings.

use axum::extract::State;
use dacapo_engine::address;
use dacapo_engine::campaign::format::Sender;
use dacapo_engine::conventions::DateOrder;
use dacapo_engine::field::quoted;
use dacapo_engine::time::zone_named;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::api::Api;
use crate::api::call::extract::Json;
use crate::api::call::problem::{Fault, Problem};
use crate::api::call::shapes::DateOrderWord;
use crate::api::call::surface::{Surface, calls};
use crate::catalog::Settings;
use crate::contact_json::{ConsentWord, consent_of, instant_json, is_locale};
use crate::contacts::consent_word;
use crate::platform::Platform;
use crate::ports::Trouble;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, get, patch)
}

/// The account's settings.
#[derive(Debug, Serialize, ToSchema)]
struct AccountShape {
    /// The zone of its calendar days, and of contacts that have none: an IANA name.
    time_zone: String,
    /// The language of contacts that have none: a BCP 47 tag.
    locale: String,
    /// Which of two numbers in `03/12/2026` is the day: `day_first` or `month_first`. `null`: such
    /// dates are refused.
    #[schema(value_type = Option<DateOrderWord>)]
    date_order: Option<&'static str>,
    /// The consent of new contacts that come without: `subscribed`, `unsubscribed` or `none`.
    #[schema(value_type = ConsentWord)]
    default_consent: &'static str,
    /// Who mail comes from, where a campaign does not say.
    sender: Option<SenderShape>,
    /// What is wrong for now with what carries the account, such as a mail server that refuses the
    /// password. Not there where nothing is wrong, and never sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(read_only)]
    troubles: Vec<TroubleShape>,
}

/// Something that is wrong for now.
#[derive(Debug, Serialize, ToSchema)]
struct TroubleShape {
    /// What kind, stable: `mail_stopped`, `clock_went_back`.
    #[schema(value_type = String)]
    code: &'static str,
    /// What is wrong, and what to do about it.
    detail: String,
    /// The instant since when that is so.
    #[schema(value_type = String, format = DateTime)]
    since: Value,
}

/// Who mail comes from.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct SenderShape {
    pub(in crate::api) name: Option<String>,
    pub(in crate::api) address: String,
}

/// Settings to be changed. It describes: they are read one by one, so that everything that is wrong
/// can be said.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WrittenAccount {
    /// An IANA name.
    #[schema(value_type = Option<String>, nullable = false)]
    time_zone: Option<String>,
    /// A BCP 47 tag.
    #[schema(value_type = Option<String>, nullable = false)]
    locale: Option<String>,
    /// Which of two numbers in `03/12/2026` is the day; `null`: such dates are refused.
    #[schema(value_type = Option<DateOrderWord>)]
    date_order: Option<String>,
    /// The consent of new contacts that come without.
    #[schema(value_type = Option<ConsentWord>, nullable = false)]
    default_consent: Option<String>,
    /// Who mail comes from; `null` removes it.
    sender: Option<SenderShape>,
}

impl AccountShape {
    fn of(settings: &Settings, platform: &Platform) -> Self {
        let Platform { store, delivery, .. } = platform;
        let troubles = delivery.channels.troubles().chain(store.clock.trouble()).map(
            |Trouble { code, detail, since }| TroubleShape {
                code,
                detail,
                since: instant_json(since),
            },
        );
        Self {
            troubles: troubles.collect(),
            time_zone: settings.time_zone.clone(),
            locale: settings.locale.clone(),
            date_order: settings.date_order.map(DateOrder::word),
            default_consent: consent_word(settings.default_consent),
            sender: settings.sender.clone().map(|Sender { name, address }| SenderShape {
                name: name.filter(|name| !name.is_empty()),
                address,
            }),
        }
    }
}

/// The account's settings.
#[utoipa::path(
    get, path = "/v1/account", tag = "Account",
    responses((status = 200, body = AccountShape)),
)]
async fn get(State(api): State<Api>) -> Result<axum::Json<AccountShape>, Problem> {
    let loaded = api.platform.catalog.current().await?;
    Ok(axum::Json(AccountShape::of(&loaded.catalog.settings, &api.platform)))
}

/// Changes those settings that are sent; `"sender": null` removes the sender.
#[utoipa::path(patch, path = "/v1/account", tag = "Account", request_body = WrittenAccount,
    responses((status = 200, body = AccountShape), (status = 422, body = Problem)))]
async fn patch(
    State(api): State<Api>,
    Json(sent): Json<Map<String, Value>>,
) -> Result<axum::Json<AccountShape>, Problem> {
    let settings = api
        .platform
        .catalog
        .change(|catalog| {
            apply(&mut catalog.settings, &sent)?;
            Ok::<_, Problem>((catalog.settings.clone(), Vec::new()))
        })
        .await?;
    Ok(axum::Json(AccountShape::of(&settings, &api.platform)))
}

fn apply(settings: &mut Settings, sent: &Map<String, Value>) -> Result<(), Problem> {
    let mut faults = Vec::new();
    let mut fault = |path: &str, code: &str, message: &str| {
        faults.push(Fault::new(path, code, message));
    };
    for (key, value) in sent {
        let text = value.as_str().map(str::trim);
        match key.as_str() {
            "time_zone" => match text.and_then(zone_named) {
                Some(zone) => zone.name().clone_into(&mut settings.time_zone),
                None => {
                    let message = format!(
                        "{} is no time zone; write an IANA name such as Europe/Berlin",
                        quoted(value)
                    );
                    fault(key, "time_zone", &message);
                }
            },
            "date_order" if value.is_null() => settings.date_order = None,
            "date_order" => {
                let order = DateOrder::ALL.into_iter().find(|order| text == Some(order.word()));
                match order {
                    Some(order) => settings.date_order = Some(order),
                    None => fault(key, "date_order", "write day_first, month_first or null"),
                }
            }
            "locale" => match text.filter(|text| is_locale(text)) {
                Some(text) => text.clone_into(&mut settings.locale),
                None => fault(key, "locale", "write a language tag such as en, de-AT or pt-BR"),
            },
            "default_consent" => match text.and_then(consent_of) {
                Some(consent) => settings.default_consent = consent,
                None => fault(key, "consent", "write subscribed, unsubscribed or none"),
            },
            "sender" if value.is_null() => settings.sender = None,
            "sender" => match serde_json::from_value::<Sender>(value.clone()) {
                Ok(sender) if address::read(&sender.address).is_err() => {
                    let why = address::read(&sender.address).err();
                    let why = why.map(|why| why.to_string()).unwrap_or_default();
                    fault("sender.address", "email", &why);
                }
                Ok(sender) if sender.address.split('@').next().is_some_and(|it| !it.is_ascii()) => {
                    let why = "before the @ a sender has ASCII only, or mail services refuse it; \
                               write that part without accents";
                    fault("sender.address", "email", why);
                }
                Ok(sender) if sender.name.iter().any(|name| name.chars().any(char::is_control)) => {
                    fault("sender.name", "value", "a name has no control characters");
                }
                Ok(sender) => settings.sender = Some(sender),
                Err(_) => fault(key, "shape", "write {\"name\": …, \"address\": …}, or null"),
            },
            _ => fault(
                key,
                "unknown_member",
                "an account has `time_zone`, `locale`, `date_order`, `default_consent` and \
                 `sender`",
            ),
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Problem::invalid(faults)) }
}
