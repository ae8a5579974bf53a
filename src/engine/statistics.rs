//! Statistics of sampled slacks.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta, ContinuousCDF, StudentsT};

/// Clopper-Pearson upper confidence bound on a share, after `hits` in `count` independent draws:
/// the `confidence` quantile of Beta(hits + 1, count - hits), one-sided (Clopper, Pearson 1934). For
/// no hits it is `1 - (1 - confidence)^(1/count)`.
pub fn clopper_pearson_upper(hits: u64, count: u64, confidence: f64) -> f64 {
    if count == 0 || hits >= count {
        return 1.0;
    }
    if hits == 0 {
        return -libm::expm1(libm::log1p(-confidence) / count as f64);
    }
    match Beta::new((hits + 1) as f64, (count - hits) as f64) {
        Ok(beta) => beta.inverse_cdf(confidence),
        Err(_) => 1.0,
    }
}

/// Quantile of Student's t distribution; infinite without a degree of freedom.
pub fn student_quantile(share: f64, freedom: u64) -> f64 {
    match StudentsT::new(0.0, 1.0, freedom as f64) {
        Ok(student) => student.inverse_cdf(share),
        Err(_) => f64::INFINITY,
    }
}

/// How far the mean of `count` independent numbers from an interval of this `width` may lie from their
/// expectation, on one side, but for an event of probability `risk` (Maurer, Pontil 2009, theorem 4):
/// `sqrt(2 V l / n) + 7 width l / (3 (n - 1))` with `l = log(2/risk)` and the unbiased variance `V`.
pub fn empirical_bernstein(variance: f64, width: f64, count: u64, risk: f64) -> f64 {
    let log = libm::log(2.0 / risk);
    libm::sqrt(2.0 * variance * log / count as f64) + 7.0 * width * log / (3.0 * (count - 1) as f64)
}

/// A quantile of the sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantile {
    /// share of the sample at or below
    pub share: f64,
    /// the slack there
    #[serde(with = "crate::certificate::number")]
    pub slack: f64,
}

/// Counts over bins of equal width.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Histogram {
    /// left end of the first bin
    #[serde(with = "crate::certificate::number")]
    pub from: f64,
    /// right end of the last bin
    #[serde(with = "crate::certificate::number")]
    pub to: f64,
    /// counts
    pub counts: Vec<u64>,
}

/// Order statistics of a sample without NaN.
pub fn quantiles(sample: &[f64]) -> Vec<Quantile> {
    const SHARES: [f64; 9] = [0.0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0];
    if sample.is_empty() {
        return Vec::new();
    }
    // the smallest order statistic with at least that share of the sample at or below it
    let ranks = SHARES.map(|share| {
        let rank = (share * sample.len() as f64).ceil() as usize;
        rank.clamp(1, sample.len()) - 1
    });
    // integers in the same order, which are faster to compare
    let ordered = |bits: i64| bits ^ (bits >> 63 & i64::MAX);
    let mut keys: Vec<i64> = sample.iter().map(|x| ordered(x.to_bits() as i64)).collect();
    place(&mut keys, 0, &ranks);
    (SHARES.iter().zip(ranks))
        .map(|(&share, rank)| Quantile {
            share,
            slack: f64::from_bits(ordered(keys[rank]) as u64),
        })
        .collect()
}

/// Moves the order statistics of these ranks, which ascend, to their places; the sample begins with rank `first`.
fn place(sample: &mut [i64], first: usize, ranks: &[usize]) {
    if ranks.is_empty() {
        return;
    }
    let (before, rest) = ranks.split_at(ranks.len() / 2);
    let rank = rest[0];
    let (below, _, above) = sample.select_nth_unstable(rank - first);
    let before = &before[..before.partition_point(|other| *other < rank)];
    let after = &rest[rest.partition_point(|other| *other <= rank)..];
    rayon::join(|| place(below, first, before), || place(above, rank + 1, after));
}

/// Histogram of a sample without NaN between its extremes, which [`quantiles`] gives.
pub fn histogram(sample: &[f64], quantiles: &[Quantile], bins: usize) -> Option<Histogram> {
    let [from, to] = [quantiles.first()?.slack, quantiles.last()?.slack];
    // the quotient first: to - from may overflow
    let share = |x: f64| (x / 2.0 - from / 2.0) / (to / 2.0 - from / 2.0);
    let counts = (sample.par_chunks(1 << 16))
        .map(|part| {
            let mut counts = vec![0; bins];
            for &x in part {
                let bin = if to > from {
                    (share(x) * bins as f64) as usize
                } else {
                    0
                };
                counts[bin.min(bins - 1)] += 1;
            }
            counts
        })
        .reduce(
            || vec![0; bins],
            |a, b| a.iter().zip(b).map(|(a, b)| a + b).collect(),
        );
    Some(Histogram { from, to, counts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clopper_pearson_matches_known_values() {
        // 1 - 0.01^(1/20000), by mpmath
        assert!((clopper_pearson_upper(0, 20000, 0.99) - 2.3023200184e-4).abs() < 1e-13);
        // rule of three, exactly: 1 - 0.05^(1/100) = 0.0295130496
        assert!((clopper_pearson_upper(0, 100, 0.95) - 0.029513049607).abs() < 1e-11);
        // hits = count - 1 = 1 of 2: P(X <= 1) = 1 - u^2 = 0.05, u = sqrt(0.95)
        assert!((clopper_pearson_upper(1, 2, 0.95) - 0.95f64.sqrt()).abs() < 1e-8);
        assert_eq!(clopper_pearson_upper(3, 3, 0.95), 1.0);
    }

    #[test]
    fn quantiles_of_student_match_tables() {
        // by mpmath, from the incomplete beta function
        for (share, freedom, quantile) in [
            (0.975, 1, 12.706204736174694),
            (0.975, 10, 2.2281388519862735),
            (0.99, 199, 2.345232231121021),
            (1.0 - 0.01 / 128.0, 199, 3.854834105920852),
        ] {
            let found = student_quantile(share, freedom);
            assert!(
                (found - quantile).abs() < 1e-7 * quantile,
                "{share} {freedom}: {found}"
            );
        }
        assert_eq!(student_quantile(0.5, 0), f64::INFINITY);
    }

    #[test]
    fn empirical_bernstein_is_the_formula() {
        // variance 1/4, width 1, n = 101, risk 2/e: sqrt(2/4/101) + 7/300
        let half = empirical_bernstein(0.25, 1.0, 101, 2.0 / std::f64::consts::E);
        assert!((half - (0.070359754473 + 0.023333333333)).abs() < 1e-11, "{half}");
    }

    #[test]
    fn quantiles_are_order_statistics() {
        let sample: Vec<f64> = (1..=10).rev().map(|x| f64::from(x) - 5.0).collect();
        let found = quantiles(&sample);
        let median = found.iter().find(|quantile| quantile.share == 0.5).unwrap();
        assert_eq!(median.slack, 0.0);
        assert_eq!(found.first().unwrap().slack, -4.0);
        assert_eq!(found.last().unwrap().slack, 5.0);
    }

    #[test]
    fn histogram_counts_everything_once() {
        let of = |sample: &[f64], bins: usize| histogram(sample, &quantiles(sample), bins).unwrap().counts;
        assert_eq!(of(&[0.0, 0.1, 0.5, 1.0], 2), vec![2, 2]);
        assert_eq!(of(&[2.0, 2.0], 3), vec![2, 0, 0]);
    }
}
