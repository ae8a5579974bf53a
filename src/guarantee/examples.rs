//! The loss of every example as a function of its own, in a case: the second moment of a random batch's gradient is at
//! most the mean of their squared gradients.
//!
//! Arrays with one row, and the definitions that use them, stand in the case once for each example, under names of
//! their own; so the hypothesis is a claim like any other.

use std::collections::HashSet;

use crate::case::{Array, Case, Location, MAX_NAME, Text};
use crate::expr::lexer::{Token, tokens};
use crate::graph::size;

/// More examples are not written out.
pub(super) const MOST: usize = 256;

/// The case with the function of each example, and the mean over all of them of the squared norm of its gradient at
/// `w`, as an expression; `None` where there are too many, or no name is free for them.
pub(super) fn mean_square(case: &Case, f: &str, at: &Location) -> Option<(Case, String)> {
    let over = &case.descent.as_ref()?.batches.as_ref()?.over;
    let rows = |name: &str| case.data.get(name)?.shape.first().copied();
    let count = rows(&over.first()?.value)?;
    if over.iter().any(|name| rows(&name.value) != Some(count)) {
        return None;
    }
    if count == 0 || count > MOST {
        return None;
    }
    // what changes from example to example: the arrays, and what is defined by them
    let mut own: HashSet<&str> = over.iter().map(|name| name.value.as_str()).collect();
    for (name, text) in &case.define {
        if names(&text.value).any(|used| own.contains(used.as_str())) {
            own.insert(name);
        }
    }
    let taken: HashSet<&String> = (case.constants.keys())
        .chain(case.data.keys())
        .chain(case.parameters.keys())
        .chain(case.define.keys())
        .collect();
    let separator = (1..8).map(|length| "_".repeat(length)).find(|separator| {
        own.iter().all(|name| {
            let free = |index| {
                let name = format!("{name}{separator}{index}");
                name.len() <= MAX_NAME && !taken.contains(&name)
            };
            (0..count).all(free)
        })
    })?;
    let mut written = case.clone();
    let mut squares = Vec::with_capacity(count);
    for example in 0..count {
        let ending = format!("{separator}{example}");
        for name in over {
            let array = case.data.get(&name.value)?;
            let width = size(&array.shape[1..]);
            let mut shape = array.shape.clone();
            shape[..1].fill(1);
            let row = Array {
                shape,
                values: array.values[example * width..][..width].into(),
                at: array.at.clone(),
            };
            written.data.insert(format!("{}{ending}", name.value), row);
        }
        for (name, text) in case.define.iter().filter(|(name, _)| own.contains(name.as_str())) {
            let text = Text {
                value: renamed(&text.value, &own, &ending),
                at: at.clone(),
            };
            written.define.insert(format!("{name}{ending}"), text);
        }
        squares.push(format!("sum(grad({f}{ending})(w)^2)"));
    }
    own.contains(f)
        .then(|| (written, format!("({})/{count}", squares.join(" + "))))
}

/// The names in an expression.
fn names(text: &str) -> impl Iterator<Item = String> {
    let tokens = tokens(text).unwrap_or_default().into_iter();
    tokens.filter_map(|spanned| match spanned.token {
        Token::Name(name) => Some(name),
        Token::Number(_) | Token::Symbol(_) | Token::End => None,
    })
}

/// An expression with some of its names given an ending. The `T` of a transpose is no name.
fn renamed(text: &str, own: &HashSet<&str>, ending: &str) -> String {
    let tokens = tokens(text).unwrap_or_default();
    let (mut out, mut from) = (String::new(), 0);
    for (place, spanned) in tokens.iter().enumerate() {
        let after_dot = place > 0 && tokens[place - 1].token == Token::Symbol(".");
        if let Token::Name(name) = &spanned.token
            && own.contains(name.as_str())
            && !after_dot
        {
            out.push_str(&text[from..spanned.span.end]);
            out.push_str(ending);
            from = spanned.span.end;
        }
    }
    out.push_str(&text[from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_given_endings_and_functions_and_transposes_are_not() {
        let own = HashSet::from(["x", "T", "N"]);
        assert_eq!(
            renamed("mean(x @ W.T - exp(N)*xx) + x[0]", &own, "_7"),
            "mean(x_7 @ W.T - exp(N_7)*xx) + x_7[0]"
        );
    }
}
