//! Campaigns that are to be played together: read and validated as publishing does.

use std::collections::BTreeMap;

use dacapo_engine::campaign::format::Document;
use dacapo_engine::campaign::reader::{LocatedDocument, read};
use dacapo_engine::campaign::validate::{AccountView, Subjects, validate};
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::ids::CampaignId;
use dacapo_engine::problem::{Problem, Severity};

use crate::simulate::Surroundings;

/// Campaigns without errors, in the order in which they were given.
#[derive(Debug, Clone)]
pub struct ReadCampaigns {
    /// The documents.
    pub documents: Vec<Document>,
    /// What is odd with them: the name of the text, and its warnings.
    pub warnings: Vec<(String, Vec<Problem>)>,
}

/// Reads texts, each with its name. They may refer to each other, and to what is around them.
///
/// # Errors
///
/// What is wrong with each text, with its name; those without a problem are left out.
pub fn together(
    texts: &[(String, String)],
    surroundings: &Surroundings,
) -> Result<ReadCampaigns, Vec<(String, Vec<Problem>)>> {
    let mut sources: Vec<(String, LocatedDocument)> = Vec::new();
    let mut refused = Vec::new();
    for (name, text) in texts {
        match read(text) {
            Ok(source) => {
                let id = &source.document.id;
                if let Some((other, _)) = sources.iter().find(|(_, it)| it.document.id == *id) {
                    let (line, column) = source.places.line_and_column("id");
                    let mut problem = crate::wrong::wrong(
                        "duplicate_campaign",
                        "id",
                        format!("{other} is a campaign `{id}` too"),
                        "name each campaign once, or give one another id",
                    );
                    (problem.line, problem.column) = (Some(line), Some(column));
                    refused.push((name.clone(), vec![problem]));
                } else {
                    sources.push((name.clone(), source));
                }
            }
            Err(problems) => refused.push((name.clone(), problems)),
        }
    }
    if !refused.is_empty() {
        return Err(refused);
    }
    let known: BTreeMap<CampaignId, Subjects> = sources
        .iter()
        .map(|(_, it)| (it.document.id.clone(), Subjects::of(it.document.per.as_ref())))
        .collect_compactly();
    let mut fields = surroundings.fields.clone();
    let mut objects = surroundings.objects.clone();
    for (_, source) in &sources {
        fields.extend(source.document.fields.clone());
        for (kind, of) in &source.document.objects {
            objects.entry(kind.clone()).or_default().fields.extend(of.fields.clone());
        }
    }
    // Files have no account: a sender may be set there, and other campaigns may be there.
    let account = AccountView {
        fields: &fields,
        objects: &objects,
        subjects: &|id| known.get(id).cloned(),
        campaigns: &|_| true,
        sender: true,
    };
    let mut warnings = Vec::new();
    for (name, source) in &sources {
        let problems = validate(source, &account);
        let is_error = |problem: &Problem| problem.severity == Severity::Error;
        let (errors, odd): (Vec<_>, Vec<_>) = problems.into_iter().partition(is_error);
        if !errors.is_empty() {
            refused.push((name.clone(), errors));
        } else if !odd.is_empty() {
            warnings.push((name.clone(), odd));
        }
    }
    if !refused.is_empty() {
        return Err(refused);
    }
    let documents = sources.into_iter().map(|(_, source)| source.document).collect();
    Ok(ReadCampaigns { documents, warnings })
}
