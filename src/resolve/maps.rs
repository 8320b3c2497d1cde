//! Maps that converters name, and the order in which lists of patterns come up.

use std::collections::HashMap;

use haproxy_cfg_grammar::value::converter::{self, Conversion, MapCall, MapOutput, ValueType};
use haproxy_cfg_grammar::value::expression::Call;
use haproxy_cfg_grammar::{Code, Diagnostic, Span};

use super::conditions::Reader;
use super::draft::Draft;
use super::fetches;
use crate::pattern_list::{entry, file};
use crate::plan::{
    AclId, Converter, Map, MapEntry, MapId, MapLookup, MatchMethod, PatternUser, ProxyId, ProxyRef,
};

/// The lists of patterns seen so far, in all sections.
#[derive(Debug, Default)]
pub(super) struct PatternLists {
    /// The maps; [`MapId`] is the index.
    pub(super) maps: Vec<Map>,
    /// Who is compared with lists, in order.
    pub(super) users: Vec<PatternUser>,
    /// Where each of them is written.
    pub(super) spans: Vec<Span>,
    known: HashMap<(Box<[u8]>, MatchMethod, MapOutput), MapId>,
    /// Whether the lines of each file have values.
    files: HashMap<Box<[u8]>, bool>,
    /// The proxy that is being read.
    pub(super) proxy: ProxyId,
    /// What is being read is a rule that HAProxy reads once all lists have their numbers.
    pub(super) late: bool,
}

impl PatternLists {
    /// Notes an ACL.
    pub(super) fn acl(&mut self, acl: AclId, span: Span) {
        self.users.push(PatternUser::Acl(self.proxy, acl));
        self.spans.push(span);
    }

    fn map(&mut self, map: MapId, span: Span) {
        self.users.push(PatternUser::Map {
            map,
            late: self.late,
        });
        self.spans.push(span);
    }

    /// A file is one list, whose lines either have values or have none.
    pub(super) fn file(&mut self, name: &[u8], is_map: bool, span: Span) -> Result<(), Diagnostic> {
        let known = *self.files.entry(name.into()).or_insert(is_map);
        if known == is_map {
            return Ok(());
        }
        let (before, now) = if known {
            ("a map", "patterns alone")
        } else {
            ("patterns alone", "a map")
        };
        Err(Diagnostic::new(
            Code::Conflict,
            span,
            format!(
                "'{}' is read as {before} by a line above; it cannot be {now} as well",
                String::from_utf8_lossy(name)
            ),
        )
        .help("an ACL reads the keys of a map with -M before -f; else copy the file"))
    }
}

impl Reader<'_> {
    /// Converters, after a value of that type.
    pub(super) fn converters(
        &self,
        draft: &mut Draft,
        calls: &[Call],
        mut from: ValueType,
        span: Span,
    ) -> Result<Vec<Converter>, Diagnostic> {
        let mut converters = Vec::with_capacity(calls.len());
        for call in calls {
            let found = converter::find(&call.name)
                .filter(|found| self.dialect.knows(found.since, None))
                .ok_or_else(|| fetches::unknown_converter(&call.name, span))?;
            if !found.takes(from, self.dialect) {
                return Err(Diagnostic::new(
                    Code::BadValue,
                    span,
                    format!("'{}' can make nothing of what stands before it", call.name),
                ));
            }
            from = found.gives;
            let conversion = found.read(call).map_err(|why| {
                Diagnostic::new(
                    Code::BadValue,
                    span,
                    format!("the argument of '{}' is wrong: {why}", call.name),
                )
            })?;
            converters.push(match conversion {
                Conversion::IpMask(mask) => Converter::IpMask(mask),
                Conversion::Lower => Converter::Lower,
                Conversion::Upper => Converter::Upper,
                Conversion::Operation(operation) => Converter::Operation(operation),
                Conversion::Entry { name, fact, table } => Converter::Entry {
                    name,
                    table: ProxyRef {
                        name: String::from_utf8_lossy(&table).into_owned(),
                        id: None,
                    },
                    fact,
                },
                Conversion::Map(call) => Converter::Map(self.map(draft, call, span)?),
            });
        }
        Ok(converters)
    }

    fn map(&self, draft: &mut Draft, call: MapCall, span: Span) -> Result<MapLookup, Diagnostic> {
        let lists = &mut draft.lists;
        lists.file(&call.file, true, span)?;
        let key = (call.file.clone(), call.method, call.output);
        let id = match lists.known.get(&key) {
            Some(id) => *id,
            None => {
                let id = MapId(u32::try_from(lists.maps.len()).unwrap_or(u32::MAX));
                lists.maps.push(self.read_map(&call, span)?);
                lists.known.insert(key, id);
                id
            }
        };
        lists.map(id, span);
        Ok(MapLookup {
            converter: call.name,
            file: call.file.into_vec().into(),
            map: id,
            default: call.default,
        })
    }

    fn read_map(&self, call: &MapCall, span: Span) -> Result<Map, Diagnostic> {
        let name = String::from_utf8_lossy(&call.file).into_owned();
        let content = super::draft::content(&name, "the map", span, self.environment)?;
        let mut entries = Vec::new();
        for line in file::lines(content, true) {
            let bad = |why: String| {
                Diagnostic::new(
                    Code::BadValue,
                    span,
                    format!("line {} of '{name}': {why}", line.number),
                )
            };
            let text = line.value.unwrap_or_default();
            let value = call
                .output
                .read(text)
                .ok_or_else(|| bad(entry::unreadable(text)))?;
            let key = entry::read(call.method, false, line.key).map_err(bad)?;
            entries.push(MapEntry { key, value });
        }
        Ok(Map {
            file: (&*call.file).into(),
            matching: call.method,
            output: call.output,
            entries,
            content: content.clone(),
        })
    }
}
