//! A summary of files in LaTeX: rows for a table, and a paragraph for each, as a review needs them.

use super::certificate::{source, title};
use super::{Document, Entry, mathml, words};
use crate::engine::Verdict;

/// Text with every character that means something to LaTeX escaped.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str(r"\textbackslash{}"),
            '~' => out.push_str(r"\textasciitilde{}"),
            '^' => out.push_str(r"\textasciicircum{}"),
            '<' => out.push_str(r"\textless{}"),
            '>' => out.push_str(r"\textgreater{}"),
            '|' => out.push_str(r"\textbar{}"),
            '"' => out.push_str(r"\symbol{34}"),
            '{' | '}' | '$' | '&' | '#' | '_' | '%' => out.extend(['\\', c]),
            '`' => out.push_str(r"\textasciigrave{}"),
            '\u{202f}' => out.push_str(r"\,"),
            c if c.is_control() || words::turns_text(c) => out.push(' '),
            c => match SIGNS.iter().find(|(sign, _)| *sign == c) {
                Some((_, command)) => out.push_str(&format!(r"\ensuremath{{{command}}}")),
                None => out.push(c),
            },
        }
    }
    out
}

/// The signs that statements use, in maths mode.
const SIGNS: &[(char, &str)] = &[
    ('×', r"\times"),
    ('−', "-"),
    ('·', r"\cdot"),
    ('≥', r"\ge"),
    ('≤', r"\le"),
    ('⟨', r"\langle"),
    ('⟩', r"\rangle"),
    ('‖', r"\|"),
    ('∇', r"\nabla"),
    ('²', "^2"),
    ('α', r"\alpha"),
    ('η', r"\eta"),
    ('θ', r"\theta"),
    ('μ', r"\mu"),
    ('ξ', r"\xi"),
    ('σ', r"\sigma"),
    ('τ', r"\tau"),
    ('₀', "_0"),
    ('ᵀ', "^T"),
];

/// Rows, then paragraphs.
pub fn write(entries: &[Entry]) -> String {
    let mut rows = String::from("% rows for: case & source & kind & parameters & verdict & shown by \\\\\n");
    let mut paragraphs = String::new();
    for entry in entries {
        let [row, paragraph] = one(entry);
        rows.push_str(&row);
        paragraphs.push_str(&format!("\n{paragraph}\n"));
    }
    rows + &paragraphs
}

fn one(entry: &Entry) -> [String; 2] {
    match &entry.document {
        Document::Certificate(certificate) => {
            let case = &certificate.case;
            let statement = &certificate.statement;
            let evidence = &certificate.evidence;
            let by = match (certificate.verdict, &evidence.proof) {
                (Verdict::Proved, Some(proof)) => proof.rule.clone(),
                (Verdict::Refuted, _) => "a witness".to_owned(),
                (Verdict::Supported, _) => {
                    format!("{} samples", words::count(evidence.sampling.uniform.count))
                }
                (Verdict::Proved | Verdict::Undecided, _) => "nothing".to_owned(),
            };
            let cells = [
                case.name.clone(),
                source(case),
                statement.kind.clone(),
                words::count(statement.parameters as u64),
                certificate.verdict.word().to_owned(),
                by,
            ];
            // the words, which state the region; then the formulas, each of its own, so that lines can break
            let mut claim = escape(&statement.words);
            if mathml::is_known(&statement.latex) {
                let parts = statement.latex.split(r",\quad ").map(|part| format!("${part}$"));
                claim.push_str(&format!(
                    " In formulas: {}.",
                    parts.collect::<Vec<_>>().join(", ")
                ));
            }
            let paragraph = format!(
                "\\paragraph{{{}}} {claim} \\emph{{{}.}} {} Certificate \\texttt{{{}}}, made by {} {}.",
                escape(&title(case)),
                escape(certificate.verdict.word()),
                escape(&words::verdict(certificate)),
                escape(&certificate.digest),
                escape(&certificate.tool.name),
                escape(&certificate.tool.version)
            );
            [row(&cells), paragraph]
        }
        Document::Bracket(bracket) => {
            let cells = [
                bracket.case.clone(),
                String::new(),
                "bracket".to_owned(),
                bracket.constant.clone(),
                bracket.reason.clone(),
                format!("{} runs", bracket.runs.len()),
            ];
            let paper = bracket.paper.as_ref().map_or(String::new(), |paper| {
                format!(" The source claims {}.", escape(&paper.value))
            });
            let paragraph = format!(
                "\\paragraph{{Best value of {} in {}}} {}.{paper} Each verdict is about its own value and rests on its own \
                 certificate.",
                escape(&bracket.constant),
                escape(&bracket.case),
                escape(&bracket.reason)
            );
            [row(&cells), paragraph]
        }
        Document::Trace(trace) => {
            let cells = [
                trace.case.name.clone(),
                source(&trace.case),
                "trace".to_owned(),
                words::count(trace.statement.parameters as u64),
                super::trace::answer(trace),
                format!("{} trajectories", trace.runs.len()),
            ];
            let paragraph = format!(
                "\\paragraph{{{}}} {} This speaks of these trajectories only. Record \\texttt{{{}}}, made by {} {}.",
                escape(&title(&trace.case)),
                escape(&trace.reason),
                escape(&trace.digest),
                escape(&trace.tool.name),
                escape(&trace.tool.version)
            );
            [row(&cells), paragraph]
        }
    }
}

fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| escape(cell)).collect();
    format!("{} \\\\\n", cells.join(" & "))
}
