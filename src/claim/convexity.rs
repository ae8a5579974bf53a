//! Which claims follow from the convexity of one function.
//!
//! Where `F` is convex on a convex set that holds `w` and `v`, and the chain rule yields subgradients of
//! it, `<grad F(w), w - v> >= F(w) - F(v)`. The kinds of claim below say this of their `f`, or follow
//! from it. Nodes are compared, never text: equal functions are one node of the graph.

use dashu_ratio::RBig;

use crate::case::{Case, ClaimKind};
use crate::diagnostic::Diagnostic;
use crate::expr::{Context, Scope};
use crate::graph::op::{Binary, Input, Op, Unary};
use crate::graph::{Graph, NodeId};

use super::{place, written};

/// What must hold for the slack to be at least 0 everywhere.
#[derive(Clone, Debug)]
pub struct Convexity {
    /// scalar functions of [`Input::W`] that must all be convex
    pub functions: Vec<NodeId>,
    /// functions that must besides be continuously differentiable, on a box with an interior: the claim takes several
    /// gradients at once, whose elements at kinks need not be the same
    pub smooth: Vec<NodeId>,
    /// `k` where the slack is at least `-k rho |w - v|^2` if no Hessian lies further below 0 than
    /// `rho <= 1`: the claim's tolerance may be spent on that
    pub loss: Option<RBig>,
    /// scalar constants that must not be negative
    pub nonnegative: Vec<NodeId>,
    /// the one of them, if any, that the slack exceeds the slack of `F` by: a smooth `F` may be less than
    /// convex by as much
    pub surplus: Option<NodeId>,
    /// whether the function must besides be at least as large at `w` as at `v`
    pub least_at_v: bool,
}

/// The functions whose convexity proves the case's claim, where there are such.
///
/// - `convex`, `star_convex`: `F = f`.
/// - `proxy_convexity`: `F = f` where `g` is `f` and `h` is `f` or `f + c` with a constant `c >= 0`, which
///   only adds `c` to the slack.
/// - `strongly_convex`: `F = f - (mu/2)|w|^2`, since the slack of `F` is that of the claim:
///   `-mu <w, w - v> + (mu/2)(|w|^2 - |v|^2) = -(mu/2)|w - v|^2`.
/// - `weakly_quasi_convex`: `F = f` for `tau = 1`; for `tau <= 1` where besides `f(w) >= f(v)`, since then
///   `f(w) - f(v) >= tau (f(w) - f(v))`.
/// - `smooth`: `(L/2)|w|^2 + f` and `(L/2)|w|^2 - f`.
/// - `inequality`: see [`super::written`], which is given the slack with gradients as inputs.
pub(super) fn convexity(
    case: &Case,
    scope: &mut Scope,
    reference_slack: NodeId,
) -> Result<Option<Convexity>, Box<Diagnostic>> {
    if case.claim.kind == ClaimKind::Inequality {
        let requests = scope.requests.clone();
        let dimension = scope.dimension;
        return Ok(written::convexity(
            &mut scope.graph,
            reference_slack,
            &requests,
            dimension,
        ));
    }
    let Some(text) = case.claim.fields.get("f") else {
        return Ok(None);
    };
    let Some(f) = scope.function(text.value.trim()) else {
        return Ok(None);
    };
    let mut read = |field: &str, context: Context| {
        let text = &case.claim.fields[field];
        scope.elaborate(&text.value, context).map_err(place(case, text))
    };
    let plain = |function| Convexity {
        functions: vec![function],
        smooth: Vec::new(),
        loss: None,
        nonnegative: Vec::new(),
        surplus: None,
        least_at_v: false,
    };
    Ok(match case.claim.kind {
        ClaimKind::Convex | ClaimKind::StarConvex => Some(plain(f)),
        ClaimKind::ProxyConvexity => {
            let g = read("g", Context::Claim { at: Input::W })?;
            let h = read("h", Context::Claim { at: Input::V })?;
            let v = scope.graph.input(Input::V, scope.dimension);
            let at_v = scope.graph.substitute(f, &[(Input::W, v)]);
            surplus(&scope.graph, h, at_v)
                .filter(|_| g == f)
                .map(|surplus| Convexity {
                    nonnegative: surplus.into_iter().collect(),
                    surplus,
                    ..plain(f)
                })
        }
        ClaimKind::StronglyConvex => {
            let mu = read("mu", Context::Constant)?;
            Some(plain(without_square(&mut scope.graph, f, mu, scope.dimension)))
        }
        ClaimKind::Smooth => {
            let bound = read("L", Context::Constant)?;
            let graph = &mut scope.graph;
            let least = graph.neg(bound);
            Some(Convexity {
                functions: between(graph, f, Some(least), Some(bound), scope.dimension),
                smooth: vec![f],
                ..plain(f)
            })
        }
        ClaimKind::WeaklyQuasiConvex => {
            let tau = read("tau", Context::Constant)?;
            let one = scope.graph.integer(1);
            Some(Convexity {
                nonnegative: vec![scope.graph.sub(one, tau)],
                least_at_v: tau != one,
                ..plain(f)
            })
        }
        ClaimKind::ProxyPl
        | ClaimKind::Inequality
        | ClaimKind::Pl
        | ClaimKind::OnePointConvex
        | ClaimKind::RestrictedSecant
        | ClaimKind::ErrorBound
        | ClaimKind::QuadraticGrowth
        | ClaimKind::Lipschitz
        | ClaimKind::ProxySmooth
        | ClaimKind::Kl => None,
    })
}

/// The functions that are convex where the eigenvalues of the Hessian of `f` lie between two constants:
/// `f - (least/2)|w|^2` and `(most/2)|w|^2 - f`.
pub(super) fn between(
    graph: &mut Graph,
    f: NodeId,
    least: Option<NodeId>,
    most: Option<NodeId>,
    dimension: usize,
) -> Vec<NodeId> {
    let mut functions = Vec::new();
    if let Some(least) = least {
        functions.push(without_square(graph, f, least, dimension));
    }
    if let Some(most) = most {
        let (mirrored, most) = (graph.neg(f), graph.neg(most));
        functions.push(without_square(graph, mirrored, most, dimension));
    }
    functions
}

/// What `h` adds to `f`: nothing, or one constant; `None` where it is anything else.
fn surplus(graph: &Graph, h: NodeId, f: NodeId) -> Option<Option<NodeId>> {
    if h == f {
        return Some(None);
    }
    let node = graph.node(h);
    if node.op != Op::Binary(Binary::Add) {
        return None;
    }
    let (a, b) = (node.args[0], node.args[1]);
    let other = if a == f { b } else { a };
    ([a, b].contains(&f) && !graph.is_variable(other)).then_some(Some(other))
}

/// `f - (mu/2)|w|^2`. Where `f` is a sum that has a multiple of `|w|^2` as a term, as a ridge penalty is,
/// the two become one term, so that rules which see one term at a time see the difference.
pub fn without_square(graph: &mut Graph, f: NodeId, mu: NodeId, dimension: usize) -> NodeId {
    let w = graph.input(Input::W, dimension);
    let square = graph.squared_norm(w);
    let half = graph.fraction(1, 2);
    let rate = graph.mul(half, mu);
    let Some(rate_value) = graph.as_rational(rate).cloned() else {
        let growth = graph.mul(rate, square);
        return graph.sub(f, growth);
    };
    let (mut factor, mut rest) = (-rate_value, None);
    for (coefficient, term) in terms(graph, f) {
        if term == square {
            factor += coefficient;
            continue;
        }
        let coefficient = graph.rational(coefficient);
        let scaled = graph.mul(coefficient, term);
        rest = Some(match rest {
            Some(sum) => graph.add(sum, scaled),
            None => scaled,
        });
    }
    let factor = graph.rational(factor);
    let growth = graph.mul(factor, square);
    match rest {
        Some(rest) => graph.add(rest, growth),
        None => growth,
    }
}

/// A scalar as a sum of rational multiples of nodes, as far as additions and products with rationals show
/// it at the top.
fn terms(graph: &Graph, root: NodeId) -> Vec<(RBig, NodeId)> {
    /// A longer sum is left as one term.
    const MOST: usize = 64;
    let mut found = Vec::new();
    let mut pending = vec![(RBig::ONE, root)];
    while let Some((factor, id)) = pending.pop() {
        let node = graph.node(id);
        match node.op {
            Op::Binary(op @ (Binary::Add | Binary::Sub)) if found.len() + pending.len() < MOST => {
                let second = if op == Binary::Sub {
                    -factor.clone()
                } else {
                    factor.clone()
                };
                pending.push((second, node.args[1]));
                pending.push((factor, node.args[0]));
            }
            Op::Unary(Unary::Neg) => pending.push((-factor, node.args[0])),
            Op::Binary(Binary::Mul) => {
                let (a, b) = (node.args[0], node.args[1]);
                match (graph.as_rational(a), graph.as_rational(b)) {
                    (Some(value), _) => pending.push((factor * value, b)),
                    (None, Some(value)) => pending.push((factor * value, a)),
                    (None, None) => found.push((factor, id)),
                }
            }
            _ => found.push((factor, id)),
        }
    }
    found
}
