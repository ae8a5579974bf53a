//! The constants that a theorem needs and a case leaves out: for each the hypothesis that it stands in, with a value that
//! the prover settles over the region.

use super::{proxy_smooth, second_moment};
use crate::case::{Case, GuaranteeSpec, Location, Text};
use crate::engine::constants::{Measure, Proposal, Wanted, propose, propose_for};
use crate::error::Result;
use crate::theorem::Theorem;

/// The case with the constants that its theorem needs and it leaves out; `None` where it leaves out none.
///
/// # Errors
/// A diagnostic where no constant is found, and those of [`crate::claim::Claim::new`].
pub fn complete(case: &Case) -> Result<Option<Case>> {
    let Some(GuaranteeSpec::Theorem {
        theorem,
        constants,
        at,
    }) = &case.guarantee
    else {
        return Ok(None);
    };
    let batches = (case.descent.as_ref()).is_some_and(|descent| descent.batches.is_some());
    let mut found = constants.clone();
    for name in theorem.constants(batches) {
        if constants.contains_key(name) {
            continue;
        }
        let Some(Proposal { value, .. }) = constant(case, *theorem, name, batches, at)? else {
            let message = format!("no constant `{name}` was found that is proved over the region");
            return Err(case
                .fault(at, message)
                .expected(format!("the key `{name}`"))
                .into());
        };
        let at = at.clone();
        found.insert(name.to_owned(), Text { value, at });
    }
    if found.len() == constants.len() {
        return Ok(None);
    }
    let mut complete = case.clone();
    complete.guarantee = Some(GuaranteeSpec::Theorem {
        theorem: *theorem,
        constants: found,
        at: at.clone(),
    });
    Ok(Some(complete))
}

/// One of them.
fn constant(
    case: &Case,
    theorem: Theorem,
    name: &str,
    batches: bool,
    at: &Location,
) -> Result<Option<Proposal>> {
    let examples = |value: &str| second_moment(case, theorem, value, at).map(|derived| derived.case);
    match theorem {
        Theorem::BoundedGradient if batches => propose_for(case, Measure::RootOfRatio, examples),
        Theorem::BoundedGradient => propose(case, Wanted::Lipschitz),
        Theorem::ProxySmooth if batches => propose_for(case, Measure::Ratio, examples),
        Theorem::ProxySmooth => {
            propose_for(case, Measure::Ratio, |value| Some(proxy_smooth(case, value, at)))
        }
        Theorem::ProxyPl | Theorem::LinearRate => match name {
            "f_inf" => propose(case, Wanted::Least),
            Theorem::SIGMA => propose_for(case, Measure::RootOfRatio, examples),
            _ => propose(case, Wanted::Smooth),
        },
    }
}
