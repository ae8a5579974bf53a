//! What a report says of a bracket: the constant that was found beside the one that is claimed.

use super::page::{Block, Chapter, Code, Section, Table};
use super::words::count;
use super::{Document, Entry, plot};
use crate::tighten::{Bracket, End, Side};

/// The chapter of a bracket.
pub fn chapter(bracket: &Bracket, entries: &[Entry]) -> Chapter {
    let name = &bracket.constant;
    let answer = match (&bracket.proved, &bracket.refuted) {
        (Some(proved), Some(refuted)) => format!("proved at {}, refuted at {}", proved.value, refuted.value),
        (Some(proved), None) => format!("proved at {}", proved.value),
        (None, Some(refuted)) => format!("refuted at {}", refuted.value),
        (None, None) => "neither".to_owned(),
    };
    Chapter {
        title: format!("Best value of {name}"),
        kind: "Bracket",
        answer,
        case: bracket.case.clone(),
        source: String::new(),
        sections: vec![
            Section::new("Constants found and claimed", found(bracket, entries)),
            Section::new("Values tried", tried(bracket)),
            Section::new("Check it yourself", check(bracket)),
        ],
    }
}

fn found(bracket: &Bracket, entries: &[Entry]) -> Vec<Block> {
    let name = &bracket.constant;
    let end = |what: &str, end: &Option<End>| {
        let (value, certificate) = match end {
            Some(end) => (end.value.clone(), end.certificate.clone()),
            None => ("none".to_owned(), "none".to_owned()),
        };
        vec![what.to_owned(), value, certificate]
    };
    let mut rows = vec![end("Proved", &bracket.proved), end("Refuted", &bracket.refuted)];
    if let Some(paper) = &bracket.paper {
        let stands = match paper.stands {
            Some(Side::Proved) => "not harder than the proved value, by comparison",
            Some(Side::Gap) => "between the proved and the refuted value",
            Some(Side::Refuted) => "not easier than the refuted value, by comparison",
            None => "cannot be placed",
        };
        rows.push(vec![
            "Claimed in the source".to_owned(),
            paper.value.clone(),
            stands.to_owned(),
        ]);
    }
    let held = |end: &Option<End>| {
        end.as_ref().is_none_or(|end| {
            entries.iter().any(
                |entry| matches!(&entry.document, Document::Certificate(held) if held.digest == end.certificate),
            )
        })
    };
    let beside = if held(&bracket.proved) && held(&bracket.refuted) {
        "The certificates of the values named here are in this report."
    } else {
        "The certificates of these values are files of their own, and not all of them are in this report."
    };
    let mut blocks = vec![
        Block::Text(format!(
            "For the constant {name}: {}.",
            bracket.reason.trim_end_matches('.')
        )),
        Block::Table(Table {
            caption: format!("Values of {name}, each with the digest of its certificate or its place"),
            head: vec!["What", "Value", "Evidence"],
            rows,
        }),
        Block::Text(format!(
            "The record of a bracket is no evidence itself: each verdict rests on a certificate. {beside} A verdict is \
             about its own value alone; that values between behave like their neighbours is not shown."
        )),
    ];
    if let Some(figure) = plot::bracket(bracket) {
        blocks.push(Block::Figure(figure));
    }
    blocks
}

fn tried(bracket: &Bracket) -> Vec<Block> {
    let rows = bracket.runs.iter().enumerate().map(|(number, run)| {
        vec![
            (number + 1).to_string(),
            run.value.clone(),
            run.verdict.word().to_owned(),
        ]
    });
    vec![Block::Table(Table {
        caption: format!(
            "The {} values that were tried between {} and {}, in order, each with the whole machinery",
            count(bracket.runs.len() as u64),
            bracket.between[0],
            bracket.between[1]
        ),
        head: vec!["Run", "Value", "Verdict"],
        rows: rows.collect(),
    })]
}

fn check(bracket: &Bracket) -> Vec<Block> {
    let (case, name) = (&bracket.case, &bracket.constant);
    let verify = [("proved", &bracket.proved), ("refuted", &bracket.refuted)]
        .into_iter()
        .filter_map(|(word, end)| {
            let value = &end.as_ref()?.value;
            let file = super::certificate::quoted(&format!("FOLDER/{case}.{word}.json"));
            let set = super::certificate::quoted(&format!("{name}={value}"));
            Some(format!("proxycert verify {file} --case CASE.json --set {set}\n"))
        });
    vec![
        Block::Text(
            "The first command makes the record anew, the others check the certificates of its two ends."
                .to_owned(),
        ),
        Block::Code(Code {
            language: "sh",
            text: std::iter::once("proxycert tighten CASE.json -o FOLDER\n".to_owned())
                .chain(verify)
                .collect(),
            folded: None,
        }),
        Block::Table(Table {
            caption: "How it was made".to_owned(),
            head: vec!["Item", "Value"],
            rows: vec![
                vec![
                    "Made by".to_owned(),
                    format!("{} {}", bracket.tool.name, bracket.tool.version),
                ],
                vec!["Significant digits".to_owned(), bracket.digits.to_string()],
                vec!["Runs at most".to_owned(), count(bracket.max_runs)],
            ],
        }),
    ]
}
