//! The sentences that a reader who knows none of the methods can rely on. None says more than the certificate shows.

use crate::certificate::Certificate;
use crate::engine::Verdict;
use crate::engine::population::Expectations;
use crate::engine::prove::Proof;

/// What the verdict means, in a few sentences.
pub fn verdict(certificate: &Certificate) -> String {
    if let Some(found) = &certificate.evidence.population {
        return expected(certificate.verdict, found);
    }
    match certificate.verdict {
        Verdict::Proved => proved(certificate),
        Verdict::Refuted => refuted(certificate),
        Verdict::Supported => supported(certificate),
        Verdict::Undecided => undecided(certificate),
    }
}

/// Whether the proof shows the slack to be at least 0, and not only at least minus a tolerance.
fn exactly(certificate: &Certificate) -> bool {
    let tolerance = certificate.statement.tolerance.trim();
    let zero = tolerance.starts_with('0') && tolerance.chars().all(|c| c == '0' || c == '.');
    let proof = certificate.evidence.proof.as_ref();
    zero || proof.is_some_and(Proof::exact)
}

fn proved(certificate: &Certificate) -> String {
    let holds = if exactly(certificate) {
        "At every point of the region stated above the inequality holds.".to_owned()
    } else {
        format!(
            "At every point of the region stated above the left side is at least the right side minus the tolerance \
             {}; whether it is ever smaller than the right side by less than that is left open.",
            certificate.statement.tolerance.trim()
        )
    };
    format!(
        "{holds} This is a rigorous bound over the whole region and not a sample: every rounding error is accounted \
         for. It says nothing about points outside the region, other data or other constants."
    )
}

fn refuted(certificate: &Certificate) -> String {
    let slack = match &certificate.evidence.witness {
        Some(witness) => format!(
            "At the witness, a point of the region that the certificate names, the left side minus the right side is a \
             number between {} and {}, certainly below 0.",
            full(witness.slack[0]),
            full(witness.slack[1])
        ),
        None => "The certificate names no point.".to_owned(),
    };
    format!(
        "{slack} So the claim as stated here, with this region, these data and these constants, is false. That does \
         not by itself contradict the source: compare region and constants with it first."
    )
}

fn supported(certificate: &Certificate) -> String {
    let sampling = &certificate.evidence.sampling;
    let uniform = &sampling.uniform;
    let Some(search) = &certificate.evidence.search else {
        return "Nothing varies in this claim: its one point was evaluated in binary64, without a bound on rounding \
                errors, and no violation was seen. This is no proof."
            .to_owned();
    };
    let share = &uniform.violating_share;
    format!(
        "This is no proof. At {} points drawn at random from the region, and in a search from {} starts, no violation \
         was found (slack below minus the tolerance {}). With confidence {}, the share of the region on which the computed slack \
         is below minus the tolerance is at most {}. Violations on a smaller part of the region, or at single points, \
         are not ruled out.",
        count(uniform.count),
        count(search.starts),
        certificate.statement.tolerance.trim(),
        percent(share.confidence),
        percent_up(share.at_most)
    )
}

fn undecided(certificate: &Certificate) -> String {
    format!(
        "Neither proved nor refuted, and the samples do not speak for it either: {}. That is no sign that the claim is \
         false: one that is exactly tight can remain here.",
        certificate.reason.trim_end_matches('.')
    )
}

/// A verdict on expectations rests on fresh samples at some points of the region.
fn expected(verdict: Verdict, found: &Expectations) -> String {
    let tested = format!(
        "The claim is about averages over random data, and was tested with {} fresh draws of {} examples at {} points of the region",
        count(found.draws),
        count(found.rows),
        count(found.points)
    );
    match verdict {
        Verdict::Supported => format!(
            "{tested}: at none of them it is seen to fail. With confidence {}, where {}, the expected slack is at least {} at all of \
             these points. This is no proof, and says nothing of other points.",
            percent(found.confidence),
            found.assumption,
            short_down(found.at_least)
        ),
        _ if found.violated > 0 => format!(
            "{tested}: at {} of them the average of the left side lies below that of the right side, unless an event of probability at most {} \
             occurred, where {}. Samples alone refute nothing.",
            count(found.violated),
            percent_up(1.0 - found.confidence),
            found.assumption
        ),
        _ => format!("{tested}. The test came to no answer: see the words of the certificate."),
    }
}

/// A number with few digits that is never above it.
fn short_down(x: f64) -> String {
    let text = format!("{x:.3e}");
    match text.parse::<f64>() {
        Ok(shown) if shown <= x => text,
        _ => full(x),
    }
}

/// A number with few digits, for tables.
pub fn short(x: f64) -> String {
    if x.is_nan() {
        return "not a number".to_owned();
    }
    if x.is_infinite() {
        return if x > 0.0 { "infinity" } else { "-infinity" }.to_owned();
    }
    let size = x.abs();
    if x == 0.0 {
        "0".to_owned()
    } else if (1e-3..1e5).contains(&size) {
        let digits = (4 - size.log10().floor() as i32).max(0) as usize;
        let text = format!("{x:.digits$}");
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        }
    } else {
        format!("{x:.4e}")
    }
}

/// A number with all of its digits.
pub fn full(x: f64) -> String {
    if x.is_finite() && (x == 0.0 || (1e-3..1e6).contains(&x.abs())) {
        format!("{x}")
    } else if x.is_finite() {
        format!("{x:e}")
    } else {
        short(x)
    }
}

/// A count with a space between groups of three digits.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// A share in percent.
pub fn percent(share: f64) -> String {
    format!("{} %", short(share * 100.0))
}

/// A share in percent with three digits, never rounded down.
pub fn percent_up(share: f64) -> String {
    let percent = share * 100.0;
    if !(percent > 0.0 && percent < 100.0) {
        return format!("{} %", short(percent.clamp(0.0, 100.0)));
    }
    let unit = 10f64.powi(percent.log10().floor() as i32 - 2);
    let digits = (2 - percent.log10().floor() as i32).clamp(0, 20) as usize;
    let written = |units: f64| format!("{:.digits$}", units * unit);
    // what is written is read again, and not below the share
    let units = (percent / unit).floor();
    let enough = [units, units + 1.0]
        .map(written)
        .into_iter()
        .find(|text| text.parse().is_ok_and(|read: f64| read >= percent));
    format!("{} %", enough.unwrap_or_else(|| written(units + 2.0)))
}

/// With a capital first letter.
pub fn capital(word: &str) -> String {
    let mut rest = word.chars();
    match rest.next() {
        Some(first) => first.to_uppercase().chain(rest).collect(),
        None => String::new(),
    }
}

/// Whether a character turns the direction of the text around it, so that a page shows other words than it holds.
pub fn turns_text(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_up() {
        // 1 - 0.01^(1/20000) = 2.30232e-4
        assert_eq!(percent_up(2.3023200184e-4), "0.0231 %");
        assert_eq!(percent_up(0.5), "50.0 %");
        assert_eq!(percent_up(0.050000001), "5.01 %");
        assert_eq!(percent_up(1.0), "100 %");
        assert_eq!(percent_up(0.99991), "100.0 %");
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!(short(0.123456789), "0.12346");
        assert_eq!(short(-12.0), "-12");
        assert_eq!(short(1.5e-7), "1.5000e-7");
        assert_eq!(short(99999.7), "100000");
        assert_eq!(count(1234567), "1\u{202f}234\u{202f}567");
        assert_eq!(percent(0.99), "99 %");
        assert_eq!(full(-0.001953125), "-0.001953125");
    }

    #[test]
    fn no_page_holds_characters_that_turn_text() {
        use crate::report::{html, latex, markdown};
        for mark in ['\u{202e}', '\u{2066}', '\u{200f}'] {
            let text = format!("not {mark}devorp");
            for escaped in [html::escape(&text), markdown::escape(&text), latex::escape(&text)] {
                assert!(!escaped.contains(mark), "{escaped:?}");
            }
        }
    }
}
