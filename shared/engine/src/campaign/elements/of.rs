//! `of`: whom an element writes to, in a campaign about objects (R72). Without it an element writes
//! to the subject.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whom an element writes to, if not to the subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// The contact whose object the subject is.
    Contact,
}
