//! The expression language from text to values: each expected value is derived by hand in its line.

use std::sync::Arc;

use proxycert::eval::float::FloatArithmetic;
use proxycert::eval::tensor::Evaluator;
use proxycert::expr::{Context, ExprError, FUNCTIONS, Gradients, Scope};
use proxycert::graph::op::{Input, Op};
use proxycert::graph::{GradientRequest, NodeId};

const W: Context = Context::Claim { at: Input::W };
const V: Context = Context::Claim { at: Input::V };

/// p = 4: block `A` of shape [2, 2] and no other; data `x` = [[1, 2, 3], [4, 5, 6]], `y` = [1, -1],
/// `m` = [[1, 2], [3, 4]]; constants `c` = 1/10, `n` = 3; `f` = |w|^2 / 2, `q` = A @ y (an array).
fn scope() -> Scope {
    let mut scope = Scope::new();
    scope.add_constant("c", "0.1").unwrap();
    scope.add_constant("n", "30*c").unwrap();
    scope
        .add_data("x", &[2, 3], Arc::from([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
        .unwrap();
    scope.add_data("y", &[2], Arc::from([1.0, -1.0])).unwrap();
    scope
        .add_data("m", &[2, 2], Arc::from([1.0, 2.0, 3.0, 4.0]))
        .unwrap();
    scope.add_block("A", &[2, 2]).unwrap();
    scope.define("f", "norm(A)^2 / 2").unwrap();
    scope.define("q", "A @ y").unwrap();
    scope
}

const AT_W: [f64; 4] = [1.0, 2.0, 3.0, 5.0];
const AT_V: [f64; 4] = [0.0, 1.0, -1.0, 2.0];

fn evaluate(scope: &Scope, root: NodeId) -> Vec<f64> {
    let mut evaluator = Evaluator::new(&scope.graph, &[root], FloatArithmetic);
    evaluator.run(&[(Input::W, &AT_W), (Input::V, &AT_V)]);
    evaluator.root(0).to_vec()
}

#[track_caller]
fn check(context: Context, text: &str, shape: &[usize], expected: &[f64]) {
    let mut scope = scope();
    let root = scope
        .elaborate(text, context)
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(scope.graph.shape(root), shape, "{text}");
    let values = evaluate(&scope, root);
    assert_eq!(values.len(), expected.len(), "{text}");
    for (value, expected) in values.iter().zip(expected) {
        assert!(
            (value - expected).abs() <= 1e-13 * (1.0 + expected.abs()),
            "{text}: {values:?}"
        );
    }
}

#[track_caller]
fn refused(context: Context, text: &str, at: &str, message: &str) -> ExprError {
    let error = scope().elaborate(text, context).unwrap_err();
    assert_eq!(&text[error.span.clone()], at, "{text}: {error}");
    assert!(error.to_string().contains(message), "{text}: {error}");
    error
}

#[test]
fn arithmetic_is_exact() {
    let mut scope = scope();
    let root = scope
        .elaborate("(c + 0.2 - 0.3)/7 + 1/3 + n^-2", Context::Constant)
        .unwrap();
    // 0 + 1/3 + 1/9
    assert_eq!(scope.graph.as_rational(root).unwrap().to_string(), "4/9");
    let root = scope
        .elaborate("-2^2 + 2^3^0 + 4^(1/2)", Context::Constant)
        .unwrap();
    // -4 + 2 + 2
    assert_eq!(scope.graph.as_rational(root).unwrap().to_string(), "0");
}

#[test]
fn broadcasting_and_products() {
    check(W, "m * y", &[2, 2], &[1.0, -2.0, 3.0, -4.0]);
    check(W, "y[:] + reshape(y, 2, 1)", &[2, 2], &[2.0, 0.0, 0.0, -2.0]);
    check(W, "m @ y", &[2], &[-1.0, -1.0]);
    check(W, "y @ m", &[2], &[-2.0, -2.0]);
    check(W, "y @ y", &[], &[2.0]);
    check(W, "y @ x", &[3], &[-3.0, -3.0, -3.0]);
    check(W, "x @ x.T", &[2, 2], &[14.0, 32.0, 32.0, 77.0]);
    check(
        W,
        "reshape(concat(m, m), 2, 2, 2) @ y",
        &[2, 2],
        &[-1.0, -1.0, -1.0, -1.0],
    );
    check(W, "dot(m, m)", &[], &[30.0]);
    check(W, "m / 2 - m", &[2, 2], &[-0.5, -1.0, -1.5, -2.0]);
}

#[test]
fn indices_follow_numpy() {
    check(W, "x[1, -1]", &[], &[6.0]);
    check(W, "x[0]", &[3], &[1.0, 2.0, 3.0]);
    check(W, "x[:, 1:3]", &[2, 2], &[2.0, 3.0, 5.0, 6.0]);
    check(W, "x[1, ::2]", &[2], &[4.0, 6.0]);
    check(W, "x[1, ::-2]", &[2], &[6.0, 4.0]);
    check(W, "x[0, 2:0:-1]", &[2], &[3.0, 2.0]);
    check(W, "x[0, -2:100]", &[2], &[2.0, 3.0]);
    check(W, "x[::-1, 0]", &[2], &[4.0, 1.0]);
    check(W, "x[0, 1 + 1]", &[], &[3.0]);
    check(W, "x.T[2]", &[2], &[3.0, 6.0]);
}

#[test]
fn reductions_and_moves() {
    check(W, "sum(x)", &[], &[21.0]);
    check(W, "sum(x, 0)", &[3], &[5.0, 7.0, 9.0]);
    check(W, "mean(x, axis=-1)", &[2], &[2.0, 5.0]);
    check(W, "max(x)", &[], &[6.0]);
    check(W, "max(x, axis=0)", &[3], &[4.0, 5.0, 6.0]);
    check(W, "min(x, axis=1)", &[2], &[1.0, 4.0]);
    // the second argument is an array, never an axis
    check(W, "max(y, 0)", &[2], &[1.0, 0.0]);
    check(W, "min(m, 2)", &[2, 2], &[1.0, 2.0, 2.0, 2.0]);
    check(W, "norm(m)^2", &[], &[30.0]);
    check(
        W,
        "norm([3, 4])".replace("[3, 4]", "concat(3, 4)").as_str(),
        &[],
        &[5.0],
    );
    check(
        W,
        "concat(m, x[:, :1], axis=1)",
        &[2, 3],
        &[1.0, 2.0, 1.0, 3.0, 4.0, 4.0],
    );
    check(W, "reshape(x, 3, 2)", &[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn functions_have_their_values() {
    let log2 = 2f64.ln();
    check(W, "softplus(0)", &[], &[log2]);
    check(W, "log_sigmoid(0)", &[], &[-log2]);
    check(W, "sigmoid(log(3))", &[], &[0.75]);
    check(W, "leaky_relu(y, c)", &[2], &[1.0, -0.1]);
    check(
        W,
        "relu(y) + step(y) + sign(y) + leaky_step(y, c)",
        &[2],
        &[4.0, -0.9],
    );
    check(W, "logsumexp(concat(log(1), log(2), log(5)))", &[], &[8f64.ln()]);
    check(W, "logsumexp(log(m), 0)", &[2], &[4f64.ln(), 6f64.ln()]);
    check(
        W,
        "softmax(log(m))",
        &[2, 2],
        &[1.0 / 3.0, 2.0 / 3.0, 3.0 / 7.0, 4.0 / 7.0],
    );
    check(
        W,
        "exp(log_softmax(log(m), 0))",
        &[2, 2],
        &[0.25, 1.0 / 3.0, 0.75, 2.0 / 3.0],
    );
    // Phi(1) = 0.841344746068542948585...
    check(
        W,
        "gelu(y)",
        &[2],
        &[0.841_344_746_068_542_9, -0.158_655_253_931_457_05],
    );
    check(W, "e^2 - exp(2) + cos(pi)", &[], &[-1.0]);
    check(W, "2^y", &[2], &[2.0, 0.5]);
    check(W, "abs(y)^pi", &[2], &[1.0, 1.0]);
    check(W, "4^1.5 + 8^(1/3)", &[], &[10.0]);
}

#[test]
fn points_and_definitions() {
    check(W, "A", &[2, 2], &AT_W);
    check(V, "A", &[2, 2], &AT_V);
    check(V, "w - v", &[4], &[1.0, 1.0, 4.0, 3.0]);
    // (1 + 4 + 9 + 25)/2 and (0 + 1 + 1 + 4)/2
    check(W, "f", &[], &[19.5]);
    check(V, "f", &[], &[3.0]);
    check(V, "f(w) - f(v)", &[], &[16.5]);
    // at (w + v)/2 = (1, 3, 2, 7)/2: 63/8
    check(W, "f((w + v)/2)", &[], &[63.0 / 8.0]);
    check(W, "q", &[2], &[-1.0, -2.0]);
    check(W, "q(v)", &[2], &[-1.0, -3.0]);
    let mut scope = scope();
    let g = scope.define("g", "f(2*w) + sum(q)").unwrap();
    // 4 * 19.5 - 3
    assert_eq!(evaluate(&scope, g), [75.0]);
}

#[test]
fn gradients_of_a_quadratic_are_the_point() {
    check(W, "grad(f)(w)", &[4], &AT_W);
    check(W, "grad(f)(v) * 2", &[4], &[0.0, 2.0, -2.0, 4.0]);
    check(W, "norm(grad(f)(w))^2", &[], &[39.0]);
    // <w, w - v> = 1 + 2 + 12 + 15
    check(W, "dot(grad(f)(w), w - v)", &[], &[30.0]);
    check(W, "dot(w - v, grad(f)(w))", &[], &[30.0]);
    check(W, "(w - v) @ grad(f)(w)", &[], &[30.0]);
    // <w - v, w - v> = 1 + 1 + 16 + 9
    check(W, "dot(grad(f)(w) - grad(f)(v), w - v)", &[], &[27.0]);
    // <-3 v + v, w> = -2 (0 + 2 - 3 + 10)
    check(W, "dot(-3*grad(f)(v) + v, w)", &[], &[-18.0]);
    // the point may be moved by what the direction also reads: <w + v, w - v> = 39 - 6
    check(W, "dot(grad(f)(w + v), w - v)", &[], &[33.0]);
    check(W, "dot(grad(f)(w)/2, grad(f)(v))", &[], &[4.5]);
    check(W, "dot(grad(f)(w), v) + grad(f)(w)[3]", &[], &[14.0]);
}

#[test]
fn a_gradient_along_a_direction_is_never_built() {
    let mut scope = Scope::new();
    scope
        .add_data("x", &[3, 2], Arc::from([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
        .unwrap();
    scope.add_block("b", &[2]).unwrap();
    scope.define("f", "sum(tanh(x @ b))").unwrap();
    let root = scope
        .elaborate("dot(2*grad(f)(w) - grad(f)(v), w - v)", W)
        .unwrap();
    let needed = scope.graph.reachable(&[root]);
    // the gradient would multiply by the transposed data
    let transposed = |id: &NodeId| matches!(scope.graph.node(*id).op, Op::Permute(_));
    assert!(
        !scope
            .graph
            .ids()
            .filter(|id| needed[id.index()])
            .any(|id| transposed(&id))
    );
}

#[test]
fn an_outside_engine_is_asked_once_for_each_gradient() {
    let mut scope = scope();
    scope.gradients = Gradients::External;
    let root = scope
        .elaborate("dot(grad(f)(w), w - v) + norm(grad(f)(w)) + sum(grad(f)(v))", W)
        .unwrap();
    let function = scope.function("f").unwrap();
    let (w, v) = (scope.graph.input(Input::W, 4), scope.graph.input(Input::V, 4));
    let request = |point| GradientRequest { function, point };
    assert_eq!(scope.requests, [request(w), request(v)]);
    let mut evaluator = Evaluator::new(&scope.graph, &[root], FloatArithmetic);
    let first = [3.0, 0.0, 0.0, 4.0];
    let second = [1.0, 1.0, 1.0, 0.0];
    let gradients = [
        (Input::Gradient(0), &first[..]),
        (Input::Gradient(1), &second[..]),
    ];
    evaluator.run(&[(Input::W, &AT_W), (Input::V, &AT_V), gradients[0], gradients[1]]);
    // (3*1 + 4*3) + 5 + 3
    assert_eq!(evaluator.root(0), [23.0]);
}

#[test]
fn inequalities_read_first_at_least_second() {
    let mut scope = scope();
    let (large, small) = scope.elaborate_inequality("f(w) <= 2", W).unwrap();
    assert_eq!(
        (evaluate(&scope, large), evaluate(&scope, small)),
        (vec![2.0], vec![19.5])
    );
    let (large, small) = scope.elaborate_inequality("f(w) >= 2", W).unwrap();
    assert_eq!(
        (evaluate(&scope, large), evaluate(&scope, small)),
        (vec![19.5], vec![2.0])
    );
    let error = scope.elaborate_inequality("2 <= w", W).unwrap_err();
    assert_eq!((error.span, error.expected.as_deref()), (5..6, Some("a scalar")));
}

#[test]
fn a_model_is_called() {
    let mut scope = scope();
    let mut other = Scope::new();
    other.add_block("b", &[2]).unwrap();
    other.add_data("x", &[2], Arc::from([3.0, 4.0])).unwrap();
    // the model: x * w
    other.add_model(Box::new(|graph, x| {
        let w = graph.input(Input::W, 2);
        Ok(graph.mul(x, w))
    }));
    let root = other.elaborate("model(x) + model(2*x)", V).unwrap();
    let mut evaluator = Evaluator::new(&other.graph, &[root], FloatArithmetic);
    evaluator.run(&[(Input::V, &[1.0, -1.0])]);
    assert_eq!(evaluator.root(0), [9.0, -12.0]);
    assert_eq!(
        scope.elaborate("model(x)", W).unwrap_err().message,
        "the case has no model"
    );
}

#[test]
fn errors_say_what_and_where() {
    refused(W, "1 + y @ x.T", "y @ x.T", "[2] and [3, 2]");
    refused(W, "m + x", "m + x", "[2, 2] and [2, 3]");
    refused(W, "2 @ m", "2 @ m", "write `*`");
    refused(W, "dot(m, x)", "dot(m, x)", "[2, 2] and [2, 3]");
    refused(W, "1 + smu(x)", "smu", "did you mean `sum`");
    refused(W, "softpuls(y)", "softpuls", "did you mean `softplus`");
    refused(W, "sum", "sum", "is a function");
    refused(W, "sum(x, 0, 1)", "sum(x, 0, 1)", "3 arguments");
    refused(W, "sum(x, 2)", "sum(x, 2)", "no axis 2");
    refused(W, "sum(x, 1/2)", "sum(x, 1/2)", "integer");
    refused(W, "exp(x, axis=0)", "0", "takes no axis");
    refused(W, "x[2]", "2", "no entry 2");
    refused(W, "x[1:1]", "x[1:1]", "empty");
    refused(W, "x[0, ::0]", "0", "not zero");
    refused(W, "y[0, 0]", "y[0, 0]", "2 indices");
    refused(W, "x[c]", "c", "integer");
    refused(W, "y / (c - c)", "y / (c - c)", "division by zero");
    refused(W, "log(-1)", "log(-1)", "not defined");
    refused(W, "(0 - 1)^(1/2)", "(0 - 1)^(1/2)", "not defined");
    refused(W, "0^-1", "0^-1", "not defined");
    refused(W, "f(y)", "y", "shape [4]");
    refused(W, "grad(q)(w)", "q", "array of shape [2]");
    refused(W, "grad(x)(w)", "x", "not a function");
    refused(W, "x(w)", "x", "not a function");
    refused(W, "reshape(x, 4)", "reshape(x, 4)", "[2, 3] into [4]");
    refused(
        W,
        "reshape(1, 5000, 5000)",
        "reshape(1, 5000, 5000)",
        "more than 16777216 entries",
    );
    refused(W, "concat(m, y)", "concat(m, y)", "[2, 2] and [2]");
    refused(W, "w^100001", "w^100001", "at most 10000");
    refused(Context::Definition, "1 + v", "v", "function of `w` alone");
    refused(Context::Definition, "grad(f)(w)", "grad(f)(w)", "claim only");
    refused(Context::Constant, "2*y", "y", "only numbers and constants");
    refused(Context::Data, "A", "A", "only numbers, constants and data");
    refused(Context::Data, "f(w)", "w", "not known here");
}

#[test]
fn names_are_checked() {
    let mut scope = scope();
    for name in FUNCTIONS
        .iter()
        .map(|row| row.name)
        .chain(["w", "v", "pi", "e", "grad", "model"])
    {
        assert!(
            scope.check_name(name).unwrap_err().message.contains("reserved"),
            "{name}"
        );
    }
    for name in ["", "2x", "a-b", "é", &"n".repeat(65)] {
        assert_eq!(
            scope.check_name(name).unwrap_err().message,
            "this cannot be a name",
            "{name}"
        );
    }
    assert!(scope.check_name("f").unwrap_err().message.contains("twice"));
    assert!(scope.check_name("_beta2").is_ok());
    scope.announced.insert("later".to_owned());
    let error = scope.define("g", "f + later").unwrap_err();
    assert_eq!(error.span, 4..9);
    assert!(error.message.contains("later in the case"));
}

#[test]
fn data_and_blocks_are_checked() {
    let mut scope = Scope::new();
    assert!(scope.add_data("a", &[2], Arc::from([1.0])).is_err());
    assert!(scope.add_data("a", &[1], Arc::from([f64::NAN])).is_err());
    assert!(scope.add_data("a", &[0], Arc::from([])).is_err());
    assert!(scope.add_block("B", &[1_000_000, 1_000_000]).is_err());
    assert!(scope.add_block("B", &[usize::MAX, usize::MAX]).is_err());
    assert!(scope.add_block("B", &[1, 1, 1, 1, 1]).is_err());
    assert_eq!(scope.dimension, 0);
}

#[test]
fn hostile_expressions_end_in_errors() {
    let mut scope = scope();
    // every call doubles the size of the function: refused before the memory is gone
    scope.define("g0", "sum(sin(A) * A)").unwrap();
    let mut refusal = None;
    for i in 1..40 {
        let text = format!("g{0}(w + 1) + g{0}(w*2)", i - 1);
        if let Err(error) = scope.define(&format!("g{i}"), &text) {
            refusal = Some(error);
            break;
        }
    }
    assert!(refusal.unwrap().message.contains("operations"));
    let mut scope = self::scope();
    let chain = format!("w{}", " + 2*grad(f)(w)".repeat(5_000));
    let root = scope.elaborate(&chain, W).unwrap();
    assert_eq!(evaluate(&scope, root)[3], 5.0 * 10_001.0);
}

#[test]
fn the_reference_lists_every_function_and_limit() {
    use proxycert::expr::{
        MAX_DIGITS, MAX_ENTRIES, MAX_EXPONENT, MAX_NAME, MAX_NESTING, MAX_NODES, MAX_POWER,
    };
    use proxycert::expr::{MAX_RANK, MAX_TOKENS};
    let reference = include_str!("../docs/expressions.md");
    for row in FUNCTIONS {
        let line = format!("| `{}({})` | {} |\n", row.name, row.arguments, row.summary);
        assert!(
            reference.contains(&line),
            "docs/expressions.md lacks the line\n{line}"
        );
    }
    let sizes = [
        MAX_TOKENS,
        MAX_NESTING,
        MAX_DIGITS,
        MAX_EXPONENT,
        MAX_NAME,
        MAX_RANK,
        MAX_NODES,
    ];
    for limit in sizes.into_iter().chain([MAX_POWER as usize]) {
        assert!(
            reference.contains(&format!(" {limit} ")),
            "docs/expressions.md lacks the limit {limit}"
        );
    }
    assert_eq!(MAX_ENTRIES, 1 << 24);
    assert!(reference.contains(" 2^24 "));
}
