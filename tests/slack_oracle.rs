//! The slack of cases against values that an independent program computed from hand-written formulas
//! in multiprecision (`tests/oracle/slack.py`).

use std::path::Path;

use dashu_ratio::RBig;
use proxycert::case::Case;
use proxycert::claim::Claim;
use proxycert::engine::enclose::{Encloser, ExactPoint};
use proxycert::eval::checker::CheckerArithmetic;
use proxycert::eval::float::FloatArithmetic;
use proxycert::eval::interval::IntervalArithmetic;
use proxycert::eval::tensor::Evaluator;
use proxycert::eval::{Arithmetic, RigorousArithmetic};
use proxycert::graph::op::Input;
use serde_json::Value;

/// A decimal with an optional exponent, exactly.
fn decimal(text: &str) -> RBig {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap();
    let digits = mantissa
        .split_once('.')
        .map_or(0, |(_, fraction)| fraction.len() as i32);
    let integer: dashu_int::IBig = mantissa.replace('.', "").parse().unwrap();
    let power = |n: i32| RBig::from(dashu_int::IBig::from(10).pow(n.unsigned_abs() as usize));
    let shift = exponent - digits;
    let value = RBig::from(integer);
    if shift < 0 {
        value / power(shift)
    } else {
        value * power(shift)
    }
}

#[test]
fn the_slack_is_that_of_the_hand_written_formulas() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("tests/oracle/slack.json")).unwrap();
    let entries: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(entries.len() >= 40);
    let mut claims: Vec<(String, Claim)> = Vec::new();
    for entry in &entries {
        let name = entry["case"].as_str().unwrap();
        if claims.iter().all(|(known, _)| known != name) {
            let case = Case::load(&root.join(format!("cases/{name}.json")), false).unwrap();
            claims.push((name.to_owned(), Claim::new(&case).unwrap()));
        }
        let claim = &claims.iter().find(|(known, _)| known == name).unwrap().1;
        let side = |key: &str| -> Vec<f64> {
            entry[key].as_array().map_or(Vec::new(), |all| {
                all.iter().map(|x| x.as_f64().unwrap()).collect()
            })
        };
        let (w, v) = (side("w"), side("v"));
        let truth = decimal(entry["slack"].as_str().unwrap());
        // the oracle gives 30 digits
        let margin = RBig::from(1) / RBig::from(dashu_int::IBig::from(10).pow(24));
        let (low, high) = (&truth - &margin, &truth + &margin);

        let exact = |side: &[f64]| {
            side.iter()
                .map(|&x| RBig::try_from(x).unwrap())
                .collect::<Vec<_>>()
        };
        let point = ExactPoint {
            w: exact(&w),
            v: exact(&v),
        };
        let mut interval = Encloser::new(claim, IntervalArithmetic::new());
        let enclosed = interval.at_point(&point);
        assert!(enclosed.flags.defined, "{name}");
        let (lo, hi) = (enclosed.slack.lo, enclosed.slack.hi);
        assert!(
            RBig::try_from(lo).unwrap() <= high && low <= RBig::try_from(hi).unwrap(),
            "{name}: {lo} {hi}"
        );
        assert!(
            hi - lo < 1e-9 * hi.abs().max(1.0),
            "{name}: the enclosure is wide: {lo} {hi}"
        );

        let mut checker = Encloser::new(claim, CheckerArithmetic::new());
        let enclosed = checker.at_point(&point);
        let arithmetic = checker.arithmetic();
        assert!(!arithmetic.below(&enclosed.slack, &low), "{name}");
        assert!(!arithmetic.at_least(&enclosed.slack, &high), "{name}");
        let (lo, hi) = enclosed.slack.to_f64();
        assert!(hi - lo <= 1e-12 * hi.abs().max(1e-3), "{name}: {lo} {hi}");

        let mut float = Evaluator::new(&claim.graph, &[claim.slack], FloatArithmetic);
        float.run(&[(Input::W, &w), (Input::V, &v)]);
        let truth = FloatArithmetic.rational(&truth);
        let slack = float.root(0)[0];
        assert!(
            (slack - truth).abs() <= 1e-12 * truth.abs().max(1.0),
            "{name}: {slack} against {truth}"
        );
    }
}
