//! Values that elementary functions start from: the hyperbolic tangent at multiples of 1/128, and logarithms between 0 and log(2).
//!
//! The tangents are computed when the program is compiled, from the one at 1/128 by the formula for sums, in pairs of numbers whose second is what the
//! rounding of the first has lost (Dekker 1971). The formula reduces earlier errors, so all stay below 2^-98.

/// Entries of [`TANH`]: those from [`LAST`] on are 1.
pub(super) const COUNT: usize = 4096;
/// Entries for each unit of the argument.
pub(super) const PER_UNIT: f64 = 128.0;
/// The first entry that is 1 in binary64.
pub(super) const LAST: usize = 2440;

/// `tanh(k/128)` for each `k`, rounded.
pub(super) static TANH: [f64; COUNT] = tangents();

/// Entries of [`RECIPROCALS`] and [`LOGARITHMS`]: two registers of eight numbers.
pub(super) const SHARES: usize = 16;

/// Numbers `c` next to `1/(1 + j/15)`, within 2^-11 of it, for each `j`, chosen so that `log(c)` lies next to a number in binary64 (Gal 1986).
pub(super) static RECIPROCALS: [f64; SHARES] = [
    1.0,
    0.937_823_282_407_227_5,
    0.882_665_781_318_704_1,
    0.833_483_977_733_026,
    0.789_841_169_239_534_8,
    0.750_364_303_169_261_3,
    0.714_543_073_433_626_2,
    0.681_979_254_033_970_2,
    0.652_392_179_643_927_9,
    0.624_804_777_996_327_5,
    0.600_052_244_045_584_5,
    0.576_663_197_651_823_6,
    0.555_820_666_636_235_9,
    0.535_676_251_099_853_8,
    0.517_212_164_291_508_2,
    0.500_225_413_609_117_2,
];

/// `-log(c)`, within 0.0001 units in the last place.
pub(super) static LOGARITHMS: [f64; SHARES] = [
    0.0,
    0.064_193_746_011_636_77,
    0.124_808_653_631_572_9,
    0.182_140_799_851_843_9,
    0.235_923_405_330_176_78,
    0.287_196_452_825_066_1,
    0.336_111_998_707_605_55,
    0.382_756_040_906_380_43,
    0.427_109_395_364_254_3,
    0.470_316_033_244_659_65,
    0.510_738_554_147_352_4,
    0.550_496_895_809_191_9,
    0.587_309_578_780_578_7,
    0.624_225_309_540_406_9,
    0.659_302_112_849_203_9,
    0.692_696_454_933_768_7,
];

/// A number and what its rounding has lost.
#[derive(Clone, Copy)]
struct Pair(f64, f64);

/// The sum of two numbers.
const fn sum(a: f64, b: f64) -> Pair {
    let sum = a + b;
    let part = sum - a;
    Pair(sum, (a - (sum - part)) + (b - part))
}

/// The product of two numbers; halves of their digits have exact products.
const fn product(a: f64, b: f64) -> Pair {
    const HALF: f64 = 134_217_729.0; // 2^27 + 1
    let (upper_a, upper_b) = (HALF * a - (HALF * a - a), HALF * b - (HALF * b - b));
    let (lower_a, lower_b) = (a - upper_a, b - upper_b);
    let product = a * b;
    let rest = ((upper_a * upper_b - product) + upper_a * lower_b + lower_a * upper_b) + lower_a * lower_b;
    Pair(product, rest)
}

impl Pair {
    const fn plus(self, other: Pair) -> Pair {
        let upper = sum(self.0, other.0);
        let lower = sum(self.1, other.1);
        let middle = sum(upper.0, upper.1 + lower.0);
        sum(middle.0, middle.1 + lower.1)
    }

    const fn times(self, other: Pair) -> Pair {
        let upper = product(self.0, other.0);
        sum(upper.0, upper.1 + (self.0 * other.1 + self.1 * other.0))
    }

    const fn over(self, other: Pair) -> Pair {
        let first = self.0 / other.0;
        let rest = self.plus(other.times(Pair(-first, 0.0)));
        let second = rest.0 / other.0;
        let rest = rest.plus(other.times(Pair(-second, 0.0)));
        let quotient = sum(first, second);
        sum(quotient.0, quotient.1 + rest.0 / other.0)
    }
}

const fn tangents() -> [f64; COUNT] {
    // tanh(1/128)
    let step = Pair(0.007_812_341_058_161_014, 6.570_221_056_747_088e-20);
    let mut all = [1.0; COUNT];
    let mut tangent = Pair(0.0, 0.0);
    let mut number = 0;
    while number < LAST {
        all[number] = tangent.0;
        let one_and_product = Pair(1.0, 0.0).plus(tangent.times(step));
        tangent = tangent.plus(step).over(one_and_product);
        number += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All are the numbers nearest to the true values: mpmath, with 200 bits, gives this sum of their bits.
    #[test]
    fn tangents_are_rounded_correctly() {
        let bits = (TANH.iter()).fold(0u64, |sum, x| sum.wrapping_mul(31).wrapping_add(x.to_bits()));
        assert_eq!(bits, 0x713b_9677_dc67_880b);
    }
}
