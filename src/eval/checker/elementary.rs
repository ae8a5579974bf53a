//! Enclosures of the elementary functions at one end, in multiprecision.
//!
//! `dashu-float` rounds its transcendental functions correctly; here each is asked for the nearest
//! number and two units in the last place are added on both sides, so that the enclosure survives an
//! error four times the one promised. Arguments whose evaluation would need as many bits as their
//! exponent says (very large or very small ones) never reach the library: elementary inequalities,
//! written at each place, bound the function there. The error function is a series of our own.

use dashu_base::Sign;
use dashu_float::round::mode::HalfEven;
use dashu_float::{FBig, FpResult};

use super::ends::{End, LIMIT, is_negative, is_zero, negate, order, power_of_two};
use super::{CheckerArithmetic, Enclosure};

/// Most exponentials that are remembered.
const REMEMBERED: usize = 4096;

impl CheckerArithmetic {
    /// Two units in the last place around a nearest result.
    fn around(&self, nearest: FpResult<FBig<HalfEven, 2>>) -> Enclosure {
        let Ok(value) = nearest else {
            return Enclosure::whole();
        };
        let value = value.value().into_repr();
        if value.is_infinite() || is_zero(&value) {
            return Enclosure::whole();
        }
        // 2^(order - precision) is one unit in the last place.
        let radius = power_of_two(Sign::Positive, order(&value) - self.precision as isize + 1);
        let minus = negate(&radius);
        Enclosure {
            lo: self.ends.add_down(&value, &minus),
            hi: self.ends.add_up(&value, &radius),
        }
    }

    /// Whether `0 < |x| < 2^-precision`.
    fn is_tiny(&self, x: &End) -> bool {
        x.is_finite() && !is_zero(x) && order(x) <= -(self.precision as isize)
    }

    /// `[1 - 2^(1 - precision), 1 + 2^(1 - precision)]`.
    fn near_one(&self) -> Enclosure {
        let radius = power_of_two(Sign::Positive, 1 - self.precision as isize);
        let minus = negate(&radius);
        Enclosure {
            lo: self.ends.add_down(&End::one(), &minus),
            hi: self.ends.add_up(&End::one(), &radius),
        }
    }

    /// Between `x` and `x - x^3`, for a tiny `x`.
    fn cubic(&self, x: &End) -> Enclosure {
        let x = Enclosure::point(x.clone());
        let cube = self.mul(&x, &self.mul(&x, &x));
        x.hull(&self.sub(&x, &cube))
    }

    /// `e^x`, on its side of 1. For `|x| >= 2^20`: `e^x >= 2^x` or its inverse is past the range that ends
    /// keep. For a tiny `x`: `|e^x - 1| <= 2 |x|`, since `|x| <= 1`.
    pub(super) fn exp_at(&mut self, x: &End) -> Enclosure {
        if is_zero(x) {
            return Enclosure::one();
        }
        let side = if is_negative(x) {
            Enclosure::unit()
        } else {
            Enclosure {
                lo: End::one(),
                hi: End::infinity(),
            }
        };
        if x.is_infinite() || order(x) > 21 {
            if is_negative(x) {
                Enclosure {
                    lo: End::zero(),
                    hi: power_of_two(Sign::Positive, -LIMIT),
                }
            } else {
                Enclosure {
                    lo: power_of_two(Sign::Positive, LIMIT),
                    hi: End::infinity(),
                }
            }
        } else if self.is_tiny(x) {
            self.near_one().within(&side)
        } else {
            if let Some(known) = self.exponentials.get(x) {
                return known.clone();
            }
            let nearest = self.nearest.exp(x, Some(&mut self.constants));
            let value = self.around(nearest).within(&side);
            if self.exponentials.len() == REMEMBERED {
                self.exponentials.clear();
            }
            self.exponentials.insert(x.clone(), value.clone());
            value
        }
    }

    /// `log(x)` for `x >= 0`; the limit at the ends of the domain.
    pub(super) fn log_at(&mut self, x: &End) -> Enclosure {
        if x.is_infinite() {
            Enclosure {
                lo: End::zero(),
                hi: End::infinity(),
            }
        } else if is_zero(x) {
            Enclosure {
                lo: End::neg_infinity(),
                hi: End::zero(),
            }
        } else if x.is_one() {
            Enclosure::zero()
        } else {
            let nearest = self.nearest.ln(x, Some(&mut self.constants));
            self.around(nearest)
        }
    }

    /// `log(1 + x)` for `x >= -1`; the limit at the ends of the domain. For a tiny `x`:
    /// `x - x^2 <= log(1 + x) <= x`, since `x >= -1/2`.
    pub(super) fn log1p_at(&mut self, x: &End) -> Enclosure {
        if x.is_infinite() {
            Enclosure {
                lo: End::zero(),
                hi: End::infinity(),
            }
        } else if is_zero(x) {
            Enclosure::zero()
        } else if self.is_tiny(x) {
            let x = Enclosure::point(x.clone());
            x.hull(&self.sub(&x, &self.mul(&x, &x)))
        } else if *x == End::neg_one() {
            Enclosure {
                lo: End::neg_infinity(),
                hi: End::zero(),
            }
        } else {
            let nearest = self.nearest.ln_1p(x, Some(&mut self.constants));
            self.around(nearest)
        }
    }

    /// Whether `|x|` is so large that its period is not worth resolving.
    fn is_far(x: &End) -> bool {
        const FAR: isize = 1100;
        x.is_infinite() || (!is_zero(x) && order(x) > FAR)
    }

    /// `sin(x)`. For a tiny `x > 0`: `x - x^3 <= sin(x) <= x`, and the mirror image below zero.
    pub(super) fn sin_at(&mut self, x: &End) -> Enclosure {
        if is_zero(x) {
            Enclosure::zero()
        } else if Self::is_far(x) {
            Enclosure::symmetric_unit()
        } else if self.is_tiny(x) {
            self.cubic(x)
        } else {
            let nearest = self.nearest.sin(x, Some(&mut self.constants));
            self.around(nearest).within(&Enclosure::symmetric_unit())
        }
    }

    /// `cos(x)`. For a tiny `x`: `1 - |x| <= cos(x) <= 1`.
    pub(super) fn cos_at(&mut self, x: &End) -> Enclosure {
        if is_zero(x) {
            Enclosure::one()
        } else if Self::is_far(x) {
            Enclosure::symmetric_unit()
        } else if self.is_tiny(x) {
            self.near_one().within(&Enclosure::symmetric_unit())
        } else {
            let nearest = self.nearest.cos(x, Some(&mut self.constants));
            self.around(nearest).within(&Enclosure::symmetric_unit())
        }
    }

    /// `tanh(x)`. For a tiny `x > 0`: `x - x^3 <= tanh(x) <= x`, and the mirror image below zero. For
    /// `|x| >= precision`: `1 - |tanh(x)| <= 2 e^(-2|x|) < 2^(1 - precision)`.
    pub(super) fn tanh_at(&mut self, x: &End) -> Enclosure {
        if is_zero(x) {
            Enclosure::zero()
        } else if *x >= self.saturation || *x <= negate(&self.saturation) {
            let value = self.near_one().within(&Enclosure::symmetric_unit());
            if is_negative(x) { value.neg() } else { value }
        } else if self.is_tiny(x) {
            self.cubic(x)
        } else {
            let nearest = self.nearest.tanh(x, Some(&mut self.constants));
            self.around(nearest).within(&Enclosure::symmetric_unit())
        }
    }

    /// `1/(1 + e^-x)`.
    pub(super) fn sigmoid_at(&mut self, x: &End) -> Enclosure {
        let decay = self.exp_at(&negate(x));
        let below = self.add(&Enclosure::one(), &decay);
        self.quotient(&Enclosure::one(), &below)
            .within(&Enclosure::unit())
    }

    /// `-log(1 + e^-x)`, below zero as `x - log(1 + e^x)`, whose exponential stays in range.
    pub(super) fn log_sigmoid_at(&mut self, x: &End) -> Enclosure {
        if is_negative(x) {
            let growth = self.exp_at(x);
            let log = self.monotone(&growth, Self::log1p_at);
            if x.is_infinite() {
                return Enclosure {
                    lo: End::neg_infinity(),
                    hi: End::zero(),
                };
            }
            self.sub(&Enclosure::point(x.clone()), &log)
        } else {
            let decay = self.exp_at(&negate(x));
            self.monotone(&decay, Self::log1p_at).neg()
        }
    }

    /// `erf(x)`, odd, from `x >= 0`.
    ///
    /// For `x^2 >= precision`: `0 <= 1 - erf(x) <= e^(-x^2) < 2^(1 - precision)`. For a tiny `x`: the
    /// integral of `e^(-t^2)` from 0 to `x` lies between `x - x^3` and `x`. Otherwise, with all terms positive (Abramowitz and Stegun 7.1.6),
    ///
    /// ```text
    /// erf(x) = 2/sqrt(pi) e^(-x^2) sum_n t_n,   t_0 = x,   t_(n+1) = t_n * 2 x^2 / (2 n + 3).
    /// ```
    ///
    /// The ratio `2 x^2/(2n + 3)` falls with n. Once it is at most 1/2, all terms after `t_n` sum to at
    /// most `t_n`; the sum stops there when `t_n` no longer matters, and the remainder `[0, t_n]` is
    /// added. Every step is an enclosure, so rounding needs no further argument.
    pub(super) fn erf_at(&mut self, x: &End) -> Enclosure {
        if is_zero(x) {
            return Enclosure::zero();
        }
        if is_negative(x) {
            return self.erf_at(&negate(x)).neg();
        }
        if x.is_infinite() || self.ends.mul_down(x, x) >= self.saturation {
            return self.near_one().within(&Enclosure::unit());
        }
        if self.is_tiny(x) {
            let integral = self.cubic(x);
            return self.over_half_sqrt_pi(&integral);
        }
        let x = Enclosure::point(x.clone());
        let square = self.mul(&x, &x);
        let twice_square = self.add(&square, &square);
        let (mut term, mut sum) = (x.clone(), x);
        for odd in (3u32..).step_by(2) {
            let ratio = self.quotient(&twice_square, &Enclosure::integer(odd));
            let negligible = order(&term.hi) < order(&sum.lo) - self.precision as isize;
            if negligible && ratio.hi <= power_of_two(Sign::Positive, -1) {
                break;
            }
            term = self.mul(&term, &ratio);
            sum = self.add(&sum, &term);
        }
        let remainder = Enclosure {
            lo: End::zero(),
            hi: term.hi,
        };
        let total = self.add(&sum, &remainder);
        let decay = self.monotone(&square.neg(), Self::exp_at);
        let integral = self.mul(&total, &decay);
        self.over_half_sqrt_pi(&integral).within(&Enclosure::unit())
    }

    /// `2 x / sqrt(pi)`.
    fn over_half_sqrt_pi(&mut self, x: &Enclosure) -> Enclosure {
        let pi = self.pi_enclosure();
        self.quotient(&self.add(x, x), &self.sqrt(&pi))
    }

    /// The number pi.
    pub(super) fn pi_enclosure(&mut self) -> Enclosure {
        let pi = self.nearest.pi::<2>(Some(&mut self.constants));
        self.around(Ok(pi))
    }
}
