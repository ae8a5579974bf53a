//! Constants that the theorems need and a case may leave out, over the region of `w`: an upper bound of the norm of
//! the gradient, of the gradient's Lipschitz constant, of `|grad f|^2 / g`, and a lower bound of `f`.
//!
//! A constant is found as a guess and then proved. Points of the region and a climb from the best of them give the
//! value that no bound can beat, one enclosure over the whole region gives one that holds; values between them are
//! tried, the sharpest first, until the prover settles the claim with the value in it. So what is
//! proposed is the claim that an ordinary `certify` proves, with a certificate that can be replayed; nothing rests
//! on how the value was found. Everything is a pure function of the case.

use std::iter;

use dashu_ratio::RBig;
use indexmap::IndexMap;

use super::Options;
use super::enclose::root_box;
use super::points::{Draw, Point, Points};
use super::prove::{convexity, prove};
use crate::case::{Case, ClaimKind, ClaimSpec, Text};
use crate::claim::Claim;
use crate::error::Result;
use crate::eval::float::FloatArithmetic;
use crate::eval::interval::{Interval, IntervalArithmetic};
use crate::eval::tensor::Evaluator;
use crate::graph::op::{Input, Unary};
use crate::graph::{Graph, NodeId};
use crate::tighten::bisection::written;

/// Boxes that the prover may spend on one value.
const BOXES: u64 = 20_000;
/// Points of each kind from which the guess is made.
const POINTS: u64 = 256;
/// Points from which it climbs.
const CLIMBS: usize = 4;
/// How often the step of a climb is halved, from a quarter of the width of the region.
const HALVINGS: u32 = 24;
/// Most parameters for climbs, and for Hessians.
const MAX_DIMENSION: usize = 64;
/// Most passes through the coordinates with one step.
const PASSES: u32 = 8;
/// Steps of the power iteration for the largest eigenvalue of a Hessian.
const ITERATIONS: usize = 20;
/// Significant digits of a proposed value.
const DIGITS: i32 = 4;
/// Factors of the guess that are tried first.
const NEAR: [f64; 3] = [1.0, 1.001, 1.01];
/// Shares of the way, in orders of magnitude, from the guess to the enclosure's bound.
const SHARES: [f64; 3] = [0.0625, 0.25, 1.0];
/// Factors of the guess where the enclosure has no bound.
const FAR: [f64; 4] = [1.1, 1.5, 2.0, 4.0];

/// Which constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `G` with `|grad f(w)| <= G`
    Lipschitz,
    /// `L` with `|grad f(w) - grad f(v)| <= L |w - v|`, for `v` in the set of `w`
    Smooth,
    /// `L` with `|grad f(w)|^2 <= L g(w)`; `g` is `f` where the claim has no `g`
    ProxySmooth,
    /// `c` with `f(w) >= c`
    Least,
}

/// A constant that the prover settles.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// an exact decimal of at most four significant digits
    pub value: String,
    /// the case whose claim is that the value is such a constant: with tolerance 0 where that is settled for some
    /// value, otherwise with the tolerance of the original
    pub case: Case,
}

/// The case that claims that `value`, a number or an expression of constants, is the constant wanted for the `f` of
/// the claim, on the region of `w`; `None` where the claim names no `f`.
///
/// Data, definitions, the set of `w` and the tolerance are those of the case. Inequalities of the region are kept where they are
/// about `w` alone, and left out of a claim of smoothness, which is about all pairs of the set.
pub fn derived(case: &Case, wanted: Wanted, value: &str) -> Option<Case> {
    let at = &case.claim.at;
    let text = |value: &str| Text {
        value: value.to_owned(),
        at: at.clone(),
    };
    // what holds of one draw does not hold of the distribution
    if case.population.is_some() {
        return None;
    }
    let f = case.claim.fields.get("f")?;
    let constant = text(value);
    let (kind, fields) = match wanted {
        Wanted::Lipschitz => (ClaimKind::Lipschitz, vec![("f", f.clone()), ("G", constant)]),
        Wanted::Smooth => (ClaimKind::Smooth, vec![("f", f.clone()), ("L", constant)]),
        Wanted::ProxySmooth => {
            let g = case.claim.fields.get("g").unwrap_or(f);
            let fields = vec![("f", f.clone()), ("g", g.clone()), ("L", constant)];
            (ClaimKind::ProxySmooth, fields)
        }
        Wanted::Least => {
            let inequality = format!("{}(w) >= {value}", f.value.trim());
            (ClaimKind::Inequality, vec![("inequality", text(&inequality))])
        }
    };
    let fields: IndexMap<String, Text> = fields
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text))
        .collect();
    let mut derived = case.clone();
    (derived.descent, derived.guarantee) = (None, None);
    derived.claim = ClaimSpec {
        kind,
        fields,
        at: at.clone(),
    };
    if wanted == Wanted::Smooth || case.region.v.is_some() {
        derived.region.constraints.clear();
    }
    derived.region.v = None;
    derived.region.v_constraints.clear();
    Some(derived)
}

/// What a constant is the greatest value of, in terms of the claim that has 1 for the constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// the right side
    Right,
    /// the negated left side
    MinusLeft,
    /// the right side over the left side, which the constant multiplies
    Ratio,
    /// the root of that, where it is the square of the constant that multiplies the left side
    RootOfRatio,
    /// the size of the Hessian of the claim's function
    Hessian,
}

impl Wanted {
    fn measure(self) -> Measure {
        match self {
            Wanted::Lipschitz => Measure::Right,
            Wanted::Smooth => Measure::Hessian,
            Wanted::ProxySmooth => Measure::Ratio,
            Wanted::Least => Measure::MinusLeft,
        }
    }
}

/// A constant for the `f` of the claim; `None` where none is found: the claim names no `f`, the region is
/// one point, a gradient is not continuous as far as its enclosure tells (for [`Wanted::Smooth`]), or the prover
/// settles none of the values tried.
///
/// # Errors
/// Those of [`Claim::new`].
pub fn propose(case: &Case, wanted: Wanted) -> Result<Option<Proposal>> {
    propose_for(case, wanted.measure(), |value| derived(case, wanted, value))
}

/// A constant for the cases that `claim_of` makes of its values; `None` where none is found, or where no case is made.
/// Seed, tolerance and budget are those of `case`.
///
/// # Errors
/// Those of [`Claim::new`].
pub fn propose_for(
    case: &Case,
    measure: Measure,
    claim_of: impl Fn(&str) -> Option<Case>,
) -> Result<Option<Proposal>> {
    let Some(placeholder) = claim_of("1") else {
        return Ok(None);
    };
    let claim = Claim::new(&placeholder)?;
    let Some(mut quantity) = Quantity::new(&claim, measure) else {
        return Ok(None);
    };
    let Some(guess) = greatest(&claim, case.check.seed, &mut quantity) else {
        return Ok(None);
    };
    let ladder = ladder(guess, quantity.bound(&claim));
    let own = Some(case.check.tolerance.value.trim()).filter(|own| *own != "0");
    for tolerance in iter::once("0").chain(own) {
        let mut tried = String::new();
        for &value in &ladder {
            // the lower bound of f is the upper bound of -f
            let value = match measure {
                Measure::MinusLeft => rounded(value).map(|value| -value),
                _ => rounded(value),
            };
            let Some(value) = value.as_ref().map(written).filter(|value| *value != tried) else {
                continue;
            };
            let Some(mut case) = claim_of(&value) else {
                return Ok(None);
            };
            tolerance.clone_into(&mut case.check.tolerance.value);
            if settles(&case, measure)? {
                return Ok(Some(Proposal { value, case }));
            }
            tried = value;
        }
        // a tolerance does not help the rules for that
        if measure == Measure::Hessian {
            break;
        }
    }
    Ok(None)
}

/// Whether the prover settles the claim of a case within the budget for one value.
fn settles(case: &Case, measure: Measure) -> Result<bool> {
    let claim = Claim::new(case)?;
    let mut options = Options::of(&case.check, &claim);
    options.max_boxes = options.max_boxes.min(BOXES);
    Ok(match measure {
        _ if options.max_boxes == 0 => false,
        // nothing else proves it, and pairs of points cost
        Measure::Hessian => convexity::prove(&claim, &options).is_some(),
        _ => prove(&claim, &Points::new(&claim, options.seed), &options)
            .is_some_and(|(proof, _)| proof.complete()),
    })
}

/// What is to be bounded from above, as a function of `w`.
struct Quantity {
    graph: Graph,
    dimension: usize,
    /// the function, or the gradient whose derivative is meant
    root: NodeId,
    /// `root` along a direction
    along: Option<NodeId>,
    float: Evaluator<FloatArithmetic>,
}

/// The direction of a derivative.
const DIRECTION: Input = Input::V;

impl Quantity {
    fn new(claim: &Claim, measure: Measure) -> Option<Quantity> {
        if !claim.region.inputs().contains(&Input::W) {
            return None;
        }
        let mut graph = claim.graph.clone();
        let (left, right) = (claim.sides.left, claim.sides.right);
        let mut along = None;
        let root = match measure {
            Measure::Right => right,
            Measure::MinusLeft => graph.neg(left),
            Measure::Ratio => graph.div(right, left),
            Measure::RootOfRatio => {
                let ratio = graph.div(right, left);
                graph.unary(Unary::Sqrt, ratio)
            }
            Measure::Hessian => {
                let function = claim.requests.first()?.function;
                if claim.dimension > MAX_DIMENSION {
                    return None;
                }
                let gradient = graph.gradient(function, Input::W, claim.dimension);
                let direction = graph.input(DIRECTION, claim.dimension);
                along = Some(graph.jvp(gradient, Input::W, direction));
                let hull = root_box(claim, IntervalArithmetic::new())?;
                let flags = Evaluator::new(&graph, &[gradient], IntervalArithmetic::new())
                    .run(&[(Input::W, &hull[..claim.dimension])]);
                if !(flags.defined && flags.continuous) {
                    return None;
                }
                gradient
            }
        };
        let float = Evaluator::new(&graph, &[along.unwrap_or(root)], FloatArithmetic);
        Some(Quantity {
            graph,
            dimension: claim.dimension,
            root,
            along,
            float,
        })
    }

    /// The value at a point in binary64; for a Hessian the size of its largest eigenvalue, from below.
    fn at(&mut self, w: &[f64]) -> f64 {
        if self.along.is_none() {
            self.float.run(&[(Input::W, w)]);
            return self.float.root(0)[0];
        }
        // no coordinate is special
        let mut direction: Vec<f64> = (0..self.dimension)
            .map(|number| 1.0 + libm::sin(number as f64 + 1.0))
            .collect();
        let mut size = 0.0;
        for _ in 0..ITERATIONS {
            let length = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
            if length == 0.0 || !length.is_finite() {
                break;
            }
            direction.iter_mut().for_each(|x| *x /= length);
            self.float.run(&[(Input::W, w), (DIRECTION, &direction)]);
            direction = self.float.root(0).to_vec();
            size = f64::max(size, direction.iter().map(|x| x * x).sum::<f64>().sqrt());
        }
        size
    }

    /// An upper bound over the whole region by one enclosure; of a Hessian that of its Frobenius norm.
    fn bound(&self, claim: &Claim) -> f64 {
        let Some(hull) = root_box(claim, IntervalArithmetic::new()) else {
            return f64::INFINITY;
        };
        let w = &hull[..self.dimension];
        let root = self.along.unwrap_or(self.root);
        let mut evaluator = Evaluator::new(&self.graph, &[root], IntervalArithmetic::new());
        if self.along.is_none() {
            let flags = evaluator.run(&[(Input::W, w)]);
            let most = evaluator.root(0)[0].hi;
            return if flags.defined { most } else { f64::INFINITY };
        }
        let mut squares = 0.0;
        for number in 0..self.dimension {
            let mut direction = vec![Interval::new(0.0, 0.0); self.dimension];
            direction[number] = Interval::new(1.0, 1.0);
            let flags = evaluator.run(&[(Input::W, w), (DIRECTION, &direction)]);
            if !flags.defined {
                return f64::INFINITY;
            }
            let sizes = evaluator.root(0).iter().map(|x| f64::max(x.lo.abs(), x.hi.abs()));
            squares += sizes.map(|size| size * size).sum::<f64>();
        }
        squares.sqrt()
    }
}

/// The greatest value found over the region, by points and by climbing from the best of them, a coordinate at a time.
fn greatest(claim: &Claim, seed: u64, quantity: &mut Quantity) -> Option<f64> {
    let mut points = Points::new(claim, seed);
    let free = points.free().iter();
    let (_, set) = free.clone().find(|(input, _)| *input == Input::W)?.clone();
    let mut found: Vec<(f64, Point)> = Vec::new();
    for draw in [Draw::Uniform, Draw::Boundary] {
        if !points.offers(draw) {
            continue;
        }
        for index in 0..POINTS {
            if let (Some(point), _) = points.draw(draw, index) {
                let value = quantity.at(&point.w);
                if value.is_finite() {
                    found.push((value, point));
                }
            }
        }
    }
    let hull = root_box(claim, IntervalArithmetic::new())?;
    let hull = &hull[..quantity.dimension];
    let mut middle = found.first()?.1.clone();
    middle.w = hull.iter().map(|range| range.midpoint()).collect();
    let value = quantity.at(&middle.w);
    if value.is_finite() && points.satisfies(&middle) {
        found.push((value, middle));
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.truncate(CLIMBS);
    if quantity.dimension > MAX_DIMENSION {
        return found.first().map(|(value, _)| *value);
    }
    let mut best = f64::NEG_INFINITY;
    for (mut value, mut point) in found {
        let (mut share, mut passes) = (0.25, 0);
        let mut halvings = 0;
        while halvings < HALVINGS {
            let before = value;
            for (coordinate, range) in hull.iter().enumerate() {
                for step in [-share, share] {
                    let mut next = point.clone();
                    next.w[coordinate] += step * range.width();
                    set.project(&mut next.w);
                    let reached = quantity.at(&next.w);
                    if reached.is_finite() && reached > value && points.satisfies(&next) {
                        (value, point) = (reached, next);
                    }
                }
            }
            passes += 1;
            if value == before || passes == PASSES {
                (share, passes) = (0.5 * share, 0);
                halvings += 1;
            }
        }
        best = f64::max(best, value);
    }
    Some(best)
}

/// The values to try, the sharpest first, between one that is reached and one that is a bound.
fn ladder(reached: f64, bound: f64) -> Vec<f64> {
    let mut values: Vec<f64> = if reached > 0.0 {
        let near = NEAR.map(|factor| factor * reached);
        let far: Vec<f64> = if bound.is_finite() {
            let factor = f64::max(bound / reached, 1.0);
            SHARES
                .iter()
                .map(|share| reached * libm::pow(factor, *share))
                .collect()
        } else {
            FAR.map(|factor| factor * reached).to_vec()
        };
        near.into_iter().chain(far).collect()
    } else if bound.is_finite() {
        // no scale but the distance
        let distance = f64::max(bound - reached, 0.0);
        [0.0, 1e-3, 1e-2]
            .iter()
            .chain(&SHARES)
            .map(|share| reached + share * distance)
            .collect()
    } else {
        vec![reached]
    };
    values.sort_by(f64::total_cmp);
    values
}

/// The least decimal of [`DIGITS`] significant digits that is not below the number.
fn rounded(x: f64) -> Option<RBig> {
    let exact = RBig::try_from(x).ok()?;
    if exact.is_zero() {
        return Some(exact);
    }
    let places = libm::floor(libm::log10(x.abs())) as i32 - (DIGITS - 1);
    let ten = RBig::from(10);
    let unit = ten.pow(places as isize);
    let steps = (exact / &unit).ceil();
    Some(RBig::from(steps) * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Upward on the number line, whatever the sign.
    #[test]
    fn values_are_rounded_up_to_four_digits() {
        let text = |x: f64| written(&rounded(x).unwrap());
        assert_eq!(text(4.998_399_5), "4.999");
        assert_eq!(text(8.0), "8");
        assert_eq!(text(0.000_123_45), "0.0001235");
        assert_eq!(text(-1.234_56), "-1.234");
        assert_eq!(text(123_456.0), "123500");
        assert_eq!(text(0.0), "0");
    }

    #[test]
    fn the_ladder_climbs_from_what_is_reached_to_the_bound() {
        assert_eq!(
            ladder(1.0, 16.0),
            [1.0, 1.001, 1.01, libm::pow(16.0, 0.0625), 2.0, 16.0]
        );
        assert_eq!(ladder(-2.0, f64::INFINITY), [-2.0]);
        assert_eq!(ladder(2.0, f64::INFINITY).last(), Some(&8.0));
        assert_eq!(ladder(-3.0, 1.0).last(), Some(&1.0));
    }
}
