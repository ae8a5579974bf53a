//! The slack of one example, as a function of the point and of the example.
//!
//! A case with a population writes its functions as for a sample, `mean(..)` over the rows, and means
//! their expectations. That makes sense where the slack of a sample is the mean of the slacks of its
//! examples, each taken for a sample of its own: then the expected slack does not depend on
//! the number of rows, and is the expectation of the slack of one example. The engines check that
//! (`engine::population`), on a sample of twice as many rows that is built here.

use std::sync::Arc;

use crate::case::Case;
use crate::case::population::{DrawKey, PopulationSpec};
use crate::diagnostic::Diagnostic;
use crate::graph::op::Input;
use crate::graph::{Graph, NodeId};

use super::{Arrays, Claim, model};

/// What draws are for; each purpose has random numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// checking that the slack is a mean over the examples
    Average = 1,
    /// choosing the points that are tested
    Screening = 2,
    /// testing them
    Test = 3,
}

/// A claim about expectations over examples.
#[derive(Clone, Debug)]
pub struct Population {
    /// the distribution
    pub spec: PopulationSpec,
    /// holds the roots below
    pub graph: Graph,
    /// slack of one example, its left and its right side; scalars of [`Input::V`] and of [`Input::W`], which holds
    /// the coordinates of `w`, where they vary, and then the numbers of the example
    pub roots: [NodeId; 3],
    /// a sample of twice the case's rows: graph and slack
    pub doubled: (Graph, NodeId),
    /// its examples, one after the other
    pub doubled_examples: Vec<f64>,
}

impl Population {
    /// Builds the claim of one example and that of a doubled sample.
    ///
    /// # Errors
    /// A diagnostic where a function cannot be read for another number of rows than the case writes, or where
    /// the region depends on the examples.
    pub(super) fn new(case: &Case, spec: &PopulationSpec) -> Result<Population, Box<Diagnostic>> {
        let of_rows = |rows: &'static str| {
            move |mut error: Box<Diagnostic>| {
                let help = format!(
                    "the functions of a population are read for {rows} as well: write them as means over the rows"
                );
                error.help.get_or_insert(help);
                error
            }
        };
        let mut one = Claim::build(case, model(case)?, Arrays::One).map_err(of_rows("one example"))?;

        let rows = 2 * spec.rows();
        let key = DrawKey {
            seed: case.check.seed,
            purpose: Purpose::Average as u64,
            index: 0,
        };
        let mut larger = case.clone();
        let drawn = spec.draw(key, rows);
        for (name, (shape, values)) in &drawn {
            if let Some(array) = larger.data.get_mut(name) {
                array.shape.clone_from(shape);
                array.values = Arc::from(values.as_slice());
            }
        }
        let doubled =
            Claim::build(&larger, model(case)?, Arrays::Drawn).map_err(of_rows("twice as many rows"))?;
        let examples = spec.examples(drawn.values().map(|(_, values)| values.as_slice()), rows);

        let free = one.region.inputs().contains(&Input::W);
        let coordinates = if free { one.dimension } else { 0 };
        let graph = &mut one.graph;
        let both = graph.input(Input::W, coordinates + spec.width());
        let example = graph.slice(both, 0, coordinates, 1, spec.width());
        let mut map = vec![(Input::Example, example)];
        if free {
            map.push((Input::W, graph.slice(both, 0, 0, 1, coordinates)));
        }
        let roots = graph.substitute_all(&[one.slack, one.sides.left, one.sides.right], &map);
        Ok(Population {
            spec: spec.clone(),
            roots: [roots[0], roots[1], roots[2]],
            graph: one.graph,
            doubled: (doubled.graph, doubled.slack),
            doubled_examples: examples,
        })
    }
}
