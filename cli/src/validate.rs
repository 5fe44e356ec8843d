//! `dacapo validate`: what is wrong or odd with campaign files, where, and what to do about it.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use dacapo_authoring::finding::{Finding, Severity};
use dacapo_authoring::fix;
use dacapo_authoring::report::{Report, Reported};

use crate::files;
use crate::out;
use crate::settings::{ReportFormat, Validate};

/// How often safe edits are applied at most: one may make room for another.
const MOST_ROUNDS: usize = 8;

/// The longest piece of a line that is shown, in characters.
const SHOWN: usize = 120;

/// Prints the findings. The campaigns of all files may refer to each other.
pub(crate) fn run(command: &Validate) -> Result<ExitCode, Box<dyn Error>> {
    if command.files.iter().filter(|file| *file == Path::new("-")).count() > 1 {
        return Err("standard input can be read once; name a file for the other `-`".into());
    }
    let mut unread = 0;
    let mut texts = Vec::new();
    let mut paths = Vec::new();
    for file in &command.files {
        match files::campaign(file) {
            Ok(text) => {
                texts.push((files::name(file), text));
                paths.push(file.as_path());
            }
            Err(error) => {
                unread += 1;
                out::complain(error);
            }
        }
    }
    let mut report = Report::of(texts);
    if command.fix && unread == 0 {
        report = mended(report, &paths)?;
    }
    match command.format {
        ReportFormat::Text => out::line(as_text(&report).trim_end())?,
        ReportFormat::Json => out::line(report.as_json())?,
        ReportFormat::Sarif => out::line(report.as_sarif(env!("CARGO_PKG_VERSION")))?,
        ReportFormat::Github => {
            let lines = report.as_github();
            if !lines.is_empty() {
                out::line(lines.trim_end())?;
            }
        }
    }
    let is_right = report.count(Severity::Error) == 0 && unread == 0;
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Applies the safe edits to the files, and looks at them again.
fn mended(mut report: Report, paths: &[&Path]) -> Result<Report, Box<dyn Error>> {
    let (mut applied, mut told) = (0, Vec::new());
    for _ in 0..MOST_ROUNDS {
        let mut texts = Vec::new();
        let mut in_round = 0;
        for (file, path) in report.files.iter().zip(paths) {
            let (text, edits) = fix::apply(&file.text, &file.findings);
            for finding in fix::applied(&file.text, &file.findings) {
                let label = finding.edit.as_ref().map_or("", |edit| edit.label.as_str());
                let line = finding.line.unwrap_or(1);
                told.push(format!("{}:{line}: {}: {label}", file.file, finding.code));
            }
            if edits > 0 {
                if *path == Path::new("-") {
                    return Err("standard input cannot be mended; name a file for `--fix`".into());
                }
                std::fs::write(path, &text).map_err(|error| format!("{}: {error}", file.file))?;
            }
            in_round += edits;
            texts.push((file.file.clone(), text));
        }
        if in_round == 0 {
            break;
        }
        applied += in_round;
        report = Report::of(texts);
    }
    let all = report.files.iter().flat_map(|file| &file.findings);
    let left = all.filter(|finding| finding.edit.as_ref().is_some_and(|edit| !edit.safe)).count();
    told.push(format!("{} applied", counted(applied, "edit")));
    if left > 0 {
        told.push(format!(
            "{} left to you: not safe, since more may change than the finding is about; \
             `--format json` shows what would be written",
            counted(left, "edit")
        ));
    }
    out::complain(told.join("\n"));
    Ok(report)
}

fn as_text(report: &Report) -> String {
    let mut blocks = Vec::new();
    for file in &report.files {
        blocks.extend(file.findings.iter().map(|finding| shown(file, finding)));
        let (errors, warnings) = (file.count(Severity::Error), file.count(Severity::Warning));
        let (errors, warnings) = (counted(errors, "error"), counted(warnings, "warning"));
        let mut counts = format!("{}: {errors}, {warnings}", file.file);
        if file.count(Severity::Advice) > 0 {
            counts.push_str(&format!(", {} advice", file.count(Severity::Advice)));
        }
        blocks.push(counts);
    }
    blocks.join("\n\n")
}

/// So many of something.
fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// A finding with its line and a caret.
fn shown(file: &Reported, finding: &Finding) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Advice => Level::NOTE.with_name("advice"),
    };
    let code = match finding.name {
        Some(name) => format!("{} {name}", finding.code),
        None => finding.code.to_owned(),
    };
    let mut group = Group::with_title(level.primary_title(finding.message.clone()).id(code));
    let place = finding.line.map(|line| (line, finding.column.unwrap_or(1)));
    match place {
        None => group = group.element(Origin::path(file.file.clone())),
        Some((line, column)) => {
            let (piece, span) = piece(&file.text, line, column);
            let line = usize::try_from(line).unwrap_or(usize::MAX);
            let annotation = AnnotationKind::Primary.span(span).label(finding.path.clone());
            let is_whole = piece.chars().count() < SHOWN;
            let snippet = Snippet::source(piece).line_start(line).annotation(annotation);
            // In a piece of a line the column would be another one.
            group = if is_whole {
                group.element(snippet.path(file.file.clone()))
            } else {
                let column = usize::try_from(column).unwrap_or(usize::MAX);
                let origin = Origin::path(file.file.clone()).line(line).char_column(column);
                group.element(origin).element(snippet)
            };
        }
    }
    let group = group.element(Level::HELP.message(finding.remedy.clone()));
    Renderer::plain().render(&[group])
}

/// The line, or the part of it around the place, and what of it the caret underlines, in bytes.
fn piece(text: &str, line: u32, column: u32) -> (String, std::ops::Range<usize>) {
    let nth = |number: u32| usize::try_from(number).unwrap_or(1).saturating_sub(1);
    let text = text.trim_start_matches('\u{feff}');
    let whole: Vec<char> = text.lines().nth(nth(line)).unwrap_or_default().chars().collect();
    let at = nth(column).min(whole.len());
    let begin = if whole.len() > SHOWN { at.saturating_sub(SHOWN / 3) } else { 0 };
    let piece: String = whole.iter().skip(begin).take(SHOWN).collect();
    let from: usize = whole[begin..at].iter().map(|c| c.len_utf8()).sum();
    let rest = &piece[from.min(piece.len())..];
    let ends = |c: char| c.is_whitespace() || matches!(c, ':' | ',' | '}' | ']');
    let quoted = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    let length = match quoted {
        Some(quote) => rest[1..].find(quote).map_or(rest.len(), |end| end + 2),
        None => {
            rest.find(ends).unwrap_or(rest.len()).max(rest.chars().next().map_or(0, char::len_utf8))
        }
    };
    let from = from.min(piece.len());
    (piece, from..from + length)
}
