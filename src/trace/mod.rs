//! `trace`: runs (stochastic) gradient descent on the case's loss and holds the claim, and the guarantee that
//! follows from it, against every iterate.
//!
//! Iterates and numbers are binary64, by Burn's executor and its autodiff: they are not the iterates of exact
//! arithmetic. Only a negative slack is confirmed in intervals, like any witness.

mod answers;
mod batch;
pub mod record;

use rayon::prelude::*;

use crate::burn::device::Backend;
use crate::burn::executor::Executor;
use crate::case::{Case, GuaranteeSpec};
use crate::certificate::{Tool, case_record};
use crate::claim::Claim;
use crate::claim::descent::{Conclusion, Descent, Guarantee, Start};
use crate::claim::region::float_values;
use crate::claim::statement::statement;
use crate::diagnostic::Diagnostic;
use crate::engine::points::{Draw, Point, Points};
use crate::engine::sample::Candidate;
use crate::engine::{self, Failure, Progress};
use crate::eval::float::FloatArithmetic;
use crate::eval::tensor::Evaluator;
use crate::graph::op::Input;
use crate::graph::{GradientRequest, Graph, NodeId};
use crate::theorem;
use batch::Batcher;
use record::{At, FORMAT, Held, Method, Options, Record, Run, Summary, Trace, Trajectory, VERSION};

/// Iterates that are all recorded,
const EARLY: u64 = 200;
/// and about so many of the later ones, at equal ratios.
const LATER: f64 = 280.0;
/// Iterates with the smallest slacks, of each start, that are enclosed in intervals.
const SUSPECTS: usize = 16;
/// Coordinates of all suspects of one start.
const SUSPECT_COORDINATES: usize = 1 << 22;
/// A conclusion fails where it is missed by more than this, relative to the numbers in it,
const ROUNDING: f64 = 1e-9;
/// or to those at the start.
const START_ROUNDING: f64 = 1e-12;
/// Points at which `f` is compared with the mean over its examples,
const MEAN_POINTS: u64 = 3;
/// and how far apart they may be, relative to the larger.
const MEAN_TOLERANCE: f64 = 1e-10;

/// Why there is no trace.
#[derive(Debug)]
pub enum Refusal {
    /// the case does not ask for iterates, or its batches are no sample of `f`
    Input(Box<Diagnostic>),
    /// the run failed
    Failed(Failure),
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Refusal::Failed(Failure::Run(message))
    }
}

/// Runs the descent of a case.
///
/// # Errors
/// A case without `descent`; an `f` that is no mean over the examples; a region that cannot be sampled;
/// a failure of Burn.
pub fn trace(case: &Case, claim: &Claim, progress: &dyn Progress) -> Result<Trace, Refusal> {
    let (Some(descent), Some(spec)) = (&claim.descent, &case.descent) else {
        let fault = Diagnostic::new("the case says nothing of iterates").in_file(&case.file);
        let fault = fault.expected("the key `descent` with method, step, steps and start");
        return Err(Refusal::Input(Box::new(fault)));
    };
    let started = std::time::Instant::now();
    let walker = Walker::new(claim, descent, spec.seed)?;
    let starts = walker.starts(spec.seed)?;
    if let Some(batcher) = &walker.batcher {
        walker.check_mean(case, batcher, &starts, spec.seed)?;
    }
    progress.stage("descent", Some(starts.len() as u64 * (descent.steps + 1)));
    let walks = starts
        .par_iter()
        .enumerate()
        .map(|(number, start)| walker.walk(number as u64, start, progress))
        .collect::<Result<Vec<Walk>, String>>()?;
    progress.stage("confirmation", None);
    let batches = spec.batches.as_ref();
    let (answers, reason) = answers::answers(claim, descent, &walks);
    let mut trace = Trace {
        format: FORMAT.to_owned(),
        version: VERSION,
        tool: Tool::this(),
        case: case_record(case),
        statement: statement(case, claim),
        options: Options {
            method: if batches.is_some() {
                Method::Sgd
            } else {
                Method::Gd
            },
            step: spec.step.value.trim().to_owned(),
            steps: descent.steps,
            batch: batches.map(|batches| batches.size),
            over: batches.map_or(Vec::new(), |batches| {
                batches.over.iter().map(|name| name.value.clone()).collect()
            }),
            starts: starts.len() as u64,
            seed: spec.seed,
        },
        guarantee: descent
            .guarantee
            .as_ref()
            .map(|guarantee| guarantee_record(case, guarantee, batches.is_some())),
        runs: walks.into_iter().map(|walk| walk.trajectory).collect(),
        answers,
        reason,
        digest: String::new(),
        run: Run {
            seconds: started.elapsed().as_secs_f64(),
            threads: rayon::current_num_threads(),
            platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        },
    };
    trace.digest = trace.computed_digest();
    Ok(trace)
}

/// The guarantee for people.
fn guarantee_record(case: &Case, guarantee: &Guarantee, batches: bool) -> record::Guarantee {
    let (theorem, (words, latex)) = match (&guarantee.conclusion, &case.guarantee) {
        (Conclusion::Theorem(bound), _) => (
            bound.theorem.name().to_owned(),
            bound.theorem.conclusion(batches, guarantee.moving),
        ),
        (Conclusion::Written { text, .. }, spec) => {
            let latex = match spec {
                Some(GuaranteeSpec::Bound(text)) => crate::claim::statement::latex_of(&text.value),
                Some(GuaranteeSpec::Theorem { .. }) | None => text.clone(),
            };
            (
                "bound".to_owned(),
                (
                    format!("min over t < T of g(w_t) ≤ {text}, D = ‖w₀ − v‖, f_0 = f(w₀)"),
                    format!(r"\min_{{t<T}}g(w_t)\le {latex}"),
                ),
            )
        }
    };
    record::Guarantee {
        theorem,
        words,
        latex,
        held: held(guarantee),
        constants: guarantee.constants.iter().cloned().collect(),
    }
}

/// The number of a record that a guarantee bounds.
fn held(guarantee: &Guarantee) -> Held {
    match &guarantee.conclusion {
        Conclusion::Theorem(bound) if bound.theorem == theorem::Theorem::LinearRate => Held::G,
        Conclusion::Theorem(_) | Conclusion::Written { .. } => Held::Least,
    }
}

/// What came of one start.
struct Walk {
    trajectory: Trajectory,
    /// iterates inside the region with the smallest slacks below 0, smallest first
    suspects: Vec<Candidate>,
}

/// Makes iterates and evaluates everything at them.
struct Walker<'a> {
    claim: &'a Claim,
    descent: &'a Descent,
    /// the roots below, at `(w, v)`
    executor: Executor,
    roots: Roots,
    batcher: Option<Batcher<'a>>,
    /// the point `v` in binary64
    comparator: Option<Vec<f64>>,
    step: f64,
    tolerance: f64,
}

/// Where each number stands among the executor's roots.
struct Roots {
    g: Option<usize>,
    h: Option<usize>,
    membership: std::ops::Range<usize>,
}

/// Places of the roots that every claim has.
const F: usize = 0;
const GRADIENT: usize = 1;
const SLACK: usize = 2;

impl<'a> Walker<'a> {
    fn new(claim: &'a Claim, descent: &'a Descent, seed: u64) -> Result<Self, String> {
        let mut graph: Graph = claim.graph.clone();
        let wanted = GradientRequest {
            function: descent.function,
            point: graph.input(Input::W, claim.dimension),
        };
        let mut requests = claim.requests.clone();
        let number = requests
            .iter()
            .position(|request| *request == wanted)
            .unwrap_or_else(|| {
                requests.push(wanted);
                requests.len() - 1
            });
        let number = u32::try_from(number).map_err(|_| "too many gradients")?;
        let gradient = graph.input(Input::Gradient(number), claim.dimension);
        let mut nodes: Vec<NodeId> = vec![descent.function, gradient, claim.reference_slack];
        let mut add = |node: Option<NodeId>| {
            node.map(|node| {
                nodes.push(node);
                nodes.len() - 1
            })
        };
        let (g, h) = (add(descent.g), add(descent.h));
        let first = nodes.len();
        nodes.extend(&claim.membership);
        let roots = Roots {
            g,
            h,
            membership: first..nodes.len(),
        };
        Ok(Walker {
            claim,
            descent,
            executor: Executor::new(&graph, &nodes, &requests, Backend::Ndarray)?,
            roots,
            batcher: match &descent.examples {
                Some(examples) => Some(Batcher::new(examples, claim.dimension, seed)?),
                None => None,
            },
            comparator: (descent.comparator).map(|node| float_values(&claim.graph, node)),
            step: descent.step.to_f64().value(),
            tolerance: engine::tolerance(claim),
        })
    }

    /// The points where the iterates begin.
    fn starts(&self, seed: u64) -> Result<Vec<Vec<f64>>, Refusal> {
        match self.descent.start {
            Start::Point(node) => Ok(vec![float_values(&self.claim.graph, node)]),
            Start::Draws(count) => self.draw(seed, count),
        }
    }

    /// The first points of `w` in the uniform stream.
    fn draw(&self, seed: u64, count: u64) -> Result<Vec<Vec<f64>>, Refusal> {
        let mut points = Points::new(self.claim, seed);
        (0..count)
            .map(|index| {
                let point = points.draw(Draw::Uniform, index).0;
                Ok(point.ok_or(Refusal::Failed(Failure::Hopeless))?.w)
            })
            .collect()
    }

    /// Checks that `f` is the mean over the examples, at a start and at points of the region: a batch would
    /// be no unbiased sample otherwise.
    fn check_mean(
        &self,
        case: &Case,
        batcher: &Batcher<'_>,
        starts: &[Vec<f64>],
        seed: u64,
    ) -> Result<(), Refusal> {
        let mut points: Vec<Vec<f64>> = starts.iter().take(1).cloned().collect();
        points.extend(self.draw(seed, MEAN_POINTS)?);
        for w in points {
            let whole = self.numbers(&w)?[F][0];
            let mean = batcher.mean(&w)?;
            // NaN on either side is no difference that a reader could act on; the run says it
            if (whole - mean).abs() > MEAN_TOLERANCE * whole.abs().max(mean.abs()) {
                let spec = case.descent.as_ref();
                let at = spec.and_then(|spec| Some(&spec.batches.as_ref()?.over.first()?.at));
                let message = format!(
                    "`f` is not the mean over these examples: at a point of the region it is {whole:e}, and the \
                     mean of `f` over single examples is {mean:e}"
                );
                let fault = case.fault(at.unwrap_or(&case.claim.at), message);
                let fault =
                    fault.expected("all arrays with a row for each example, and `f` a mean over them");
                return Err(Refusal::Input(Box::new(
                    fault.help("a stochastic gradient would be biased"),
                )));
            }
        }
        Ok(())
    }

    /// The roots at an iterate.
    fn numbers(&self, w: &[f64]) -> Result<Vec<Vec<f64>>, String> {
        self.executor.run(w, self.comparator.as_deref(), 1)
    }

    /// The iterates from one start.
    fn walk(&self, number: u64, start: &[f64], progress: &dyn Progress) -> Result<Walk, String> {
        let steps = self.descent.steps;
        let mut schedule = Schedule::new(steps);
        let mut suspects = Suspects::new(self.claim.dimension);
        let mut records = Vec::new();
        let mut summary = Summary {
            last: 0,
            distance: (self.comparator.as_ref()).map(|v| norm(start.iter().zip(v).map(|(w, v)| w - v))),
            least_slack: None,
            violations: 0,
            fails_at: None,
            left_region_at: None,
            diverged_at: None,
            looseness: None,
        };
        let mut yardstick: Option<Yardstick<'_>> = None;
        let mut w = start.to_vec();
        for t in 0..=steps {
            let roots = self.numbers(&w)?;
            let value = |place: Option<usize>| place.map(|place| roots[place][0]);
            let (f, g, h, slack) = (
                roots[F][0],
                value(self.roots.g),
                value(self.roots.h),
                roots[SLACK][0],
            );
            let gradient = norm(roots[GRADIENT].iter().copied());
            let inside = roots[self.roots.membership.clone()]
                .iter()
                .flatten()
                .all(|entry| *entry >= 0.0);
            summary.last = t;
            let finite = [Some(f), Some(gradient), Some(slack), g, h]
                .into_iter()
                .flatten()
                .all(f64::is_finite);
            if !finite {
                summary.diverged_at = Some(t);
            }
            if !inside && summary.left_region_at.is_none() {
                summary.left_region_at = Some(t);
            }
            if finite && inside {
                if summary.least_slack.is_none_or(|least| slack < least.value) {
                    summary.least_slack = Some(At { t, value: slack });
                }
                summary.violations += u64::from(slack < -self.tolerance);
                suspects.add(&w, slack);
            }
            let yard = yardstick.get_or_insert_with(|| {
                let start = theorem::Start {
                    distance: summary.distance.unwrap_or(0.0),
                    f,
                    h: h.unwrap_or(0.0),
                };
                Yardstick::new(self.descent, start, g.unwrap_or(0.0))
            });
            let held = yard.add(t, g, h);
            // what the theorem says ends where the iterates leave the region
            let fails = held.fails && summary.left_region_at.is_none() && summary.diverged_at.is_none();
            if fails && self.batcher.is_none() && summary.fails_at.is_none() {
                summary.fails_at = Some(t);
            }
            if schedule.takes(t) || !finite {
                records.push(Record {
                    t,
                    f,
                    g,
                    h,
                    gradient,
                    slack,
                    least: held.least,
                    bound: held.bound,
                    inside,
                });
            }
            progress.advance(1);
            if t == steps || !finite {
                summary.looseness = held.looseness;
                break;
            }
            let batch;
            let direction = match &self.batcher {
                None => &roots[GRADIENT],
                Some(batcher) => {
                    batch = batcher.gradient(&w, number, t)?;
                    &batch
                }
            };
            for (entry, slope) in w.iter_mut().zip(direction) {
                *entry -= self.step * slope;
            }
        }
        let shown = Point {
            w: start.to_vec(),
            v: Vec::new(),
        };
        Ok(Walk {
            trajectory: Trajectory {
                start: number,
                w: shown.shown().0,
                records,
                summary,
            },
            suspects: suspects.into_candidates(self.claim, self.comparator.as_ref()),
        })
    }
}

/// The Euclidean length.
fn norm(entries: impl Iterator<Item = f64>) -> f64 {
    entries.map(|entry| entry * entry).sum::<f64>().sqrt()
}

/// Which iterates are recorded.
struct Schedule {
    steps: u64,
    next: u64,
    ratio: f64,
}

impl Schedule {
    fn new(steps: u64) -> Schedule {
        let range = steps.max(EARLY) as f64 / EARLY as f64;
        Schedule {
            steps,
            next: 0,
            ratio: libm::pow(range, 1.0 / LATER),
        }
    }

    /// Whether this iterate is recorded; asked for one after the other.
    fn takes(&mut self, t: u64) -> bool {
        if t < self.next && t != self.steps {
            return false;
        }
        self.next = if t < EARLY {
            t + 1
        } else {
            (t + 1).max((t as f64 * self.ratio) as u64)
        };
        true
    }
}

/// The iterates with the smallest negative slacks.
struct Suspects {
    most: usize,
    kept: Vec<(Vec<f64>, f64)>,
}

impl Suspects {
    fn new(dimension: usize) -> Suspects {
        Suspects {
            most: (SUSPECT_COORDINATES / dimension.max(1)).clamp(1, SUSPECTS),
            kept: Vec::new(),
        }
    }

    fn add(&mut self, w: &[f64], slack: f64) {
        let full = self.kept.len() == self.most;
        let last = self.kept.last().map_or(f64::INFINITY, |(_, slack)| *slack);
        if slack >= 0.0 || (full && slack >= last) {
            return;
        }
        let place = self.kept.partition_point(|(_, kept)| *kept <= slack);
        self.kept.insert(place, (w.to_vec(), slack));
        self.kept.truncate(self.most);
    }

    fn into_candidates(self, claim: &Claim, comparator: Option<&Vec<f64>>) -> Vec<Candidate> {
        // a comparator that the claim fixes stands in the slack
        let free = claim.region.inputs().contains(&Input::V);
        let v = comparator.filter(|_| free);
        let candidates = self.kept.into_iter().map(|(w, slack)| Candidate {
            point: Point {
                w,
                v: v.cloned().unwrap_or_default(),
            },
            slack,
        });
        candidates.collect()
    }
}

/// Holds the guarantee against the iterates, one after the other.
struct Yardstick<'a> {
    descent: &'a Descent,
    start: theorem::Start,
    /// the size of `f` and `g` at the start
    scale: f64,
    least: f64,
    written: Option<Evaluator<FloatArithmetic>>,
}

/// What the guarantee says at one iterate.
#[derive(Default)]
struct Measured {
    least: Option<f64>,
    bound: Option<f64>,
    fails: bool,
    looseness: Option<f64>,
}

impl<'a> Yardstick<'a> {
    fn new(descent: &'a Descent, start: theorem::Start, g: f64) -> Self {
        let moving = descent
            .guarantee
            .as_ref()
            .is_some_and(|guarantee| guarantee.moving);
        Yardstick {
            descent,
            scale: start.f.abs().max(g.abs()).max(start.h.abs()),
            start: theorem::Start {
                h: if moving { 0.0 } else { start.h },
                ..start
            },
            least: f64::INFINITY,
            written: match descent.guarantee.as_ref().map(|guarantee| &guarantee.conclusion) {
                Some(Conclusion::Written { graph, root, .. }) => {
                    Some(Evaluator::new(graph, &[*root], FloatArithmetic))
                }
                Some(Conclusion::Theorem(_)) | None => None,
            },
        }
    }

    fn add(&mut self, t: u64, g: Option<f64>, h: Option<f64>) -> Measured {
        let Some(g) = g else {
            return Measured::default();
        };
        let Some(guarantee) = &self.descent.guarantee else {
            self.least = self.least.min(g);
            return Measured {
                least: Some(self.least),
                ..Measured::default()
            };
        };
        let quantity = match &guarantee.conclusion {
            Conclusion::Theorem(bound) => bound.quantity(g, h.unwrap_or(0.0), guarantee.moving),
            Conclusion::Written { .. } => g,
        };
        self.least = self.least.min(quantity);
        let bound = match &guarantee.conclusion {
            // the descent lemma needs the iterate after a step
            Conclusion::Theorem(bound) if bound.theorem.needs_smoothness() => {
                bound.at(t as f64, &self.start, guarantee.moving)
            }
            Conclusion::Theorem(bound) => bound.at(t as f64 + 1.0, &self.start, guarantee.moving),
            Conclusion::Written { .. } => self.written_bound(t as f64 + 1.0),
        };
        let value = match held(guarantee) {
            Held::Least => self.least,
            Held::G => quantity,
        };
        let stated = !bound.is_nan() && bound < f64::INFINITY;
        Measured {
            least: Some(self.least),
            bound: stated.then_some(bound),
            fails: stated && missed(value, bound, self.scale),
            looseness: (stated && bound > 0.0 && value > 0.0).then_some(bound / value),
        }
    }

    /// The bound that the case writes out, after `horizon` steps.
    fn written_bound(&mut self, horizon: f64) -> f64 {
        let eta = self.descent.step.to_f64().value();
        let Some(evaluator) = &mut self.written else {
            return f64::NAN;
        };
        let names = [horizon, eta, self.start.distance, self.start.f];
        evaluator.run(&[(Input::W, &names)]);
        evaluator.root(0)[0]
    }
}

/// Whether a number is above its bound by more than rounding. `scale` is the size of the numbers at the start.
fn missed(value: f64, bound: f64, scale: f64) -> bool {
    value > bound + ROUNDING * value.abs().max(bound.abs()) + START_ROUNDING * scale
}
