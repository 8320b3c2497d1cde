//! One way from file names to a plan, for every verb, for starting and for reloading.

use std::net::SocketAddr;

use haproxy_cfg_grammar::diagnostic::Place;
use haproxy_cfg_grammar::{Diagnostic, Dialect, Document, Parsed, Severity, SourceSet, parse};

use crate::boot::environment;
use crate::plan::Plan;
use crate::report;
use crate::resolve::{self, Environment, Provenance};

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

/// What is kept of a configuration in service, beside its plan, for those who ask about it.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// The files.
    pub sources: SourceSet,
    /// Where the values came from.
    pub provenance: Provenance,
    /// What was said about the files, in HAProxy's line format.
    pub messages: String,
}

impl Configuration {
    /// What is kept beside the plan.
    pub fn written(&self) -> Written {
        Written {
            sources: self.document.sources.clone(),
            provenance: self.provenance.clone(),
            messages: report::haproxy_lines(&self.diagnostics, &self.document.sources),
        }
    }
}

/// What the command line puts in place of values of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `-n`; `None` when not given.
    pub maxconn: Option<u32>,
    /// `-N`; `None` when not given.
    pub proxy_maxconn: Option<u32>,
    /// `-dS`.
    pub no_splice: bool,
    /// `-d` turns debug mode on, `-D` off; `None` when neither is given.
    pub debug: Option<bool>,
    /// `-m`; `None` when not given.
    pub memory_mb: Option<u32>,
    /// `--metrics`: one more address to those of the file.
    pub metrics: Option<SocketAddr>,
}

/// Where a configuration is read from, at the start and again at every reload.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Files and folders, as on the command line.
    pub files: Vec<String>,
    /// How they are read.
    pub dialect: Dialect,
    /// What the command line puts in place of their values.
    pub overrides: Overrides,
}

/// Everything from outside that makes a configuration. Another process may have gathered it.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The configuration files.
    pub sources: SourceSet,
    /// What they name.
    pub environment: Environment,
}

/// The name of a file that cannot be read, and why.
pub type Unreadable = (String, std::io::Error);

impl Origin {
    /// Reads, parses and resolves. Files, host names and users are looked up.
    ///
    /// # Errors
    /// The file that cannot be read.
    pub fn read(&self) -> Result<Configuration, Unreadable> {
        let sources = self.sources()?;
        Ok(read(&sources, self.dialect, self.overrides))
    }

    /// Reads and looks up what [`Origin::interpret`] needs.
    ///
    /// # Errors
    /// The file that cannot be read.
    pub fn gather(&self) -> Result<Inputs, Unreadable> {
        let sources = self.sources()?;
        let document = parse(&sources, self.dialect).document;
        Ok(Inputs {
            environment: environment::gather(&document),
            sources,
        })
    }

    /// Parses and resolves what was gathered.
    pub fn interpret(&self, inputs: Inputs) -> Configuration {
        let parsed = parse(&inputs.sources, self.dialect);
        resolve(parsed, inputs.environment, self.dialect, self.overrides)
    }

    fn sources(&self) -> Result<SourceSet, Unreadable> {
        let files = environment::expand(&self.files, self.dialect)?;
        environment::sources(&files)
    }
}

/// Parses and resolves sources.
pub fn read(sources: &SourceSet, dialect: Dialect, overrides: Overrides) -> Configuration {
    let parsed = parse(sources, dialect);
    let environment = environment::gather(&parsed.document);
    resolve(parsed, environment, dialect, overrides)
}

fn resolve(
    parsed: Parsed,
    mut environment: Environment,
    dialect: Dialect,
    overrides: Overrides,
) -> Configuration {
    environment.default_proxy_maxconn = overrides.proxy_maxconn;
    environment.global_maxconn = overrides.maxconn;
    environment.memory_mb = overrides.memory_mb;
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
    if dialect == Dialect::V1_8 {
        before_the_check(&mut diagnostics);
    }
    if dialect != Dialect::Hapax {
        beyond_the_stop(&mut diagnostics);
    }
    let mut plan = resolved.plan.filter(|_| !resolve::has_errors(&diagnostics));
    if let Some(plan) = &mut plan {
        plan.global.nosplice |= overrides.no_splice;
        plan.global.debug = overrides.debug.unwrap_or(plan.global.debug);
        let metrics = &mut plan.global.metrics;
        metrics.extend(overrides.metrics.filter(|own| !metrics.contains(own)));
    }
    Configuration {
        document: parsed.document,
        plan,
        provenance: resolved.provenance,
        diagnostics,
    }
}

/// 1.5 to 1.8 check the whole only when every line is right. What they would not have seen is
/// still reported, as notices.
fn before_the_check(diagnostics: &mut [Diagnostic]) {
    let wrong = |d: &Diagnostic| d.severity == Severity::Error && !d.late;
    if diagnostics.iter().any(wrong) {
        for diagnostic in diagnostics.iter_mut().filter(|d| d.late) {
            diagnostic.severity = Severity::Notice;
        }
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
