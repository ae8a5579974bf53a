//! A message about a fault in a file: what is wrong, where, and what was expected.
//!
//! Every stage that reads the case makes these; `main` prints them. The text of the file is not
//! trusted: lines of any length are cut to a window and control characters are escaped.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use crate::case::{Location, SourceFile};

/// Characters that are shown before the place and from its start on.
const WINDOW: (usize, usize) = (40, 80);

/// Longest message, in characters, that is printed; what quotes the input may be longer.
const LONGEST: usize = 2000;

/// A fault in a file.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// what is wrong, in one sentence
    pub message: String,
    /// the file at fault
    pub file: Option<Arc<SourceFile>>,
    /// the JSON value at fault
    pub at: Option<Location>,
    /// bytes of the file, more precise than `at`
    pub span: Option<Range<usize>>,
    /// what was expected at that place
    pub expected: Option<String>,
    /// what to do about it
    pub help: Option<String>,
}

impl Diagnostic {
    /// A message without a place.
    pub fn new(message: impl Into<String>) -> Self {
        Diagnostic {
            message: message.into(),
            file: None,
            at: None,
            span: None,
            expected: None,
            help: None,
        }
    }

    /// The file at fault.
    pub fn in_file(mut self, file: &Arc<SourceFile>) -> Self {
        self.file = Some(file.clone());
        self
    }

    /// The JSON value at fault.
    pub fn at(mut self, at: Location) -> Self {
        self.at = Some(at);
        self
    }

    /// The bytes of the file at fault.
    pub fn span(mut self, span: Range<usize>) -> Self {
        self.span = Some(span);
        self
    }

    /// What was expected.
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// What to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The whole message: file, line and column, the line with the place underlined, JSON path.
    pub fn render(&self, color: bool) -> String {
        let message = escape(&self.message);
        let mut group = Level::ERROR
            .primary_title(message.as_str())
            .elements([] as [Origin; 0]);
        let excerpt = self.file.as_ref().map(|file| {
            let span = self
                .span
                .clone()
                .or_else(|| self.at.as_ref().map(|at| at.span.clone()));
            (
                escape(&file.name),
                span.map(|span| Excerpt::new(&file.text, span)),
            )
        });
        let label = self
            .expected
            .as_ref()
            .map(|expected| format!("expected {}", escape(expected)));
        match &excerpt {
            Some((_, Some(excerpt))) => {
                let annotation = AnnotationKind::Primary
                    .span(excerpt.span.clone())
                    .label(label.as_deref());
                let snippet = Snippet::source(excerpt.text.as_str())
                    .line_start(excerpt.line)
                    .annotation(annotation);
                group = group.element(snippet);
            }
            Some((name, None)) => group = group.element(Origin::path(name.as_str())),
            None => {}
        }
        let path = self.at.as_ref().map(|at| format!("at {}", escape(&at.path)));
        if let Some(path) = &path {
            group = group.element(Level::NOTE.message(path.as_str()));
        }
        if let (Some(label), None | Some((_, None))) = (&label, &excerpt) {
            group = group.element(Level::NOTE.message(label.as_str()));
        }
        let help = self.help.as_ref().map(|help| escape(help));
        if let Some(help) = &help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let rendered = renderer.render(&[group]);
        match (&excerpt, rendered.split_once('\n')) {
            // The renderer would count the column in the window; this is the column in the file.
            (Some((name, Some(Excerpt { line, column, .. }))), Some((title, rest))) => {
                let indent = " ".repeat(line.to_string().len());
                format!("{title}\n{indent}--> {name}:{line}:{column}\n{rest}")
            }
            _ => rendered,
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostic {}

/// A window of one line round the place, safe to print.
struct Excerpt {
    /// the window, control characters escaped
    text: String,
    /// bytes of the window to underline
    span: Range<usize>,
    /// from 1
    line: usize,
    /// in characters, from 1
    column: usize,
}

impl Excerpt {
    /// The span may reach over several lines, or past the end of the text; its first line is shown.
    fn new(text: &str, span: Range<usize>) -> Self {
        let start = floor_boundary(text, span.start);
        let end = floor_boundary(text, span.end.max(start));
        let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |i| start + i);
        let before = &text[line_start..start];
        let after = text[start..line_end]
            .strip_suffix('\r')
            .unwrap_or(&text[start..line_end]);
        let end = end.min(start + after.len());

        let mut window = String::new();
        let from = before
            .char_indices()
            .rev()
            .nth(WINDOW.0 - 1)
            .map_or(0, |(i, _)| i);
        if from > 0 {
            window.push('…');
        }
        before[from..].chars().for_each(|c| push_escaped(&mut window, c));
        let underline_start = window.len();
        let mut underline_end = underline_start;
        let to = after.char_indices().nth(WINDOW.1).map_or(after.len(), |(i, _)| i);
        for (i, c) in after[..to].char_indices() {
            push_escaped(&mut window, c);
            if start + i < end {
                underline_end = window.len();
            }
        }
        if to < after.len() {
            window.push('…');
        }
        Excerpt {
            text: window,
            span: underline_start..underline_end,
            line: 1 + text[..start].bytes().filter(|&b| b == b'\n').count(),
            column: 1 + before.trim_start_matches('\u{feff}').chars().count(),
        }
    }
}

/// The largest character boundary that is at most `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|&i| text.is_char_boundary(i))
        .unwrap_or(0)
}

/// A character as a terminal may see it: no control, no invisible and no direction characters.
pub fn push_escaped(out: &mut String, c: char) {
    match c {
        '\t' => out.push(' '),
        '\u{feff}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' => out.extend(c.escape_unicode()),
        c if c.is_control() => out.extend(c.escape_unicode()),
        c => out.push(c),
    }
}

/// A text of one line as a terminal may see it, cut where it is endless.
pub fn escape(text: &str) -> String {
    let mut out = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == LONGEST {
            out.push('…');
            break;
        }
        push_escaped(&mut out, c);
    }
    out
}

/// A piece of the input as a message quotes it: at most 60 characters, in backquotes.
pub fn quote(text: &str) -> String {
    let mut out = String::from("`");
    for (i, c) in text.chars().enumerate() {
        if i == 60 {
            out.push('…');
            break;
        }
        push_escaped(&mut out, c);
    }
    out.push('`');
    out
}

/// The known name that is closest to `name`, when one is close enough to be meant.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name: String = name.chars().take(60).collect();
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name, candidate), candidate))
        .filter(|&(distance, candidate)| 3 * distance <= candidate.len().max(name.len()))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic(text: &str, span: Range<usize>) -> Diagnostic {
        let file = Arc::new(SourceFile {
            name: "case.json".into(),
            text: text.into(),
        });
        Diagnostic::new("wrong").in_file(&file).span(span)
    }

    #[test]
    fn the_window_of_a_huge_line_is_short_and_holds_the_place() {
        let text = format!("{}HERE{}", "é".repeat(2_000_000), "b".repeat(2_000_000));
        let start = 4_000_000;
        let shown = diagnostic(&text, start..start + 4).render(false);
        assert!(shown.contains("case.json:1:2000001"), "{shown}");
        assert!(
            shown.contains("…éé") && shown.contains("HERE") && shown.contains("b…"),
            "{shown}"
        );
        assert!(shown.chars().count() < 600, "{shown}");
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        let shown = diagnostic("a\u{1b}[31mb\u{202e}\r\n", 0..10).render(false);
        assert!(shown.contains(r"\u{1b}[31mb\u{202e}"), "{shown}");
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'));
    }

    #[test]
    fn places_outside_the_text_and_inside_characters_are_moved_to_a_boundary() {
        for (text, span) in [
            ("", 5..9),
            ("é", 1..1),
            ("a\n", 2..2),
            ("a\nb", 0..3),
            ("\u{feff}{", 3..4),
        ] {
            diagnostic(text, span).render(false);
        }
    }

    #[test]
    fn a_misspelt_name_is_recognised_and_a_strange_one_is_not() {
        assert_eq!(nearest("smaples", ["seed", "samples"]), Some("samples"));
        assert_eq!(nearest("zebra", ["seed", "samples"]), None);
    }
}
