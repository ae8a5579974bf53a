//! Lower bounds of a function over a box, in any rigorous arithmetic.

use dashu_ratio::RBig;

use super::convexity::hessian::eliminate;
use super::lifting::pieces::{Piece, Ranges};
use super::tree::Rule;
use super::underestimator::{Convexified, convexify};
use crate::eval::tensor::Evaluator;
use crate::eval::{Flags, RigorousArithmetic};
use crate::graph::op::{Binary, Exponent, Input, Unary};
use crate::graph::{Graph, NodeId};
use crate::symbolic::{FormId, Symbolic};

/// The function of a piece with its first and second derivatives.
#[derive(Clone)]
pub struct Smooth<A: RigorousArithmetic> {
    arithmetic: A,
    value: Evaluator<A>,
    gradient: Evaluator<A>,
    /// a root for each row
    hessian: Evaluator<A>,
    variables: usize,
    vanishing: Option<Vanishing<A>>,
}

/// A variable at whose zero the function vanishes with its first derivatives, for all values of the
/// others.
#[derive(Clone)]
struct Vanishing<A: RigorousArithmetic> {
    coordinate: usize,
    /// order of the first derivative in the variable that does not vanish there
    order: u32,
    /// function and derivatives up to that order
    derivatives: Evaluator<A>,
}

/// Enclosures of the gradient over a box.
struct Slopes<V> {
    values: Vec<V>,
    /// whether no step jumps in the box
    continuous: bool,
}

/// Taylor's formula of second order around the middle of a box.
struct Taylor<V> {
    /// at the middle
    value: V,
    /// at the middle
    slopes: Vec<V>,
    /// over the box, a row for each variable
    hessian: Vec<Vec<V>>,
    /// the box, less its middle
    offsets: Vec<V>,
}

impl<A: RigorousArithmetic + Clone> Smooth<A> {
    /// Prepares a piece.
    pub fn new(piece: &Piece, arithmetic: A) -> Self {
        let mut graph = piece.graph.clone();
        let variables = piece.ranges.len();
        let (mut gradient, mut hessian) = (Vec::new(), Vec::new());
        if variables > 0 {
            let slopes = graph.gradient(piece.function, Input::W, variables);
            gradient.push(slopes);
            for number in 0..variables {
                let slope = graph.slice(slopes, 0, number, 1, 1);
                let slope = graph.reshape(slope, &[]);
                hessian.push(graph.gradient(slope, Input::W, variables));
            }
        }
        let vanishing = piece.tie.and_then(|coordinate| {
            let derivatives = derivatives(&mut graph, piece.function, coordinate, variables)?;
            Some(Vanishing {
                coordinate,
                order: derivatives.len() as u32 - 1,
                derivatives: Evaluator::new(&graph, &derivatives, arithmetic.clone()),
            })
        });
        let evaluator = |roots: &[NodeId]| Evaluator::new(&graph, roots, arithmetic.clone());
        Smooth {
            value: evaluator(&[piece.function]),
            gradient: evaluator(&gradient),
            hessian: evaluator(&hessian),
            arithmetic: arithmetic.clone(),
            variables,
            vanishing,
        }
    }

    /// Scalar operations that all bounds of one box may take, roughly.
    pub fn operations(&self) -> u64 {
        let vanishing = self
            .vanishing
            .as_ref()
            .map_or(0, |own| own.derivatives.operations());
        5 * self.value.operations()
            + 3 * self.gradient.operations()
            + self.hessian.operations()
            + vanishing
            + 10
    }

    /// An upper bound of the function at the middle of the box.
    pub fn central(&mut self, ranges: &[[f64; 2]]) -> f64 {
        let center = self.points(&middles(ranges));
        let (value, flags) = self.value_over(&center);
        if flags.defined {
            self.arithmetic.ends(&value).1
        } else {
            f64::INFINITY
        }
    }

    /// A lower bound of the function over the box by a rule, as binary64 rounded down; minus infinity
    /// where the rule says nothing.
    pub fn lower(&mut self, rule: Rule, ranges: &[[f64; 2]]) -> f64 {
        self.bound(rule, ranges).unwrap_or(f64::NEG_INFINITY)
    }

    /// The best lower bound of all rules, with the rule; further rules are not tried once the bound is
    /// `enough`. Beside it the ends of the enclosed derivatives over the box; none where one of them is not
    /// defined, or where they were not needed.
    pub fn best(&mut self, ranges: &[[f64; 2]], enough: f64) -> (f64, Rule, Vec<(f64, f64)>) {
        let cell = self.cell(ranges);
        let (natural, flags) = self.value_over(&cell);
        let mut best = (self.arithmetic.ends(&natural).0, Rule::Natural);
        if best.0 < enough
            && let Some(bound) = self.vanishing(ranges, &cell).filter(|bound| *bound > best.0)
        {
            best = (bound, Rule::Vanishing);
        }
        if best.0 >= enough {
            return (best.0, best.1, Vec::new());
        }
        let Some(slopes) = self.slopes_over(&cell) else {
            return (best.0, best.1, Vec::new());
        };
        let ends = slopes.values.iter().map(|slope| self.arithmetic.ends(slope));
        let ends = ends.collect();
        let rules: &[Rule] = if flags.defined && flags.continuous {
            &[
                Rule::MeanValue,
                Rule::SecondOrder,
                Rule::Face,
                Rule::FaceMeanValue,
            ]
        } else {
            &[]
        };
        for &rule in rules {
            let bound = self.by_slopes(rule, ranges, &cell, &slopes);
            if let Some(bound) = bound.filter(|bound| *bound > best.0) {
                best = (bound, rule);
            }
            if best.0 >= enough {
                break;
            }
        }
        (best.0, best.1, ends)
    }

    fn bound(&mut self, rule: Rule, ranges: &[[f64; 2]]) -> Option<f64> {
        let cell = self.cell(ranges);
        let (natural, flags) = self.value_over(&cell);
        match rule {
            Rule::Discard | Rule::Hessian => None,
            // an enclosure of the values where the function is defined
            Rule::Natural => Some(self.arithmetic.ends(&natural).0),
            Rule::Vanishing => self.vanishing(ranges, &cell),
            // the others rest on derivatives
            _ if !(flags.defined && flags.continuous) => None,
            _ => {
                let slopes = self.slopes_over(&cell)?;
                self.by_slopes(rule, ranges, &cell, &slopes)
            }
        }
    }

    /// The bounds that rest on derivatives; the gradient is that over the box, where the function is
    /// defined and continuous.
    fn by_slopes(
        &mut self,
        rule: Rule,
        ranges: &[[f64; 2]],
        cell: &[A::Value],
        slopes: &Slopes<A::Value>,
    ) -> Option<f64> {
        match rule {
            Rule::Discard | Rule::Hessian | Rule::Natural | Rule::Vanishing => None,
            Rule::MeanValue => self.mean_value(ranges, &slopes.values),
            // the derivative of a step counts as zero, so that only the gradient shows its jump
            Rule::SecondOrder if !slopes.continuous => None,
            Rule::SecondOrder => self.second_order(ranges, cell),
            Rule::Face => {
                let face = self.face(ranges, &slopes.values);
                let cell = self.cell(&face);
                let (value, _) = self.value_over(&cell);
                Some(self.arithmetic.ends(&value).0)
            }
            Rule::FaceMeanValue => {
                let face = self.face(ranges, &slopes.values);
                let cell = self.cell(&face);
                let slopes = self.slopes_over(&cell)?;
                self.mean_value(&face, &slopes.values)
            }
        }
    }

    /// `f(c) + sum of slope_i * (x_i - c_i)`
    fn mean_value(&mut self, ranges: &[[f64; 2]], slopes: &[A::Value]) -> Option<f64> {
        let center = middles(ranges);
        let (mut sum, flags) = {
            let center = self.points(&center);
            self.value_over(&center)
        };
        for (slope, (range, &c)) in slopes.iter().zip(ranges.iter().zip(&center)) {
            let offset = self.offset(range, c);
            let product = self.arithmetic.binary(Binary::Mul, slope, &offset);
            sum = self.arithmetic.binary(Binary::Add, &sum, &product);
        }
        flags.defined.then(|| self.arithmetic.ends(&sum).0)
    }

    /// Taylor's formula with the second derivatives over a box where the slopes are continuous: the better of two
    /// lower bounds of its quadratic.
    fn second_order(&mut self, ranges: &[[f64; 2]], cell: &[A::Value]) -> Option<f64> {
        let flags = self.hessian.run(&[(Input::W, cell)]);
        if !(flags.defined && flags.continuous) {
            return None;
        }
        let hessian = (0..self.variables)
            .map(|number| self.hessian.root(number).to_vec())
            .collect();
        let center = middles(ranges);
        let points = self.points(&center);
        let slopes = self.slopes_over(&points)?.values;
        let (value, flags) = self.value_over(&points);
        if !flags.defined {
            return None;
        }
        let taylor = Taylor {
            value,
            slopes,
            hessian,
            offsets: ranges
                .iter()
                .zip(&center)
                .map(|(range, &c)| self.offset(range, c))
                .collect(),
        };
        let bound = [self.separable(&taylor), self.convex(&taylor)]
            .into_iter()
            .flatten()
            .reduce(f64::max);
        self.arithmetic.take_flags();
        bound
    }

    /// With `d_k d_l >= -(d_k^2 + d_l^2)/2` the quadratic term is at least
    /// `1/2 sum of (H_kk - sum of |H_kl|) d_k^2`, one variable at a time.
    fn separable(&mut self, taylor: &Taylor<A::Value>) -> Option<f64> {
        let square = Unary::Pow(Exponent { num: 2, den: 1 });
        let mut sum = taylor.value.clone();
        for (number, (slope, offset)) in taylor.slopes.iter().zip(&taylor.offsets).enumerate() {
            let row = &taylor.hessian[number];
            let mut curvature = row[number].clone();
            for (other, entry) in row.iter().enumerate() {
                if other != number {
                    let size = self.arithmetic.unary(Unary::Abs, entry);
                    curvature = self.arithmetic.binary(Binary::Sub, &curvature, &size);
                }
            }
            let least = self.arithmetic.ends(&curvature).0;
            if !least.is_finite() {
                return None;
            }
            let linear = self.arithmetic.binary(Binary::Mul, slope, offset);
            let half = self.arithmetic.float(0.5);
            let bent = self.arithmetic.float(least);
            let bent = self.arithmetic.binary(Binary::Mul, &half, &bent);
            let term = if least > 0.0 {
                // slope*d + bent*d^2 is at least slope*d, and at least -slope^2/(4 bent)
                let steep = self.arithmetic.unary(square, slope);
                let four = self.arithmetic.float(4.0);
                let four = self.arithmetic.binary(Binary::Mul, &four, &bent);
                let share = self.arithmetic.binary(Binary::Div, &steep, &four);
                let vertex = self.arithmetic.unary(Unary::Neg, &share);
                if self.arithmetic.ends(&vertex).0 > self.arithmetic.ends(&linear).0 {
                    vertex
                } else {
                    linear
                }
            } else {
                let square = self.arithmetic.unary(square, offset);
                let term = self.arithmetic.binary(Binary::Mul, &bent, &square);
                self.arithmetic.binary(Binary::Add, &linear, &term)
            };
            sum = self.arithmetic.binary(Binary::Add, &sum, &term);
        }
        Some(self.arithmetic.ends(&sum).0)
    }

    /// With a positive semidefinite `M` and any `s`, `d.M.d/2 >= (M s).d - s.M.s/2`, so that
    /// `g.d + d.H.d/2 >= (g + M s).d - s.M.s/2 + d.(H - M).d/2`.
    fn convex(&mut self, taylor: &Taylor<A::Value>) -> Option<f64> {
        let middle = |value: &A::Value, arithmetic: &A| {
            let (lo, hi) = arithmetic.ends(value);
            0.5 * lo + 0.5 * hi
        };
        let rough: Vec<Vec<f64>> = taylor
            .hessian
            .iter()
            .map(|row| row.iter().map(|entry| middle(entry, &self.arithmetic)).collect())
            .collect();
        let slopes: Vec<f64> = taylor
            .slopes
            .iter()
            .map(|slope| middle(slope, &self.arithmetic))
            .collect();
        let radii: Vec<f64> = taylor
            .offsets
            .iter()
            .map(|offset| self.arithmetic.ends(offset).1)
            .collect();
        let Convexified { matrix, point } = convexify(&rough, &slopes, &radii)?;
        let point = self.points(&point);
        let matrix: Vec<Vec<A::Value>> = matrix.iter().map(|row| self.points(row)).collect();
        let lower: Vec<Vec<A::Value>> = (0..matrix.len()).map(|k| matrix[k][..=k].to_vec()).collect();
        if !eliminate(lower, &mut self.arithmetic) {
            return None;
        }
        let (half, square) = (
            self.arithmetic.float(0.5),
            Unary::Pow(Exponent { num: 2, den: 1 }),
        );
        let mut sum = taylor.value.clone();
        let mut quadratic = self.arithmetic.float(0.0);
        for (k, offset) in taylor.offsets.iter().enumerate() {
            let image = self.arithmetic.dot(matrix[k].iter().zip(&point));
            let slope = self.arithmetic.binary(Binary::Add, &taylor.slopes[k], &image);
            let linear = self.arithmetic.binary(Binary::Mul, &slope, offset);
            sum = self.arithmetic.binary(Binary::Add, &sum, &linear);
            let own = self.arithmetic.binary(Binary::Mul, &image, &point[k]);
            quadratic = self.arithmetic.binary(Binary::Sub, &quadratic, &own);
            for l in 0..=k {
                let rest = self
                    .arithmetic
                    .binary(Binary::Sub, &taylor.hessian[k][l], &matrix[k][l]);
                let product = if l == k {
                    self.arithmetic.unary(square, offset)
                } else {
                    // this entry and its mirror image
                    let product = self.arithmetic.binary(Binary::Mul, offset, &taylor.offsets[l]);
                    self.arithmetic.binary(Binary::Add, &product, &product)
                };
                let term = self.arithmetic.binary(Binary::Mul, &rest, &product);
                quadratic = self.arithmetic.binary(Binary::Add, &quadratic, &term);
            }
        }
        let quadratic = self.arithmetic.binary(Binary::Mul, &half, &quadratic);
        sum = self.arithmetic.binary(Binary::Add, &sum, &quadratic);
        Some(self.arithmetic.ends(&sum).0)
    }

    /// With `d` the variable that vanishes and `m` the order, `f = d^m/m! * (d/dd)^m f` at some point
    /// between 0 and `d`.
    fn vanishing(&mut self, ranges: &[[f64; 2]], cell: &[A::Value]) -> Option<f64> {
        let own = self.vanishing.as_mut()?;
        let mut wide = cell.to_vec();
        let zero = self.arithmetic.float(0.0);
        wide[own.coordinate] = self.arithmetic.hull(&cell[own.coordinate], &zero);
        // a jump of any of them would be one of the function or of a derivative that Taylor's formula needs
        let flags = own.derivatives.run(&[(Input::W, &wide)]);
        if !(flags.defined && flags.continuous) {
            return None;
        }
        let slope = own.derivatives.root(own.order as usize)[0].clone();
        let (order, coordinate) = (own.order, own.coordinate);
        let distance = self.between(&ranges[coordinate]);
        let exponent = Exponent {
            num: order as i32,
            den: 1,
        };
        let power = self.arithmetic.unary(Unary::Pow(exponent), &distance);
        let factorial: u32 = (1..=order).product();
        let factorial = self.arithmetic.float(f64::from(factorial));
        let share = self.arithmetic.binary(Binary::Div, &slope, &factorial);
        let value = self.arithmetic.binary(Binary::Mul, &share, &power);
        Some(self.arithmetic.ends(&value).0)
    }

    /// The face on which every variable whose slope has one sign is at its lower or upper bound.
    fn face(&self, ranges: &[[f64; 2]], slopes: &[A::Value]) -> Ranges {
        let fixed = |(&[lo, hi], slope): (&[f64; 2], &A::Value)| {
            let (least, most) = self.arithmetic.ends(slope);
            if least >= 0.0 {
                [lo, lo]
            } else if most <= 0.0 {
                [hi, hi]
            } else {
                [lo, hi]
            }
        };
        ranges.iter().zip(slopes).map(fixed).collect()
    }

    fn offset(&mut self, range: &[f64; 2], center: f64) -> A::Value {
        let range = self.between(range);
        let center = self.arithmetic.float(center);
        self.arithmetic.binary(Binary::Sub, &range, &center)
    }

    fn between(&mut self, range: &[f64; 2]) -> A::Value {
        let (lo, hi) = (self.arithmetic.float(range[0]), self.arithmetic.float(range[1]));
        self.arithmetic.hull(&lo, &hi)
    }

    fn cell(&mut self, ranges: &[[f64; 2]]) -> Vec<A::Value> {
        ranges.iter().map(|range| self.between(range)).collect()
    }

    fn points(&mut self, point: &[f64]) -> Vec<A::Value> {
        point.iter().map(|&x| self.arithmetic.float(x)).collect()
    }

    fn value_over(&mut self, cell: &[A::Value]) -> (A::Value, Flags) {
        let flags = self.value.run(&[(Input::W, cell)]);
        (self.value.root(0)[0].clone(), flags)
    }

    /// The gradient over a box where it is defined; at kinks, every element of the Clarke sets.
    fn slopes_over(&mut self, cell: &[A::Value]) -> Option<Slopes<A::Value>> {
        if self.variables == 0 {
            return Some(Slopes {
                values: Vec::new(),
                continuous: true,
            });
        }
        let flags = self.gradient.run(&[(Input::W, cell)]);
        flags.defined.then(|| Slopes {
            values: self.gradient.root(0).to_vec(),
            continuous: flags.continuous,
        })
    }
}

/// Orders that are looked at.
const MAX_ORDER: usize = 4;

/// The function and its derivatives in one variable, up to the first that does not vanish identically
/// where the variable is 0; `None` where the function itself does not, or all of them do.
fn derivatives(
    graph: &mut Graph,
    function: NodeId,
    coordinate: usize,
    variables: usize,
) -> Option<Vec<NodeId>> {
    let mut found = vec![function];
    loop {
        let last = found[found.len() - 1];
        if !vanishes(graph, last, coordinate, variables)? {
            return (found.len() > 1).then_some(found);
        }
        if found.len() > MAX_ORDER {
            return None;
        }
        let slopes = graph.gradient(last, Input::W, variables);
        let slope = graph.slice(slopes, 0, coordinate, 1, 1);
        found.push(graph.reshape(slope, &[]));
    }
}

/// Whether a node is 0 wherever the variable is, as the normal form shows; `None` where it is too large.
fn vanishes(graph: &Graph, node: NodeId, coordinate: usize, variables: usize) -> Option<bool> {
    let mut evaluator = Evaluator::new(graph, &[node], Symbolic::default());
    let arena = evaluator.arithmetic();
    let mut coordinates: Vec<FormId> = (0..variables)
        .map(|number| arena.variable(number as u32))
        .collect();
    coordinates[coordinate] = arena.constant(RBig::ZERO);
    evaluator.run(&[(Input::W, &coordinates)]);
    let root = evaluator.root(0)[0];
    let arena = evaluator.arithmetic();
    (!arena.exhausted()).then(|| arena.form(root).as_constant().is_some_and(RBig::is_zero))
}

/// A number in the middle of each range.
fn middles(ranges: &[[f64; 2]]) -> Vec<f64> {
    ranges
        .iter()
        .map(|&[lo, hi]| (0.5 * lo + 0.5 * hi).clamp(lo, hi))
        .collect()
}
