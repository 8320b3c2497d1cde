//! `stats ...` of proxies.
//!
//! The first `stats` line of a section forgets everything about statistics that was inherited
//! from `defaults`: the two do not mix.

use std::time::Duration;

use haproxy_cfg_grammar::keywords::stats::StatsStatement;
use haproxy_cfg_grammar::{Code, Diagnostic, Span};

use super::conditions::{Moment, Reader};
use super::draft::Draft;
use super::rules::bytes;
use crate::plan::StatsPage;

/// Applies one line.
pub(super) fn apply(
    statement: &StatsStatement,
    span: Span,
    draft: &mut Draft,
    reader: &Reader<'_>,
    global_description: bool,
) -> Result<(), Diagnostic> {
    if !std::mem::replace(&mut draft.own_stats, true) {
        draft.proxy.stats = None;
    }
    draft.note("stats", span);
    let description = match statement {
        StatsStatement::ShowDesc(None) if !global_description => {
            return Err(Diagnostic::new(
                Code::Useless,
                span,
                "'stats show-desc' without a text shows the description of the global section, \
                 which has none",
            )
            .severity(haproxy_cfg_grammar::Severity::Warning)
            .help("write the text here, or 'description' into 'global'"));
        }
        StatsStatement::ShowDesc(text) => Some(
            text.as_ref()
                .map(|t| String::from_utf8_lossy(t).into_owned()),
        ),
        _ => None,
    };
    // The conditions need the draft as a whole, so they are read first.
    let admin = match statement {
        StatsStatement::Admin(condition) => {
            Some(reader.required(draft, condition, Moment::Request)?)
        }
        _ => None,
    };
    let rule = match statement {
        StatsStatement::HttpRequest(rule) => Some(reader.http_request(draft, rule)?),
        _ => None,
    };
    let page = draft.proxy.stats.get_or_insert_with(StatsPage::default);
    page.admin.extend(admin);
    page.http_request.extend(rule);
    match statement {
        StatsStatement::Enable | StatsStatement::Admin(_) | StatsStatement::HttpRequest(_) => {}
        StatsStatement::Uri(uri) => page.uri = bytes(uri),
        StatsStatement::Realm(realm) => page.realm = Some(bytes(realm)),
        StatsStatement::Auth(user) => page.auth.push(bytes(user)),
        StatsStatement::Scope(name) => page.scope.push(bytes(name)),
        StatsStatement::Refresh(seconds) => {
            page.refresh = (*seconds != 0).then(|| Duration::from_secs(u64::from(*seconds)));
        }
        StatsStatement::HideVersion => page.hide_version = true,
        StatsStatement::ShowLegends => page.show_legends = true,
        StatsStatement::ShowNode(node) => {
            page.show_node = Some(node.as_ref().map(haproxy_cfg_grammar::Word::shown));
        }
        StatsStatement::ShowDesc(_) => page.show_desc = description,
    }
    Ok(())
}
