//! Violations beyond doubt: a suspicious point becomes a witness where the interval enclosure of the slack
//! lies below 0 and the point in the region.

use dashu_ratio::RBig;
use serde::{Deserialize, Serialize};

use crate::claim::Claim;
use crate::engine::enclose::{Encloser, ExactPoint};
use crate::engine::sample::Candidate;
use crate::eval::interval::{Interval, IntervalArithmetic};

/// Suspicious points that are enclosed in intervals before the search gives up.
const CONFIRMATIONS: usize = 64;

/// A confirmed violation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// coordinates of `w`, exact decimals or fractions; absent when the claim fixes it
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub w: Vec<String>,
    /// coordinates of `v`, likewise
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub v: Vec<String>,
    /// interval enclosure of the slack there, wholly below 0
    #[serde(with = "crate::certificate::number::pair")]
    pub slack: [f64; 2],
}

/// Encloses the slack at the suspicious points, most negative first, and returns the first violation
/// that is beyond doubt, with as few decimals as it bears.
pub fn confirm(claim: &Claim, suspects: &[Candidate]) -> Option<Witness> {
    let mut encloser = Encloser::new(claim, IntervalArithmetic::new());
    let suspects = suspects
        .iter()
        .filter(|suspect| suspect.slack < 0.0)
        .take(CONFIRMATIONS);
    for suspect in suspects {
        let exact =
            |side: &[f64]| -> Option<Vec<RBig>> { side.iter().map(|&x| RBig::try_from(x).ok()).collect() };
        let Some((w, v)) = exact(&suspect.point.w).zip(exact(&suspect.point.v)) else {
            continue;
        };
        let Some(slack) = violation(&mut encloser, &ExactPoint { w, v }) else {
            continue;
        };
        for digits in 0..=12 {
            let texts = |side: &[f64]| -> Vec<String> { side.iter().map(|x| decimal(*x, digits)).collect() };
            let (w, v) = (texts(&suspect.point.w), texts(&suspect.point.v));
            let Some(point) = read_point(&w, &v) else { continue };
            if let Some(slack) = violation(&mut encloser, &point) {
                return Some(Witness {
                    w,
                    v,
                    slack: [slack.lo, slack.hi],
                });
            }
        }
        let texts = |side: &[f64]| -> Vec<String> { side.iter().map(|x| exact_decimal(*x)).collect() };
        return Some(Witness {
            w: texts(&suspect.point.w),
            v: texts(&suspect.point.v),
            slack: [slack.lo, slack.hi],
        });
    }
    None
}

/// The enclosure of the slack, where it is wholly below 0 and the point lies in the region.
fn violation(encloser: &mut Encloser<IntervalArithmetic>, point: &ExactPoint) -> Option<Interval> {
    let enclosed = encloser.at_point(point);
    let below = enclosed.flags.defined && enclosed.slack.hi < 0.0;
    (below && encloser.contains(point)).then_some(enclosed.slack)
}

/// Rounded to so many decimals, without trailing zeros.
fn decimal(x: f64, digits: usize) -> String {
    let text = format!("{x:.digits$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

/// The exact decimal expansion of a binary64 number.
fn exact_decimal(x: f64) -> String {
    // a binary64 number has at most 1074 decimals
    decimal(x, 1074)
}

/// The point behind the texts of a witness: plain decimals.
pub fn read_point(w: &[String], v: &[String]) -> Option<ExactPoint> {
    let side = |texts: &[String]| {
        texts
            .iter()
            .map(|text| read_decimal(text))
            .collect::<Option<Vec<RBig>>>()
    };
    Some(ExactPoint {
        w: side(w)?,
        v: side(v)?,
    })
}

/// A plain decimal such as `-0.25`, exactly; at most 2,000 characters.
fn read_decimal(text: &str) -> Option<RBig> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) || text.len() > 2000 {
        return None;
    }
    let numerator: dashu_int::IBig = format!("{whole}{fraction}").parse().ok()?;
    let denominator = dashu_int::IBig::from(10).pow(fraction.len());
    let value = RBig::from(numerator) / RBig::from(denominator);
    Some(if text.starts_with('-') { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_short_and_exact() {
        assert_eq!(decimal(-0.2500001, 2), "-0.25");
        assert_eq!(decimal(-0.001, 2), "0");
        assert_eq!(decimal(1200.0, 0), "1200");
        assert_eq!(exact_decimal(0.375), "0.375");
        assert_eq!(
            exact_decimal(0.1),
            "0.1000000000000000055511151231257827021181583404541015625"
        );
    }

    #[test]
    fn reading_is_exact_and_strict() {
        assert_eq!(read_decimal("-0.25"), Some(RBig::from(-1) / RBig::from(4)));
        assert_eq!(read_decimal("3"), Some(RBig::from(3)));
        for bad in ["", "-", ".5", "1e5", "0x1", "1/2", "--1", "1.2.3", "+1", "inf"] {
            assert_eq!(read_decimal(bad), None, "{bad}");
        }
    }
}
