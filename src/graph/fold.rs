//! Exact values of operations on rationals, where they are rational and small: the folding of constants
//! in the graph, and the exact arithmetic of `eval`.

use dashu_base::{Abs, BitTest, Sign, Signed};
use dashu_ratio::RBig;

use super::op::{Binary, Exponent, Unary};

/// Numerators and denominators beyond this many bits are not computed.
const MAX_BITS: usize = 4096;

fn bits(x: &RBig) -> usize {
    x.numerator().bit_len() + x.denominator().bit_len()
}

/// The exact value of a function of one argument; `None` where it is undefined, not rational or large.
pub fn unary(op: Unary, x: &RBig) -> Option<RBig> {
    let zero = x.is_zero();
    match op {
        Unary::Neg => Some(-x.clone()),
        Unary::Abs => Some(x.clone().abs()),
        Unary::Relu => Some(if x.is_positive() { x.clone() } else { RBig::ZERO }),
        Unary::Exp | Unary::Cos if zero => Some(RBig::ONE),
        Unary::Log if *x == RBig::ONE => Some(RBig::ZERO),
        Unary::Log1p | Unary::Sin | Unary::Tanh | Unary::Erf if zero => Some(RBig::ZERO),
        Unary::Sqrt if !x.sign().eq(&Sign::Negative) => sqrt_exact(x),
        Unary::Pow(Exponent { num, den: 1 }) if num >= 0 || !zero => {
            let power = num.unsigned_abs() as usize;
            if bits(x).saturating_mul(power) > MAX_BITS {
                return None;
            }
            let value = x.pow(power as isize);
            Some(if num < 0 { RBig::ONE / value } else { value })
        }
        Unary::Exp
        | Unary::Log
        | Unary::Log1p
        | Unary::Sqrt
        | Unary::Sin
        | Unary::Cos
        | Unary::Tanh
        | Unary::Sigmoid
        | Unary::LogSigmoid
        | Unary::Erf
        | Unary::Sign
        | Unary::Step
        | Unary::StepRight
        | Unary::Pow(_) => None,
    }
}

/// The square root of a square of a rational.
fn sqrt_exact(x: &RBig) -> Option<RBig> {
    use dashu_base::SquareRoot;
    let numerator = x.numerator().clone().into_parts().1;
    let (root_num, root_den) = (numerator.sqrt(), x.denominator().sqrt());
    let root = RBig::from(root_num) / RBig::from(root_den);
    (root.pow(2) == *x).then_some(root)
}

/// The same for two arguments.
pub fn binary(op: Binary, x: &RBig, y: &RBig) -> Option<RBig> {
    if bits(x) + bits(y) > MAX_BITS {
        return None;
    }
    match op {
        Binary::Add => Some(x + y),
        Binary::Sub => Some(x - y),
        Binary::Mul => Some(x * y),
        Binary::Div => (!y.is_zero()).then(|| x / y),
        Binary::Max => Some(x.max(y).clone()),
        Binary::Min => Some(x.min(y).clone()),
        Binary::LeakyRelu => Some(if x.is_positive() { x.clone() } else { x * y }),
        Binary::LeakyStep => None,
    }
}
