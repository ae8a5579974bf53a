//! The scanner behind [`super::json`]: one pass over the text, no recursion, everything checked.

use std::collections::HashSet;
use std::ops::Range;

use super::json::{Kind, Node};
use crate::diagnostic::quote;

/// Deepest nesting of arrays and objects.
pub const MAX_DEPTH: usize = 64;
/// Largest number of values in one file; longer data belong in a CSV.
pub const MAX_VALUES: usize = 1 << 22;
/// Most characters of a number, and largest size of its exponent: it is read exactly later.
pub const MAX_NUMBER: (usize, u32) = (1000, 10_000);

/// The characters of a valid string literal at `span` (quotes included), each with its bytes in `text`.
pub fn characters(text: &str, span: Range<usize>) -> impl Iterator<Item = (Range<usize>, char)> {
    let mut at = span.start + 1;
    std::iter::from_fn(move || {
        if at + 1 >= span.end {
            return None;
        }
        let (c, end) = character(text, at).ok()?;
        let range = at..end;
        at = end;
        Some((range, c))
    })
}

/// The character of a string at `at`, escape resolved, and where the next one starts.
fn character(text: &str, at: usize) -> Result<(char, usize), Fault> {
    let Some(c) = text[at..].chars().next() else {
        return Err(Fault::new("the string is not closed", at..at).expected("`\"`"));
    };
    if c < ' ' {
        let fault = Fault::new(
            "control characters and line breaks must be escaped in a string",
            at..at + 1,
        );
        return Err(fault.expected("an escape such as `\\n`, or the end of the string"));
    }
    if c != '\\' {
        return Ok((c, at + c.len_utf8()));
    }
    let plain = match text.as_bytes().get(at + 1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode(text, at),
        Some(_) | None => {
            let end = (at + 1..=text.len()).find(|&i| i > at + 1 && text.is_char_boundary(i));
            let fault = Fault::new(
                "this escape does not exist in JSON",
                at..end.unwrap_or(text.len()),
            );
            return Err(fault.expected(r#"one of \" \\ \/ \b \f \n \r \t \uXXXX"#));
        }
    };
    Ok((plain, at + 2))
}

/// `\uXXXX`, or two of them that form a surrogate pair.
fn unicode(text: &str, at: usize) -> Result<(char, usize), Fault> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        digits
            .bytes()
            .all(|b| b.is_ascii_hexdigit())
            .then(|| u32::from_str_radix(digits, 16).ok())?
    };
    let Some(first) = unit(at) else {
        let end = text[at..]
            .char_indices()
            .nth(6)
            .map_or(text.len(), |(i, _)| at + i);
        return Err(
            Fault::new("`\\u` is followed by four hexadecimal digits", at..end).expected("`\\uXXXX`"),
        );
    };
    if let Some(c) = char::from_u32(first) {
        return Ok((c, at + 6));
    }
    match unit(at + 6) {
        Some(second @ 0xdc00..=0xdfff) if first < 0xdc00 => {
            let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            Ok((char::from_u32(code).unwrap_or('\u{fffd}'), at + 12))
        }
        _ => Err(Fault::new("half of a surrogate pair is no character", at..at + 6)),
    }
}

/// A fault in the text.
pub(super) struct Fault {
    pub message: String,
    /// bytes of the text
    pub span: Range<usize>,
    pub expected: Option<&'static str>,
}

impl Fault {
    fn new(message: impl Into<String>, span: Range<usize>) -> Self {
        Fault {
            message: message.into(),
            span,
            expected: None,
        }
    }

    fn expected(mut self, expected: &'static str) -> Self {
        self.expected = Some(expected);
        self
    }
}

/// A container that is not closed yet.
struct Open {
    index: usize,
    count: u32,
    names: HashSet<String>,
}

pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// the values found so far
    pub(super) nodes: Vec<Node>,
    open: Vec<Open>,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Scanner {
            text,
            at: 0,
            nodes: Vec::new(),
            open: Vec::new(),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next character, for messages.
    fn here(&self) -> (Range<usize>, String) {
        match self.text[self.at..].chars().next() {
            Some(c) => (self.at..self.at + c.len_utf8(), quote(c.encode_utf8(&mut [0; 4]))),
            None => (self.at..self.at, "the end of the file".into()),
        }
    }

    fn unexpected(&self, expected: &'static str) -> Fault {
        let (span, found) = self.here();
        Fault::new(format!("{found} cannot stand here"), span).expected(expected)
    }

    /// Reads the whole text.
    pub(super) fn document(&mut self) -> Result<(), Fault> {
        if self.text.starts_with('\u{feff}') {
            self.at = '\u{feff}'.len_utf8();
        }
        self.blank()?;
        self.value()?;
        while let Some(&Open { index, count, .. }) = self.open.last() {
            self.blank()?;
            let object = self.nodes[index].kind == Kind::Object;
            let closing = if object { b'}' } else { b']' };
            if self.peek() == Some(closing) {
                self.close(index);
                continue;
            }
            if count > 0 {
                self.comma(closing)?;
            }
            if object {
                self.name()?;
            }
            self.value()?;
        }
        self.blank()?;
        match self.peek() {
            Some(_) => Err(self.unexpected("the end of the file")),
            None => Ok(()),
        }
    }

    fn close(&mut self, index: usize) {
        self.at += 1;
        self.nodes[index].end = self.at as u32;
        self.nodes[index].next = self.nodes.len() as u32;
        self.open.pop();
    }

    /// Spaces and comments.
    fn blank(&mut self) -> Result<(), Fault> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(b'/') if self.text[self.at..].starts_with("//") => {
                    self.at += self.text[self.at..]
                        .find('\n')
                        .unwrap_or(self.text.len() - self.at);
                }
                Some(b'/') => {
                    let end = (self.at + 2).min(self.text.len());
                    let end = if self.text.is_char_boundary(end) {
                        end
                    } else {
                        self.at + 1
                    };
                    return Err(Fault::new("a comment starts with `//`", self.at..end));
                }
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// The comma between two entries of a container.
    fn comma(&mut self, closing: u8) -> Result<(), Fault> {
        if self.peek() != Some(b',') {
            return Err(self.unexpected(if closing == b'}' {
                "`,` or `}`"
            } else {
                "`,` or `]`"
            }));
        }
        let comma = self.at;
        self.at += 1;
        self.blank()?;
        match self.peek() {
            Some(next) if next == closing => Err(Fault::new(
                "the last entry has no comma behind it",
                comma..comma + 1,
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// The name of a member, and the colon.
    fn name(&mut self) -> Result<(), Fault> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a name in double quotes"));
        }
        let start = self.at;
        self.string()?;
        let span = start..self.at;
        self.push(Kind::String, start)?;
        let name: String = characters(self.text, span.clone()).map(|(_, c)| c).collect();
        let message = format!("the name {} stands twice in this object", quote(&name));
        if self.open.last_mut().is_some_and(|open| !open.names.insert(name)) {
            return Err(Fault::new(message, span).expected("each name once"));
        }
        self.blank()?;
        if self.peek() != Some(b':') {
            return Err(self.unexpected("`:`"));
        }
        self.at += 1;
        self.blank()
    }

    /// One value; of a container, its opening bracket.
    fn value(&mut self) -> Result<(), Fault> {
        let start = self.at;
        match self.peek() {
            Some(open @ (b'[' | b'{')) => {
                if self.open.len() == MAX_DEPTH {
                    let fault = Fault::new(
                        format!("lists and objects are nested more than {MAX_DEPTH} deep"),
                        start..start + 1,
                    );
                    return Err(fault);
                }
                self.at += 1;
                let index = self.push(if open == b'{' { Kind::Object } else { Kind::Array }, start)?;
                self.open.push(Open {
                    index,
                    count: 0,
                    names: HashSet::new(),
                });
            }
            Some(b'"') => {
                self.string()?;
                self.push(Kind::String, start)?;
            }
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                self.push(Kind::Number, start)?;
            }
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'_') => {
                let kind = self.word()?;
                self.push(kind, start)?;
            }
            Some(_) | None => return Err(self.unexpected("a value")),
        }
        Ok(())
    }

    /// Adds a node that reaches from `start` to here.
    fn push(&mut self, kind: Kind, start: usize) -> Result<usize, Fault> {
        let index = self.nodes.len();
        if index == MAX_VALUES {
            let message = format!("the file holds more than {MAX_VALUES} values; put the data in a CSV");
            return Err(Fault::new(message, start..self.at));
        }
        let (parent, position) = match self.open.last_mut() {
            Some(open) => {
                open.count += 1;
                (open.index, open.count - 1)
            }
            None => (0, 0),
        };
        self.nodes.push(Node {
            start: start as u32,
            end: self.at as u32,
            parent: parent as u32,
            next: index as u32 + 1,
            position,
            kind,
        });
        Ok(index)
    }

    fn string(&mut self) -> Result<(), Fault> {
        let start = self.at;
        self.at += 1;
        while self.peek() != Some(b'"') {
            if self.peek().is_none() {
                return Err(
                    Fault::new("the string is not closed", start..self.at).expected("`\"` at its end")
                );
            }
            self.at = character(self.text, self.at)?.1;
        }
        self.at += 1;
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
            return Err(self.unexpected("a digit"));
        }
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let zero = self.peek() == Some(b'0');
        let integer = self.at;
        self.digits()?;
        if zero && self.at > integer + 1 {
            return Err(Fault::new("a number does not start with 0", start..self.at));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        let mut exponent = Some(0);
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            let digits = self.at;
            self.digits()?;
            exponent = self.text[digits..self.at].parse::<u32>().ok();
        }
        if self.at - start > MAX_NUMBER.0 || exponent.is_none_or(|exponent| exponent > MAX_NUMBER.1) {
            let (digits, exponent) = MAX_NUMBER;
            let message =
                format!("a number has at most {digits} characters, and an exponent of at most {exponent}");
            return Err(Fault::new(message, start..self.at));
        }
        Ok(())
    }

    fn word(&mut self) -> Result<Kind, Fault> {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        {
            self.at += 1;
        }
        let word = &self.text[start..self.at];
        match word {
            "null" => Ok(Kind::Null),
            "true" | "false" => Ok(Kind::Bool),
            "NaN" | "Infinity" | "nan" | "inf" | "Inf" => Err(Fault::new(
                format!("{word} is not a number that JSON knows"),
                start..self.at,
            )
            .expected("a finite number")),
            _ => Err(
                Fault::new(format!("{} cannot stand here", quote(word)), start..self.at)
                    .expected("a value; text stands in double quotes"),
            ),
        }
    }
}
