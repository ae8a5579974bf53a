//! What a report says of a trace.
use super::Entry;
use super::page::Chapter;
use crate::trace::record::Trace;
pub fn chapter(_: &Entry, _: &Trace) -> Chapter { todo!() }
pub fn answer(_: &Trace) -> String { todo!() }
