//! The range of a constant that `tighten` looks for, in exact numbers.

use dashu_ratio::RBig;

use super::place;
use super::region::interval_values;
use crate::case::{Case, Text, Unknown};
use crate::diagnostic::Diagnostic;
use crate::eval::exact::exact_values;
use crate::expr::{Context, Scope};

/// Where to look, and what the paper says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// the lower and the upper end, which differ
    pub between: [RBig; 2],
    /// two numbers that the paper's value lies between; equal where it is rational
    pub paper: Option<[RBig; 2]>,
}

impl Range {
    /// Evaluates the range of an unknown constant.
    ///
    /// # Errors
    /// A diagnostic at an end that is no exact number, at a range that is empty, or at a value of the paper
    /// outside it.
    pub fn new(case: &Case, unknown: &Unknown) -> Result<Range, Box<Diagnostic>> {
        let mut scope = Scope::new();
        for (name, text) in case.constants.iter().take(unknown.position) {
            scope.add_constant(name, &text.value).map_err(place(case, text))?;
        }
        scope.announced.extend(case.constants.keys().cloned());
        let fault = |text: &Text, message: &str, expected: &str| {
            let whole = 0..text.value.len();
            Box::new(case.diagnose(text, whole, message, Some(expected.to_owned())))
        };
        let mut enclosed = |text: &Text| {
            let node = scope
                .elaborate(&text.value, Context::Constant)
                .map_err(place(case, text))?;
            if !scope.graph.shape(node).is_empty() {
                return Err(fault(text, "this is an array", "a scalar"));
            }
            if let Some(mut exact) = exact_values(&scope.graph, node) {
                let exact = exact.remove(0);
                return Ok([exact.clone(), exact]);
            }
            let value = interval_values(&scope.graph, node)[0];
            match (RBig::try_from(value.lo), RBig::try_from(value.hi)) {
                (Ok(lo), Ok(hi)) => Ok([lo, hi]),
                _ => Err(fault(text, "this has no finite value", "a number")),
            }
        };
        let mut end = |text: &Text| match enclosed(text)? {
            [below, above] if below == above => Ok(below),
            _ => {
                let message = "the end of a range is an exact number";
                Err(fault(text, message, "a number such as 0.1 or \"1/3\""))
            }
        };
        let [lo, hi] = &unknown.between;
        let between = [end(lo)?, end(hi)?];
        if between[0] >= between[1] {
            let message = "the range in which to look is empty";
            return Err(fault(hi, message, "a number above the lower end"));
        }
        let mut paper = None;
        if let Some(text) = &unknown.paper {
            let [below, above] = enclosed(text)?;
            if below < between[0] || above > between[1] {
                let message = "the paper's value lies outside the range in which to look";
                return Err(fault(text, message, "a number between the two ends of `tighten`"));
            }
            paper = Some([below, above]);
        }
        Ok(Range { between, paper })
    }
}
