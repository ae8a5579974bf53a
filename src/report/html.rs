//! A report as one HTML file that needs nothing else: no script, no font, no network.
//!
//! Everything that comes from a file goes through [`escape`]; the only markup that does not is made here, by
//! [`super::plot`] and by [`super::mathml`].

use super::mathml;
use super::page::{Block, Chapter, Code, Figure, Page, Table};
use super::words::{capital, turns_text};

/// Colours, sizes, and what changes in the dark and on paper.
const STYLE: &str = include_str!("style.css");

/// Text for HTML and for its attributes. Control characters, which neither may hold, and characters that turn the
/// direction of the text are shown as U+FFFD.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() || turns_text(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The whole file.
pub fn write(page: &Page) -> String {
    let mut html = Html::default();
    let title = match page.chapters.as_slice() {
        [one] => format!("{}: {}", one.case, one.title),
        many => format!("{} claims checked by proxycert", many.len()),
    };
    html.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n");
    html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n");
    html.raw("<meta name=\"color-scheme\" content=\"light dark\"/>\n");
    html.element("title", "", &title);
    html.raw(&format!("<style>\n{STYLE}</style>\n</head>\n<body>\n"));
    html.raw(HATCH);
    html.raw("<a class=\"skip\" href=\"#report\">Skip to the report</a>\n<header>\n");
    html.element("h1", "", &title);
    html.raw("</header>\n");
    if page.chapters.len() > 1 {
        html.contents(page);
    }
    html.raw("<main id=\"report\">\n");
    for (number, chapter) in page.chapters.iter().enumerate() {
        html.chapter(chapter, number, page.chapters.len() > 1);
    }
    html.raw("</main>\n<footer>\n");
    html.element("p", "", super::FOOTER);
    html.raw("</footer>\n</body>\n</html>\n");
    html.out
}

/// The pattern that marks negative numbers in every figure, so that colour is never alone.
const HATCH: &str = "<svg class=\"patterns\" width=\"0\" height=\"0\" aria-hidden=\"true\" focusable=\"false\"><defs>\
<pattern id=\"hatch\" width=\"12\" height=\"12\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
<line x1=\"0\" y1=\"0\" x2=\"0\" y2=\"12\" stroke=\"var(--hatch)\" stroke-width=\"4\"/></pattern></defs></svg>\n";

#[derive(Default)]
struct Html {
    out: String,
    figures: usize,
}

impl Html {
    fn raw(&mut self, markup: &str) {
        self.out.push_str(markup);
    }

    /// An element that holds text; `attributes` is markup.
    fn element(&mut self, name: &str, attributes: &str, text: &str) {
        let text = escape(text);
        self.out
            .push_str(&format!("<{name}{attributes}>{text}</{name}>\n"));
    }

    fn contents(&mut self, page: &Page) {
        self.raw("<nav aria-label=\"Summary\">\n<div class=\"wide\" role=\"region\" aria-label=\"Summary\" tabindex=\"0\">\n<table>\n");
        self.element("caption", "", "The files of this report");
        self.raw("<thead><tr>");
        for name in ["Claim", "Case", "File", "Answer"] {
            self.element("th", " scope=\"col\"", name);
        }
        self.raw("</tr></thead>\n<tbody>\n");
        for (number, chapter) in page.chapters.iter().enumerate() {
            let (title, class) = (escape(&chapter.title), answer_class(&chapter.answer));
            self.raw(&format!(
                "<tr><th scope=\"row\"><a href=\"#file-{number}\">{title}</a></th>"
            ));
            self.element("td", "", &chapter.case);
            self.element("td", "", chapter.kind);
            self.element("td", &format!(" class=\"{class}\""), &chapter.answer);
            self.raw("</tr>\n");
        }
        self.raw("</tbody>\n</table>\n</div>\n</nav>\n");
    }

    fn chapter(&mut self, chapter: &Chapter, number: usize, many: bool) {
        let id = format!("file-{number}");
        self.raw(&format!("<article id=\"{id}\" aria-labelledby=\"{id}-title\">\n"));
        let title = if many {
            format!("{}: {}", chapter.case, chapter.title)
        } else {
            format!("{} of {}", chapter.kind, chapter.case)
        };
        self.element("h2", &format!(" id=\"{id}-title\""), &title);
        if !chapter.source.is_empty() {
            self.element("p", " class=\"source\"", &format!("Source: {}", chapter.source));
        }
        for (place, section) in chapter.sections.iter().enumerate() {
            let heading = format!("{id}-section-{place}");
            self.raw(&format!("<section aria-labelledby=\"{heading}\">\n"));
            self.element("h3", &format!(" id=\"{heading}\""), section.title);
            section.blocks.iter().for_each(|block| self.block(block));
            self.raw("</section>\n");
        }
        self.raw("</article>\n");
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Text(text) => self.element("p", "", text),
            Block::Answer { word, sentence } => {
                let class = answer_class(word);
                let (word, sentence) = (escape(&capital(word)), escape(sentence));
                self.raw(&format!(
                    "<p class=\"answer {class}\"><strong>{word}.</strong> {sentence}</p>\n"
                ));
            }
            Block::Formulas { latex, words } => self.formulas(latex, words),
            Block::Table(table) => self.table(table),
            Block::Code(code) => self.code(code),
            Block::Figure(figure) => self.figure(figure),
        }
    }

    /// Formulas typeset where all of them can be, with the words below them.
    fn formulas(&mut self, latex: &[String], words: &str) {
        let typeset: Option<Vec<String>> = latex.iter().map(|latex| mathml::display(latex)).collect();
        for formula in typeset.into_iter().flatten() {
            self.raw(&format!(
                "<div class=\"formula\" role=\"group\" aria-label=\"Formula\" tabindex=\"0\">{formula}</div>\n"
            ));
        }
        self.element("p", " class=\"words\"", words);
    }

    fn table(&mut self, table: &Table) {
        let caption = escape(&table.caption);
        self.raw(&format!(
            "<div class=\"wide\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\">\n<table>\n<caption>{caption}</caption>\n<thead><tr>"
        ));
        for name in &table.head {
            self.element("th", " scope=\"col\"", name);
        }
        self.raw("</tr></thead>\n<tbody>\n");
        for row in &table.rows {
            self.raw("<tr>");
            for (place, cell) in row.iter().enumerate() {
                match place {
                    0 => self.element("th", " scope=\"row\"", cell),
                    // a digest would push the table out of the page, and off the paper
                    _ if cell.split(' ').any(|word| word.len() > 40) => {
                        self.element("td", " class=\"long\"", cell);
                    }
                    _ => self.element("td", "", cell),
                }
            }
            self.raw("</tr>\n");
        }
        self.raw("</tbody>\n</table>\n</div>\n");
    }

    fn code(&mut self, code: &Code) {
        if let Some(summary) = &code.folded {
            self.raw("<details>\n");
            self.element("summary", "", summary);
        }
        let (language, text) = (code.language, escape(&code.text));
        self.raw(&format!(
            "<pre class=\"{language}\" tabindex=\"0\" aria-label=\"{}\"><code>{text}</code></pre>\n",
            if language == "python" {
                "Python program"
            } else {
                "Commands"
            }
        ));
        if code.folded.is_some() {
            self.raw("</details>\n");
        }
    }

    fn figure(&mut self, figure: &Figure) {
        let id = format!("figure-{}", self.figures);
        self.figures += 1;
        let (title, description) = (escape(&figure.title), escape(&figure.description));
        let named = format!(
            "<svg role=\"img\" aria-labelledby=\"{id}-title\" aria-describedby=\"{id}-description\" \
             focusable=\"false\"",
        );
        let names = format!(
            "<title id=\"{id}-title\">{title}</title><desc id=\"{id}-description\">{description}</desc>"
        );
        let (open, rest) = figure.svg.split_once('>').unwrap_or((&figure.svg, ""));
        let open = open.replacen("<svg", &named, 1);
        self.raw(&format!("<figure>\n{open}>{names}{rest}\n"));
        self.element("figcaption", "", &figure.caption);
        self.raw("</figure>\n");
    }
}

/// The class that colours an answer; a word that is no verdict has none of its own.
fn answer_class(word: &str) -> &'static str {
    match word {
        "proved" | "held" => "good",
        "refuted" | "failed" => "bad",
        "supported" => "mild",
        _ => "open",
    }
}
