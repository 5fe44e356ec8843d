//! Work that fails permanently is kept as a dead letter, so that it holds up nothing behind it.

use std::fmt::Display;

use dacapo_platform::dead_letters::{DeadLetterKind, NewDeadLetter};
use dacapo_platform::error::Error;
use dacapo_platform::keys::sha256;
use dacapo_platform::redriving::{written, written_smaller};
use dacapo_platform::table::Item;

use super::{CONSUMER, WorkerContext};

impl WorkerContext {
    /// A change of the feed that fails permanently becomes a dead letter.
    pub(super) async fn keep_change(
        &self,
        kind: DeadLetterKind,
        (old, new): (&Option<Item>, &Option<Item>),
        why: &Error,
    ) -> Result<(), Error> {
        let Some(either) = new.as_ref().or(old.as_ref()) else { return Ok(()) };
        let (key, old, new) = (&either.key, old.as_ref(), new.as_ref());
        self.keep_dead_letter(kind, &written(key, old, new), why, written_smaller(key, old, new))
            .await
    }

    /// The same for any work, or a smaller form if it is too large. A repeat replaces it.
    pub(super) async fn keep_dead_letter(
        &self,
        kind: DeadLetterKind,
        raw: &str,
        why: &impl Display,
        smaller: Vec<String>,
    ) -> Result<(), Error> {
        let (hash, why) = (sha256(raw), why.to_string());
        let name = format!("{CONSUMER}/{}", hash.get(..16).unwrap_or(&hash));
        let found = NewDeadLetter { name: &name, kind, by: CONSUMER, why: &why, raw };
        self.platform.dead_letters.keep_or(found, smaller).await
    }
}
