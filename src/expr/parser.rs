//! Tokens to syntax, by precedence climbing. The depth of the recursion is limited by
//! [`MAX_NESTING`]; chains such as `1 + 1 + ...` do not nest.
//!
//! From loose to tight: `+ -`, then `* / @`, then the signs, then `^` (to the right), then calls,
//! indices and `.T`. So `-x^2` is `-(x^2)`, and `2^-1` is allowed.

use std::ops::Range;

use super::ast::{Call, Expr, ExprId, Inequality, Infix, Item, Kind, Node, Relation};
use super::lexer::{Spanned, Token, tokens};
use super::{ExprError, MAX_NESTING};

/// Parses one expression.
pub fn parse(text: &str) -> Result<Expr, ExprError> {
    let mut parser = Parser::new(text)?;
    let expr = parser.whole()?;
    let next = parser.peek().clone();
    match next.token {
        Token::End => Ok(expr),
        Token::Symbol(">=" | "<=") => Err(ExprError::new(next.span, "an inequality cannot stand here")
            .expecting("an expression without `>=` and `<=`")),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

/// Parses `lhs >= rhs` or `lhs <= rhs`.
pub fn parse_inequality(text: &str) -> Result<Inequality, ExprError> {
    let mut parser = Parser::new(text)?;
    let lhs = parser.whole()?;
    let relation = if parser.take(">=").is_some() {
        Relation::AtLeast
    } else if parser.take("<=").is_some() {
        Relation::AtMost
    } else {
        return Err(parser.unexpected("`>=` or `<=`"));
    };
    let rhs = parser.whole()?;
    match parser.peek().token {
        Token::End => Ok(Inequality { lhs, relation, rhs }),
        Token::Symbol(">=" | "<=") => Err(ExprError::new(
            parser.peek().span.clone(),
            "a second inequality sign; write two inequalities",
        )),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

/// Binding strength of the infix operators that climb: looser first.
fn infix(token: &Token) -> Option<(Infix, u8)> {
    match token {
        Token::Symbol("+") => Some((Infix::Add, 1)),
        Token::Symbol("-") => Some((Infix::Sub, 1)),
        Token::Symbol("*") => Some((Infix::Mul, 2)),
        Token::Symbol("/") => Some((Infix::Div, 2)),
        Token::Symbol("@") => Some((Infix::MatMul, 2)),
        _ => None,
    }
}

struct Parser {
    tokens: Vec<Spanned>,
    position: usize,
    depth: usize,
    nodes: Vec<Node>,
}

/// A parsed part, and its bytes with the parentheses round it.
type Part = (ExprId, Range<usize>);

impl Parser {
    fn new(text: &str) -> Result<Self, ExprError> {
        Ok(Parser {
            tokens: tokens(text)?,
            position: 0,
            depth: 0,
            nodes: Vec::new(),
        })
    }

    fn peek(&self) -> &Spanned {
        &self.tokens[self.position]
    }

    /// The token, and on to the next; the end is never passed.
    fn advance(&mut self) -> Spanned {
        let token = self.peek().clone();
        if token.token != Token::End {
            self.position += 1;
        }
        token
    }

    fn take(&mut self, symbol: &str) -> Option<Range<usize>> {
        match self.peek().token {
            Token::Symbol(found) if found == symbol => Some(self.advance().span),
            _ => None,
        }
    }

    fn require(&mut self, symbol: &str, expected: &str) -> Result<Range<usize>, ExprError> {
        self.take(symbol).ok_or_else(|| self.unexpected(expected))
    }

    fn unexpected(&self, expected: &str) -> ExprError {
        let Spanned { token, span } = self.peek();
        let message = match token {
            Token::End => "the expression ends too early".to_owned(),
            Token::Number(_) => "unexpected number".to_owned(),
            Token::Name(name) => format!("unexpected name `{name}`"),
            Token::Symbol("=") => "`=` is used for `axis=` only".to_owned(),
            Token::Symbol(symbol) => format!("unexpected `{symbol}`"),
        };
        ExprError::new(span.clone(), message).expecting(expected)
    }

    fn push(&mut self, kind: Kind, span: Range<usize>) -> ExprId {
        self.nodes.push(Node { kind, span });
        self.nodes.len() - 1
    }

    /// One expression with an arena of its own.
    fn whole(&mut self) -> Result<Expr, ExprError> {
        let (root, _) = self.climb(1)?;
        Ok(Expr {
            nodes: std::mem::take(&mut self.nodes),
            root,
        })
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, ExprError>) -> Result<T, ExprError> {
        if self.depth == MAX_NESTING {
            return Err(
                ExprError::new(self.peek().span.clone(), "the expression is nested too deeply")
                    .expecting(format!("at most {MAX_NESTING} levels")),
            );
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    /// Operators that bind at least as tightly as `tightness`, to the left.
    fn climb(&mut self, tightness: u8) -> Result<Part, ExprError> {
        let (mut left, mut span) = self.signed()?;
        while let Some((op, strength)) = infix(&self.peek().token) {
            if strength < tightness {
                break;
            }
            self.advance();
            let (right, right_span) = if strength == 1 {
                self.climb(2)?
            } else {
                self.signed()?
            };
            span = span.start..right_span.end;
            left = self.push(Kind::Binary(op, left, right), span.clone());
        }
        Ok((left, span))
    }

    fn signed(&mut self) -> Result<Part, ExprError> {
        if let Some(sign) = self.take("-") {
            let (x, span) = self.nested(Self::signed)?;
            let span = sign.start..span.end;
            Ok((self.push(Kind::Neg(x), span.clone()), span))
        } else if let Some(sign) = self.take("+") {
            let (x, span) = self.nested(Self::signed)?;
            Ok((x, sign.start..span.end))
        } else {
            self.power()
        }
    }

    fn power(&mut self) -> Result<Part, ExprError> {
        let (base, span) = self.postfix()?;
        if self.take("^").is_none() {
            return Ok((base, span));
        }
        let (exponent, end) = self.nested(Self::signed)?;
        let span = span.start..end.end;
        Ok((
            self.push(Kind::Binary(Infix::Pow, base, exponent), span.clone()),
            span,
        ))
    }

    fn postfix(&mut self) -> Result<Part, ExprError> {
        let (mut x, mut span) = self.primary()?;
        loop {
            if self.take(".").is_some() {
                let end = match self.peek().token {
                    Token::Name(ref name) if name == "T" => self.advance().span.end,
                    _ => return Err(self.unexpected("`T`, as in `W.T`")),
                };
                span.end = end;
                x = self.push(Kind::Transpose(x), span.clone());
            } else if self.take("[").is_some() {
                let (items, end) = self.nested(Self::items)?;
                span.end = end;
                x = self.push(Kind::Index(x, items), span.clone());
            } else if let Token::Symbol("(") = self.peek().token {
                return Err(
                    ExprError::new(self.peek().span.clone(), "only a name can be called")
                        .expecting("an operator such as `*`"),
                );
            } else {
                return Ok((x, span));
            }
        }
    }

    /// What stands between `[` and `]`; also the end of `]`.
    fn items(&mut self) -> Result<(Vec<Item>, usize), ExprError> {
        let mut items = Vec::new();
        loop {
            let start = self.bound()?;
            items.push(if self.take(":").is_some() {
                let stop = self.bound()?;
                let step = if self.take(":").is_some() {
                    self.bound()?
                } else {
                    None
                };
                Item::Slice { start, stop, step }
            } else {
                Item::At(start.ok_or_else(|| self.unexpected("an index such as `0` or `1:3`"))?)
            });
            if self.take(",").is_none() {
                let end = self.require("]", "`,` or `]`")?.end;
                return Ok((items, end));
            }
        }
    }

    fn bound(&mut self) -> Result<Option<ExprId>, ExprError> {
        match self.peek().token {
            Token::Symbol(":" | "]" | ",") => Ok(None),
            _ => Ok(Some(self.climb(1)?.0)),
        }
    }

    fn primary(&mut self) -> Result<Part, ExprError> {
        let next = self.peek().clone();
        match next.token {
            Token::Number(value) => {
                self.advance();
                Ok((self.push(Kind::Number(value), next.span.clone()), next.span))
            }
            Token::Name(name) => {
                self.advance();
                if name == "grad" {
                    self.gradient(next.span)
                } else if self.take("(").is_some() {
                    let (args, axis, end) = self.nested(Self::arguments)?;
                    let span = next.span.start..end;
                    let call = Call {
                        name,
                        name_span: next.span,
                        args,
                        axis,
                    };
                    Ok((self.push(Kind::Call(call), span.clone()), span))
                } else {
                    Ok((self.push(Kind::Name(name), next.span.clone()), next.span))
                }
            }
            Token::Symbol("(") => {
                self.advance();
                let (x, _) = self.nested(|parser| parser.climb(1))?;
                let end = self.require(")", "an operator or `)`")?.end;
                Ok((x, next.span.start..end))
            }
            Token::Symbol(_) | Token::End => Err(self.unexpected("a number, a name or `(`")),
        }
    }

    /// Arguments up to `)`; also the end of `)`.
    #[allow(clippy::type_complexity)]
    fn arguments(&mut self) -> Result<(Vec<ExprId>, Option<ExprId>, usize), ExprError> {
        let (mut args, mut axis) = (Vec::new(), None);
        if let Some(close) = self.take(")") {
            return Ok((args, axis, close.end));
        }
        loop {
            let named = self
                .tokens
                .get(self.position + 1)
                .is_some_and(|t| t.token == Token::Symbol("="));
            if let (Token::Name(keyword), true) = (self.peek().token.clone(), named) {
                let span = self.advance().span;
                if keyword != "axis" || axis.is_some() {
                    return Err(ExprError::new(span, format!("unexpected argument `{keyword}=`"))
                        .expecting("`axis=` once"));
                }
                self.advance();
                axis = Some(self.climb(1)?.0);
            } else if axis.is_some() {
                return Err(self.unexpected("`axis=` as the last argument"));
            } else {
                args.push(self.climb(1)?.0);
            }
            if self.take(",").is_none() {
                let end = self.require(")", "`,` or `)`")?.end;
                return Ok((args, axis, end));
            }
        }
    }

    /// `(f)(point)` after `grad`.
    fn gradient(&mut self, grad: Range<usize>) -> Result<Part, ExprError> {
        let form = "`grad(f)(w)` with the name of a function";
        self.require("(", form)?;
        let named = self.advance();
        let Token::Name(function) = named.token else {
            return Err(
                ExprError::new(named.span, "only a function that has a name has a gradient here")
                    .expecting(form),
            );
        };
        self.require(")", form)?;
        self.require("(", "the point, as in `grad(f)(w)`")?;
        let (point, _) = self.nested(|parser| parser.climb(1))?;
        let span = grad.start..self.require(")", "an operator or `)`")?.end;
        let kind = Kind::Gradient {
            function,
            function_span: named.span,
            point,
        };
        Ok((self.push(kind, span.clone()), span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree in brackets, for short expressions.
    fn tree(text: &str) -> String {
        fn write(expr: &Expr, id: ExprId) -> String {
            match &expr.node(id).kind {
                Kind::Number(value) => value.to_string(),
                Kind::Name(name) => name.clone(),
                Kind::Neg(x) => format!("(- {})", write(expr, *x)),
                Kind::Binary(op, a, b) => {
                    format!("({} {} {})", op.symbol(), write(expr, *a), write(expr, *b))
                }
                Kind::Transpose(x) => format!("(T {})", write(expr, *x)),
                Kind::Index(x, items) => format!("(at {} {})", write(expr, *x), items.len()),
                Kind::Call(call) => {
                    let args: Vec<String> = call.args.iter().map(|arg| write(expr, *arg)).collect();
                    format!("({} {})", call.name, args.join(" "))
                }
                Kind::Gradient { function, point, .. } => {
                    format!("(grad {function} {})", write(expr, *point))
                }
            }
        }
        let expr = parse(text).unwrap();
        write(&expr, expr.root)
    }

    #[test]
    fn precedence() {
        for (text, expected) in [
            ("-x^2", "(- (^ x 2))"),
            ("2^-1", "(^ 2 (- 1))"),
            ("2^3^4", "(^ 2 (^ 3 4))"),
            ("a - b - c", "(- (- a b) c)"),
            ("a/b*c@d", "(@ (* (/ a b) c) d)"),
            ("a + b*c", "(+ a (* b c))"),
            ("-a*b", "(* (- a) b)"),
            ("a * -b", "(* a (- b))"),
            ("a^-b*c", "(* (^ a (- b)) c)"),
            ("W.T^2", "(^ (T W) 2)"),
            ("f(a, b)[0, 1:].T", "(T (at (f a b) 2))"),
            ("grad(f)(w - v)", "(grad f (- w v))"),
            ("(a + b) * +c", "(* (+ a b) c)"),
        ] {
            assert_eq!(tree(text), expected, "{text}");
        }
    }

    #[test]
    fn errors_point_at_the_place() {
        for (text, span, expected) in [
            ("", 0..0, "a number, a name or `(`"),
            ("a +", 3..3, "a number, a name or `(`"),
            ("a b", 2..3, "an operator or the end"),
            ("(a", 2..2, "an operator or `)`"),
            ("f(a, ", 5..5, "a number, a name or `(`"),
            ("x.y", 2..3, "`T`, as in `W.T`"),
            ("x[]", 2..3, "an index such as `0` or `1:3`"),
            ("x(1)(2)", 4..5, "an operator such as `*`"),
            ("grad(f)", 7..7, "the point, as in `grad(f)(w)`"),
            ("grad(f + g)(w)", 7..8, "`grad(f)(w)` with the name of a function"),
            ("grad(2)(w)", 5..6, "`grad(f)(w)` with the name of a function"),
            ("sum(x, axs=1)", 7..10, "`axis=` once"),
            ("a >= b", 2..4, "an expression without `>=` and `<=`"),
            ("a = b", 2..3, "an operator or the end"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(
                (error.span, error.expected.as_deref()),
                (span, Some(expected)),
                "{text}"
            );
        }
    }

    #[test]
    fn inequalities() {
        let inequality = parse_inequality("f(w) + 1 <= 2").unwrap();
        assert_eq!(inequality.relation, Relation::AtMost);
        assert_eq!(inequality.lhs.node(inequality.lhs.root).span, 0..8);
        assert_eq!(inequality.rhs.node(inequality.rhs.root).span, 12..13);
        assert_eq!(parse_inequality("a + b").unwrap_err().span, 5..5);
        assert_eq!(parse_inequality("a >= b >= c").unwrap_err().span, 7..9);
        assert_eq!(parse_inequality("(a >= b)").unwrap_err().span, 3..5);
    }

    #[test]
    fn hostile_nesting_is_refused() {
        for open in ["(", "-", "2^", "f("] {
            let error = parse(&open.repeat(100_000 / open.len() - 1)).unwrap_err();
            assert!(error.message.contains("nested"), "{open}: {error}");
            assert_eq!(error.span.start, (MAX_NESTING + 1) * open.len());
        }
        let deep = format!("{}x{}", "(".repeat(MAX_NESTING), ")".repeat(MAX_NESTING));
        assert!(parse(&deep).is_ok());
    }

    #[test]
    fn long_chains_are_parsed_or_refused() {
        let chain = format!("1{}", "+1".repeat(40_000));
        assert_eq!(parse(&chain).unwrap().nodes.len(), 80_001);
        let huge = format!("1{}", "+1".repeat(2_500_000));
        assert!(parse(&huge).unwrap_err().message.contains("too long"));
    }
}
