//! What people read about a lint.

/// What people read about a lint. It stands apart, because who only checks campaigns does not need
/// it: it is no part of the functions.
pub struct LintPage {
    /// The code of the lint.
    pub code: &'static str,
    /// What it finds.
    pub what: &'static str,
    /// Why that is bad.
    pub why: &'static str,
    /// Campaigns that it finds something in; several are divided by `---`.
    pub example: &'static str,
    /// The same, mended: nothing is found.
    pub mended: &'static str,
    /// What it does not see.
    pub limits: &'static str,
}
