//! `certify`: the main job.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::ValueEnum;

use super::output::Printer;
use super::{Access, engine_error, load, many, replaceable};
use crate::burn::device::Backend;
use crate::case::Case;
use crate::certificate::Certificate;
use crate::certificate::summary::{Row, Summary};
use crate::claim::Claim;
use crate::engine::{self, Options, Progress, Verdict};
use crate::error::Error;
use crate::guarantee::{Fault, guarantee};

/// Check the claim of a case and write a certificate
#[derive(clap::Args)]
pub struct Certify {
    /// The case, a JSON file; or several, or folders, whose files NAME.json are cases
    #[arg(required = true, value_name = "CASE")]
    cases: Vec<PathBuf>,
    #[command(flatten)]
    access: Access,
    /// Where the certificate goes [default: standard output]; for several cases or a folder, the folder for
    /// the certificates and summary.json [default: the summary alone, to standard output]
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Level that counts as success
    #[arg(long, value_enum, default_value = "supported")]
    require: Level,
    #[command(flatten)]
    budget: Budget,
    /// Nothing on standard error: the certificate is the whole answer
    #[arg(long)]
    json: bool,
}

/// How much work a run may be, where it is not what the case says.
#[derive(clap::Args)]
pub(super) struct Budget {
    /// Sample so many points instead of the case's number
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000_000_000))]
    samples: Option<u64>,
    /// Use this seed instead of the case's
    #[arg(long)]
    seed: Option<u64>,
    /// Let the prover examine so many boxes instead of the case's number; 0 turns it off
    #[arg(long, value_parser = clap::value_parser!(u64).range(0..=1_000_000_000_000))]
    max_boxes: Option<u64>,
    /// Sample on this device of Burn instead of with the bulk evaluator: ndarray, flex, and cuda or wgpu where the
    /// build has them
    #[arg(long, value_name = "NAME")]
    device: Option<Backend>,
}

impl Budget {
    /// Runs the engines on a claim.
    pub(super) fn certify(
        &self,
        case: &Case,
        claim: &Claim,
        progress: &dyn Progress,
    ) -> Result<Certificate, Error> {
        let asked = Options::of(&case.check, claim);
        let options = Options {
            samples: self.samples.unwrap_or(asked.samples),
            seed: self.seed.unwrap_or(asked.seed),
            max_boxes: self.max_boxes.unwrap_or(asked.max_boxes),
            device: self.device,
            ..asked
        };
        let started = Instant::now();
        let findings =
            engine::run(claim, &options, progress).map_err(|failure| engine_error(case, failure))?;
        let guarantee =
            guarantee(case, claim, &options, findings.verdict, progress).map_err(|fault| match fault {
                Fault::Input(fault) => fault.into(),
                Fault::Failed(failure) => engine_error(case, failure),
            })?;
        let seconds = started.elapsed().as_secs_f64();
        let certificate = Certificate::new(case, claim, options, findings, seconds);
        Ok(certificate.with_guarantee(guarantee))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Level {
    /// sampled and searched without a violation
    Supported,
    /// proved on the whole region
    Proved,
}

impl Certify {
    /// Runs it; the exit code is the verdict's.
    pub fn run(self, printer: &Printer) -> Result<u8, Error> {
        let silent = Printer::new(true);
        let printer = if self.json { &silent } else { printer };
        match self.cases.as_slice() {
            [case] if !case.is_dir() => self.one(case, printer),
            cases => self.many(cases, printer),
        }
    }

    fn one(&self, path: &Path, printer: &Printer) -> Result<u8, Error> {
        let (case, claim) = load(path, &self.access)?;
        if let Some(output) = &self.output {
            replaceable(output, path, printer)?;
        }
        if let Some((name, paper)) = case
            .unknown
            .as_ref()
            .and_then(|unknown| case.constants.get_key_value(&unknown.name))
        {
            printer.note(&format!(
                "{name} = {} is the paper's value; `proxycert tighten` looks for the best",
                paper.value
            ));
        }
        let certificate = self.budget.certify(&case, &claim, &printer.progress())?;
        summarize(printer, &certificate);
        let text = certificate.to_json();
        match &self.output {
            Some(path) => printer.file(path, &text)?,
            None => printer.result(&text)?,
        }
        Ok(self.code(certificate.verdict))
    }

    /// A faulty case does not stop the others: its message is printed at once, and it counts for the exit code.
    fn many(&self, cases: &[PathBuf], printer: &Printer) -> Result<u8, Error> {
        let files = many::files(cases)?;
        let mut outputs = match &self.output {
            Some(folder) => Some(many::Outputs::new(folder, &files, printer)?),
            None => None,
        };
        let mut bar = printer.cases(files.len());
        let (mut rows, mut seconds, mut codes) = (Vec::new(), Vec::new(), Vec::new());
        for file in &files {
            bar.case(file);
            let outcome = load(file, &self.access).and_then(|(case, claim)| {
                let output = match &mut outputs {
                    Some(outputs) => Some(outputs.claim(&case.name, file)?),
                    None => None,
                };
                let certificate = self.budget.certify(&case, &claim, &bar)?;
                if let Some(path) = output {
                    printer.file(&path, &certificate.to_json())?;
                }
                Ok(certificate)
            });
            if let Err(error) = &outcome {
                bar.aside(|| printer.error(error));
            }
            codes.push(
                outcome
                    .as_ref()
                    .map_or_else(Error::exit_code, |certificate| self.code(certificate.verdict)),
            );
            seconds.push(
                outcome
                    .as_ref()
                    .map_or(0.0, |certificate| certificate.run.seconds),
            );
            rows.push(Row::new(file.display().to_string(), &outcome));
            bar.next();
        }
        drop(bar);
        let summary = Summary::new(rows, seconds);
        many::table(printer, &summary);
        match &self.output {
            Some(folder) => printer.file(&folder.join(many::SUMMARY), &summary.to_json())?,
            None => printer.result(&summary.to_json())?,
        }
        Ok(many::worst(codes))
    }

    /// The exit code of a verdict.
    fn code(&self, verdict: Verdict) -> u8 {
        match verdict {
            Verdict::Refuted => 1,
            Verdict::Proved => 0,
            Verdict::Supported if self.require == Level::Supported => 0,
            Verdict::Supported | Verdict::Undecided => 3,
        }
    }
}

/// The findings in a few lines.
fn summarize(printer: &Printer, certificate: &Certificate) {
    printer.note(&format!("{}: {}", certificate.case.name, certificate.case.title));
    printer.note(&certificate.statement.words);
    printer.verdict(certificate.verdict, &certificate.reason);
    let sampling = &certificate.evidence.sampling.uniform;
    let share = &sampling.violating_share;
    if let Some(found) = &certificate.evidence.population {
        let worst = &found.worst;
        printer.note(&format!(
            "  screened  {} uniform points and the search on the case's own draw chose {} of {} points",
            sampling.count, found.screened, found.points
        ));
        printer.note(&format!(
            "  tested    with {} draws of {} examples from seed {}: worst mean {:.6e}, in [{:.6e}, {:.6e}]; widest \
             interval +-{:.3e}; all of them hold with confidence {}, where {}",
            found.draws,
            found.rows,
            found.seed,
            worst.mean,
            worst.interval[0],
            worst.interval[1],
            found.resolution,
            found.confidence,
            found.assumption
        ));
    } else if let Some(minimum) = &sampling.minimum {
        printer.note(&format!(
            "  sampled   {} uniform points, smallest slack {:.6e}; with confidence {} the slack is below minus the \
             tolerance on at most {:.3e} of the region",
            sampling.count, minimum.slack, share.confidence, share.at_most
        ));
    }
    if let Some(proof) = &certificate.evidence.proof
        && !proof.by_curvature()
    {
        printer.note(&format!(
            "  settled   {:.6} of the box around the region, by {}, with {} boxes, at most {} splits deep",
            proof.settled, proof.rule, proof.boxes, proof.depth
        ));
    }
    if certificate.evidence.population.is_none()
        && let Some(search) = &certificate.evidence.search
        && let Some(lowest) = search.lowest
    {
        printer.note(&format!(
            "  searched  from {} starts, smallest slack {lowest:.6e}",
            search.starts
        ));
    }
    if let Some(witness) = &certificate.evidence.witness {
        for (name, side) in [("w", &witness.w), ("v", &witness.v)] {
            if !side.is_empty() {
                let shown: Vec<&str> = side.iter().take(8).map(String::as_str).collect();
                let more = if side.len() > 8 { ", ..." } else { "" };
                printer.note(&format!("  witness   {name} = ({}{more})", shown.join(", ")));
            }
        }
    }
    if let Some(guarantee) = &certificate.guarantee {
        printer.note(&format!("{}: {}", guarantee.theorem, guarantee.words));
        for hypothesis in &guarantee.hypotheses {
            printer.note(&format!(
                "  {:9} {}: {}",
                hypothesis.verdict.word(),
                hypothesis.name,
                hypothesis.reason
            ));
        }
        printer.verdict(guarantee.verdict, &format!("the guarantee: {}", guarantee.reason));
    }
    let checks = &certificate.cross_checks;
    if let Some(gradient) = checks.gradient {
        printer.note(&format!(
            "  checked   Burn's autodiff against our derivatives: {gradient:.1e}; bulk against Burn: {:.1e}; ndarray \
             against flex: {:.1e}",
            checks.bulk, checks.flex
        ));
    }
    if let Some((device, apart)) = certificate.options.device.zip(checks.device) {
        printer.note(&format!(
            "  device    sampled on Burn's {device}; against the bulk evaluator: {apart:.1e}"
        ));
    }
    printer.note(&format!(
        "  took      {:.2} s, {:.0} slack evaluations per second",
        certificate.run.seconds, certificate.run.sampling.evaluations_per_second
    ));
}
