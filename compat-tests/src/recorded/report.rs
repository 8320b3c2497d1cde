//! What suites came to, for people and for the list of known failures.

use similar::TextDiff;

use crate::ratchet::Ratchet;

/// What a suite came to.
#[derive(Debug)]
pub struct SuiteReport {
    /// The suite's name.
    pub name: String,
    /// Ids of the cases that equal their recording.
    pub passed: Vec<String>,
    /// The others, in file order.
    pub failed: Vec<Failure>,
    /// What is wrong with the proxy itself, when something is.
    pub note: Option<String>,
}

/// A case that does not equal its recording.
#[derive(Debug)]
pub struct Failure {
    /// The case.
    pub id: String,
    /// What its client sent, where that is worth showing.
    pub sent: Vec<String>,
    /// What was recorded, as far as it is compared.
    pub expected: Vec<String>,
    /// What happened now, as far as it is compared.
    pub got: Vec<String>,
}

impl SuiteReport {
    /// Of a suite in which nothing was played yet.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            passed: Vec::new(),
            failed: Vec::new(),
            note: None,
        }
    }
}

/// Which cases passed and which did not, as `suite/case`.
pub(crate) fn names(reports: &[SuiteReport]) -> (Vec<String>, Vec<String>) {
    let (mut passed, mut failed) = (Vec::new(), Vec::new());
    for report in reports {
        let name = |id: &String| format!("{}/{id}", report.name);
        passed.extend(report.passed.iter().map(name));
        failed.extend(report.failed.iter().map(|failure| name(&failure.id)));
    }
    (passed, failed)
}

/// What a list makes of a run, for a test: the counts, or what has to be done with the first
/// differences.
///
/// # Errors
/// When a case fails that is not listed, or a listed one passes.
pub fn verdict(reports: &[SuiteReport], ratchet: &Ratchet, golden: &str) -> Result<String, String> {
    let (passed, failed) = names(reports);
    let judgement = ratchet.judge(
        passed.iter().map(String::as_str),
        failed.iter().map(String::as_str),
    );
    if judgement.holds() {
        let known = judgement.known;
        return Ok(format!(
            "{golden}: {} pass, {known} known failures",
            passed.len()
        ));
    }
    let shown = differences(reports, golden, |name| judgement.regressions.contains(name));
    let shown: String = shown.take(SHOWN).collect();
    Err(format!("{}\n{shown}", judgement.explain(ratchet.path())))
}

/// How the failed cases that are asked for differ from their recording.
pub fn differences(
    reports: &[SuiteReport],
    golden: &str,
    wanted: impl Fn(&String) -> bool,
) -> impl Iterator<Item = String> {
    reports
        .iter()
        .flat_map(|report| report.failed.iter().map(move |failure| (report, failure)))
        .filter(move |(report, failure)| wanted(&format!("{}/{}", report.name, failure.id)))
        .map(move |(report, failure)| difference(&report.name, golden, failure))
}

/// What a failed case sent, and how its result differs from the recording.
pub fn difference(suite: &str, golden: &str, failure: &Failure) -> String {
    let mut out = format!("--- {suite} / {}\n", failure.id);
    for text in &failure.sent {
        out.push_str(&format!("    sends  {text:?}\n"));
    }
    let text = |lines: &[String]| lines.join("\n") + "\n";
    let (expected, got) = (text(&failure.expected), text(&failure.got));
    let diff = TextDiff::from_lines(&expected, &got);
    let mut unified = diff.unified_diff();
    let unified = unified
        .context_radius(3)
        .header(&format!("golden {golden}"), "got")
        .to_string();
    for line in unified.lines() {
        out.push_str(&format!("    {line}\n"));
    }
    out
}

/// How many unexpected differences are shown in full.
const SHOWN: usize = 5;
