//! JSON with places: the text of a case as a flat list of values that know where they stand.
//!
//! Strict JSON (RFC 8259), with three differences: `//` comments are allowed, a name that stands
//! twice in one object is an error, and nesting, size and the lengths of numbers are limited. The
//! text is scanned without recursion (`case/scan.rs`); values are kept as places only and decoded when asked for, so
//! that the memory used is a small multiple of the file's size. The crates for commented JSON build a
//! tree by recursion and accept more than this.

use std::ops::Range;
use std::sync::Arc;

use super::scan::{Scanner, characters};
use super::{Location, SourceFile};
use crate::diagnostic::Diagnostic;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// a number
    Number,
    /// a string
    String,
    /// a list
    Array,
    /// an object
    Object,
}

impl Kind {
    /// As a message names it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Bool => "a truth value",
            Kind::Number => "a number",
            Kind::String => "a string",
            Kind::Array => "a list",
            Kind::Object => "an object",
        }
    }
}

/// One value in the list. Children follow their container; in an object, names and values alternate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub start: u32,
    pub end: u32,
    /// index of the container
    pub parent: u32,
    /// index of the node behind this one and its children
    pub next: u32,
    /// position among the container's children
    pub position: u32,
    pub kind: Kind,
}

/// A parsed file.
#[derive(Debug)]
pub struct Document {
    file: Arc<SourceFile>,
    nodes: Vec<Node>,
}

impl Document {
    /// Parses the file, which holds less than 4 GiB.
    pub fn parse(file: &Arc<SourceFile>) -> Result<Document, Box<Diagnostic>> {
        let mut scanner = Scanner::new(&file.text);
        match scanner.document() {
            Ok(()) => Ok(Document {
                file: file.clone(),
                nodes: scanner.nodes,
            }),
            Err(fault) => {
                let mut diagnostic = Diagnostic::new(fault.message).in_file(file).span(fault.span);
                diagnostic.expected = fault.expected.map(String::from);
                Err(Box::new(diagnostic))
            }
        }
    }

    /// The outermost value.
    pub fn root(&self) -> Value<'_> {
        Value {
            document: self,
            index: 0,
        }
    }
}

/// A value of a document.
#[derive(Clone, Copy, Debug)]
pub struct Value<'d> {
    document: &'d Document,
    index: usize,
}

/// A name and its value.
#[derive(Clone, Debug)]
pub struct Member<'d> {
    /// the name, decoded
    pub name: String,
    /// the name's place
    pub key: Value<'d>,
    /// the value
    pub value: Value<'d>,
}

impl<'d> Value<'d> {
    fn node(self) -> Node {
        self.document.nodes[self.index]
    }

    fn text(self) -> &'d str {
        &self.document.file.text
    }

    /// What the value is.
    pub fn kind(self) -> Kind {
        self.node().kind
    }

    /// Its bytes in the file.
    pub fn span(self) -> Range<usize> {
        self.node().start as usize..self.node().end as usize
    }

    /// Its text in the file; for a number, its digits.
    pub fn raw(self) -> &'d str {
        &self.text()[self.span()]
    }

    /// The text of a string, escapes resolved; the digits of a number.
    pub fn decoded(self) -> String {
        match self.kind() {
            Kind::String => characters(self.text(), self.span()).map(|(_, c)| c).collect(),
            Kind::Null | Kind::Bool | Kind::Number | Kind::Array | Kind::Object => self.raw().into(),
        }
    }

    fn children(self) -> impl Iterator<Item = Value<'d>> {
        let end = self.node().next as usize;
        let mut index = self.index + 1;
        std::iter::from_fn(move || {
            let value = (index < end).then_some(Value {
                document: self.document,
                index,
            })?;
            index = value.node().next as usize;
            Some(value)
        })
    }

    /// The entries of a list; nothing for another value.
    pub fn elements(self) -> impl Iterator<Item = Value<'d>> {
        self.children().filter(move |_| self.kind() == Kind::Array)
    }

    /// The members of an object; nothing for another value.
    pub fn members(self) -> impl Iterator<Item = Member<'d>> {
        let mut children = self.children().filter(move |_| self.kind() == Kind::Object);
        std::iter::from_fn(move || {
            let (key, value) = (children.next()?, children.next()?);
            Some(Member {
                name: key.decoded(),
                key,
                value,
            })
        })
    }

    /// The member of that name.
    pub fn member(self, name: &str) -> Option<Value<'d>> {
        self.members()
            .find(|member| member.name == name)
            .map(|member| member.value)
    }

    /// JSON path and bytes. The path of a name is that of its value.
    pub fn location(self) -> Location {
        let mut steps = Vec::new();
        let mut node = self.node();
        let mut index = self.index;
        while index != 0 {
            let parent = self.document.nodes[node.parent as usize];
            steps.push(match parent.kind {
                Kind::Object => {
                    // Names stand at even positions, each directly before its value.
                    let key = index - (node.position % 2) as usize;
                    step(
                        &Value {
                            document: self.document,
                            index: key,
                        }
                        .decoded(),
                    )
                }
                Kind::Null | Kind::Bool | Kind::Number | Kind::String | Kind::Array => {
                    format!("[{}]", node.position)
                }
            });
            index = node.parent as usize;
            node = parent;
        }
        steps.push("$".into());
        steps.reverse();
        Location {
            path: steps.concat(),
            span: self.span(),
        }
    }

    /// A fault at this value.
    pub fn fault(self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(message)
            .in_file(&self.document.file)
            .at(self.location())
    }

    /// The same value for `serde_json`; numbers become integers or binary64 numbers.
    pub fn to_serde(self) -> serde_json::Value {
        match self.kind() {
            Kind::Null => serde_json::Value::Null,
            Kind::Bool => serde_json::Value::Bool(self.raw() == "true"),
            Kind::Number => serde_json::from_str(self.raw()).unwrap_or(serde_json::Value::Null),
            Kind::String => serde_json::Value::String(self.decoded()),
            Kind::Array => self.elements().map(Value::to_serde).collect(),
            Kind::Object => self
                .members()
                .map(|member| (member.name, member.value.to_serde()))
                .collect(),
        }
    }
}

/// One step of a JSON path.
fn step(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.is_empty();
    match (plain, name.chars().count() <= 40) {
        (true, true) => format!(".{name}"),
        (_, short) => {
            let cut: String = name.chars().take(40).collect();
            format!("[{cut:?}{}]", if short { "" } else { "…" })
        }
    }
}
