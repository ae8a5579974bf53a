//! The claim in words and in mathematics, for certificates and `explain`.

use serde::{Deserialize, Serialize};

use super::Claim;
use crate::case::{BoxSpec, Case, ClaimKind, SetSpec, SideSpec, TensorSpec};
use crate::expr;

/// What is claimed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// kind of claim, as in the case
    pub kind: String,
    /// one sentence
    pub words: String,
    /// the inequality and what its letters stand for, in LaTeX
    pub latex: String,
    /// number of parameters p
    pub parameters: usize,
    /// exact tolerance of `proved`, as written in the case
    pub tolerance: String,
}

/// States the claim of a case. A pure function of the case: `verify` derives it anew.
pub fn statement(case: &Case, claim: &Claim) -> Statement {
    let kind = case.claim.kind;
    let (formula, latex_formula) = match kind {
        ClaimKind::Inequality => {
            let text = case.claim.fields["inequality"].value.trim();
            (text.to_owned(), latex_of(text))
        }
        _ => {
            let (unicode, latex) = kind.formula();
            (unicode.to_owned(), latex.to_owned())
        }
    };
    let mut words = format!("For every w {}", side_words("w", &case.region.w));
    if claim.region.v.is_some() {
        match &case.region.v {
            Some(side) => words.push_str(&format!(" and v {}", side_words("v", side))),
            None => words.push_str(" and v in the same set"),
        }
    }
    let region = &case.region;
    let of_v = region.v_constraints.iter().map(|text| (text, " at v"));
    for (number, (text, at)) in region
        .constraints
        .iter()
        .map(|text| (text, ""))
        .chain(of_v)
        .enumerate()
    {
        let word = if number == 0 { "with" } else { "and" };
        words.push_str(&format!(" {word} {}{at}", text.value.trim()));
    }
    words.push_str(&format!(": {formula}"));
    let mut latex = latex_formula;
    for (index, (letter, value)) in meanings(case).into_iter().enumerate() {
        words.push_str(if index == 0 { ", where " } else { "; " });
        words.push_str(&format!("{letter} = {value}"));
        latex.push_str(&format!(",\\quad {} = {}", latex_of(&letter), latex_of(&value)));
    }
    words.push('.');
    Statement {
        kind: kind.name().to_owned(),
        words,
        latex,
        parameters: claim.dimension,
        tolerance: case.check.tolerance.value.trim().to_owned(),
    }
}

/// The letters of the formula and the definitions and constants of the case, with their texts.
fn meanings(case: &Case) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut push = |letter: &str, value: &str| {
        let (letter, value) = (letter.trim().to_owned(), value.trim().to_owned());
        if letter != value && !found.iter().any(|(known, _)| *known == letter) {
            found.push((letter, value));
        }
    };
    if case.claim.kind != ClaimKind::Inequality {
        for (field, text) in &case.claim.fields {
            push(field, &text.value);
        }
    }
    for (name, text) in case.define.iter().chain(&case.constants) {
        push(name, &text.value);
    }
    found
}

fn side_words(name: &str, side: &SideSpec) -> String {
    match &side.set {
        SetSpec::Box(BoxSpec::Uniform([lo, hi])) => {
            format!(
                "with all coordinates in [{}, {}]",
                lo.value.trim(),
                hi.value.trim()
            )
        }
        SetSpec::Box(BoxSpec::Coordinates(pairs)) if pairs.len() <= 6 => {
            let each: Vec<String> = pairs
                .iter()
                .map(|[lo, hi]| format!("[{}, {}]", lo.value.trim(), hi.value.trim()))
                .collect();
            format!("in the box {}", each.join(" x "))
        }
        SetSpec::Box(BoxSpec::Coordinates(pairs)) => {
            format!(
                "in the box of {} intervals of the case's region.{name}",
                pairs.len()
            )
        }
        SetSpec::Box(BoxSpec::Blocks(blocks)) => {
            let each: Vec<String> = blocks
                .iter()
                .map(|(block, pair)| {
                    let [lo, hi] = &pair.value;
                    format!("{block} in [{}, {}]", lo.value.trim(), hi.value.trim())
                })
                .collect();
            format!("with {}", each.join(", "))
        }
        SetSpec::Ball { center, radius } => {
            format!(
                "in the ball of radius {} round {}",
                radius.value.trim(),
                point_words(name, center)
            )
        }
        SetSpec::Point(point) => format!("= {}", point_words(name, point)),
    }
}

fn point_words(name: &str, point: &TensorSpec) -> String {
    match point {
        TensorSpec::Expression(text) => text.value.trim().to_owned(),
        TensorSpec::Array { entries, .. } if entries.len() <= 6 => {
            let each: Vec<&str> = entries.iter().map(|text| text.value.trim()).collect();
            format!("({})", each.join(", "))
        }
        TensorSpec::Blocks(blocks)
            if blocks.len() <= 6
                && blocks
                    .values()
                    .all(|block| matches!(block, TensorSpec::Expression(_))) =>
        {
            let each: Vec<String> = blocks
                .iter()
                .map(|(block, point)| format!("{block} = {}", point_words(name, point)))
                .collect();
            format!("({})", each.join(", "))
        }
        TensorSpec::Array { .. } | TensorSpec::Blocks(_) => format!("the point of the case's region.{name}"),
    }
}

/// An expression or an inequality of the case in LaTeX; what does not parse stays as it is.
pub(crate) fn latex_of(text: &str) -> String {
    if let Ok(expression) = expr::parse(text) {
        return expr::latex(&expression, text);
    }
    match expr::parse_inequality(text) {
        Ok(inequality) => {
            let relation = match inequality.relation {
                expr::Relation::AtLeast => r"\ge",
                expr::Relation::AtMost => r"\le",
            };
            let (left, right) = (
                expr::latex(&inequality.lhs, text),
                expr::latex(&inequality.rhs, text),
            );
            format!("{left} {relation} {right}")
        }
        Err(_) => text.to_owned(),
    }
}
