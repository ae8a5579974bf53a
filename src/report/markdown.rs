//! A report as GitHub markdown, with what the figures show in words.

use super::mathml;
use super::page::{Block, Chapter, Code, Page, Table};
use super::words::{capital, turns_text};

/// Text in a paragraph or in a cell: on one line, and none of its characters means anything to markdown or HTML.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // no address becomes a link, and nobody is mentioned
            ':' if rest.as_str().starts_with('/') => out.push_str("&#58;"),
            '@' if rest.as_str().starts_with(|next: char| next != ' ') => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '~' | '$' | '!' => {
                out.extend(['\\', c])
            }
            c if c.is_control() => out.push(' '),
            c if turns_text(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The whole file.
pub fn write(page: &Page) -> String {
    let mut out = String::new();
    if page.chapters.len() > 1 {
        out.push_str(&format!(
            "# {} claims checked by proxycert\n\n",
            page.chapters.len()
        ));
        let rows = page.chapters.iter().map(|chapter| {
            vec![
                chapter.title.clone(),
                chapter.case.clone(),
                chapter.kind.to_owned(),
                chapter.answer.clone(),
            ]
        });
        let summary = Table {
            caption: "The files of this report".to_owned(),
            head: vec!["Claim", "Case", "File", "Answer"],
            rows: rows.collect(),
        };
        table(&mut out, &summary);
    }
    for each in &page.chapters {
        chapter(&mut out, each);
    }
    out.push_str(&format!("---\n\n{}\n", escape(super::FOOTER)));
    out
}

fn chapter(out: &mut String, chapter: &Chapter) {
    out.push_str(&format!(
        "## {}: {}\n\n",
        escape(&chapter.case),
        escape(&chapter.title)
    ));
    if !chapter.source.is_empty() {
        out.push_str(&format!("Source: {}\n\n", escape(&chapter.source)));
    }
    for section in &chapter.sections {
        out.push_str(&format!("### {}\n\n", escape(section.title)));
        section.blocks.iter().for_each(|each| block(out, each));
    }
}

fn block(out: &mut String, block: &Block) {
    match block {
        Block::Text(text) => out.push_str(&format!("{}\n\n", escape(text))),
        Block::Answer { word, sentence } => {
            out.push_str(&format!(
                "**{}.** {}\n\n",
                escape(&capital(word)),
                escape(sentence)
            ));
        }
        Block::Formulas { latex, words } => {
            if latex.iter().all(|latex| mathml::is_known(latex)) {
                for formula in latex {
                    out.push_str(&format!("```math\n{formula}\n```\n\n"));
                }
            }
            out.push_str(&format!("{}\n\n", escape(words)));
        }
        Block::Table(each) => table(out, each),
        Block::Code(each) => code(out, each),
        Block::Figure(figure) => {
            out.push_str(&format!(
                "*{}*: {} {}\n\n",
                escape(&figure.title),
                escape(&figure.description),
                escape(&figure.caption)
            ));
        }
    }
}

fn table(out: &mut String, table: &Table) {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    out.push_str(&format!("{}\n\n", escape(&table.caption)));
    out.push_str(&line(table.head.iter().map(|name| escape(name)).collect()));
    out.push_str(&line(table.head.iter().map(|_| "---".to_owned()).collect()));
    for row in &table.rows {
        out.push_str(&line(row.iter().map(|cell| escape(cell)).collect()));
    }
    out.push('\n');
}

fn code(out: &mut String, code: &Code) {
    // a fence longer than any in the text
    let mut fence = "```".to_owned();
    while code.text.contains(&fence) {
        fence.push('`');
    }
    out.push_str(&format!(
        "{fence}{}\n{}\n{fence}\n\n",
        code.language,
        code.text.trim_end()
    ));
}
