//! Lower bounds of a function over a box, in any rigorous arithmetic.

use dashu_ratio::RBig;

use super::convexity::hessian::eliminate;
use super::lifting::pieces::{Piece, Ranges};
use super::tree::Rule;
use super::underestimator::{Convexified, convexify};
use crate::eval::stages::{Separate, Stages};
use crate::eval::tensor::Evaluator;
use crate::eval::{Flags, RigorousArithmetic};
use crate::graph::op::{Binary, Exponent, Input, Unary};
use crate::graph::{Graph, NodeId};
use crate::symbolic::{FormId, Symbolic};

/// The function of a piece with its first and second derivatives.
#[derive(Clone)]
pub struct Smooth<A: RigorousArithmetic, S = Separate<A>> {
    arithmetic: A,
    /// [`VALUE`], [`GRADIENT`] and [`HESSIAN`]
    function: S,
    variables: usize,
    vanishing: Option<Vanishing<A, S>>,
}

/// Stages of a function: one root; one where there are variables; one for each row.
const VALUE: usize = 0;
const GRADIENT: usize = 1;
const HESSIAN: usize = 2;

/// Places of the boxes that are announced, see [`Smooth::expect`], and of their middles.
const CELLS: usize = 0;
const CENTERS: usize = 1;

/// A variable at whose zero the function vanishes with its first derivatives, for all values of the
/// others.
#[derive(Clone)]
struct Vanishing<A: RigorousArithmetic, S> {
    coordinate: usize,
    /// order of the first derivative in the variable that does not vanish there
    order: u32,
    /// function and derivatives up to that order
    derivatives: S,
    /// the last of these
    last: Box<Smooth<A, S>>,
}

/// Enclosures of the gradient over a box.
struct Slopes<V> {
    values: Vec<V>,
    /// whether no step jumps in the box
    continuous: bool,
}

/// Taylor's formula of second order around a point of a box.
struct Taylor<V> {
    /// at the center
    value: V,
    /// at the center
    slopes: Vec<V>,
    /// over the box, a row for each variable
    hessian: Vec<Vec<V>>,
    /// the box, less the center
    offsets: Vec<V>,
    /// the Hessian in binary64, about its middle
    rough: Vec<Vec<f64>>,
    /// the offsets in binary64, rounded outward
    around: Vec<[f64; 2]>,
    center: Vec<f64>,
    mean: Option<Mean>,
}

/// The mean `q(x) = integral over 0 <= s <= 1 of (1 - s)^(m - 1)/(m - 1)! D(x with s x_k for x_k)` of a function
/// `D` along the way to `x_k = 0`. Its derivatives are means of those of `D`, with a factor `s` for each time that
/// `x_k` is derived in: the integral of `(1 - s)^(m - 1)/(m - 1)! s^j` is `j!/(m + j)!`.
#[derive(Clone, Copy, Debug)]
struct Mean {
    /// k
    coordinate: usize,
    /// m
    order: u32,
}

impl<A: RigorousArithmetic + Clone, S: Stages<A>> Smooth<A, S> {
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
            let last = Piece {
                graph: graph.clone(),
                function: *derivatives.last()?,
                ranges: piece.ranges.clone(),
                tie: None,
            };
            Some(Vanishing {
                last: Box::new(Smooth::new(&last, arithmetic.clone())),
                coordinate,
                order: derivatives.len() as u32 - 1,
                derivatives: S::new(&graph, &[(Input::W, variables)], &[derivatives], 1, &arithmetic),
            })
        });
        let stages = [vec![piece.function], gradient, hessian];
        Smooth {
            function: S::new(&graph, &[(Input::W, variables)], &stages, 2, &arithmetic),
            arithmetic,
            variables,
            vanishing,
        }
    }

    /// Scalar operations that all bounds of one box may take, roughly.
    pub fn operations(&self) -> u64 {
        let vanishing = self
            .vanishing
            .as_ref()
            .map_or(0, |own| own.derivatives.operations(0) + own.last.operations());
        5 * self.function.operations(VALUE)
            + 3 * self.function.operations(GRADIENT)
            + self.function.operations(HESSIAN)
            + vanishing
            + 10
    }

    /// Announces boxes of which bounds will be asked for, which are then computed together. It changes no bound.
    pub fn expect(&mut self, boxes: &[Ranges]) {
        let cells: Vec<Vec<A::Value>> = boxes.iter().map(|ranges| self.cell(ranges)).collect();
        let centers: Vec<Vec<f64>> = boxes.iter().map(|ranges| middles(ranges)).collect();
        let points: Vec<Vec<A::Value>> = centers.iter().map(|center| self.points(center)).collect();
        self.function.expect(CELLS, &cells);
        self.function.expect(CENTERS, &points);
        let Some(coordinate) = self.vanishing.as_ref().map(|own| own.coordinate) else {
            return;
        };
        let (mut wide, mut at_zero) = (Vec::new(), Vec::new());
        for (ranges, mut center) in boxes.iter().zip(centers) {
            let mut ranges = ranges.to_vec();
            ranges[coordinate] = with_zero(ranges[coordinate]);
            center[coordinate] = 0.0;
            wide.push(self.cell(&ranges));
            at_zero.push(self.points(&center));
        }
        if let Some(own) = &mut self.vanishing {
            own.derivatives.expect(CELLS, &wide);
            own.last.function.expect(CELLS, &wide);
            own.last.function.expect(CENTERS, &at_zero);
        }
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
    /// where the rule says nothing. No better one is looked for once it is `enough`.
    pub fn lower(&mut self, rule: Rule, ranges: &[[f64; 2]], enough: f64) -> f64 {
        self.bound(rule, ranges, enough).unwrap_or(f64::NEG_INFINITY)
    }

    /// The best lower bound of all rules, with the rule; further rules are not tried once the bound is
    /// `enough`. Beside it the ends of the enclosed derivatives over the box; none where one of them is not
    /// defined, or where they were not needed.
    pub fn best(&mut self, ranges: &[[f64; 2]], enough: f64) -> (f64, Rule, Vec<(f64, f64)>) {
        let cell = self.cell(ranges);
        let (natural, flags) = self.value_over(&cell);
        let mut best = (self.arithmetic.ends(&natural).0, Rule::Natural);
        if best.0 < enough
            && let Some(bound) = self
                .vanishing(Rule::Vanishing, ranges)
                .filter(|bound| *bound > best.0)
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
            let bound = self.by_slopes(rule, ranges, &slopes, enough);
            if let Some(bound) = bound.filter(|bound| *bound > best.0) {
                best = (bound, rule);
            }
            if best.0 >= enough {
                break;
            }
        }
        if best.0 < enough
            && let Some(bound) = self
                .vanishing(Rule::VanishingSecondOrder, ranges)
                .filter(|bound| *bound > best.0)
        {
            best = (bound, Rule::VanishingSecondOrder);
        }
        (best.0, best.1, ends)
    }

    fn bound(&mut self, rule: Rule, ranges: &[[f64; 2]], enough: f64) -> Option<f64> {
        let cell = self.cell(ranges);
        let (natural, flags) = self.value_over(&cell);
        match rule {
            Rule::Discard | Rule::Hessian | Rule::Ridges | Rule::OptimalCenter => None,
            // an enclosure of the values where the function is defined
            Rule::Natural => Some(self.arithmetic.ends(&natural).0),
            Rule::Vanishing | Rule::VanishingSecondOrder => self.vanishing(rule, ranges),
            // the others rest on derivatives
            _ if !(flags.defined && flags.continuous) => None,
            _ => {
                let slopes = self.slopes_over(&cell)?;
                self.by_slopes(rule, ranges, &slopes, enough)
            }
        }
    }

    /// The bounds that rest on derivatives; the gradient is that over the box, where the function is
    /// defined and continuous.
    fn by_slopes(
        &mut self,
        rule: Rule,
        ranges: &[[f64; 2]],
        slopes: &Slopes<A::Value>,
        enough: f64,
    ) -> Option<f64> {
        match rule {
            Rule::Discard
            | Rule::Hessian
            | Rule::Ridges
            | Rule::OptimalCenter
            | Rule::Natural
            | Rule::Vanishing
            | Rule::VanishingSecondOrder => None,
            Rule::MeanValue => self.mean_value(ranges, &slopes.values),
            // the derivative of a step counts as zero, so that only the gradient shows its jump
            Rule::SecondOrder if !slopes.continuous => None,
            Rule::SecondOrder => self.second_order(ranges, None, enough),
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

    /// Taylor's formula with the second derivatives over a box where the slopes are continuous: the best of three
    /// lower bounds, or the first that is `enough`. With a [`Mean`] it is that mean which is bounded.
    fn second_order(&mut self, ranges: &[[f64; 2]], mean: Option<Mean>, enough: f64) -> Option<f64> {
        let (mut center, mut wide) = (middles(ranges), ranges.to_vec());
        if let Some(Mean { coordinate, .. }) = mean {
            center[coordinate] = 0.0;
            wide[coordinate] = with_zero(wide[coordinate]);
        }
        let cell = self.cell(&wide);
        let flags = self.function.run(HESSIAN, &cell);
        if !(flags.defined && flags.continuous) {
            return None;
        }
        let mut hessian: Vec<Vec<A::Value>> = (0..self.variables)
            .map(|number| self.function.root(HESSIAN, number).to_vec())
            .collect();
        if let Some(mean) = mean {
            for (k, row) in hessian.iter_mut().enumerate() {
                for (l, entry) in row.iter_mut().enumerate() {
                    *entry = self.weighted(entry, mean, &[k, l]);
                }
            }
        }
        // the enclosures of mirrored entries differ, and the bounds below need one symmetric matrix
        for k in 1..self.variables {
            let (above, below) = hessian.split_at_mut(k);
            for (row, entry) in above.iter_mut().zip(&below[0]) {
                row[k] = entry.clone();
            }
        }
        let (value, slopes) = self.at(&center, mean)?;
        let offsets: Vec<A::Value> = ranges
            .iter()
            .zip(&center)
            .map(|(range, &c)| self.offset(range, c))
            .collect();
        let taylor = Taylor {
            rough: hessian.iter().map(|row| self.rough(row)).collect(),
            around: offsets
                .iter()
                .map(|offset| self.arithmetic.ends(offset).into())
                .collect(),
            value,
            slopes,
            hessian,
            offsets,
            center,
            mean,
        };
        let mut best = None;
        for bound in [Self::separable, Self::convex, Self::tangent] {
            let bound = bound(self, &taylor, ranges);
            best = best.into_iter().chain(bound).reduce(f64::max);
            if best.is_some_and(|best| best >= enough) {
                break;
            }
        }
        self.arithmetic.take_flags();
        best
    }

    /// Value and gradient of what is bounded at a point, where both are defined.
    fn at(&mut self, point: &[f64], mean: Option<Mean>) -> Option<(A::Value, Vec<A::Value>)> {
        let points = self.points(point);
        let mut slopes = self.slopes_over(&points)?.values;
        let (mut value, flags) = self.value_over(&points);
        if let Some(mean) = mean {
            value = self.weighted(&value, mean, &[]);
            for (k, slope) in slopes.iter_mut().enumerate() {
                *slope = self.weighted(slope, mean, &[k]);
            }
        }
        flags.defined.then_some((value, slopes))
    }

    /// A derivative of a mean, in some variables, from that of the function.
    fn weighted(&mut self, value: &A::Value, mean: Mean, variables: &[usize]) -> A::Value {
        let times = variables.iter().filter(|&&k| k == mean.coordinate).count() as u32;
        let factorial = |n: u32| f64::from((1..=n).product::<u32>());
        let (above, below) = (
            self.arithmetic.float(factorial(times)),
            self.arithmetic.float(factorial(mean.order + times)),
        );
        let product = self.arithmetic.binary(Binary::Mul, value, &above);
        self.arithmetic.binary(Binary::Div, &product, &below)
    }

    /// With `d_k d_l >= -(d_k^2 + d_l^2)/2` the quadratic term is at least
    /// `1/2 sum of (H_kk - sum of |H_kl|) d_k^2`, one variable at a time.
    fn separable(&mut self, taylor: &Taylor<A::Value>, _: &[[f64; 2]]) -> Option<f64> {
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
    fn convex(&mut self, taylor: &Taylor<A::Value>, _: &[[f64; 2]]) -> Option<f64> {
        let slopes = self.rough(&taylor.slopes);
        let Convexified { matrix, point } = convexify(&taylor.rough, &slopes, &taylor.around)?;
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
            for (l, (entry, own)) in taylor.hessian[k].iter().zip(&matrix[k]).take(k + 1).enumerate() {
                let rest = self.arithmetic.binary(Binary::Sub, entry, own);
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

    /// Where the Hessian is positive semidefinite all over the box, the function is convex and lies above each of
    /// its tangents; Newton's iteration finds the one at the least value.
    fn tangent(&mut self, taylor: &Taylor<A::Value>, ranges: &[[f64; 2]]) -> Option<f64> {
        let varying: Vec<usize> = (0..self.variables)
            .filter(|&k| taylor.around[k] != [0.0, 0.0])
            .collect();
        let lower = varying
            .iter()
            .map(|&k| {
                let row = varying.iter().take_while(|&&l| l <= k);
                row.map(|&l| taylor.hessian[k][l].clone()).collect()
            })
            .collect();
        if !eliminate(lower, &mut self.arithmetic) {
            return None;
        }
        let mut slopes = self.rough(&taylor.slopes);
        let mut best: Option<f64> = None;
        for _ in 0..NEWTON_STEPS {
            let Convexified { matrix, point: step } = convexify(&taylor.rough, &slopes, &taylor.around)?;
            let mut point: Vec<f64> = ranges
                .iter()
                .zip(taylor.center.iter().zip(&step))
                .map(|(&[lo, hi], (c, step))| (c + step).clamp(lo, hi))
                .collect();
            if let Some(Mean { coordinate, .. }) = taylor.mean {
                point[coordinate] = 0.0;
            }
            let (mut sum, there) = self.at(&point, taylor.mean)?;
            for (slope, (range, &x)) in there.iter().zip(ranges.iter().zip(&point)) {
                let offset = self.offset(range, x);
                let product = self.arithmetic.binary(Binary::Mul, slope, &offset);
                sum = self.arithmetic.binary(Binary::Add, &sum, &product);
            }
            let bound = self.arithmetic.ends(&sum).0;
            if best.is_some_and(|best| bound <= best) {
                break;
            }
            best = Some(bound);
            // the quadratic with this slope at this point, seen from the middle
            slopes = self.rough(&there);
            for (slope, row) in slopes.iter_mut().zip(&matrix) {
                *slope -= row
                    .iter()
                    .zip(point.iter().zip(&taylor.center))
                    .map(|(h, (x, c))| h * (x - c))
                    .sum::<f64>();
            }
        }
        best
    }

    /// Binary64 numbers in the middle of enclosures.
    fn rough(&self, values: &[A::Value]) -> Vec<f64> {
        values
            .iter()
            .map(|value| middle(self.arithmetic.ends(value)))
            .collect()
    }

    /// With `d` the variable that vanishes and `m` the order, `f = d^m q` with the [`Mean`] `q` of `(d/dd)^m f`.
    fn vanishing(&mut self, rule: Rule, ranges: &[[f64; 2]]) -> Option<f64> {
        let coordinate = self.vanishing.as_ref()?.coordinate;
        let mut wide = ranges.to_vec();
        wide[coordinate] = with_zero(wide[coordinate]);
        let cell = self.cell(&wide);
        let own = self.vanishing.as_mut()?;
        // a jump of any of them would be one of the function or of a derivative that Taylor's formula needs
        let flags = own.derivatives.run(0, &cell);
        if !(flags.defined && flags.continuous) {
            return None;
        }
        let slope = own.derivatives.root(0, own.order as usize)[0].clone();
        let (coordinate, order) = (own.coordinate, own.order);
        let mean = Mean { coordinate, order };
        let mut share = self.weighted(&slope, mean, &[]);
        if rule == Rule::VanishingSecondOrder {
            let (lo, hi) = self.arithmetic.ends(&share);
            let last = &mut self.vanishing.as_mut()?.last;
            if !last.slopes_over(&cell)?.continuous {
                return None;
            }
            let lowest = last.second_order(ranges, Some(mean), 0.0)?;
            if !(lowest > lo && lowest <= hi && hi.is_finite()) {
                return None;
            }
            let (lo, hi) = (self.arithmetic.float(lowest), self.arithmetic.float(hi));
            share = self.arithmetic.hull(&lo, &hi);
        }
        let distance = self.between(&ranges[coordinate]);
        let exponent = Exponent {
            num: order as i32,
            den: 1,
        };
        let power = self.arithmetic.unary(Unary::Pow(exponent), &distance);
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
        let flags = self.function.run(VALUE, cell);
        (self.function.root(VALUE, 0)[0].clone(), flags)
    }

    /// The gradient over a box where it is defined; at kinks, every element of the Clarke sets.
    fn slopes_over(&mut self, cell: &[A::Value]) -> Option<Slopes<A::Value>> {
        if self.variables == 0 {
            return Some(Slopes {
                values: Vec::new(),
                continuous: true,
            });
        }
        let flags = self.function.run(GRADIENT, cell);
        flags.defined.then(|| Slopes {
            values: self.function.root(GRADIENT, 0).to_vec(),
            continuous: flags.continuous,
        })
    }
}

/// Most steps of Newton's iteration towards the least value on a box.
const NEWTON_STEPS: usize = 5;
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

/// The range, widened to 0.
fn with_zero([lo, hi]: [f64; 2]) -> [f64; 2] {
    [lo.min(0.0), hi.max(0.0)]
}

/// About the middle of an enclosure.
fn middle((lo, hi): (f64, f64)) -> f64 {
    0.5 * lo + 0.5 * hi
}

/// A number in the middle of each range.
fn middles(ranges: &[[f64; 2]]) -> Vec<f64> {
    ranges
        .iter()
        .map(|&[lo, hi]| (0.5 * lo + 0.5 * hi).clamp(lo, hi))
        .collect()
}
