//! What a document means: inheritance, references, precedence, defaults.
//!
//! [`resolve`] is a function of the document, the [`Environment`] (every fact from outside,
//! gathered beforehand) and the dialect. It does no I/O. Mistakes are diagnostics; a plan comes
//! out only when none of them is an error.
//!
//! Start reading at [`resolve`]: sections are read in file order into drafts ([`draft`],
//! [`proxy`], [`global`]), then what concerns several proxies is checked ([`references`],
//! [`validity`]).

mod checks;
mod conditions;
mod draft;
mod environment;
mod fetches;
mod formats;
mod global;
mod http_only;
mod identity;
mod listeners;
mod maps;
mod needs;
mod options;
mod persistence;
mod provenance;
mod proxy;
mod references;
mod rules;
mod servers;
mod settings;
mod stats;
mod tables;
mod tracking;
mod userlists;
mod validity;

use haproxy_cfg_grammar::{Code, Diagnostic, Dialect, Document, SectionKind, Severity};

pub use environment::{Environment, FileContent};
pub(crate) use needs::condition_of;
pub use needs::{Needs, needs};
pub use provenance::{Origin, Provenance, ProxyProvenance};

use crate::plan::Plan;

/// What [`resolve`] gives.
#[derive(Debug)]
pub struct Resolved {
    /// The plan, unless there were errors.
    pub plan: Option<Plan>,
    /// Where its values came from.
    pub provenance: Provenance,
    /// The mistakes found on the way.
    pub diagnostics: Vec<Diagnostic>,
}

/// Resolves a document. The diagnostics of parsing are not repeated, but the plan must not be
/// used when there was an error among them.
pub fn resolve(document: &Document, environment: &Environment, dialect: Dialect) -> Resolved {
    let mut drafts = draft::Drafts::new(dialect, environment);
    drafts.proxies.reserve_exact(document.sections.len());
    for section in &document.sections {
        match section.kind {
            SectionKind::Global => global::read(document, section, &mut drafts),
            SectionKind::Defaults => proxy::read_defaults(document, section, &mut drafts),
            SectionKind::Frontend | SectionKind::Listen | SectionKind::Backend => {
                proxy::read(document, section, &mut drafts);
            }
            SectionKind::Userlist => userlists::read(document, section, &mut drafts),
            SectionKind::Ruleset | SectionKind::Later(..) => {}
        }
    }
    // 1.5 to 1.8 find out when they are to start.
    if drafts.proxies.is_empty() && dialect != Dialect::V1_8 {
        drafts.report(
            Diagnostic::whole(Code::NothingToDo, None, "there is no proxy: nothing to do").help(
                "add a 'listen' section, or a 'frontend' and a 'backend', with a 'bind' line",
            ),
        );
    }
    references::link(&mut drafts);
    validity::check(&mut drafts);
    global::finish(&mut drafts);
    drafts.finish()
}

/// Whether any of them is an error.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|d| d.severity == Severity::Error)
}
