//! The LaTeX of an expression as it is written, for the statement of a claim.

use super::ast::{Expr, ExprId, Inequality, Infix, Item, Kind, Relation};
use super::functions::{self, Function};
use crate::graph::op::{Binary, Unary};

/// How tightly a part binds; a looser part inside a tighter place is put in parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Sum,
    Sign,
    Product,
    Power,
    Atom,
}

/// What is still to be written.
enum Piece {
    Text(String),
    /// a node, and how tightly its place binds
    Node(ExprId, Level),
}

/// LaTeX of the expression that was parsed from `source`, for maths mode.
pub fn latex(expr: &Expr, source: &str) -> String {
    let mut out = String::new();
    // products that start with a sign bind as the sign does
    let mut signed = vec![false; expr.nodes.len()];
    for (id, node) in expr.nodes.iter().enumerate() {
        signed[id] = match node.kind {
            Kind::Neg(_) => true,
            Kind::Binary(Infix::Mul | Infix::MatMul, first, _) => signed[first],
            _ => false,
        };
    }
    let mut stack = vec![Piece::Node(expr.root, Level::Sum)];
    while let Some(piece) = stack.pop() {
        match piece {
            Piece::Text(text) => out.push_str(&text),
            Piece::Node(id, place) => {
                let (level, mut pieces) = pieces(expr, source, id);
                let level = if signed[id] { Level::Sign } else { level };
                if level < place {
                    pieces.insert(0, text(r"\left("));
                    pieces.push(text(r"\right)"));
                }
                stack.extend(pieces.into_iter().rev());
            }
        }
    }
    out
}

/// LaTeX of the inequality that was parsed from `source`, for maths mode.
pub fn latex_inequality(inequality: &Inequality, source: &str) -> String {
    let sign = match inequality.relation {
        Relation::AtLeast => r"\ge",
        Relation::AtMost => r"\le",
    };
    let (lhs, rhs) = (latex(&inequality.lhs, source), latex(&inequality.rhs, source));
    format!("{lhs} {sign} {rhs}")
}

fn text(text: &str) -> Piece {
    Piece::Text(text.to_owned())
}

fn pieces(expr: &Expr, source: &str, id: ExprId) -> (Level, Vec<Piece>) {
    use Piece::Node;
    match &expr.node(id).kind {
        Kind::Number(_) => number(&source[expr.node(id).span.clone()]),
        Kind::Name(name) => (Level::Atom, vec![Piece::Text(name_latex(name))]),
        Kind::Neg(x) => (Level::Sign, vec![text("-"), Node(*x, Level::Product)]),
        Kind::Binary(op, a, b) => match op {
            Infix::Add => (
                Level::Sum,
                vec![Node(*a, Level::Sum), text(" + "), Node(*b, Level::Product)],
            ),
            Infix::Sub => (
                Level::Sum,
                vec![Node(*a, Level::Sum), text(" - "), Node(*b, Level::Product)],
            ),
            Infix::Mul => (
                Level::Product,
                vec![Node(*a, Level::Sign), text(r" \cdot "), Node(*b, Level::Power)],
            ),
            Infix::MatMul => (
                Level::Product,
                vec![Node(*a, Level::Sign), text(r" \, "), Node(*b, Level::Power)],
            ),
            Infix::Div => (
                Level::Power,
                vec![
                    text(r"\frac{"),
                    Node(*a, Level::Sum),
                    text("}{"),
                    Node(*b, Level::Sum),
                    text("}"),
                ],
            ),
            Infix::Pow => (
                Level::Power,
                vec![Node(*a, Level::Atom), text("^{"), Node(*b, Level::Sum), text("}")],
            ),
        },
        Kind::Transpose(x) => (Level::Power, vec![Node(*x, Level::Atom), text(r"^{\top}")]),
        Kind::Index(x, items) => {
            // a second subscript needs braces around what has the first
            let below = match &expr.node(*x).kind {
                Kind::Name(name) => name_latex(name).contains('_'),
                Kind::Index(..) => true,
                _ => false,
            };
            let (open, close) = if below { ("{", "}_{") } else { ("", "_{") };
            let mut pieces = vec![text(open), Node(*x, Level::Atom), text(close)];
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    pieces.push(text(", "));
                }
                match item {
                    Item::At(at) => pieces.push(Node(*at, Level::Sum)),
                    Item::Slice { start, stop, step } => {
                        pieces.extend(start.map(|id| Node(id, Level::Sum)));
                        pieces.push(text(":"));
                        pieces.extend(stop.map(|id| Node(id, Level::Sum)));
                        if let Some(step) = step {
                            pieces.extend([text(":"), Node(*step, Level::Sum)]);
                        }
                    }
                }
            }
            pieces.push(text("}"));
            (Level::Atom, pieces)
        }
        Kind::Gradient { function, point, .. } => {
            let head = format!(r"\nabla {}\left(", name_latex(function));
            (
                Level::Power,
                vec![Piece::Text(head), Node(*point, Level::Sum), text(r"\right)")],
            )
        }
        Kind::Call(call) => {
            let row = functions::find(&call.name);
            let (open, close) = match row.map(|row| row.function) {
                Some(Function::Norm) => (r"\left\lVert ".to_owned(), r"\right\rVert"),
                Some(Function::Dot) => (r"\left\langle ".to_owned(), r"\right\rangle"),
                Some(Function::Unary(Unary::Abs)) => (r"\left\lvert ".to_owned(), r"\right\rvert"),
                Some(Function::Unary(Unary::Sqrt)) => (r"\sqrt{".to_owned(), "}"),
                Some(Function::Unary(op)) => (format!(r"{}\left(", op.row().latex), r"\right)"),
                Some(Function::Binary(op @ (Binary::LeakyRelu | Binary::LeakyStep))) => {
                    (format!(r"{}\left(", op.row().latex), r"\right)")
                }
                Some(Function::Max) => (r"\max\left(".to_owned(), r"\right)"),
                Some(Function::Min) => (r"\min\left(".to_owned(), r"\right)"),
                Some(_) => (
                    format!(r"\operatorname{{{}}}\left(", escaped(&call.name)),
                    r"\right)",
                ),
                None => (format!(r"{}\left(", name_latex(&call.name)), r"\right)"),
            };
            let mut pieces = vec![Piece::Text(open)];
            for (position, arg) in call.args.iter().enumerate() {
                if position > 0 {
                    pieces.push(text(", "));
                }
                pieces.push(Node(*arg, Level::Sum));
            }
            if let Some(axis) = call.axis {
                pieces.extend([text(r",\ \text{axis } "), Node(axis, Level::Sum)]);
            }
            pieces.push(text(close));
            (Level::Atom, pieces)
        }
    }
}

/// A number as written, its power of ten set as one.
fn number(written: &str) -> (Level, Vec<Piece>) {
    match written.split_once(['e', 'E']) {
        None => (Level::Atom, vec![text(written)]),
        Some(("1", power)) => (Level::Power, vec![Piece::Text(format!("10^{{{power}}}"))]),
        Some((factor, power)) => (
            Level::Product,
            vec![Piece::Text(format!(r"{factor} \cdot 10^{{{power}}}"))],
        ),
    }
}

const GREEK: [&str; 24] = [
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu",
    "nu", "xi", "pi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega", "Gamma", "Omega",
];

/// A name: one letter as it is, a Greek letter by name, what follows `_` below.
fn name_latex(name: &str) -> String {
    let (base, below) = match name.split_once('_') {
        Some((base, below)) if !base.is_empty() && !below.is_empty() => (base, Some(below)),
        Some(_) | None => (name, None),
    };
    let mut out = if base.len() == 1 && base != "_" {
        base.to_owned()
    } else if GREEK.contains(&base) {
        format!(r"\{base}")
    } else {
        format!(r"\mathrm{{{}}}", escaped(base))
    };
    if let Some(below) = below {
        out.push_str(&format!(r"_{{\mathrm{{{}}}}}", escaped(below)));
    }
    out
}

fn escaped(name: &str) -> String {
    name.replace('_', r"\_")
}

#[cfg(test)]
mod tests {
    use super::super::{parse, parse_inequality};
    use super::*;

    #[test]
    fn as_written() {
        for (source, expected) in [
            ("0.36*x", r"0.36 \cdot x"),
            ("1e-9 + 2.5e3", r"10^{-9} + 2.5 \cdot 10^{3}"),
            ("-x^2", r"-x^{2}"),
            ("(-x)^2", r"\left(-x\right)^{2}"),
            ("a - (b - c)", r"a - \left(b - c\right)"),
            ("a - b - c", r"a - b - c"),
            ("-y * z", r"-y \cdot z"),
            ("-(-y * z)", r"-\left(-y \cdot z\right)"),
            ("-y * z * x", r"-y \cdot z \cdot x"),
            ("x * (-y * z)", r"x \cdot \left(-y \cdot z\right)"),
            ("(a + b)/2", r"\frac{a + b}{2}"),
            ("(a/b)^n", r"\left(\frac{a}{b}\right)^{n}"),
            ("norm(w - v)^2", r"\left\lVert w - v\right\rVert^{2}"),
            (
                "dot(grad(f)(w), u)",
                r"\left\langle \nabla f\left(w\right), u\right\rangle",
            ),
            ("alpha*f_star", r"\alpha \cdot f_{\mathrm{star}}"),
            ("W.T @ X[0, 1:]", r"W^{\top} \, X_{0, 1:}"),
            ("v_star[0]^2", r"{v_{\mathrm{star}}}_{0}^{2}"),
            ("x[0][1]", r"{x_{0}}_{1}"),
            (
                "sum(x, axis=1)",
                r"\operatorname{sum}\left(x,\ \text{axis } 1\right)",
            ),
        ] {
            assert_eq!(latex(&parse(source).unwrap(), source), expected, "{source}");
        }
    }

    #[test]
    fn both_sides_of_an_inequality() {
        let source = "norm(w)^2 >= 1/2";
        let inequality = parse_inequality(source).unwrap();
        let expected = r"\left\lVert w\right\rVert^{2} \ge \frac{1}{2}";
        assert_eq!(latex_inequality(&inequality, source), expected);
    }

    #[test]
    fn long_chains_take_no_stack() {
        let source = format!("x{}", "/y".repeat(40_000));
        assert!(latex(&parse(&source).unwrap(), &source).len() > 40_000);
    }
}
