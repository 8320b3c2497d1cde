//! One way from file names to a plan, for every verb, for starting and for reloading.

use haproxy_cfg_grammar::diagnostic::Place;
use haproxy_cfg_grammar::{Diagnostic, Dialect, Document, Severity, SourceSet, parse};

use crate::boot::environment;
use crate::plan::Plan;
use crate::resolve::{self, Provenance};

/// A configuration that was read, with everything found out about it.
#[derive(Debug)]
pub struct Configuration {
    /// What was written.
    pub document: Document,
    /// What it means, unless there were errors.
    pub plan: Option<Plan>,
    /// Where the values came from.
    pub provenance: Provenance,
    /// Every mistake: first those of lines, then those of the whole.
    pub diagnostics: Vec<Diagnostic>,
}

/// What the command line puts in place of values of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `-n`; `None` when not given.
    pub maxconn: Option<u32>,
    /// `-N`; `None` when not given.
    pub proxy_maxconn: Option<u32>,
}

/// Reads, parses and resolves. Files, host names and users are looked up.
///
/// # Errors
/// The name of a file that cannot be read, and why.
pub fn load(
    files: &[String],
    dialect: Dialect,
    overrides: Overrides,
) -> Result<Configuration, (String, std::io::Error)> {
    let sources = environment::sources(files)?;
    Ok(read(&sources, dialect, overrides))
}

/// Parses and resolves sources.
pub fn read(sources: &SourceSet, dialect: Dialect, overrides: Overrides) -> Configuration {
    let parsed = parse(sources, dialect);
    let mut environment = environment::gather(&parsed.document);
    environment.default_proxy_maxconn = overrides.proxy_maxconn;
    environment.global_maxconn = overrides.maxconn;
    let resolved = resolve::resolve(&parsed.document, &environment, dialect);
    let mut diagnostics = parsed.diagnostics;
    // Mistakes of lines come in file order, whether parsing or resolving found them.
    let (mut lines, whole): (Vec<_>, Vec<_>) = resolved
        .diagnostics
        .into_iter()
        .partition(|d| d.place == Place::Line);
    diagnostics.append(&mut lines);
    diagnostics.extend(crate::not_built::warnings(&parsed.document));
    diagnostics.sort_by_key(|d| d.span.map_or((0, 0), |s| (s.file.0, s.line)));
    diagnostics.extend(whole);
    if dialect != Dialect::Hapax {
        beyond_the_stop(&mut diagnostics);
    }
    let plan = resolved.plan.filter(|_| !resolve::has_errors(&diagnostics));
    Configuration {
        document: parsed.document,
        plan,
        provenance: resolved.provenance,
        diagnostics,
    }
}

/// HAProxy reads no further after some mistakes, and checks nothing else. What it would not
/// have seen is still reported, as notices.
fn beyond_the_stop(diagnostics: &mut [Diagnostic]) {
    let Some(stop) = diagnostics.iter().position(|d| d.stops) else {
        return;
    };
    let line = diagnostics
        .get(stop)
        .and_then(|d| d.span)
        .map(|s| (s.file, s.line));
    for diagnostic in diagnostics.iter_mut().skip(stop + 1) {
        let same_line = diagnostic.span.map(|s| (s.file, s.line)) == line;
        if !same_line || diagnostic.place == Place::Whole {
            diagnostic.severity = Severity::Notice;
        }
    }
}
