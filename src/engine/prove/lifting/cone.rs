//! A norm that holds the parts together.
//!
//! A slack may hold `K * ||w - p||` with `K >= 0`, as claims with noisy labels do. By Cauchy-Schwarz a
//! lifted variable `t = c.w` moves away from its value `b` at `p` by at most its reach times that norm,
//! so that `K * ||w - p|| >= sum of share_i * |t_i - b_i|` for shares `>= 0` with
//! `sum of share_i * reach_i <= K`. Each part gets its own share, and the norm is gone.
//! The norm may be weighted: `sqrt(sum of d_k (w_k - p_k)^2)` has the reach `sqrt(sum of c_k^2 / d_k)`.

use std::collections::HashMap;

use dashu_ratio::RBig;

use super::cut::Part;
use super::pieces::Ranges;
use crate::eval::RigorousArithmetic;
use crate::eval::float::FloatArithmetic;
use crate::eval::tensor::Evaluator;
use crate::graph::Graph;
use crate::graph::op::{Binary, Input, Unary};
use crate::symbolic::{Atom, Enclosures, Factors, FormId, MonomialId, Symbolic};

/// Points at which a part is looked at on each side of `b`.
const LOOKS: usize = 400;

/// `factor * sqrt(sum of weight_k (w_k - center_k)^2)`
#[derive(Clone, Debug)]
pub struct Cone {
    /// a form without coordinates
    pub factor: FormId,
    /// weight and centre of each coordinate in the norm
    pub coordinates: HashMap<u32, (RBig, RBig)>,
}

impl Cone {
    /// Reads a term of the slack as such a multiple of a norm.
    pub fn of(arena: &mut Symbolic, monomial: MonomialId, coefficient: &RBig) -> Option<Cone> {
        let factors = arena.factors(monomial).clone();
        let mut varying = factors.iter().filter(|(atom, _)| arena.atom_varies(*atom));
        let (Some(&(root, 1)), None) = (varying.next(), varying.next()) else {
            return None;
        };
        let Atom::Unary(Unary::Sqrt, inside) = *arena.atom(root) else {
            return None;
        };
        let inside = arena.form(inside).clone();
        if !inside.constant.is_zero() {
            return None;
        }
        let mut coordinates = HashMap::new();
        for (square, weight) in &inside.terms {
            let [(base, 2)] = arena.factors(*square)[..] else {
                return None;
            };
            let (number, slope, offset) = match *arena.atom(base) {
                Atom::Variable(number) => (number, RBig::ONE, RBig::ZERO),
                Atom::Sum(form) => {
                    let form = arena.form(form);
                    let [(only, slope)] = &form.terms[..] else {
                        return None;
                    };
                    (arena.as_variable(*only)?, slope.clone(), form.constant.clone())
                }
                _ => return None,
            };
            if *weight <= RBig::ZERO {
                return None;
            }
            let center = -offset / &slope;
            if coordinates
                .insert(number, (weight * &slope * &slope, center))
                .is_some()
            {
                return None;
            }
        }
        let rest: Factors = factors.into_iter().filter(|(atom, _)| *atom != root).collect();
        Some(Cone {
            factor: arena.product(coefficient.clone(), rest),
            coordinates,
        })
    }

    /// Value at the centre and square of the reach of the lifted variable of a part; `None` where the
    /// part has not exactly one, or it is not a form in the norm's coordinates.
    fn reach(&self, arena: &Symbolic, part: &Part) -> Option<(RBig, RBig)> {
        let [form] = part.lifted[..] else { return None };
        let (mut value, mut square) = (RBig::ZERO, RBig::ZERO);
        for (monomial, coefficient) in &arena.form(form).terms {
            let (weight, center) = self.coordinates.get(&arena.as_variable(*monomial)?)?;
            value += coefficient * center;
            square += coefficient * coefficient / weight;
        }
        Some((value, square))
    }

    /// Adds `share * |t - b|` to each part whose share is not zero, after checking that the norm pays
    /// for all of them; `None` where it does not, or where a part cannot have a share.
    pub fn share_out<A: RigorousArithmetic>(
        &self,
        arena: &Symbolic,
        parts: &mut [Part],
        shares: &[f64],
        arithmetic: A,
    ) -> Option<()> {
        let mut enclosures = Enclosures::new(arena, arithmetic, &[]);
        let factor = enclosures.of(self.factor);
        let arithmetic = enclosures.arithmetic();
        let mut left = factor;
        if !(shares.is_empty() || shares.len() == parts.len()) {
            return None;
        }
        for (part, &share) in parts.iter_mut().zip(shares) {
            if share == 0.0 {
                continue;
            }
            if !(share > 0.0 && share.is_finite()) {
                return None;
            }
            let (value, square) = self.reach(arena, part)?;
            let square = arithmetic.rational(&square);
            let reach = arithmetic.unary(Unary::Sqrt, &square);
            let exact = arithmetic.float(share);
            let cost = arithmetic.binary(Binary::Mul, &exact, &reach);
            left = arithmetic.binary(Binary::Sub, &left, &cost);
            let own = &mut part.arena;
            let (variable, center) = (own.variable(0), own.constant(value));
            let distance = own.sub(variable, center);
            let distance = own.apply(Unary::Abs, distance);
            let share = RBig::try_from(share).ok()?;
            part.function = own.combine(&[(RBig::ONE, part.function), (share, distance)]);
            if own.exhausted() {
                return None;
            }
        }
        arithmetic.at_least(&left, &RBig::ZERO).then_some(())
    }

    /// Shares that let each part stay above its value at the centre, as far as can be seen, and what is
    /// left of the norm in equal parts.
    pub fn shares<A: RigorousArithmetic>(
        &self,
        arena: &Symbolic,
        parts: &[Part],
        ranges: &[Ranges],
        arithmetic: A,
    ) -> Vec<f64> {
        let mut enclosures = Enclosures::new(arena, arithmetic, &[]);
        let factor = enclosures.of(self.factor);
        let factor = enclosures.arithmetic().ends(&factor).0;
        let mut reaches = vec![0.0; parts.len()];
        let mut shares = vec![0.0; parts.len()];
        for (number, part) in parts.iter().enumerate() {
            if let Some((value, square)) = self.reach(arena, part) {
                reaches[number] = square.to_f64().value().sqrt();
                shares[number] = steepest_descent(part, value.to_f64().value(), ranges[number][0]);
            }
        }
        let spent: f64 = shares
            .iter()
            .zip(&reaches)
            .map(|(share, reach)| share * reach)
            .sum();
        let total: f64 = reaches.iter().sum();
        let rest = (0.999 * (factor - spent) / total).max(0.0);
        if total <= 0.0 || !rest.is_finite() {
            return Vec::new();
        }
        for (share, reach) in shares.iter_mut().zip(&reaches) {
            if *reach > 0.0 {
                *share += rest;
            }
        }
        shares
    }
}

/// The largest `(f(b) - f(t)) / |t - b|` seen over a range, at least 0.
fn steepest_descent(part: &Part, b: f64, range: [f64; 2]) -> f64 {
    let mut graph = Graph::new();
    let root = part.arena.emit(&mut graph, part.function, 1);
    let mut evaluator = Evaluator::new(&graph, &[root], FloatArithmetic);
    let mut value = |t: f64| {
        evaluator.run(&[(Input::W, &[t])]);
        evaluator.root(0)[0]
    };
    let at_center = value(b);
    let mut steepest: f64 = 0.0;
    for end in range {
        for look in 1..=LOOKS {
            let share = look as f64 / LOOKS as f64;
            // denser towards b, where the slope is largest as a rule
            let t = b + (end - b) * share * share;
            let slope = (at_center - value(t)) / (t - b).abs();
            if slope.is_finite() {
                steepest = steepest.max(slope);
            }
        }
    }
    steepest
}
