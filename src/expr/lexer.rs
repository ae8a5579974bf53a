//! Text to tokens, each with its bytes. Numbers are read exactly.

use std::ops::Range;

use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;

use super::{ExprError, MAX_DIGITS, MAX_EXPONENT, MAX_NAME, MAX_TOKENS};

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// an exact number
    Number(RBig),
    /// an ASCII identifier
    Name(String),
    /// one of `+ - * / @ ^ ( ) [ ] , : . = >= <=`
    Symbol(&'static str),
    /// the end of the text
    End,
}

/// A token and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Spanned {
    /// what stands there
    pub token: Token,
    /// its bytes
    pub span: Range<usize>,
}

/// The longest match stands first.
const SYMBOLS: [&str; 16] = [
    ">=", "<=", "+", "-", "*", "/", "@", "^", "(", ")", "[", "]", ",", ":", ".", "=",
];

/// Spellings that readers of mathematics and programs try, and what stands for them here.
const FOREIGN: [(&str, &str); 21] = [
    ("**", "^"),
    ("=>", ">="),
    ("=<", "<="),
    ("==", ">= or <="),
    ("!=", ">= or <="),
    (">", ">="),
    ("<", "<="),
    ("≥", ">="),
    ("≤", "<="),
    ("⩾", ">="),
    ("⩽", "<="),
    ("−", "-"),
    ("–", "-"),
    ("×", "*"),
    ("·", "*"),
    ("⋅", "*"),
    ("÷", "/"),
    ("π", "pi"),
    ("√", "sqrt(...)"),
    ("‖", "norm(...)"),
    ("|", "abs(...) or norm(...)"),
];

/// All tokens of a text, [`Token::End`] last.
pub fn tokens(text: &str) -> Result<Vec<Spanned>, ExprError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        at += text[at..].len() - text[at..].trim_start_matches([' ', '\t', '\n', '\r']).len();
        let rest = &text[at..];
        let Some(first) = rest.chars().next() else {
            tokens.push(Spanned {
                token: Token::End,
                span: at..at,
            });
            return Ok(tokens);
        };
        if tokens.len() == MAX_TOKENS {
            return Err(ExprError::new(at..text.len(), "the expression is too long")
                .expecting(format!("at most {MAX_TOKENS} numbers, names and signs")));
        }
        let (token, length) = if first.is_ascii_digit() || fraction_follows(rest) {
            number(rest, at)?
        } else if first.is_ascii_alphabetic() || first == '_' {
            name(rest, at)?
        } else if let Some((spelling, right)) = FOREIGN.iter().find(|(spelling, _)| {
            rest.starts_with(spelling) && !SYMBOLS[..2].iter().any(|s| rest.starts_with(s))
        }) {
            return Err(
                ExprError::new(at..at + spelling.len(), format!("`{spelling}` is not used here"))
                    .expecting(format!("`{right}`")),
            );
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            (Token::Symbol(symbol), symbol.len())
        } else {
            let span = at..at + first.len_utf8();
            return Err(ExprError::new(
                span,
                format!("unexpected character `{}`", first.escape_debug()),
            ));
        };
        tokens.push(Spanned {
            token,
            span: at..at + length,
        });
        at += length;
    }
}

fn fraction_follows(text: &str) -> bool {
    text.as_bytes().first() == Some(&b'.') && text.as_bytes().get(1).is_some_and(u8::is_ascii_digit)
}

fn digits(text: &str) -> &str {
    let end = text
        .bytes()
        .position(|c| !c.is_ascii_digit())
        .unwrap_or(text.len());
    &text[..end]
}

fn name(text: &str, at: usize) -> Result<(Token, usize), ExprError> {
    let end = text
        .bytes()
        .position(|c| !c.is_ascii_alphanumeric() && c != b'_')
        .unwrap_or(text.len());
    if end > MAX_NAME {
        return Err(ExprError::new(at..at + end, "the name is too long")
            .expecting(format!("at most {MAX_NAME} characters")));
    }
    Ok((Token::Name(text[..end].to_owned()), end))
}

/// Reads `12`, `1.5`, `.5`, `1e-9` from the start of the text: the exact value, and how many bytes.
fn number(text: &str, at: usize) -> Result<(Token, usize), ExprError> {
    let whole = digits(text);
    let mut end = whole.len();
    let mut fraction = "";
    if text[end..].starts_with('.') {
        fraction = digits(&text[end + 1..]);
        end += 1 + fraction.len();
    }
    if whole.len() + fraction.len() > MAX_DIGITS {
        return Err(ExprError::new(at..at + end, "the number is too long")
            .expecting(format!("at most {MAX_DIGITS} digits")));
    }
    let mut power = 0isize;
    if text[end..].starts_with(['e', 'E']) {
        let signed = &text[end + 1..];
        let unsigned = signed.strip_prefix(['+', '-']).unwrap_or(signed);
        let written = digits(unsigned);
        if !written.is_empty() {
            end += 1 + (signed.len() - unsigned.len()) + written.len();
            let size: usize = written.parse().unwrap_or(usize::MAX);
            if size > MAX_EXPONENT {
                return Err(ExprError::new(at..at + end, "the power of ten is too large")
                    .expecting(format!("a power of ten from -{MAX_EXPONENT} to {MAX_EXPONENT}")));
            }
            power = size as isize * if signed.starts_with('-') { -1 } else { 1 };
        }
    }
    if let Some(next) = text[end..].chars().next()
        && (next.is_ascii_alphanumeric() || next == '_')
    {
        let followed = name(&text[end..], at + end)?.1;
        return Err(ExprError::new(
            at..at + end + followed,
            "a number is followed by a name without a sign",
        )
        .expecting(format!("`{} * {}`", &text[..end], &text[end..end + followed])));
    }
    let all: String = [whole, fraction].concat();
    let significand =
        UBig::from_str_radix(&all, 10).map_err(|_| ExprError::new(at..at + end, "not a number"))?;
    power -= fraction.len() as isize;
    let scale = UBig::from(10u8).pow(power.unsigned_abs());
    let value = if power < 0 {
        RBig::from_parts(IBig::from(significand), scale)
    } else {
        RBig::from(significand * scale)
    };
    Ok((Token::Number(value), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> RBig {
        match &tokens(text).unwrap()[..] {
            [
                Spanned {
                    token: Token::Number(x),
                    ..
                },
                _,
            ] => x.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn fraction(num: i64, den: i64) -> RBig {
        RBig::from(num) / RBig::from(den)
    }

    #[test]
    fn numbers_are_exact() {
        assert_eq!(value("0.1"), fraction(1, 10));
        assert_eq!(value(".25"), fraction(1, 4));
        assert_eq!(value("3."), fraction(3, 1));
        assert_eq!(value("1.50e3"), fraction(1500, 1));
        assert_eq!(value("25E-2"), fraction(1, 4));
        assert_eq!(value("1e-4096") * value("1e+4096"), fraction(1, 1));
    }

    #[test]
    fn limits_on_numbers() {
        assert!(tokens(&"7".repeat(MAX_DIGITS)).is_ok());
        let long = tokens(&"7".repeat(MAX_DIGITS + 1)).unwrap_err();
        assert_eq!(long.span, 0..MAX_DIGITS + 1);
        assert_eq!(tokens("x + 1e4097").unwrap_err().span, 4..10);
        assert!(tokens("1e99999999999999999999999").is_err());
    }

    #[test]
    fn a_number_needs_a_sign_before_a_name() {
        let error = tokens("3 + 2x").unwrap_err();
        assert_eq!(error.span, 4..6);
        assert_eq!(error.expected.as_deref(), Some("`2 * x`"));
        assert_eq!(tokens("2e").unwrap_err().expected.as_deref(), Some("`2 * e`"));
    }

    #[test]
    fn foreign_spellings_are_explained() {
        for (text, span, expected) in [
            ("x ** 2", 2..4, "`^`"),
            ("a => b", 2..4, "`>=`"),
            ("a > b", 2..3, "`>=`"),
            ("a ≥ b", 2..5, "`>=`"),
            ("a − b", 2..5, "`-`"),
            ("|x|", 0..1, "`abs(...) or norm(...)`"),
        ] {
            let error = tokens(text).unwrap_err();
            assert_eq!(
                (error.span, error.expected.as_deref()),
                (span, Some(expected)),
                "{text}"
            );
        }
        assert_eq!(tokens("a ; b").unwrap_err().span, 2..3);
    }
}
