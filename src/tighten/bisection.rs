//! Which value of the constant to try next.
//!
//! Seen from the end of the range where the claim is easier, the values tried read: proved, then open
//! (neither proved nor refuted), then refuted, if the claim only gets harder on the way. Two edges are of
//! interest: from the last proved value to the next one tried, and from the last one tried before the first
//! refuted value to that. They are the same edge while nothing between is open. The wider edge is halved until both are
//! narrow. Each verdict is about its own value and stands alone; the order is only where to look.

use std::cmp::Ordering;

use dashu_base::Abs;
use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;
use serde::{Deserialize, Serialize};

use crate::engine::Verdict;

/// Where the claim is easier, from the verdicts at the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Easier {
    /// at small values of the constant
    Small,
    /// at large values
    Large,
    /// the ends do not tell: they have the same verdict, or both are open
    Unknown,
}

/// The values tried so far.
pub struct Bisection {
    /// both ends and the values between them, in order
    tried: Vec<(RBig, Verdict)>,
    /// an edge is narrow when its width is at most 10^-digits times its larger end
    digits: u64,
}

impl Bisection {
    /// Starts with the two ends of a range and their verdicts.
    pub fn new(lo: (RBig, Verdict), hi: (RBig, Verdict), digits: u64) -> Bisection {
        let tried = vec![lo, hi];
        Bisection { tried, digits }
    }

    /// Adds a value with its verdict.
    pub fn add(&mut self, value: RBig, verdict: Verdict) {
        let place = self.tried.partition_point(|(tried, _)| *tried < value);
        self.tried.insert(place, (value, verdict));
    }

    /// Where the claim is easier.
    pub fn easier(&self) -> Easier {
        // proved below open below refuted
        let hardness = |tried: Option<&(RBig, Verdict)>| match tried {
            Some((_, Verdict::Proved)) => 0,
            Some((_, Verdict::Refuted)) => 2,
            Some((_, Verdict::Supported | Verdict::Undecided)) | None => 1,
        };
        match hardness(self.tried.first()).cmp(&hardness(self.tried.last())) {
            Ordering::Less => Easier::Small,
            Ordering::Greater => Easier::Large,
            Ordering::Equal => Easier::Unknown,
        }
    }

    /// The values from the easier end on, from the last proved one to the first refuted one.
    fn gap(&self) -> Vec<&(RBig, Verdict)> {
        let mut values: Vec<_> = self.tried.iter().collect();
        if self.easier() == Easier::Large {
            values.reverse();
        }
        let from = values
            .iter()
            .rposition(|(_, verdict)| *verdict == Verdict::Proved);
        let mut gap = values.split_off(from.unwrap_or(0));
        let to = gap.iter().position(|(_, verdict)| *verdict == Verdict::Refuted);
        gap.truncate(to.map_or(gap.len(), |to| to + 1));
        gap
    }

    /// The proved value nearest to where the claim fails.
    pub fn proved(&self) -> Option<&RBig> {
        self.end(Verdict::Proved)
    }

    /// The refuted value nearest to where the claim holds.
    pub fn refuted(&self) -> Option<&RBig> {
        self.end(Verdict::Refuted)
    }

    /// How many values of the gap are neither proved nor refuted.
    pub fn open(&self) -> usize {
        let open = |verdict| matches!(verdict, Verdict::Supported | Verdict::Undecided);
        self.gap().iter().filter(|(_, verdict)| open(*verdict)).count()
    }

    /// The end of the gap with this verdict; none where the ends of the range do not tell the direction.
    fn end(&self, wanted: Verdict) -> Option<&RBig> {
        if self.easier() == Easier::Unknown {
            return None;
        }
        let gap = self.gap();
        let found = [gap.first(), gap.last()].into_iter().flatten();
        found
            .filter(|(_, verdict)| *verdict == wanted)
            .map(|(value, _)| value)
            .next()
    }

    /// The next value to try; none when both edges are narrow or the ends do not tell where to look.
    pub fn next(&self) -> Option<RBig> {
        self.edges()
            .into_iter()
            .filter(|edge| !self.narrow(edge))
            // the first of the widest
            .reduce(|a, b| if width(&b) > width(&a) { b } else { a })
            .map(|[a, b]| short_decimal(a.min(b), a.max(b)))
    }

    /// The edge of the proved values and that of the refuted ones, as far as there are such values.
    fn edges(&self) -> Vec<[&RBig; 2]> {
        if self.easier() == Easier::Unknown {
            return Vec::new();
        }
        let gap = self.gap();
        let mut edges = Vec::new();
        if let [(proved, Verdict::Proved), (next, _), ..] = gap.as_slice() {
            edges.push([proved, next]);
        }
        if let [.., (before, _), (refuted, Verdict::Refuted)] = gap.as_slice() {
            edges.push([before, refuted]);
        }
        edges
    }

    /// Whether an edge is as narrow as asked for.
    fn narrow(&self, edge: &[&RBig; 2]) -> bool {
        let scale = edge[0].clone().abs().max(edge[1].clone().abs());
        width(edge) * power_of_ten(self.digits as isize) <= scale
    }
}

fn width(edge: &[&RBig; 2]) -> RBig {
    (edge[0] - edge[1]).abs()
}

fn power_of_ten(power: isize) -> RBig {
    RBig::from(10).pow(power)
}

/// A decimal with few digits in the middle half between two numbers, `lo < hi`: the multiple nearest to the
/// middle of the largest power of ten that is at most half the width.
fn short_decimal(lo: &RBig, hi: &RBig) -> RBig {
    let half = (hi - lo) / RBig::from(2);
    let mut power = 0;
    while power_of_ten(power) > half {
        power -= 1;
    }
    while power_of_ten(power + 1) <= half {
        power += 1;
    }
    let unit = power_of_ten(power);
    let steps: IBig = ((lo + half) / &unit + RBig::from_parts(IBig::ONE, UBig::from(2u8))).floor();
    RBig::from(steps) * unit
}

/// An exact number as a case holds it: a decimal where that has at most 40 digits behind the point, else a fraction.
pub fn written(x: &RBig) -> String {
    for places in 0..=40usize {
        let scaled = x * power_of_ten(places as isize);
        if scaled.denominator().is_one() {
            let negative = *x < RBig::ZERO;
            let digits = scaled.abs().numerator().to_string();
            let digits = format!("{digits:0>width$}", width = places + 1);
            let (whole, fraction) = digits.split_at(digits.len() - places);
            let point = if places == 0 { "" } else { "." };
            let sign = if negative { "-" } else { "" };
            return format!("{sign}{whole}{point}{fraction}");
        }
    }
    format!("{}/{}", x.numerator(), x.denominator())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(numerator: i64, denominator: u64) -> RBig {
        RBig::from_parts(numerator.into(), denominator.into())
    }

    /// Bisects with a rule for the verdicts; the values tried, and the ends of the gap.
    fn bisect(lo: RBig, hi: RBig, digits: u64, verdict: impl Fn(&RBig) -> Verdict) -> (Bisection, usize) {
        let ends = [lo, hi].map(|end| {
            let verdict = verdict(&end);
            (end, verdict)
        });
        let [lo, hi] = ends;
        let mut bisection = Bisection::new(lo, hi, digits);
        let mut count = 2;
        while let Some(value) = bisection.next() {
            let outcome = verdict(&value);
            bisection.add(value, outcome);
            count += 1;
            assert!(count < 200, "it must end");
        }
        (bisection, count)
    }

    #[test]
    fn numbers_are_written_exactly() {
        for (value, text) in [
            (number(0, 1), "0"),
            (number(1, 32), "0.03125"),
            (number(-3, 2), "-1.5"),
            (number(-1, 1000), "-0.001"),
            (number(1, 3), "1/3"),
            (number(-2, 7), "-2/7"),
            (number(1200, 1), "1200"),
        ] {
            assert_eq!(written(&value), text);
        }
    }

    #[test]
    fn values_between_are_short_decimals_of_the_middle_half() {
        for (lo, hi, text) in [
            (number(0, 1), number(1, 1), "0.5"),
            (number(0, 1), number(1, 2), "0.3"),
            (number(-7, 1), number(1, 3), "-3"),
            (number(0, 1), number(1000, 1), "500"),
            (number(1, 3), number(2, 3), "0.5"),
            (number(12345, 100_000), number(12346, 100_000), "0.123455"),
        ] {
            let value = short_decimal(&lo, &hi);
            assert_eq!(written(&value), text);
            let quarter = (&hi - &lo) / RBig::from(4);
            assert!(&lo + &quarter <= value && value <= &hi - &quarter);
        }
    }

    #[test]
    fn the_ends_tell_where_the_claim_is_easier() {
        use Verdict::{Proved, Refuted, Supported, Undecided};
        for (lo, hi, easier) in [
            (Proved, Refuted, Easier::Small),
            (Proved, Undecided, Easier::Small),
            (Supported, Refuted, Easier::Small),
            (Refuted, Proved, Easier::Large),
            (Supported, Proved, Easier::Large),
            (Proved, Proved, Easier::Unknown),
            (Refuted, Refuted, Easier::Unknown),
            (Supported, Undecided, Easier::Unknown),
        ] {
            let bisection = Bisection::new((number(0, 1), lo), (number(1, 1), hi), 4);
            assert_eq!(bisection.easier(), easier, "{lo:?} {hi:?}");
            assert_eq!(bisection.next().is_none(), easier == Easier::Unknown);
        }
    }

    #[test]
    fn one_edge_is_narrowed_from_either_side() {
        // the claim holds up to 1/3, or from 1/3 on
        let third = number(1, 3);
        let rule = |holds: bool| if holds { Verdict::Proved } else { Verdict::Refuted };
        let (up, count) = bisect(number(0, 1), number(1, 1), 6, |x| rule(*x <= third));
        let (proved, refuted) = (up.proved().unwrap(), up.refuted().unwrap());
        assert!(*proved <= third && third < *refuted);
        assert!(refuted - proved <= number(1, 3_000_000), "{count} runs");
        // ratios lie between 1/4 and 3/4: 22 at best, 52 at worst
        assert!((12..=54).contains(&count), "{count}");
        let (down, _) = bisect(number(0, 1), number(1, 1), 6, |x| rule(*x >= third));
        let (proved, refuted) = (down.proved().unwrap(), down.refuted().unwrap());
        assert!(*refuted < third && third <= *proved);
    }

    #[test]
    fn both_edges_of_an_open_gap_are_narrowed() {
        // proved up to 2/7, refuted above 5/7
        let rule = |x: &RBig| {
            if *x <= number(2, 7) {
                Verdict::Proved
            } else if *x > number(5, 7) {
                Verdict::Refuted
            } else {
                Verdict::Undecided
            }
        };
        let (bisection, _) = bisect(number(-1, 1), number(2, 1), 4, rule);
        let (proved, refuted) = (bisection.proved().unwrap(), bisection.refuted().unwrap());
        assert!(*proved <= number(2, 7) && number(2, 7) - proved < number(1, 10_000));
        assert!(*refuted > number(5, 7) && refuted - number(5, 7) < number(1, 10_000));
        // without a refuted end, the proved edge alone
        let (half, _) = bisect(number(0, 1), number(1, 2), 4, rule);
        assert!(half.refuted().is_none());
        assert!(number(2, 7) - half.proved().unwrap() < number(1, 10_000));
    }
}
