//! Elementwise operations on neighbouring entries.

use super::buffer::{LANES, Lane};
use super::elementary as e;
use super::number::{Number, Vectors};
use super::plan::{Fused, Inner, Outer};
use super::vector::Vector;
use crate::eval::float::rational_power;
use crate::graph::op::{Binary, Exponent, Unary};

/// An operand: an entry for each of the result, or one for all.
#[derive(Clone, Copy)]
pub(super) enum Operand<'a> {
    Many(&'a [Lane]),
    One(Lane),
}

impl<'a> Operand<'a> {
    /// The entries of an operand that is known to have many.
    #[inline(always)]
    pub(super) fn many(self) -> &'a [Lane] {
        match self {
            Operand::Many(lanes) => lanes,
            Operand::One(_) => unreachable!("copied to a tile before"),
        }
    }
}

/// A loop over the entries of the result, in groups and then one by one. Each operand is a name and how to load it:
/// from the entries that follow, or one vector for all.
macro_rules! each {
    (@load $Of:ty, many $x:ident, $from:ident) => { <$Of>::load(&$x[$from..]) };
    (@load $Of:ty, one $x:ident, $from:ident) => { <$Of>::all($x) };
    (@single $V:ident, many $x:ident, $from:ident) => { $V::load(&$x[$from]) };
    (@single $V:ident, one $x:ident, $from:ident) => { $x };
    (@loop $V:ident, $out:ident, [$($kind:ident $x:ident),*] => $value:expr) => {{
        let count = $out.len();
        $(each!(@check $kind $x, count);)*
        let mut from = 0;
        while from + $V::Group::COUNT <= count {
            let ($($x,)*) = ($(each!(@load $V::Group, $kind $x, from),)*);
            $value.store(&mut $out[from..]);
            from += $V::Group::COUNT;
        }
        while from < count {
            let ($($x,)*) = ($(each!(@single $V, $kind $x, from),)*);
            $value.store(&mut $out[from]);
            from += 1;
        }
    }};
    (@check many $x:ident, $count:ident) => { let $x = &$x[..$count]; };
    (@check one $x:ident, $count:ident) => {};
    ($V:ident, $out:ident, $x:ident => $value:expr) => { each!(@loop $V, $out, [many $x] => $value) };
    ($V:ident, $out:ident, $x:ident, $y:ident => $value:expr) => {
        match ($x, $y) {
            (Operand::Many($x), Operand::Many($y)) => each!(@loop $V, $out, [many $x, many $y] => $value),
            (Operand::Many($x), Operand::One(y)) => {
                let $y = $V::load(&y);
                each!(@loop $V, $out, [many $x, one $y] => $value);
            }
            (Operand::One(x), $y) => {
                let ($x, $y) = ($V::load(&x), $y.many());
                each!(@loop $V, $out, [one $x, many $y] => $value);
            }
        }
    };
    ($V:ident, $out:ident, $x:ident, $y:ident, $z:ident => $value:expr) => {
        match $z {
            Operand::Many($z) => each!(@loop $V, $out, [many $x, many $y, many $z] => $value),
            Operand::One(z) => {
                let $z = $V::load(&z);
                each!(@loop $V, $out, [many $x, many $y, one $z] => $value);
            }
        }
    };
}

/// The same with each second operation.
macro_rules! with_outer {
    ($V:ident, $outer:expr, $out:ident, $x:ident, $y:ident, $z:ident => $inner:expr) => {
        match $outer {
            Outer::Add => each!($V, $out, $x, $y, $z => ($inner + $z)),
            Outer::Sub => each!($V, $out, $x, $y, $z => ($inner - $z)),
            Outer::From => each!($V, $out, $x, $y, $z => ($z - $inner)),
            Outer::Mul => each!($V, $out, $x, $y, $z => ($inner * $z)),
        }
    };
}

/// A function from `libm`, number by number.
macro_rules! one_by_one {
    ($out:ident, $x:ident => $value:expr) => {
        for (out, &$x) in $out.as_flattened_mut().iter_mut().zip($x.as_flattened()) {
            *out = $value;
        }
    };
}

/// Takes the values at angles that the vector form does not reach, or NaN, from `libm`.
#[inline(always)]
fn replace_large(x: &[Lane], out: &mut [Lane], f: fn(f64) -> f64) {
    for (out, x) in out.iter_mut().zip(x) {
        let mut all = true;
        for x in x {
            all &= x.abs() <= e::LARGEST_ANGLE;
        }
        if !all {
            for (out, x) in out.iter_mut().zip(x) {
                let near = x.abs() <= e::LARGEST_ANGLE;
                *out = if near { *out } else { f(*x) };
            }
        }
    }
}

/// 0 below zero, 1 above, a value at zero; NaN stays.
#[inline(always)]
fn step<N: Number>(x: N, at_zero: f64) -> N {
    let zero = N::splat(0.0);
    let value = N::select(zero.less(x), N::splat(1.0), N::splat(at_zero));
    let value = N::select(x.less(zero), zero, value);
    N::select(x.is_nan(), x, value)
}

/// `x^n`, by squaring as [`crate::eval::float`] does.
#[inline(always)]
fn power<N: Number>(x: N, n: i32) -> N {
    let mut power = n.unsigned_abs();
    let (mut base, mut result) = (x, N::splat(1.0));
    while power > 0 {
        if power & 1 == 1 {
            result = result * base;
        }
        base = base * base;
        power >>= 1;
    }
    if n < 0 { N::splat(1.0) / result } else { result }
}

#[inline(always)]
pub(super) fn unary<V: Vector>(op: Unary, x: &[Lane], out: &mut [Lane]) {
    match op {
        Unary::Neg => each!(V, out, x => x.negated()),
        Unary::Exp => each!(V, out, x => e::exp(x)),
        Unary::Log => each!(V, out, x => e::log(x)),
        Unary::Log1p => each!(V, out, x => e::log1p(x)),
        Unary::Sqrt => each!(V, out, x => x.sqrt()),
        Unary::Abs => each!(V, out, x => x.abs()),
        Unary::Sin => {
            each!(V, out, x => e::sin(x));
            replace_large(x, out, libm::sin);
        }
        Unary::Cos => {
            each!(V, out, x => e::cos(x));
            replace_large(x, out, libm::cos);
        }
        Unary::Tanh => each!(V, out, x => e::tanh(x)),
        Unary::Sigmoid => each!(V, out, x => e::sigmoid(x)),
        Unary::LogSigmoid => each!(V, out, x => e::log_sigmoid(x)),
        Unary::Erf => each!(V, out, x => e::erf(x)),
        Unary::Relu => each!(V, out, x => relu(x)),
        Unary::Sign => each!(V, out, x => (step(x, 0.5) * Number::splat(2.0) - Number::splat(1.0))),
        Unary::Step => each!(V, out, x => step(x, 0.0)),
        Unary::StepRight => each!(V, out, x => step(x, 1.0)),
        Unary::Pow(Exponent { num: 2, den: 1 }) => each!(V, out, x => (x * x)),
        Unary::Pow(Exponent { num, den: 1 }) => each!(V, out, x => power(x, num)),
        Unary::Pow(Exponent { num: 1, den: 2 }) => each!(V, out, x => x.sqrt()),
        Unary::Pow(Exponent { num, den: 2 }) => each!(V, out, x => power(x.sqrt(), num)),
        Unary::Pow(Exponent { num, den }) => {
            one_by_one!(out, x => rational_power(x, num, den));
        }
    }
}

#[inline(always)]
pub(super) fn binary<V: Vector>(op: Binary, x: Operand, y: Operand, out: &mut [Lane]) {
    match op {
        Binary::Add => each!(V, out, x, y => (x + y)),
        Binary::Sub => each!(V, out, x, y => (x - y)),
        Binary::Mul => each!(V, out, x, y => (x * y)),
        Binary::Div => each!(V, out, x, y => (x / y)),
        Binary::Max => each!(V, out, x, y => first_if(y.at_most(x), x, y)),
        Binary::Min => each!(V, out, x, y => first_if(x.at_most(y), x, y)),
        Binary::LeakyRelu => match y {
            Operand::One(slope) if 0.0 < slope[0] && slope[0] <= 1.0 && slope == [slope[0]; LANES] => {
                let x = x.many();
                each!(V, out, x => leaky_relu_upward(x, Number::splat(slope[0])));
            }
            _ => each!(V, out, x, y => leaky_relu(x, y)),
        },
        Binary::LeakyStep => each!(V, out, x, y => leaky_step(x, y)),
    }
}

/// The first where the mask says so, or where it is NaN.
#[inline(always)]
fn first_if<N: Number>(mask: N::Mask, x: N, y: N) -> N {
    N::select(x.is_nan(), x, N::select(mask, x, y))
}

#[inline(always)]
pub(super) fn relu<N: Number>(x: N) -> N {
    N::select(x.less(N::splat(0.0)), N::splat(0.0), x)
}

#[inline(always)]
fn leaky_relu<N: Number>(x: N, y: N) -> N {
    N::select(x.less(N::splat(0.0)), y * x, x)
}

/// The same for a slope in (0, 1].
#[inline(always)]
pub(super) fn leaky_relu_upward<N: Number>(x: N, y: N) -> N {
    x.raised(y * x)
}

#[inline(always)]
fn leaky_step<N: Number>(x: N, y: N) -> N {
    N::select(x.is_nan(), x, leaky_step_of_number(x, y))
}

/// The same where `x` is no NaN.
#[inline(always)]
pub(super) fn leaky_step_of_number<N: Number>(x: N, y: N) -> N {
    N::select(N::splat(0.0).at_most(x), N::splat(1.0), y)
}

/// Two operations in one pass over the operands `x`, `y`, `z`.
#[inline(always)]
pub(super) fn fused<V: Vector>(op: Fused, [x, y]: [&[Lane]; 2], z: Operand, out: &mut [Lane]) {
    match op.inner {
        Inner::Add => with_outer!(V, op.outer, out, x, y, z => (x + y)),
        Inner::Sub => with_outer!(V, op.outer, out, x, y, z => (x - y)),
        Inner::Mul => with_outer!(V, op.outer, out, x, y, z => (x * y)),
    }
}
