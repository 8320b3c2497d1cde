//! For people: the line, the offending word underlined, and what to write instead.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::Span;
use crate::diagnostic::{Diagnostic, Severity};
use crate::source::SourceSet;

/// Renders one diagnostic, line end included.
pub fn render(diagnostic: &Diagnostic, sources: &SourceSet, colours: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning | Severity::Alert => Level::WARNING,
        Severity::Notice => Level::NOTE,
    };
    let mut message = diagnostic.message.lines();
    let title = message.next().unwrap_or_default().to_owned();
    let more: Vec<&str> = message.map(str::trim).collect();
    let span = diagnostic.span.map(|s| Excerpt::new(s, sources));
    let related: Vec<(Excerpt, &str)> = diagnostic
        .related
        .iter()
        .map(|r| (Excerpt::new(r.span, sources), r.message.as_str()))
        .collect();
    let mut group: Group<'_> =
        Group::with_title(level.primary_title(&*title).id(diagnostic.code.name()));
    if let Some(excerpt) = &span {
        group = group.element(excerpt.snippet(AnnotationKind::Primary, None));
    }
    for (excerpt, text) in &related {
        group = group.element(excerpt.snippet(AnnotationKind::Context, Some(text)));
    }
    if !more.is_empty() {
        group = group.element(Level::NOTE.message(more.join(" ")));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if colours {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut out = renderer.decor_style(DecorStyle::Ascii).render(&[group]);
    out.push('\n');
    out
}

/// One line of a file as text, and the range that is meant in it.
struct Excerpt {
    file: String,
    line: usize,
    text: String,
    range: std::ops::Range<usize>,
}

impl Excerpt {
    fn new(span: Span, sources: &SourceSet) -> Self {
        let (bytes, line_start, line) = sources.line_around(span);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let at = |offset: u32| (offset.saturating_sub(line_start) as usize).min(bytes.len());
        let (start, end) = (at(span.start), at(span.end));
        let text = |part: &[u8]| String::from_utf8_lossy(part).replace('\0', "\u{FFFD}");
        let before = text(bytes.get(..start).unwrap_or_default());
        let meant = text(bytes.get(start..end).unwrap_or_default());
        let after = text(bytes.get(end.max(start)..).unwrap_or_default());
        let range = before.len()..before.len() + meant.len();
        Self {
            file: sources.name(span.file).to_owned(),
            line: line as usize,
            text: format!("{before}{meant}{after}"),
            range,
        }
    }

    fn snippet<'a>(
        &'a self,
        kind: AnnotationKind,
        label: Option<&'a str>,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        Snippet::source(&*self.text)
            .line_start(self.line)
            .path(&*self.file)
            .annotation(kind.span(self.range.clone()).label(label))
    }
}
