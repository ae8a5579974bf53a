//! Contraction of boxes by a constraint (HC4-revise; Benhamou, Goualard, Granvilliers, Puget 1999): after an
//! evaluation in intervals, the range that a root may take is handed back through every operation to the
//! inputs. A value outside the contracted range of an input belongs to no point of the box that meets the
//! constraint. Operations without an inverse here, and those whose argument leaves their domain, hand
//! nothing back.

use super::Arithmetic;
use super::interval::rounding::{sub_down, sub_up};
use super::interval::{Interval, IntervalArithmetic};
use super::tensor::{Evaluator, Step, for_each_index, for_each_line, offset, row_major, strides};
use crate::graph::op::{Binary, Exponent, Input, Op, Reduction, Unary};

/// No point of the box meets the constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Empty;

impl Evaluator<IntervalArithmetic> {
    /// Narrows the ranges of all nodes to what the entries of a root may be, after [`Evaluator::run`]; they are
    /// overwritten by the next run.
    ///
    /// # Errors
    /// [`Empty`] if no point of the box meets the constraint.
    pub fn contract(&mut self, root: usize, target: Interval) -> Result<(), Empty> {
        let position = self.roots[root];
        if !self.steps[position].varies {
            // its range is not computed again, and must not be narrowed
            let mut entries = self.values[position].iter();
            return match entries.all(|entry| entry.intersection(target).is_some()) {
                true => Ok(()),
                false => Err(Empty),
            };
        }
        for entry in &mut self.values[position] {
            meet(entry, target)?;
        }
        for at in (0..self.variable.len()).rev() {
            let position = self.variable[at];
            let step = &self.steps[position];
            // arguments come before their users: the node itself is not touched
            let (before, own) = self.values.split_at_mut(position);
            let mut backward = Backward {
                step,
                steps: &self.steps,
                values: before,
                arithmetic: IntervalArithmetic::new(),
            };
            backward.project(&own[0])?;
        }
        Ok(())
    }

    /// The ranges of an input after [`Evaluator::contract`]; none where the graph does not read it.
    pub fn input(&self, input: Input) -> Option<&[Interval]> {
        let reads = |position: &&usize| self.steps[**position].op == Op::Input(input);
        let position = self.variable.iter().find(reads)?;
        Some(&self.values[*position])
    }
}

/// The common part of two ranges takes the place of the first.
fn meet(range: &mut Interval, with: Interval) -> Result<(), Empty> {
    *range = range.intersection(with).ok_or(Empty)?;
    Ok(())
}

/// One operation, from its result back to its arguments.
struct Backward<'a> {
    step: &'a Step,
    steps: &'a [Step],
    values: &'a mut [Vec<Interval>],
    arithmetic: IntervalArithmetic,
}

impl Backward<'_> {
    fn shape(&self, number: usize) -> &[usize] {
        &self.steps[self.step.args[number]].shape
    }

    fn get(&self, number: usize, place: usize) -> Interval {
        self.values[self.step.args[number]][place]
    }

    /// Narrows an entry of an argument; constants stay, since they are read again.
    fn narrow(&mut self, number: usize, place: usize, with: Interval) -> Result<(), Empty> {
        let mut range = self.get(number, place);
        meet(&mut range, with)?;
        let position = self.step.args[number];
        if self.steps[position].varies {
            self.values[position][place] = range;
        }
        Ok(())
    }

    fn project(&mut self, out: &[Interval]) -> Result<(), Empty> {
        let step = self.step;
        match &step.op {
            Op::Input(_) | Op::Constant(_) | Op::Pi | Op::Along(..) => Ok(()),
            Op::Unary(op) => (0..out.len()).try_for_each(|place| {
                let x = self.get(0, place);
                let with = self.unary(*op, x, out[place])?;
                self.narrow(0, place, with)
            }),
            Op::Binary(op) => {
                let all = [
                    strides(self.shape(0), &step.shape),
                    strides(self.shape(1), &step.shape),
                ];
                let mut places = Vec::with_capacity(out.len());
                for_each_index(&step.shape, |index| {
                    places.push([offset(index, &all[0]), offset(index, &all[1])])
                });
                places.into_iter().zip(out).try_for_each(|([a, b], z)| {
                    let (x, y) = (self.get(0, a), self.get(1, b));
                    let with = self.binary_left(*op, x, y, *z)?;
                    self.narrow(0, a, with)?;
                    let x = self.get(0, a);
                    let with = self.binary_right(*op, x, y, *z)?;
                    self.narrow(1, b, with)
                })
            }
            Op::MatMul => self.matmul(out),
            Op::Reduce(op, axis) => {
                let mut lines = Vec::with_capacity(out.len());
                let own = &self.values[step.args[0]];
                for_each_line(own, self.shape(0), *axis, |_, places| {
                    lines.push(places.collect::<Vec<_>>())
                });
                lines.into_iter().zip(out).try_for_each(|(places, z)| match op {
                    Reduction::Sum => {
                        let terms: Vec<Interval> = places.iter().map(|&place| self.get(0, place)).collect();
                        let narrowed = without_each(&terms, *z);
                        places
                            .into_iter()
                            .zip(narrowed)
                            .try_for_each(|(place, with)| self.narrow(0, place, with))
                    }
                    // each entry is at most the largest, and at most the logarithm of the sum
                    Reduction::Max | Reduction::LogSumExp => places
                        .into_iter()
                        .try_for_each(|place| self.narrow(0, place, Interval::new(f64::NEG_INFINITY, z.hi))),
                })
            }
            _ => self
                .copies()
                .into_iter()
                .zip(out)
                .try_for_each(|(from, z)| match from {
                    Some((number, place)) => self.narrow(number, place, *z),
                    None if z.contains_zero() => Ok(()),
                    None => Err(Empty),
                }),
        }
    }

    /// For an operation that moves entries: argument and place that each entry of the result is a copy of;
    /// none for a zero.
    fn copies(&self) -> Vec<Option<(usize, usize)>> {
        let step = self.step;
        let mut copies = Vec::new();
        match &step.op {
            Op::Reshape => copies.extend((0..self.values[step.args[0]].len()).map(|place| Some((0, place)))),
            Op::Broadcast => {
                let own = strides(self.shape(0), &step.shape);
                for_each_index(&step.shape, |index| copies.push(Some((0, offset(index, &own)))));
            }
            Op::Permute(perm) => {
                let own = row_major(self.shape(0));
                let own: Vec<usize> = perm.iter().map(|&axis| own[axis]).collect();
                for_each_index(&step.shape, |index| copies.push(Some((0, offset(index, &own)))));
            }
            Op::Slice {
                axis,
                start,
                step: stride,
            } => {
                let own = row_major(self.shape(0));
                for_each_index(&step.shape, |index| {
                    let place = offset(index, &own) as isize
                        + own[*axis] as isize * (*start as isize + (stride - 1) * index[*axis] as isize);
                    copies.push(Some((0, place as usize)));
                });
            }
            Op::Unslice {
                axis,
                start,
                step: stride,
            } => {
                copies.resize(crate::graph::size(&step.shape), None);
                let own = row_major(&step.shape);
                let mut entry = 0;
                for_each_index(self.shape(0), |index| {
                    let place = offset(index, &own) as isize
                        + own[*axis] as isize * (*start as isize + (stride - 1) * index[*axis] as isize);
                    copies[place as usize] = Some((0, entry));
                    entry += 1;
                });
            }
            Op::Concat(axis) => {
                let outer: usize = step.shape[..*axis].iter().product();
                for block in 0..outer {
                    for number in 0..step.args.len() {
                        let run: usize = self.shape(number)[*axis..].iter().product();
                        copies.extend((block * run..(block + 1) * run).map(|place| Some((number, place))));
                    }
                }
            }
            _ => {}
        }
        copies
    }

    fn matmul(&mut self, out: &[Interval]) -> Result<(), Empty> {
        let shape = &self.step.shape;
        let (batch, matrix) = shape.split_at(shape.len() - 2);
        let (rows, columns) = (matrix[0], matrix[1]);
        let (a, b) = (self.shape(0), self.shape(1));
        let inner = a[a.len() - 1];
        let leading = |own: &[usize]| strides(&own[..own.len() - 2], batch);
        let (sa, sb) = (leading(a), leading(b));
        let mut starts = Vec::new();
        for_each_index(batch, |index| {
            starts.push((
                offset(index, &sa) * rows * inner,
                offset(index, &sb) * inner * columns,
            ));
        });
        let mut entries = out.iter();
        for (left, right) in starts {
            for row in 0..rows {
                for column in 0..columns {
                    let Some(&z) = entries.next() else { return Ok(()) };
                    let places = (0..inner).map(|k| (left + row * inner + k, right + k * columns + column));
                    let places: Vec<(usize, usize)> = places.collect();
                    let terms: Vec<Interval> = places
                        .iter()
                        .map(|&(i, j)| self.get(0, i) * self.get(1, j))
                        .collect();
                    for (&(i, j), z) in places.iter().zip(without_each(&terms, z)) {
                        let with = quotient(z, self.get(1, j), self.get(0, i))?;
                        self.narrow(0, i, with)?;
                        let with = quotient(z, self.get(0, i), self.get(1, j))?;
                        self.narrow(1, j, with)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Which arguments of the range `x` may have a value in `y`.
    fn unary(&mut self, op: Unary, x: Interval, y: Interval) -> Result<Interval, Empty> {
        let mut of = |op: Unary, x: Interval| self.arithmetic.unary(op, &x);
        let below = |y: Interval, most: f64| {
            y.intersection(Interval::new(f64::NEG_INFINITY, most))
                .ok_or(Empty)
        };
        let above =
            |y: Interval, least: f64| y.intersection(Interval::new(least, f64::INFINITY)).ok_or(Empty);
        Ok(match op {
            Unary::Neg => -y,
            Unary::Exp => of(Unary::Log, above(y, 0.0)?),
            Unary::Log if x.lo > 0.0 => of(Unary::Exp, y),
            Unary::Log1p if x.lo > -1.0 => of(Unary::Exp, y) - Interval::ONE,
            Unary::Sqrt if x.lo >= 0.0 => of(Unary::Pow(Exponent { num: 2, den: 1 }), above(y, 0.0)?),
            Unary::Abs => either_sign(x, above(y, 0.0)?)?,
            Unary::Tanh => {
                let y = below(above(y, -1.0)?, 1.0)?;
                let ratio = (Interval::ONE + y).quotient(Interval::ONE - y);
                of(Unary::Log, above(ratio, 0.0)?) * Interval::point(0.5)
            }
            Unary::Sigmoid => {
                let y = below(above(y, 0.0)?, 1.0)?;
                let ratio = y.quotient(Interval::ONE - y);
                of(Unary::Log, above(ratio, 0.0)?)
            }
            Unary::LogSigmoid => {
                let y = below(y, 0.0)?;
                let excess = of(Unary::Exp, -y) - Interval::ONE;
                -of(Unary::Log, above(excess, 0.0)?)
            }
            Unary::Relu if y.lo > 0.0 => y,
            Unary::Relu => Interval::new(f64::NEG_INFINITY, above(y, 0.0)?.hi),
            Unary::Pow(Exponent { num, den: 1 }) if num > 0 && num % 2 == 0 => {
                let root = of(Unary::Pow(reduced(1, num)), above(y, 0.0)?);
                either_sign(x, root)?
            }
            Unary::Pow(Exponent { num, den: 1 }) if num > 0 => {
                let mut root = |y: Interval| of(Unary::Pow(reduced(1, num)), y);
                // odd: by the signs of the ends
                let low = if y.lo > 0.0 {
                    root(y).lo
                } else {
                    -root(Interval::new(0.0, -y.lo)).hi
                };
                let high = if y.hi < 0.0 {
                    -root(-y).lo
                } else {
                    root(Interval::new(0.0, y.hi)).hi
                };
                Interval::new(low, high)
            }
            Unary::Pow(Exponent { num, den }) if num > 0 && x.lo >= 0.0 => {
                of(Unary::Pow(reduced(den as i32, num)), above(y, 0.0)?)
            }
            _ => x,
        })
    }

    /// Which first arguments of the range `x` may give a value in `z`.
    fn binary_left(&mut self, op: Binary, x: Interval, y: Interval, z: Interval) -> Result<Interval, Empty> {
        Ok(match op {
            Binary::Add => minus(z, y),
            Binary::Sub => minus(z, -y),
            Binary::Mul => quotient(z, y, x)?,
            Binary::Div => z * y,
            Binary::Max => Interval::new(if y.hi < z.lo { z.lo } else { f64::NEG_INFINITY }, z.hi),
            Binary::Min => Interval::new(z.lo, if y.lo > z.hi { z.hi } else { f64::INFINITY }),
            Binary::LeakyRelu if y.lo > 0.0 => z.leaky_relu(Interval::ONE.quotient(y)),
            Binary::LeakyRelu | Binary::LeakyStep => x,
        })
    }

    /// Which second arguments of the range `y` may give a value in `z`.
    fn binary_right(&mut self, op: Binary, x: Interval, y: Interval, z: Interval) -> Result<Interval, Empty> {
        match op {
            Binary::Sub => Ok(minus(x, z)),
            Binary::Div if !y.contains_zero() => quotient(x, z, y),
            Binary::Div | Binary::LeakyRelu | Binary::LeakyStep => Ok(y),
            Binary::Add | Binary::Mul | Binary::Max | Binary::Min => self.binary_left(op, y, x, z),
        }
    }
}

/// `num/den` in lowest terms, for numbers above 0.
fn reduced(num: i32, den: i32) -> Exponent {
    let (mut a, mut b) = (num, den);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    Exponent {
        num: num / a,
        den: (den / a) as u32,
    }
}

/// `z - y`, where an infinite end says nothing.
fn minus(z: Interval, y: Interval) -> Interval {
    // infinities of opposite sign are never added
    let lo = if z.lo.is_finite() && y.hi.is_finite() {
        sub_down(z.lo, y.hi)
    } else {
        f64::NEG_INFINITY
    };
    let hi = if z.hi.is_finite() && y.lo.is_finite() {
        sub_up(z.hi, y.lo)
    } else {
        f64::INFINITY
    };
    Interval::new(lo, hi)
}

/// The part of `x` with `|x|` in `size`, which is not negative.
fn either_sign(x: Interval, size: Interval) -> Result<Interval, Empty> {
    hull(x.intersection(size), x.intersection(-size))
}

/// The part of `x` with `x y` in `z`.
fn quotient(z: Interval, y: Interval, x: Interval) -> Result<Interval, Empty> {
    if z.contains_zero() && y.contains_zero() {
        return Ok(x);
    }
    if !(y.lo < 0.0 && y.hi > 0.0) {
        if y == Interval::ZERO {
            return Err(Empty);
        }
        return Ok(z.quotient(y));
    }
    let below = z.quotient(Interval::new(y.lo, 0.0));
    let above = z.quotient(Interval::new(0.0, y.hi));
    hull(x.intersection(below), x.intersection(above))
}

fn hull(x: Option<Interval>, y: Option<Interval>) -> Result<Interval, Empty> {
    match (x, y) {
        (Some(x), Some(y)) => Ok(x.hull(y)),
        (x, y) => x.or(y).ok_or(Empty),
    }
}

/// For terms that sum to a value in `z`: `z` less all terms but one, for each of them.
fn without_each(terms: &[Interval], z: Interval) -> Vec<Interval> {
    let mut after = vec![Interval::ZERO; terms.len() + 1];
    for (number, term) in terms.iter().enumerate().rev() {
        after[number] = after[number + 1] + *term;
    }
    let mut before = Interval::ZERO;
    let mut all = Vec::with_capacity(terms.len());
    for (number, term) in terms.iter().enumerate() {
        all.push(minus(z, before + after[number + 1]));
        before = before + *term;
    }
    all
}
