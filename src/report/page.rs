//! A report as plain data: chapters of sections of blocks. What a report says is decided where this is
//! built; [`super::html`] and [`super::markdown`] only write it.

/// A report: one chapter for each file.
pub struct Page {
    /// chapters, in the order of the files
    pub chapters: Vec<Chapter>,
}

/// What is said of one file.
pub struct Chapter {
    /// title, as the case has it
    pub title: String,
    /// what kind of file it is, such as "Certificate"
    pub kind: &'static str,
    /// the answer in one word, for the table of contents
    pub answer: String,
    /// name of the case
    pub case: String,
    /// the work that makes the claim, and where in it
    pub source: String,
    /// sections in order
    pub sections: Vec<Section>,
}

/// A part of a chapter.
pub struct Section {
    /// its heading
    pub title: &'static str,
    /// what it says
    pub blocks: Vec<Block>,
}

impl Section {
    /// A section with its blocks.
    pub fn new(title: &'static str, blocks: Vec<Block>) -> Section {
        Section { title, blocks }
    }
}

/// A piece of a section.
pub enum Block {
    /// a paragraph
    Text(String),
    /// the answer in one word, and the sentence that says what it means
    Answer { word: String, sentence: String },
    /// formulas in LaTeX, one below the other, and the same in words for whoever cannot show them
    Formulas { latex: Vec<String>, words: String },
    /// a table
    Table(Table),
    /// commands or a program
    Code(Code),
    /// a picture
    Figure(Figure),
}

/// A table with a caption, a head and rows of as many cells. The first cell of a row names it.
pub struct Table {
    /// what it shows
    pub caption: String,
    /// names of the columns
    pub head: Vec<&'static str>,
    /// cells, row by row
    pub rows: Vec<Vec<String>>,
}

/// Text to be copied.
pub struct Code {
    /// language, for those who colour it
    pub language: &'static str,
    /// the text
    pub text: String,
    /// where it is long: what stands above it while it is folded away
    pub folded: Option<String>,
}

/// A picture, its name and what it shows in words.
pub struct Figure {
    /// the picture, an `svg` element without its name and description
    pub svg: String,
    /// its name
    pub title: String,
    /// what can be seen, for whoever does not see it
    pub description: String,
    /// what stands below it
    pub caption: String,
}
