//! Each kind of claim as one inequality, and its slack: left side minus right side.
//!
//! `w` and `v` are the two points, `g` stands for its value at `w` and `h` for its value at `v`.

use crate::case::{Case, ClaimKind, Text};
use crate::diagnostic::Diagnostic;
use crate::expr::{Context, Scope};
use crate::graph::NodeId;
use crate::graph::op::Input;

use super::place;

/// Both sides of the inequality `left >= right`.
#[derive(Clone, Copy, Debug)]
pub struct Sides {
    /// scalar
    pub left: NodeId,
    /// scalar
    pub right: NodeId,
}

impl ClaimKind {
    /// The inequality in mathematics, as the documentation states it: Unicode and LaTeX.
    pub fn formula(self) -> (&'static str, &'static str) {
        match self {
            ClaimKind::ProxyConvexity => (
                "⟨∇f(w), w − v⟩ ≥ g(w) − h(v)",
                r"\langle\nabla f(w),w-v\rangle\ge g(w)-h(v)",
            ),
            ClaimKind::ProxyPl => (
                "‖∇f(w)‖^α ≥ (μ/2)·(g(w) − ξ)",
                r"\|\nabla f(w)\|^{\alpha}\ge\tfrac{\mu}{2}(g(w)-\xi)",
            ),
            ClaimKind::Inequality => ("as written", r"\text{as written}"),
            ClaimKind::Convex => (
                "⟨∇f(w), w − v⟩ ≥ f(w) − f(v)",
                r"\langle\nabla f(w),w-v\rangle\ge f(w)-f(v)",
            ),
            ClaimKind::StronglyConvex => (
                "⟨∇f(w), w − v⟩ ≥ f(w) − f(v) + (μ/2)·‖w − v‖²",
                r"\langle\nabla f(w),w-v\rangle\ge f(w)-f(v)+\tfrac{\mu}{2}\|w-v\|^2",
            ),
            ClaimKind::Pl => (
                "‖∇f(w)‖² ≥ 2μ·(f(w) − f*)",
                r"\|\nabla f(w)\|^2\ge 2\mu(f(w)-f^{*})",
            ),
            ClaimKind::WeaklyQuasiConvex => (
                "⟨∇f(w), w − v⟩ ≥ τ·(f(w) − f(v))",
                r"\langle\nabla f(w),w-v\rangle\ge\tau(f(w)-f(v))",
            ),
            ClaimKind::StarConvex => (
                "⟨∇f(w), w − v⟩ ≥ f(w) − f(v)",
                r"\langle\nabla f(w),w-v\rangle\ge f(w)-f(v)",
            ),
            ClaimKind::OnePointConvex | ClaimKind::RestrictedSecant => (
                "⟨∇f(w), w − v⟩ ≥ μ·‖w − v‖²",
                r"\langle\nabla f(w),w-v\rangle\ge\mu\|w-v\|^2",
            ),
            ClaimKind::ErrorBound => ("‖∇f(w)‖ ≥ μ·‖w − v‖", r"\|\nabla f(w)\|\ge\mu\|w-v\|"),
            ClaimKind::QuadraticGrowth => (
                "f(w) − f* ≥ (μ/2)·‖w − v‖²",
                r"f(w)-f^{*}\ge\tfrac{\mu}{2}\|w-v\|^2",
            ),
            ClaimKind::Smooth => (
                "L·‖w − v‖ ≥ ‖∇f(w) − ∇f(v)‖",
                r"L\|w-v\|\ge\|\nabla f(w)-\nabla f(v)\|",
            ),
            ClaimKind::Lipschitz => ("G ≥ ‖∇f(w)‖", r"G\ge\|\nabla f(w)\|"),
            ClaimKind::ProxySmooth => ("L·g(w) ≥ ‖∇f(w)‖²", r"L\,g(w)\ge\|\nabla f(w)\|^2"),
            ClaimKind::Kl => (
                "‖∇f(w)‖ ≥ μ·(f(w) − f*)^θ",
                r"\|\nabla f(w)\|\ge\mu(f(w)-f^{*})^{\theta}",
            ),
        }
    }
}

/// Builds the two sides of the case's claim in the scope; gradients are our own transforms or
/// requests to an outside engine, as the scope is set.
pub fn sides(case: &Case, scope: &mut Scope) -> Result<Sides, Box<Diagnostic>> {
    let claim = &case.claim;
    if claim.kind == ClaimKind::Inequality {
        let text = &claim.fields["inequality"];
        let (left, right) = scope
            .elaborate_inequality(&text.value, Context::Claim { at: Input::W })
            .map_err(place(case, text))?;
        return Ok(Sides { left, right });
    }
    let mut build = Build { case, scope };
    build.require_scalar_function("f")?;
    let half = build.scope.graph.fraction(1, 2);
    let two = build.scope.graph.integer(2);
    Ok(match claim.kind {
        ClaimKind::Inequality => unreachable!("handled above"),
        ClaimKind::ProxyConvexity => {
            let (g, h) = (build.value("g", Input::W)?, build.value("h", Input::V)?);
            Sides {
                left: build.term(ALONG_DIFFERENCE)?,
                right: build.scope.graph.sub(g, h),
            }
        }
        ClaimKind::ProxyPl => {
            let g = build.value("g", Input::W)?;
            let (xi, alpha, mu) = (
                build.constant("xi")?,
                build.constant("alpha")?,
                build.constant("mu")?,
            );
            let squared = build.term(SQUARED_GRADIENT)?;
            let exponent = build.scope.graph.mul(half, alpha);
            let left = build.power("alpha", squared, exponent)?;
            let gap = build.scope.graph.sub(g, xi);
            let rate = build.scope.graph.mul(half, mu);
            Sides {
                left,
                right: build.scope.graph.mul(rate, gap),
            }
        }
        ClaimKind::Convex | ClaimKind::StarConvex => Sides {
            left: build.term(ALONG_DIFFERENCE)?,
            right: build.term(GAP)?,
        },
        ClaimKind::StronglyConvex => {
            let mu = build.constant("mu")?;
            let (gap, distance) = (build.term(GAP)?, build.term(SQUARED_DISTANCE)?);
            let rate = build.scope.graph.mul(half, mu);
            let growth = build.scope.graph.mul(rate, distance);
            Sides {
                left: build.term(ALONG_DIFFERENCE)?,
                right: build.scope.graph.add(gap, growth),
            }
        }
        ClaimKind::Pl => {
            let (mu, f_star, at_w) = (
                build.constant("mu")?,
                build.constant("f_star")?,
                build.term(AT_W)?,
            );
            let gap = build.scope.graph.sub(at_w, f_star);
            let rate = build.scope.graph.mul(two, mu);
            Sides {
                left: build.term(SQUARED_GRADIENT)?,
                right: build.scope.graph.mul(rate, gap),
            }
        }
        ClaimKind::WeaklyQuasiConvex => {
            let (tau, gap) = (build.constant("tau")?, build.term(GAP)?);
            Sides {
                left: build.term(ALONG_DIFFERENCE)?,
                right: build.scope.graph.mul(tau, gap),
            }
        }
        ClaimKind::OnePointConvex | ClaimKind::RestrictedSecant => {
            let (mu, distance) = (build.constant("mu")?, build.term(SQUARED_DISTANCE)?);
            Sides {
                left: build.term(ALONG_DIFFERENCE)?,
                right: build.scope.graph.mul(mu, distance),
            }
        }
        ClaimKind::ErrorBound => {
            let (mu, distance) = (build.constant("mu")?, build.term(DISTANCE)?);
            Sides {
                left: build.term(GRADIENT_NORM)?,
                right: build.scope.graph.mul(mu, distance),
            }
        }
        ClaimKind::QuadraticGrowth => {
            let (mu, f_star, at_w) = (
                build.constant("mu")?,
                build.constant("f_star")?,
                build.term(AT_W)?,
            );
            let distance = build.term(SQUARED_DISTANCE)?;
            let rate = build.scope.graph.mul(half, mu);
            let left = build.scope.graph.sub(at_w, f_star);
            Sides {
                left,
                right: build.scope.graph.mul(rate, distance),
            }
        }
        ClaimKind::Smooth => {
            let (bound, distance) = (build.constant("L")?, build.term(DISTANCE)?);
            let right = build.term("norm(grad(F)(w) - grad(F)(v))")?;
            Sides {
                left: build.scope.graph.mul(bound, distance),
                right,
            }
        }
        ClaimKind::Lipschitz => Sides {
            left: build.constant("G")?,
            right: build.term(GRADIENT_NORM)?,
        },
        ClaimKind::ProxySmooth => {
            let (g, bound) = (build.value("g", Input::W)?, build.constant("L")?);
            Sides {
                left: build.scope.graph.mul(bound, g),
                right: build.term(SQUARED_GRADIENT)?,
            }
        }
        ClaimKind::Kl => {
            let (theta, mu) = (build.constant("theta")?, build.constant("mu")?);
            let (f_star, at_w) = (build.constant("f_star")?, build.term(AT_W)?);
            let gap = build.scope.graph.sub(at_w, f_star);
            let power = build.power("theta", gap, theta)?;
            Sides {
                left: build.term(GRADIENT_NORM)?,
                right: build.scope.graph.mul(mu, power),
            }
        }
    })
}

/// What a claim of a kind that bounds iterates speaks of, in the letters of proxy convexity and proxy PL.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proxies {
    /// `g` at `w`
    pub g: Option<NodeId>,
    /// `h` at `v`, for proxy convexity: `<grad f(w), w - v> >= g - h`
    pub h: Option<NodeId>,
    /// constants `xi`, `alpha`, `mu`, for proxy PL: `||grad f(w)||^alpha >= (mu/2)(g - xi)`
    pub pl: Option<[NodeId; 3]>,
    /// a constant that must not be negative for the inequality to follow from the claim
    pub nonnegative: Option<NodeId>,
}

/// The proxies of the case's claim, and the root of its `f`.
///
/// - `convex`, `star_convex`: `g = f`, `h = f`; `strongly_convex` as well, where `mu >= 0`;
/// - `weakly_quasi_convex`: `g = tau f`, `h = tau f`;
/// - `one_point_convex`, `restricted_secant`: `g = mu ||w - v||^2`, `h = 0`;
/// - `pl`: `g = f`, `xi = f_star`, `alpha = 2`, and 4 times its `mu`;
/// - `proxy_smooth`: its `g`, and neither inequality.
///
/// A claim without a field `f` speaks of the definition `f`.
pub fn proxies(case: &Case, scope: &mut Scope) -> Result<(NodeId, Proxies), Box<Diagnostic>> {
    let kind = case.claim.kind;
    let mut build = Build { case, scope };
    let function = if kind == ClaimKind::Inequality {
        let root = build.scope.function("f");
        let root = root.filter(|root| build.scope.graph.shape(*root).is_empty());
        root.ok_or_else(|| {
            let at = &case
                .descent
                .as_ref()
                .map_or(&case.claim.at, |descent| &descent.at)
                .clone();
            Box::new(
                case.fault(at, "the inequality does not say which function descends")
                    .expected("a definition called `f` with scalar values"),
            )
        })?
    } else {
        build.require_scalar_function("f")?;
        let text = build.text("f").value.trim().to_owned();
        build.scope.function(&text).expect("checked above")
    };
    let convex = |g, h| Proxies {
        g: Some(g),
        h: Some(h),
        ..Proxies::default()
    };
    let proxies = match kind {
        ClaimKind::ProxyConvexity => convex(build.value("g", Input::W)?, build.value("h", Input::V)?),
        ClaimKind::Convex | ClaimKind::StarConvex => convex(build.term(AT_W)?, build.term(AT_V)?),
        ClaimKind::StronglyConvex => Proxies {
            nonnegative: Some(build.constant("mu")?),
            ..convex(build.term(AT_W)?, build.term(AT_V)?)
        },
        ClaimKind::WeaklyQuasiConvex => {
            let (tau, g, h) = (build.constant("tau")?, build.term(AT_W)?, build.term(AT_V)?);
            convex(build.scope.graph.mul(tau, g), build.scope.graph.mul(tau, h))
        }
        ClaimKind::OnePointConvex | ClaimKind::RestrictedSecant => {
            let (mu, distance) = (build.constant("mu")?, build.term(SQUARED_DISTANCE)?);
            let zero = build.scope.graph.integer(0);
            convex(build.scope.graph.mul(mu, distance), zero)
        }
        ClaimKind::ProxyPl => Proxies {
            g: Some(build.value("g", Input::W)?),
            pl: Some([
                build.constant("xi")?,
                build.constant("alpha")?,
                build.constant("mu")?,
            ]),
            ..Proxies::default()
        },
        ClaimKind::Pl => {
            let (mu, four) = (build.constant("mu")?, build.scope.graph.integer(4));
            Proxies {
                g: Some(build.term(AT_W)?),
                pl: Some([
                    build.constant("f_star")?,
                    build.scope.graph.integer(2),
                    build.scope.graph.mul(four, mu),
                ]),
                ..Proxies::default()
            }
        }
        ClaimKind::ProxySmooth => Proxies {
            g: Some(build.value("g", Input::W)?),
            ..Proxies::default()
        },
        ClaimKind::Inequality
        | ClaimKind::ErrorBound
        | ClaimKind::QuadraticGrowth
        | ClaimKind::Smooth
        | ClaimKind::Lipschitz
        | ClaimKind::Kl => Proxies::default(),
    };
    Ok((function, proxies))
}

/// Terms of the inequalities, as expressions of the function `F` that the claim names.
const ALONG_DIFFERENCE: &str = "dot(grad(F)(w), w - v)";
const GAP: &str = "F(w) - F(v)";
const AT_W: &str = "F(w)";
const AT_V: &str = "F(v)";
const SQUARED_GRADIENT: &str = "sum(grad(F)(w)^2)";
const GRADIENT_NORM: &str = "norm(grad(F)(w))";
const SQUARED_DISTANCE: &str = "sum((w - v)^2)";
const DISTANCE: &str = "norm(w - v)";

/// The pieces that the kinds are made of.
struct Build<'a, 's> {
    case: &'a Case,
    scope: &'s mut Scope,
}

impl Build<'_, '_> {
    fn text(&self, field: &str) -> &Text {
        &self.case.claim.fields[field]
    }

    /// Checks that the field names a defined function with scalar values.
    fn require_scalar_function(&mut self, field: &str) -> Result<(), Box<Diagnostic>> {
        let text = self.text(field).clone();
        let root = self.scope.function(text.value.trim()).ok_or_else(|| {
            let names: Vec<&str> = self.case.define.keys().map(String::as_str).collect();
            self.case.diagnose(
                &text,
                0..text.value.len(),
                format!("`{}` is not a defined function", text.value.trim()),
                Some(format!("one of the definitions: {}", names.join(", "))),
            )
        })?;
        self.scalar(&text, root).map(|_| ())
    }

    /// One of the terms above, for the claim's `f`.
    fn term(&mut self, template: &str) -> Result<NodeId, Box<Diagnostic>> {
        let text = self.text("f").clone();
        let expression = template.replace('F', text.value.trim());
        self.scope
            .elaborate(&expression, Context::Claim { at: Input::W })
            .map_err(|error| {
                Box::new(
                    self.case
                        .diagnose(&text, 0..text.value.len(), error.message, error.expected),
                )
            })
    }

    /// A name or an expression, at the given point, a scalar.
    fn value(&mut self, field: &str, at: Input) -> Result<NodeId, Box<Diagnostic>> {
        let text = self.text(field).clone();
        let node = self
            .scope
            .elaborate(&text.value, Context::Claim { at })
            .map_err(place(self.case, &text))?;
        self.scalar(&text, node)
    }

    /// An expression of constants, a scalar.
    fn constant(&mut self, field: &str) -> Result<NodeId, Box<Diagnostic>> {
        let text = self.text(field).clone();
        let node = self
            .scope
            .elaborate(&text.value, Context::Constant)
            .map_err(place(self.case, &text))?;
        self.scalar(&text, node)
    }

    fn scalar(&self, text: &Text, node: NodeId) -> Result<NodeId, Box<Diagnostic>> {
        let shape = self.scope.graph.shape(node);
        if shape.is_empty() {
            return Ok(node);
        }
        let message = format!("`{}` has shape {shape:?}", text.value.trim());
        Err(Box::new(self.case.diagnose(
            text,
            0..text.value.len(),
            message,
            Some("a scalar".to_owned()),
        )))
    }

    /// `x^exponent` for a rational exponent with small numerator and denominator.
    fn power(&mut self, field: &str, x: NodeId, exponent: NodeId) -> Result<NodeId, Box<Diagnostic>> {
        let small = self.scope.graph.as_rational(exponent).and_then(|value| {
            let num = i32::try_from(value.numerator()).ok()?;
            let den = u32::try_from(value.denominator()).ok()?;
            (num.unsigned_abs() <= 64 && den <= 64 && num > 0).then_some((num, den))
        });
        let Some((num, den)) = small else {
            let text = self.text(field);
            return Err(Box::new(self.case.diagnose(
                text,
                0..text.value.len(),
                "this exponent is not supported",
                Some("a positive fraction with numerator and denominator up to 32".to_owned()),
            )));
        };
        Ok(self.scope.graph.pow(x, num, den))
    }
}
