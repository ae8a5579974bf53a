//! In which order operations are done.

use super::trace::{Id, Kept, Node, Part};

/// What the code does after each other.
pub(super) enum Step {
    Operation(Id),
    /// a sum over rows goes on
    Sum([Id; 1], Kept),
    /// a result is kept
    Keep([Id; 1], Kept),
    /// a result goes to its place
    Result([Id; 1], usize),
}

impl Step {
    /// What it reads.
    pub(super) fn operands<'a>(&'a self, nodes: &'a [Node]) -> &'a [Id] {
        match self {
            Step::Operation(id) | Step::Sum([id], _) => nodes[*id as usize].operands(),
            Step::Keep(id, _) | Step::Result(id, _) => id,
        }
    }
}

/// What a part does, each operation after those that it reads, and these the longest chain first: few results wait for others.
pub(super) fn steps(part: &Part, roots: &[Id]) -> Vec<Step> {
    let nodes = &part.nodes;
    let mut depth: Vec<usize> = Vec::new();
    for node in nodes {
        let below = node.operands().iter().map(|id| depth[*id as usize] + 1);
        depth.push(below.max().unwrap_or(0));
    }
    let ends = part.written.iter().map(|&(kept, id)| match part.rows {
        Some(_) => Step::Sum([id], kept),
        None => Step::Keep([id], kept),
    });
    let roots = roots
        .iter()
        .enumerate()
        .map(|(place, id)| Step::Result([*id], place));
    let mut done = vec![false; nodes.len()];
    let mut steps = Vec::new();
    for end in ends.chain(roots) {
        // the last of the open ones is next
        let mut open: Vec<Id> = Vec::new();
        let waits = |id: &Id, done: &[bool]| !done[*id as usize] && !nodes[*id as usize].is_given();
        loop {
            let id = open.last().copied();
            let operands = id.map_or_else(|| end.operands(nodes), |id| nodes[id as usize].operands());
            let before = operands.iter().copied().filter(|id| waits(id, &done));
            // of those that are equally deep the first
            let deeper = |best: Id, id: Id| {
                if depth[id as usize] > depth[best as usize] {
                    id
                } else {
                    best
                }
            };
            match (before.reduce(deeper), id) {
                (Some(next), _) => open.push(next),
                (None, Some(id)) => {
                    open.pop();
                    done[id as usize] = true;
                    steps.push(Step::Operation(id));
                }
                (None, None) => break,
            }
        }
        steps.push(end);
    }
    steps
}
