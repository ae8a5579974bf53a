//! A part cut at its kinks: on each piece the function is smooth and goes on beyond it.
//!
//! A kink in one lifted variable splits the variable's range in three: below, above, and the kink
//! itself, where each element of a Clarke set becomes a variable between 0 and 1 of its own. Kinks in
//! several variables stay in the function, whose enclosures know them.

use std::collections::HashMap;

use dashu_base::Signed;
use dashu_ratio::RBig;

use super::cut::Part;
use crate::claim::Claim;
use crate::eval::RigorousArithmetic;
use crate::graph::op::{Binary, Input, Unary};
use crate::graph::{Graph, NodeId};
use crate::symbolic::{Atom, FormId, Rebuilder, Symbolic};

/// Most pieces of a part.
const MAX_PIECES: usize = 125;

/// The two ends of the range of each variable.
pub type Ranges = Vec<[f64; 2]>;

/// A smooth function over a box.
#[derive(Clone, Debug)]
pub struct Piece {
    /// holds the function
    pub graph: Graph,
    /// a scalar of `Input::W`
    pub function: NodeId,
    /// over which box
    pub ranges: Ranges,
    /// a variable at whose zero the function is expected to vanish, see [`Part::tie`]
    pub tie: Option<usize>,
}

impl Piece {
    /// The slack of a claim as one function of all coordinates that vary, `w` first.
    pub fn whole(claim: &Claim, ranges: Ranges) -> Piece {
        let mut graph = claim.graph.clone();
        let inputs = claim.region.inputs();
        let all = graph.input(Input::W, ranges.len());
        let map: Vec<(Input, NodeId)> = inputs
            .iter()
            .enumerate()
            .map(|(number, input)| {
                let start = number * claim.dimension;
                (*input, graph.slice(all, 0, start, 1, claim.dimension))
            })
            .collect();
        let function = graph.substitute(claim.slack, &map);
        Piece {
            graph,
            function,
            ranges,
            tie: None,
        }
    }
}

/// Where a variable lies.
#[derive(Clone, Debug)]
enum Segment {
    /// between two exact numbers
    Between(RBig, RBig),
    /// at a kink
    At(RBig),
}

/// The argument of a kink: `slope * variable + offset`.
struct Kink {
    argument: FormId,
    variable: usize,
    slope: RBig,
    at: RBig,
}

/// A function that may have kinks still, over a box.
struct Kinked {
    arena: Symbolic,
    function: FormId,
    ranges: Ranges,
    tie: Option<usize>,
}

/// Cuts a part over the ranges of its lifted variables; `None` where there would be too many pieces.
///
/// A kink inside another one, as in `relu(abs(t) - 1)`, has an affine argument only on the pieces of that one, which are
/// cut again. Their functions are multiplied out, so that what the branches have in common cancels.
pub fn pieces<A: RigorousArithmetic>(part: &Part, ranges: &Ranges, arithmetic: &mut A) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut pending = cut(
        &Kinked {
            arena: part.arena.clone(),
            function: part.function,
            ranges: ranges.clone(),
            tie: part.tie,
        },
        false,
        arithmetic,
    )?;
    pending.reverse();
    while let Some(piece) = pending.pop() {
        if kinks(&piece.arena, piece.function).is_empty() {
            let mut graph = Graph::new();
            let function = piece.arena.emit(&mut graph, piece.function, piece.ranges.len());
            pieces.push(Piece {
                graph,
                function,
                ranges: piece.ranges,
                tie: piece.tie,
            });
        } else {
            pending.extend(cut(&piece, true, arithmetic)?.into_iter().rev());
        }
        if pieces.len() + pending.len() > MAX_PIECES {
            return None;
        }
    }
    Some(pieces)
}

/// The pieces between and at the kinks whose argument is affine in one variable.
fn cut<A: RigorousArithmetic>(whole: &Kinked, expanding: bool, arithmetic: &mut A) -> Option<Vec<Kinked>> {
    let kinks = kinks(&whole.arena, whole.function);
    let mut segments: Vec<Vec<Segment>> = Vec::new();
    for (number, range) in whole.ranges.iter().enumerate() {
        let (lo, hi) = (RBig::try_from(range[0]).ok()?, RBig::try_from(range[1]).ok()?);
        let own = kinks.iter().filter(|kink| kink.variable == number);
        let mut cuts: Vec<RBig> = own
            .map(|kink| kink.at.clone())
            .filter(|at| lo <= *at && *at <= hi)
            .collect();
        cuts.sort();
        cuts.dedup();
        segments.push(split(lo, hi, cuts));
    }
    let count = segments
        .iter()
        .try_fold(1usize, |count, own| count.checked_mul(own.len()));
    if count.is_none_or(|count| count > MAX_PIECES) {
        return None;
    }
    let mut chosen = vec![0; segments.len()];
    let mut pieces = Vec::new();
    loop {
        let place: Vec<&Segment> = chosen
            .iter()
            .zip(&segments)
            .map(|(&number, own)| &own[number])
            .collect();
        let target = Symbolic::expanding(expanding);
        pieces.push(piece(whole, &kinks, &place, target, arithmetic)?);
        // the next choice, the last variable first
        let mut number = segments.len();
        loop {
            if number == 0 {
                return Some(pieces);
            }
            number -= 1;
            chosen[number] += 1;
            if chosen[number] < segments[number].len() {
                break;
            }
            chosen[number] = 0;
        }
    }
}

fn split(lo: RBig, hi: RBig, cuts: Vec<RBig>) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut from = lo.clone();
    for cut in cuts {
        if from < cut {
            segments.push(Segment::Between(from, cut.clone()));
        }
        segments.push(Segment::At(cut.clone()));
        from = cut;
    }
    if from < hi || segments.is_empty() {
        segments.push(Segment::Between(from, hi));
    }
    segments
}

fn piece<A: RigorousArithmetic>(
    whole: &Kinked,
    kinks: &[Kink],
    place: &[&Segment],
    mut target: Symbolic,
    arithmetic: &mut A,
) -> Option<Kinked> {
    let mut ranges = Ranges::new();
    let atoms: HashMap<u32, _> = whole.arena.variables_behind(whole.function).into_iter().collect();
    let mut tie = None;
    let free = place
        .iter()
        .filter(|segment| matches!(segment, Segment::Between(..)))
        .count();
    let mut rebuilder = Rebuilder::new(&whole.arena, Some(free as u32));
    for (number, segment) in place.iter().enumerate() {
        let by = match segment {
            Segment::Between(lo, hi) => {
                if whole.tie == Some(number) {
                    tie = Some(ranges.len());
                }
                let by = target.variable(ranges.len() as u32);
                let (lo, hi) = (arithmetic.rational(lo), arithmetic.rational(hi));
                ranges.push([arithmetic.ends(&lo).0, arithmetic.ends(&hi).1]);
                by
            }
            Segment::At(value) => target.constant(value.clone()),
        };
        if let Some(&atom) = atoms.get(&(number as u32)) {
            rebuilder.replace_variable(atom, by);
        }
    }
    for kink in kinks {
        if let Segment::Between(lo, hi) = place[kink.variable] {
            let rising = kink.slope.is_positive();
            if kink.at <= *lo {
                rebuilder.assume(kink.argument, rising);
            } else if kink.at >= *hi {
                rebuilder.assume(kink.argument, !rising);
            }
        }
    }
    let function = rebuilder.copy(&mut target, whole.function)?;
    ranges.extend((0..rebuilder.selections()).map(|_| [0.0, 1.0]));
    (!target.exhausted()).then_some(Kinked {
        arena: target,
        function,
        ranges,
        tie,
    })
}

/// Whether a kink has an argument that is affine in one variable alone, this one.
pub fn has_kink(arena: &Symbolic, function: FormId, variable: usize) -> bool {
    kinks(arena, function)
        .iter()
        .any(|kink| kink.variable == variable)
}

/// Kinks whose argument is affine in one lifted variable.
fn kinks(arena: &Symbolic, function: FormId) -> Vec<Kink> {
    let mut kinks: Vec<Kink> = Vec::new();
    for atom in arena.atoms_behind(function, |_| false) {
        let argument = match arena.atom(atom) {
            Atom::Unary(Unary::Relu | Unary::Abs | Unary::Step | Unary::StepRight | Unary::Sign, x)
            | Atom::Binary(Binary::LeakyRelu | Binary::LeakyStep, x, _) => *x,
            _ => continue,
        };
        let form = arena.form(argument);
        if let [(monomial, slope)] = &form.terms[..]
            && let Some(variable) = arena.as_variable(*monomial)
            && kinks.iter().all(|kink| kink.argument != argument)
        {
            kinks.push(Kink {
                argument,
                variable: variable as usize,
                slope: slope.clone(),
                at: -form.constant.clone() / slope,
            });
        }
    }
    kinks
}
