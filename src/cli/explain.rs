//! `explain`: what a case claims, in mathematics, and what each engine would do.

use std::collections::HashMap;

use super::output::Printer;
use super::{CaseFile, engine_error, load};
use crate::case::Case;
use crate::claim::Claim;
use crate::claim::statement::statement;
use crate::diagnostic::push_escaped;
use crate::engine::constants::{Proposal, Wanted, propose};
use crate::engine::points::{Draw, Points};
use crate::engine::population::require_average;
use crate::error::Error;
use crate::graph::op::Input;
use crate::graph::{NodeId, print};

/// Show what a case claims, and what each engine would do
#[derive(clap::Args)]
pub struct Explain {
    #[command(flatten)]
    file: CaseFile,
    /// Print the formulas in LaTeX
    #[arg(long)]
    latex: bool,
    /// Also bound the gradient, its Lipschitz constant and the least value over the region, with proof
    #[arg(long)]
    constants: bool,
}

impl Explain {
    /// Runs it.
    pub fn run(self, printer: &Printer) -> Result<u8, Error> {
        let (case, claim) = load(&self.file.case, &self.file.access)?;
        if let Some(population) = &claim.population {
            let points = Points::new(&claim, case.check.seed);
            require_average(&claim, population, &points).map_err(|failure| engine_error(&case, failure))?;
        }
        let mut text = explain(&case, &claim, self.latex);
        if self.constants {
            text.push_str(&constants(&case)?);
        }
        printer.result(&text).map(|()| 0)
    }
}

fn explain(case: &Case, claim: &Claim, latex: bool) -> String {
    let mut out = String::new();
    let mut line = |text: &str| {
        for line in text.split('\n') {
            line.chars().for_each(|c| push_escaped(&mut out, c));
            out.push('\n');
        }
    };
    let stated = statement(case, claim);
    line(&format!("{}: {}", case.name, case.title));
    if !case.source.work.is_empty() {
        line(&format!("source: {} ({})", case.source.work, case.source.place));
    }
    line("");
    line(if latex { &stated.latex } else { &stated.words });
    line("");

    let mut graph = claim.graph.clone();
    let mut gradients = Vec::new();
    for request in &claim.requests {
        gradients.push((
            request.function,
            graph.gradient(request.function, Input::W, claim.dimension),
        ));
    }
    let mut names: HashMap<NodeId, String> =
        claim.names.iter().map(|(name, id)| (*id, name.clone())).collect();
    let show = |root: NodeId, names: &HashMap<NodeId, String>| {
        if latex {
            print::latex(&graph, root, names)
        } else {
            print::unicode(&graph, root, names)
        }
    };
    line("functions of w");
    for (name, root) in &claim.functions {
        // written out, not by its own name
        let own = names.remove(root);
        line(&format!("  {name} = {}", indent(&show(*root, &names))));
        names.extend(own.map(|own| (*root, own)));
    }
    for (function, gradient) in &gradients {
        let name = claim
            .functions
            .iter()
            .find(|(_, root)| root == function)
            .map_or("f", |(name, _)| name);
        line(&format!("  ∇{name} = {}", indent(&show(*gradient, &names))));
    }
    line(&format!("  slack = {}", indent(&show(claim.slack, &names))));
    line("");

    line("sizes");
    for (name, shape) in &claim.blocks {
        line(&format!("  block {name} {shape:?}"));
    }
    let count = |roots: &[NodeId]| {
        claim
            .graph
            .reachable(roots)
            .iter()
            .filter(|needed| **needed)
            .count()
    };
    line(&format!(
        "  {} parameters, {} free coordinates, {} nodes in the slack",
        claim.dimension,
        claim.region.free().len() * claim.dimension,
        count(&[claim.slack])
    ));
    for (name, array) in &case.data {
        line(&format!("  data {name} {:?}", array.shape));
    }
    line("");

    let points = Points::new(claim, case.check.seed);
    line("engines");
    let directed: Vec<&str> = [
        (Draw::NearDiagonal, "pairs with v near w"),
        (Draw::NearKink, "points near kinks"),
        (Draw::Boundary, "points on the boundary"),
    ]
    .iter()
    .filter(|(draw, _)| points.offers(*draw))
    .map(|(_, name)| *name)
    .collect();
    if points.free().is_empty() {
        line("  sample          the one point of the region");
    } else {
        line(&format!(
            "  sample          {} uniform points{}{}",
            case.check.samples,
            if claim.region.constraints.is_empty() {
                ""
            } else {
                " by rejection"
            },
            if directed.is_empty() {
                String::new()
            } else {
                format!(", and {}", directed.join(", "))
            }
        ));
        if case.population.is_none() {
            line(&format!(
                "  prove           branch and bound over boxes, at most {} of them",
                case.check.max_boxes
            ));
        }
        line(&format!(
            "  search          projected descent and random moves from the {} worst points, and steps of tied coordinates",
            case.check.starts
        ));
    }
    match &case.population {
        None => {
            line(
                "  confirm         a violation counts only where its interval enclosure is below 0 in the region",
            );
        }
        Some(population) => {
            line("  all of this on the case's own draw, to choose points; nothing is proved or refuted");
            line(&format!(
                "  expectations    {} fresh draws of {} examples: {} with confidence {} for all points together",
                population.draws,
                population.rows(),
                if population.support().is_some() {
                    "empirical Bernstein intervals, or t-intervals where the slack is not bounded,"
                } else {
                    "t-intervals"
                },
                case.check.confidence
            ));
        }
    }
    out
}

/// The constants that theorems need, as far as the prover settles them.
fn constants(case: &Case) -> Result<String, Error> {
    let mut out = "\nconstants over the region of w\n".to_owned();
    for (wanted, meaning) in [
        (Wanted::Lipschitz, "‖∇f‖ ≤ "),
        (Wanted::Smooth, "‖∇f(w) − ∇f(v)‖ ≤ ‖w − v‖ · "),
        (Wanted::ProxySmooth, "‖∇f‖² ≤ g · "),
        (Wanted::Least, "f ≥ "),
    ] {
        let found = propose(case, wanted)?;
        let value = found.map_or("(none proved)".to_owned(), |Proposal { value, case }| match case
            .check
            .tolerance
            .value
            .as_str()
        {
            "0" => value,
            tolerance => format!("{value}, up to the tolerance of {tolerance}"),
        });
        out.push_str(&format!("  {meaning}{value}\n"));
    }
    Ok(out)
}

/// Continuation lines under their first line.
fn indent(text: &str) -> String {
    text.trim_end().replace('\n', "\n      ")
}
