//! A node as text for people, in Unicode and in LaTeX.
//!
//! Every node is written at most once: one that is used twice, or that would make a line too long,
//! gets a name of its own (`t1`, `t2`, ...), explained after "where". So the text grows with the
//! number of nodes, never exponentially. Broadcasting is not shown.

use std::collections::HashMap;

use dashu_base::BitTest;
use dashu_ratio::RBig;

use super::op::{Along, Binary, Exponent, Input, Op, Reduction, Unary};
use super::{Constant, Graph, NodeId};

/// Longer parts get a name of their own.
const MAX_PART: usize = 100;

/// How tightly a text binds, loosest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Sum,
    Sign,
    Product,
    Power,
    Atom,
}

/// The two ways of writing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Unicode,
    Latex,
}

/// A written part.
#[derive(Clone)]
struct Part {
    text: String,
    level: Level,
}

/// The node in Unicode. `names` gives nodes (data, blocks, definitions) their names; a named node is
/// written by its name, except the root.
pub fn unicode(graph: &Graph, root: NodeId, names: &HashMap<NodeId, String>) -> String {
    let (text, parts) = write(graph, root, names, Style::Unicode);
    let mut out = text;
    for (position, (name, text)) in parts.iter().enumerate() {
        out.push_str(if position == 0 { "\n  where " } else { "\n        " });
        out.push_str(&format!("{name} = {text}"));
    }
    out
}

/// The node in LaTeX, for display maths; `names` as in [`unicode`], the names in LaTeX.
pub fn latex(graph: &Graph, root: NodeId, names: &HashMap<NodeId, String>) -> String {
    let (text, parts) = write(graph, root, names, Style::Latex);
    if parts.is_empty() {
        return text;
    }
    let mut out = format!("\\begin{{aligned}}\n& {text} \\\\\n\\text{{where }}");
    for (name, text) in parts {
        out.push_str(&format!("& {name} = {text} \\\\\n"));
    }
    out.push_str("\\end{aligned}");
    out
}

/// The root's text, and the named parts, each after those that it uses.
fn write(
    graph: &Graph,
    root: NodeId,
    names: &HashMap<NodeId, String>,
    style: Style,
) -> (String, Vec<(String, String)>) {
    // what the text shows: named nodes hide their arguments
    let mut uses = vec![0usize; graph.len()];
    uses[root.index()] = 1;
    let ids: Vec<NodeId> = graph.ids().take(root.index() + 1).collect();
    for &id in ids.iter().rev() {
        if uses[id.index()] > 0 && (id == root || !names.contains_key(&id)) {
            let node = graph.node(id);
            // broadcasting shows its argument instead of itself
            let times = if node.op == Op::Broadcast {
                uses[id.index()]
            } else {
                1
            };
            for arg in &node.args {
                uses[arg.index()] += times;
            }
        }
    }
    let mut parts: Vec<Option<Part>> = vec![None; ids.len()];
    let mut named = Vec::new();
    for &id in &ids {
        if uses[id.index()] == 0 {
            continue;
        }
        let name = names.get(&id).filter(|_| id != root);
        let node = graph.node(id);
        let mut part = match name {
            Some(name) => Part {
                text: name.clone(),
                level: Level::Atom,
            },
            None => {
                let args: Vec<Part> = node
                    .args
                    .iter()
                    .map(|arg| match &mut parts[arg.index()] {
                        // a part that is used once is moved, so that no text is copied twice
                        Some(part) if uses[arg.index()] == 1 => std::mem::replace(
                            part,
                            Part {
                                text: String::new(),
                                level: Level::Atom,
                            },
                        ),
                        Some(part) => part.clone(),
                        None => Part {
                            text: String::new(),
                            level: Level::Atom,
                        },
                    })
                    .collect();
                compose(graph, id, args, style)
            }
        };
        let atomic = name.is_some() || node.args.is_empty() || node.op == Op::Broadcast;
        let shared = uses[id.index()] > 1;
        if id != root && !atomic && (shared || part.text.len() > MAX_PART) {
            let number = named.len() + 1;
            let text = match style {
                Style::Unicode => format!("t{number}"),
                Style::Latex => format!("t_{{{number}}}"),
            };
            named.push((text.clone(), part.text));
            part = Part {
                text,
                level: Level::Atom,
            };
        }
        parts[id.index()] = Some(part);
    }
    let text = parts[root.index()]
        .take()
        .map_or_else(String::new, |part| part.text);
    (text, named)
}

/// The text, in parentheses where it binds more loosely than its place.
fn within(part: &Part, place: Level, style: Style) -> String {
    match style {
        _ if part.level >= place => part.text.clone(),
        Style::Unicode => format!("({})", part.text),
        Style::Latex => format!(r"\left({}\right)", part.text),
    }
}

/// How tightly a product binds: one that starts with a sign, as the sign does.
fn product(first: &Part) -> Level {
    if first.level <= Level::Sign {
        Level::Sign
    } else {
        Level::Product
    }
}

fn call(name: &str, args: &[String], style: Style) -> Part {
    let text = match style {
        Style::Unicode => format!("{name}({})", args.join(", ")),
        Style::Latex => format!(r"{name}\left({}\right)", args.join(", ")),
    };
    Part {
        text,
        level: Level::Atom,
    }
}

fn compose(graph: &Graph, id: NodeId, args: Vec<Part>, style: Style) -> Part {
    let node = graph.node(id);
    let latex = style == Style::Latex;
    let row = node.op.row();
    let function = if latex { row.latex } else { row.name };
    let place = |position: usize, level: Level| within(&args[position], level, style);
    let part = |text: String, level: Level| Part { text, level };
    let texts = || args.iter().map(|arg| arg.text.clone()).collect::<Vec<_>>();
    match &node.op {
        Op::Input(Input::W) => part("w".to_owned(), Level::Atom),
        Op::Input(Input::V) => part("v".to_owned(), Level::Atom),
        Op::Input(Input::Gradient(number)) if latex => part(format!(r"\nabla_{{{number}}}"), Level::Atom),
        Op::Input(Input::Gradient(number)) => part(format!("∇{number}"), Level::Atom),
        Op::Input(Input::Example) => part("z".to_owned(), Level::Atom),
        Op::Pi => part(if latex { r"\pi" } else { "π" }.to_owned(), Level::Atom),
        Op::Constant(position) => match graph.constant(*position) {
            Constant::Rational(value) => rational(value, style),
            Constant::Exact(_) | Constant::Data(_) => array(&node.shape, style),
        },
        Op::Unary(op) => match op {
            Unary::Neg => part(format!("-{}", place(0, Level::Product)), Level::Sign),
            Unary::Pow(exponent) => power(&place(0, Level::Atom), *exponent, style),
            Unary::Sqrt if latex => part(format!(r"\sqrt{{{}}}", args[0].text), Level::Atom),
            Unary::Abs if latex => part(format!(r"\left\lvert {}\right\rvert", args[0].text), Level::Atom),
            Unary::Abs => part(format!("|{}|", args[0].text), Level::Atom),
            Unary::Sqrt
            | Unary::Exp
            | Unary::Log
            | Unary::Log1p
            | Unary::Sin
            | Unary::Cos
            | Unary::Tanh
            | Unary::Sigmoid
            | Unary::LogSigmoid
            | Unary::Erf
            | Unary::Relu
            | Unary::Sign
            | Unary::Step
            | Unary::StepRight => call(function, &texts(), style),
        },
        Op::Binary(op) => match op {
            Binary::Add => part(
                format!("{} + {}", place(0, Level::Sum), place(1, Level::Product)),
                Level::Sum,
            ),
            Binary::Sub => part(
                format!("{} - {}", place(0, Level::Sum), place(1, Level::Product)),
                Level::Sum,
            ),
            Binary::Mul => {
                let sign = if latex { r"\cdot" } else { "·" };
                // a constant factor stands first, wherever the graph has it
                let constant = graph.as_rational(node.args[1]).is_some();
                let (first, second) = if constant { (1, 0) } else { (0, 1) };
                let text = format!(
                    "{} {sign} {}",
                    place(first, Level::Sign),
                    place(second, Level::Power)
                );
                part(text, product(&args[first]))
            }
            Binary::Div if latex => part(
                format!(r"\frac{{{}}}{{{}}}", args[0].text, args[1].text),
                Level::Power,
            ),
            Binary::Div => {
                let text = format!("{} / {}", place(0, Level::Sign), place(1, Level::Power));
                part(text, product(&args[0]))
            }
            Binary::Max | Binary::Min | Binary::LeakyRelu | Binary::LeakyStep => {
                call(function, &texts(), style)
            }
        },
        Op::MatMul => {
            let sign = if latex { r" \, " } else { " @ " };
            let text = format!("{}{sign}{}", place(0, Level::Sign), place(1, Level::Power));
            part(text, product(&args[0]))
        }
        Op::Reduce(op, axis) => {
            // the sum over a flat array needs no axis
            let mut shown = texts();
            if graph.shape(node.args[0]).len() > 1 {
                shown.push(axis_text(*axis, style));
            }
            let name = match (op, latex) {
                (Reduction::Sum, true) => r"\operatorname{sum}",
                (Reduction::Sum | Reduction::Max | Reduction::LogSumExp, _) => function,
            };
            call(name, &shown, style)
        }
        Op::Along(Along::Softmax | Along::ArgMax, axis) => {
            let mut shown = texts();
            shown.push(axis_text(*axis, style));
            call(function, &shown, style)
        }
        Op::Broadcast => args
            .into_iter()
            .next()
            .unwrap_or(part(String::new(), Level::Atom)),
        Op::Reshape => {
            let mut shown = texts();
            shown.extend(node.shape.iter().map(usize::to_string));
            call(function, &shown, style)
        }
        Op::Permute(perm) if perm.iter().rev().enumerate().all(|(i, &axis)| i == axis) => {
            let text = format!(
                "{}{}",
                place(0, Level::Atom),
                if latex { r"^{\top}" } else { "ᵀ" }
            );
            part(text, if latex { Level::Power } else { Level::Atom })
        }
        Op::Permute(perm) => {
            let mut shown = texts();
            shown.extend(perm.iter().map(usize::to_string));
            call(function, &shown, style)
        }
        Op::Slice { axis, start, step } => {
            let items = slice_text(node.shape.len(), *axis, *start, *step, node.shape[*axis]);
            index(&place(0, Level::Atom), &items, style)
        }
        Op::Unslice { axis, start, step } => {
            let count = graph.shape(node.args[0])[*axis];
            let items = slice_text(node.shape.len(), *axis, *start, *step, count);
            call(function, &[args[0].text.clone(), items], style)
        }
        Op::Concat(axis) => {
            let mut shown = texts();
            if node.shape.len() > 1 {
                shown.push(axis_text(*axis, style));
            }
            call(function, &shown, style)
        }
    }
}

fn axis_text(axis: usize, style: Style) -> String {
    match style {
        Style::Unicode => format!("axis={axis}"),
        Style::Latex => format!(r"\text{{axis }} {axis}"),
    }
}

fn index(base: &str, items: &str, style: Style) -> Part {
    let text = match style {
        Style::Unicode => format!("{base}[{items}]"),
        Style::Latex => format!("{base}_{{{items}}}"),
    };
    Part {
        text,
        level: Level::Atom,
    }
}

/// `:, 2:6` for the entries 2, 3, 4, 5 of axis 1.
fn slice_text(rank: usize, axis: usize, start: usize, step: isize, count: usize) -> String {
    let stop = start as isize + step * count as isize;
    let stop = if stop < 0 { String::new() } else { stop.to_string() };
    let item = if step == 1 {
        format!("{start}:{stop}")
    } else {
        format!("{start}:{stop}:{step}")
    };
    let items: Vec<&str> = (0..rank)
        .map(|i| if i == axis { item.as_str() } else { ":" })
        .collect();
    items.join(", ")
}

fn array(shape: &[usize], style: Style) -> Part {
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    let text = match style {
        Style::Unicode => format!("data[{}]", sizes.join("×")),
        Style::Latex => format!(r"\text{{data}}_{{{}}}", sizes.join(r" \times ")),
    };
    Part {
        text,
        level: Level::Atom,
    }
}

fn power(base: &str, Exponent { num, den }: Exponent, style: Style) -> Part {
    let exponent = if den == 1 {
        num.to_string()
    } else {
        format!("{num}/{den}")
    };
    let text = match style {
        Style::Latex => format!("{base}^{{{exponent}}}"),
        Style::Unicode if den == 1 => format!("{base}{}", superscript(&exponent)),
        Style::Unicode => format!("{base}^({exponent})"),
    };
    Part {
        text,
        level: Level::Power,
    }
}

fn superscript(digits: &str) -> String {
    const RAISED: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    digits
        .chars()
        .map(|c| c.to_digit(10).map_or('⁻', |digit| RAISED[digit as usize]))
        .collect()
}

/// A short fraction as it is, a long one by its leading digits.
fn rational(value: &RBig, style: Style) -> Part {
    let negative = *value < RBig::ZERO;
    let written = value.to_string();
    if written.len() > 24 {
        let float = value.to_f64().value();
        let text = if float.is_finite() && float != 0.0 {
            format!("{float:.6e}")
        } else {
            let bits = value.numerator().bit_len() as i64 - value.denominator().bit_len() as i64;
            format!("{}2^({bits})", if negative { "-" } else { "" })
        };
        let text = match style {
            Style::Unicode => format!("≈{text}"),
            Style::Latex => format!(r"{{\approx}} \texttt{{{text}}}"),
        };
        return Part {
            text,
            level: Level::Sum,
        };
    }
    let (text, level) = match written.split_once('/') {
        None => (written, Level::Atom),
        Some((num, den)) if style == Style::Latex => {
            let sign = if negative { "-" } else { "" };
            (
                format!(r"{sign}\frac{{{}}}{{{den}}}", num.trim_start_matches('-')),
                Level::Power,
            )
        }
        Some(_) => (written, Level::Product),
    };
    Part {
        text,
        level: if negative { Level::Sign } else { level },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn both_styles() {
        let mut graph = Graph::new();
        let w = graph.input(Input::W, 2);
        let v = graph.input(Input::V, 2);
        let data = graph.data(Arc::from([1.0, 2.0]), &[2]);
        let difference = graph.sub(w, v);
        let product = graph.mul(data, difference);
        let sum = graph.sum(product);
        let half = graph.fraction(1, 2);
        let root = graph.mul(half, sum);
        let names = HashMap::from([(data, "a".to_owned())]);
        assert_eq!(unicode(&graph, root, &names), "1/2 · sum(a · (w - v))");
        let expected = r"\frac{1}{2} \cdot \operatorname{sum}\left(a \cdot \left(w - v\right)\right)";
        assert_eq!(latex(&graph, root, &names), expected);
        assert_eq!(unicode(&graph, data, &HashMap::new()), "data[2]");
    }

    #[test]
    fn shared_parts_are_named_once() {
        let mut graph = Graph::new();
        let mut x = graph.input(Input::W, 1);
        // written out, this is a tree of 2^1000 leaves
        for _ in 0..1000 {
            let sine = graph.unary(Unary::Sin, x);
            let cosine = graph.unary(Unary::Cos, x);
            x = graph.mul(sine, cosine);
        }
        let text = unicode(&graph, x, &HashMap::new());
        assert_eq!(text.lines().count(), 1000);
        assert_eq!(text.lines().next(), Some("sin(t999) · cos(t999)"));
        assert_eq!(text.lines().nth(1), Some("  where t1 = sin(w) · cos(w)"));
    }

    #[test]
    fn a_product_that_starts_with_a_sign_is_bracketed() {
        let mut graph = Graph::new();
        let w = graph.input(Input::W, 1);
        let negative = graph.neg(w);
        let v = graph.input(Input::V, 1);
        let product = graph.mul(negative, v);
        let root = graph.sub(v, product);
        assert_eq!(unicode(&graph, root, &HashMap::new()), "v - (-w · v)");
    }

    #[test]
    fn powers_and_signs() {
        let mut graph = Graph::new();
        let w = graph.input(Input::W, 1);
        let negative = graph.neg(w);
        let cube = graph.pow(negative, 3, 1);
        let root = graph.pow(w, 1, 3);
        let sum = graph.sub(cube, root);
        assert_eq!(unicode(&graph, sum, &HashMap::new()), "(-w)³ - w^(1/3)");
        assert_eq!(
            latex(&graph, sum, &HashMap::new()),
            r"\left(-w\right)^{3} - w^{1/3}"
        );
    }
}
