//! Slack evaluations per second of the bulk evaluator alone, at points that are given, on all cores: what a compiled function of JAX or
//! PyTorch does. One JSON line for each number of points in a call, as the peers' scripts print:
//!
//!     cargo bench --profile dev --bench evaluator -- benches/workloads/bench-w1.json
//!
//!     {"workload": ..., "formulation": "evaluator", "batch": ..., "rate": ...}

use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use proxycert::case::Case;
use proxycert::claim::Claim;
use proxycert::engine::points::{Draw, Points};
use proxycert::eval::bulk::{Bulk, LANES};
use rayon::prelude::*;
use serde_json::json;

/// Points in a call, and coordinates at most: those of `peers/workload.py`.
const BATCHES: [usize; 9] = [8, 32, 64, 128, 256, 512, 1024, 4096, 16384];
const COORDINATES: usize = 1 << 23;
/// Length of a run; the best of three counts.
const SECONDS: f64 = 0.3;

fn main() {
    // `cargo bench` adds an option, and gives filters to all benches
    for file in std::env::args().filter(|argument| argument.ends_with(".json")) {
        if let Err(message) = run(&file) {
            eprintln!("{file}: {message}");
            std::process::exit(2);
        }
    }
}

fn run(file: &str) -> Result<(), String> {
    let case = Case::load(Path::new(file), false).map_err(|error| error.to_string())?;
    let claim = Claim::new(&case).map_err(|fault| fault.render(false))?;
    let mut points = Points::new(&claim, case.check.seed);
    let bulk = Bulk::new(&claim.graph, &[claim.slack])?;
    let workers: Vec<Mutex<Bulk>> = (0..rayon::current_num_threads())
        .map(|_| Mutex::new(bulk.clone()))
        .collect();
    let dimension = 2 * claim.dimension;
    for batch in BATCHES {
        if batch > 8 && batch * dimension > COORDINATES {
            break;
        }
        let (mut w, mut v) = (Vec::new(), Vec::new());
        for (point, _) in points.draws(Draw::Uniform, 0..batch as u64) {
            let point = point.ok_or("no point of the region was found")?;
            w.extend(point.w);
            v.extend(point.v);
        }
        if w.is_empty() || v.is_empty() {
            return Err("a workload has points w and v".to_owned());
        }
        // some parts for each thread, of whole blocks
        let least = LANES * bulk.blocks();
        let part = batch.div_ceil(4 * workers.len()).next_multiple_of(least);
        let call = || -> Result<(), String> {
            (w.par_chunks(part * w.len() / batch))
                .zip(v.par_chunks(part * v.len() / batch))
                .zip((0..batch).into_par_iter().step_by(part))
                .try_for_each(|((w, v), first)| {
                    let worker = &workers[rayon::current_thread_index().unwrap_or(0)];
                    let mut bulk = worker.lock().map_err(|error| error.to_string())?;
                    bulk.run(w, v, part.min(batch - first)).map(drop)
                })
        };
        call()?;
        let mut rate = 0.0_f64;
        for _ in 0..3 {
            let (started, mut calls) = (Instant::now(), 0);
            while started.elapsed().as_secs_f64() < SECONDS {
                call()?;
                calls += 1;
            }
            rate = rate.max(f64::from(calls) * batch as f64 / started.elapsed().as_secs_f64());
        }
        let line = json!({"workload": case.name, "formulation": "evaluator", "batch": batch, "rate": rate});
        println!("{line}");
    }
    Ok(())
}
