//! Plain binary64: the fast, unrigorous arithmetic of the search, and the reference for the bulk
//! evaluator. Nothing rests on it but the choice of points to look at.
//!
//! Elementary functions come from `libm`, so that results do not depend on the platform. At kinks it
//! follows Burn's conventions.

use dashu_ratio::RBig;

use super::{Arithmetic, Flags};
use crate::graph::op::{Binary, Exponent, Unary};

/// Binary64 numbers, rounded to nearest.
#[derive(Clone, Copy, Debug, Default)]
pub struct FloatArithmetic;

fn sigmoid(x: f64) -> f64 {
    let decay = libm::exp(-x.abs());
    if x >= 0.0 {
        1.0 / (1.0 + decay)
    } else {
        decay / (1.0 + decay)
    }
}

fn step(x: f64, at_zero: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        0.0
    } else if x == 0.0 {
        at_zero
    } else {
        f64::NAN
    }
}

impl Arithmetic for FloatArithmetic {
    type Value = f64;

    fn rational(&mut self, x: &RBig) -> f64 {
        x.to_f64().value()
    }

    fn float(&mut self, x: f64) -> f64 {
        x
    }

    fn pi(&mut self) -> f64 {
        std::f64::consts::PI
    }

    fn unary(&mut self, op: Unary, &x: &f64) -> f64 {
        match op {
            Unary::Neg => -x,
            Unary::Exp => libm::exp(x),
            Unary::Log => libm::log(x),
            Unary::Log1p => libm::log1p(x),
            Unary::Sqrt => x.sqrt(),
            Unary::Abs => x.abs(),
            Unary::Sin => libm::sin(x),
            Unary::Cos => libm::cos(x),
            Unary::Tanh => libm::tanh(x),
            Unary::Sigmoid => sigmoid(x),
            Unary::LogSigmoid => x.min(0.0) - libm::log1p(libm::exp(-x.abs())),
            Unary::Erf => libm::erf(x),
            // unlike `f64::max`, these keep NaN
            Unary::Relu => {
                if x < 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Unary::Sign => step(x, 0.5) * 2.0 - 1.0,
            Unary::Step => step(x, 0.0),
            Unary::StepRight => step(x, 1.0),
            Unary::Pow(Exponent { num, den: 1 }) => integer_power(x, num),
            Unary::Pow(Exponent { num, den: 2 }) => integer_power(x.sqrt(), num),
            Unary::Pow(Exponent { num, den }) => rational_power(x, num, den),
        }
    }

    fn binary(&mut self, op: Binary, &x: &f64, &y: &f64) -> f64 {
        match op {
            Binary::Add => x + y,
            Binary::Sub => x - y,
            Binary::Mul => x * y,
            Binary::Div => x / y,
            Binary::Max => {
                if x >= y || x.is_nan() {
                    x
                } else {
                    y
                }
            }
            Binary::Min => {
                if x <= y || x.is_nan() {
                    x
                } else {
                    y
                }
            }
            Binary::LeakyRelu => {
                if x < 0.0 {
                    y * x
                } else {
                    x
                }
            }
            Binary::LeakyStep => {
                let above = step(x, 1.0);
                if above == 0.0 { y } else { above }
            }
        }
    }

    fn dot<'a>(&mut self, pairs: impl Iterator<Item = (&'a f64, &'a f64)>) -> f64 {
        pairs.map(|(x, y)| x * y).sum()
    }

    fn sum<'a>(&mut self, entries: impl Iterator<Item = &'a f64>) -> f64 {
        entries.sum()
    }

    fn max(&mut self, entries: &[f64]) -> f64 {
        entries.iter().fold(
            f64::NEG_INFINITY,
            |best, &x| if x > best || x.is_nan() { x } else { best },
        )
    }

    fn log_sum_exp(&mut self, entries: &[f64]) -> f64 {
        let largest = self.max(entries);
        if largest.is_infinite() {
            return largest;
        }
        largest + libm::log(entries.iter().map(|x| libm::exp(x - largest)).sum())
    }

    fn softmax(&mut self, entries: &[f64], out: &mut [f64]) {
        let largest = self.max(entries);
        let mut total = 0.0;
        for (slot, x) in out.iter_mut().zip(entries) {
            *slot = libm::exp(x - largest);
            total += *slot;
        }
        for slot in out {
            *slot /= total;
        }
    }

    fn arg_max(&mut self, entries: &[f64], out: &mut [f64]) {
        let largest = self.max(entries);
        let first = entries.iter().position(|&x| x == largest);
        for (position, slot) in out.iter_mut().enumerate() {
            *slot = if Some(position) == first { 1.0 } else { 0.0 };
        }
    }

    fn take_flags(&mut self) -> Flags {
        Flags::default()
    }
}

/// `x^(num/den)`: the power with the exponent rounded to binary64, times `x` to what that rounding has lost, to first order.
pub(super) fn rational_power(x: f64, num: i32, den: u32) -> f64 {
    let (num, den) = (f64::from(num), f64::from(den));
    let exponent = num / den;
    let power = libm::pow(x, exponent);
    if power == 0.0 || !power.is_finite() {
        return power;
    }
    let lost = libm::fma(-exponent, den, num) / den;
    power + power * (lost * libm::log(x))
}

/// `x^n` by repeated squaring; the bulk evaluator has it inlined for each instruction set.
#[inline(always)]
pub(super) fn integer_power(x: f64, n: i32) -> f64 {
    let mut power = n.unsigned_abs();
    let (mut base, mut result) = (x, 1.0);
    while power > 0 {
        if power & 1 == 1 {
            result *= base;
        }
        base *= base;
        power >>= 1;
    }
    if n < 0 { 1.0 / result } else { result }
}
