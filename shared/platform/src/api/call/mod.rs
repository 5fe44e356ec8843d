//! What every call goes through: the caller ([`auth`]), what was sent ([`extract`], [`charset`],
//! [`members`]), a repeated call ([`idempotency`]), lists page by page ([`lists`]), failures
//! ([`problem`], [`wording`]), and the description of all of it ([`describing`], [`openapi`],
//! [`surface`]). What single calls are about is known in the folders of the subjects; shapes that
//! several of them have are here ([`shapes`]).

pub(in crate::api) mod answer;
pub(in crate::api) mod auth;
pub(in crate::api) mod charset;
pub(in crate::api) mod describing;
pub(in crate::api) mod extract;
pub(in crate::api) mod idempotency;
pub(in crate::api) mod lists;
pub(in crate::api) mod members;
pub(in crate::api) mod openapi;
pub(in crate::api) mod problem;
pub(in crate::api) mod room;
pub(crate) mod shapes;
pub(in crate::api) mod surface;
pub(in crate::api) mod wording;
