//! Formulas as MathML. LaTeX from a file is converted only if it holds nothing but the commands that this crate
//! writes, so that it can neither bring in markup nor anything that a converter or LaTeX might execute.

use pulldown_latex::config::{DisplayMode, RenderConfig};
use pulldown_latex::{Parser, Storage, push_mathml};

/// Every command that the statements of claims and guarantees are written with.
#[rustfmt::skip]
const COMMANDS: &[&str] = &[
    "left", "right", "quad", "operatorname", "cdot", "frac", "tfrac", "mathrm", "mathbb", "text", "nabla",
    "ge", "le", "langle", "rangle", "lVert", "rVert", "lvert", "rvert", "bigl", "bigr", "Bigl", "Bigr",
    "sqrt", "top", "max", "min", "inf", "exp", "log", "sin", "cos", "tanh", "alpha", "beta", "gamma", "delta",
    "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi", "pi", "rho", "sigma",
    "tau", "phi", "chi", "psi", "omega", "Gamma", "Omega",
];
/// The elements that a page may get from the converter.
#[rustfmt::skip]
const ELEMENTS: &[&str] = &[
    "math", "mrow", "mi", "mo", "mn", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msup", "msub", "msubsup",
    "munder", "mover", "munderover", "mstyle", "mpadded",
];
/// Longest formula that is converted, in bytes.
const LONGEST: usize = 20_000;

/// Deepest nesting of braces and brackets that is converted: converters and browsers recurse.
const DEEPEST: usize = 64;

/// Whether a text is LaTeX for maths mode made of known commands, plain characters and balanced braces.
pub fn is_known(latex: &str) -> bool {
    let (mut depth, mut brackets) = (0usize, 0usize);
    let mut rest = latex;
    while let Some(c) = rest.chars().next() {
        if depth + brackets > DEEPEST {
            return false;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '{' => depth += 1,
            '}' => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return false,
            },
            '\\' => {
                let letters = rest.chars().take_while(char::is_ascii_alphabetic).count();
                let (name, after) = rest.split_at(letters);
                if name.is_empty() {
                    // a space, an escaped underscore, a bar
                    let Some(after) = rest.strip_prefix([' ', ',', '_', '|']) else {
                        return false;
                    };
                    rest = after;
                } else if COMMANDS.contains(&name) {
                    match name {
                        "left" => brackets += 1,
                        "right" if brackets == 0 => return false,
                        "right" => brackets -= 1,
                        _ => {}
                    }
                    rest = after;
                } else {
                    return false;
                }
            }
            ' ' | '(' | ')' | '[' | ']' | '+' | '-' | '=' | '<' | '^' | '_' | ',' | '.' | ':' | '/' | '|'
            | '*' => {}
            c if c.is_ascii_alphanumeric() => {}
            _ => return false,
        }
    }
    depth == 0 && brackets == 0 && latex.len() <= LONGEST && !latex.trim().is_empty()
}

/// A formula as a `math` element; none where it is not known LaTeX or cannot be converted.
pub fn display(latex: &str) -> Option<String> {
    if !is_known(latex) {
        return None;
    }
    let storage = Storage::new();
    let events: Vec<_> = Parser::new(latex, &storage).collect::<Result<_, _>>().ok()?;
    let config = RenderConfig {
        display_mode: DisplayMode::Block,
        ..RenderConfig::default()
    };
    let mut out = String::new();
    let events = events.into_iter().map(Ok::<_, std::fmt::Error>);
    push_mathml(&mut out, events, config).ok()?;
    // the converter does not escape a sign of its own, misses a space, and names a space as only HTML does
    let out = out.replace("><</", ">&lt;</").replace("\"minsize", "\" minsize");
    let out = out.replace("&amp;nbsp;", "\u{a0}").replace("&nbsp;", "\u{a0}");
    is_mathml(&out).then_some(out)
}

/// Whether every tag is one of MathML's: nothing else gets into a page, whatever the converter does.
fn is_mathml(markup: &str) -> bool {
    let mut tags = markup.split('<').skip(1);
    tags.all(|tag| {
        let name = tag.strip_prefix('/').unwrap_or(tag);
        let end = name.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(name.len());
        ELEMENTS.contains(&&name[..end]) && tag.contains('>')
    })
}
