//! What nobody can read is put aside: as it came, for a person to look at and to give in again.

use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::error::Error;
use crate::metrics::Metric;
use crate::platform::{Platform, item};
use crate::table::{Condition, Write};

/// Something that was put aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// Who could not read it.
    pub by: String,
    /// Why.
    pub why: String,
    /// It, as it came.
    pub raw: String,
    /// When.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub at: Instant,
}

impl Platform {
    /// Puts something aside under a name; the same name again replaces it.
    ///
    /// # Errors
    ///
    /// What the table answers; also that it is too large to be kept.
    pub async fn put_aside(&self, name: &str, by: &str, why: &str, raw: &str) -> Result<(), Error> {
        let aside =
            Aside { by: by.to_owned(), why: why.to_owned(), raw: raw.to_owned(), at: self.now() };
        let kept = item(self.keys.put_aside(name), &aside)?;
        self.write(vec![Write::put(kept, Condition::Always)]).await?;
        tracing::error!(name, by, why, "put aside");
        Metric::PutAside.tell(1);
        Ok(())
    }
}
