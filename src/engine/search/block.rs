//! Points side by side that move through the region, each on its own.
//!
//! What a lane does never depends on the others, and nothing is allocated once a block exists.

use crate::claim::region::SetBounds;
use crate::engine::points::{Point, Points};
use crate::engine::sample::Candidate;
use crate::eval::bulk::{Bulk, LANES, Lane};
use crate::graph::op::Input;

/// Some of the points.
pub(super) type Mask = [bool; LANES];

/// A number for each point.
pub(super) fn lanes<T>(of: impl FnMut(usize) -> T) -> [T; LANES] {
    std::array::from_fn(of)
}

/// Points side by side, the slack there, and where they may go.
pub(super) struct Block<'a> {
    /// its roots: the slack, so many constraints, and what the kind of search asks for
    bulk: Bulk,
    constraints: usize,
    /// the inputs that vary
    pub(super) sides: Vec<Side<'a>>,
    /// the slacks at the points
    pub(super) lowest: Lane,
    /// points that are not repetitions of the last
    pub(super) used: Mask,
    /// evaluations of the slack since the points were loaded, of these points alone
    pub(super) evaluations: u64,
}

/// The points in one of the inputs.
pub(super) struct Side<'a> {
    input: Input,
    set: &'a SetBounds,
    /// the largest width of the set
    pub(super) scale: f64,
    pub(super) points: Vec<Lane>,
    pub(super) direction: Vec<Lane>,
}

impl<'a> Block<'a> {
    /// Room for points; the first roots are the slack and so many constraints.
    pub(super) fn new(bulk: Bulk, constraints: usize, points: &'a Points) -> Block<'a> {
        let sides = points.free().iter().map(|(input, set)| Side {
            input: *input,
            set,
            scale: set.scale(),
            points: vec![[0.0; LANES]; set.dimension()],
            direction: vec![[0.0; LANES]; set.dimension()],
        });
        Block {
            bulk,
            constraints,
            sides: sides.collect(),
            lowest: [f64::INFINITY; LANES],
            used: [false; LANES],
            evaluations: 0,
        }
    }

    /// Puts at most [`LANES`] points side by side, which stand still. The slacks there are not known yet.
    pub(super) fn load(&mut self, starts: &[Candidate]) {
        for side in &mut self.sides {
            side.direction.fill([0.0; LANES]);
            for lane in 0..LANES {
                let start = &starts[lane.min(starts.len() - 1)].point;
                for (entry, x) in side.points.iter_mut().zip(start.side(side.input)) {
                    entry[lane] = *x;
                }
            }
        }
        self.lowest = [f64::INFINITY; LANES];
        self.used = lanes(|lane| lane < starts.len());
        self.evaluations = 0;
    }

    /// The slacks where some of the points come to that move along their directions and back into the region; infinite outside the
    /// constraints, where the slack is not a number, and for the other points.
    pub(super) fn slacks(&mut self, along: &Lane, which: &Mask) -> Lane {
        let sides = &self.sides;
        self.bulk.block(|entries| {
            for side in sides {
                let motion = side.motion(along);
                let moves = side.points.iter().zip(&side.direction).enumerate();
                let entries = entries[usize::from(side.input == Input::V)].iter_mut();
                for (entry, (place, (x, direction))) in entries.zip(moves) {
                    *entry = motion.of(place, x, direction);
                }
            }
        });
        self.evaluations += which.iter().filter(|which| **which).count() as u64;
        let mut slacks = self.bulk.root(0, 0, 0);
        for lane in 0..LANES {
            let inside = (1..=self.constraints).all(|root| self.bulk.root(root, 0, 0)[lane] >= 0.0);
            if !which[lane] || !inside || slacks[lane].is_nan() {
                slacks[lane] = f64::INFINITY;
            }
        }
        slacks
    }

    /// Moves some of the points for good; the slacks where they come to are known.
    pub(super) fn accept(&mut self, along: &Lane, slacks: &Lane, which: &Mask) {
        if !which.contains(&true) {
            return;
        }
        for side in &mut self.sides {
            let motion = side.motion(along);
            for (place, (x, direction)) in side.points.iter_mut().zip(&side.direction).enumerate() {
                let moved = motion.of(place, x, direction);
                *x = lanes(|lane| if which[lane] { moved[lane] } else { x[lane] });
            }
        }
        self.lowest = lanes(|lane| {
            if which[lane] {
                slacks[lane]
            } else {
                self.lowest[lane]
            }
        });
    }

    /// Evaluates the slacks at the points themselves.
    pub(super) fn begin(&mut self) {
        let (still, used) = ([0.0; LANES], self.used);
        let slacks = self.slacks(&still, &used);
        self.accept(&still, &slacks, &used);
    }

    /// An entry of one of the roots beyond slack and constraints, where the points came to last.
    pub(super) fn further(&self, root: usize, place: usize) -> Lane {
        self.bulk.root(1 + self.constraints + root, place, 0)
    }

    /// Lengths of the directions.
    pub(super) fn lengths(&self) -> Lane {
        let mut squares = [0.0; LANES];
        for entry in self.sides.iter().flat_map(|side| &side.direction) {
            squares = lanes(|lane| squares[lane] + entry[lane] * entry[lane]);
        }
        squares.map(f64::sqrt)
    }

    /// The points and the slacks there.
    pub(super) fn found(&self) -> Vec<Candidate> {
        let used = (0..LANES).filter(|lane| self.used[*lane]);
        used.map(|lane| {
            let mut point = Point::default();
            for side in &self.sides {
                *point.side_mut(side.input) = side.points.iter().map(|entry| entry[lane]).collect();
            }
            Candidate {
                point,
                slack: self.lowest[lane],
            }
        })
        .collect()
    }
}

impl<'a> Side<'a> {
    /// An entry of the gradient, but 0 where the way down leads out of a box at its bound: the whole step would be as good as lost on
    /// coordinates that cannot move.
    pub(super) fn unhindered(&self, place: usize, gradient: &Lane) -> Lane {
        let SetBounds::Box { lo, hi } = self.set else {
            return *gradient;
        };
        let (lo, hi, points) = (lo[place].hi, hi[place].lo, &self.points[place]);
        lanes(|lane| match (points[lane], gradient[lane]) {
            (x, entry) if (x <= lo && entry > 0.0) || (x >= hi && entry < 0.0) => 0.0,
            (_, entry) => entry,
        })
    }

    /// The motion so far along the directions and to the nearest point of the set.
    fn motion(&self, along: &Lane) -> Motion<'a> {
        let mut motion = Motion {
            set: self.set,
            along: *along,
            shrink: [1.0; LANES],
        };
        if let SetBounds::Ball { center, radius } = self.set {
            let mut squares = [0.0; LANES];
            for ((x, direction), center) in self.points.iter().zip(&self.direction).zip(center) {
                let center = center.midpoint();
                squares = lanes(|lane| {
                    let distance = x[lane] + along[lane] * direction[lane] - center;
                    squares[lane] + distance * distance
                });
            }
            // a hair inside, so that rounding does not leave the ball
            let reach = radius.lo * (1.0 - 1e-14);
            motion.shrink = squares.map(|square| (reach / square.sqrt()).min(1.0));
        }
        motion
    }
}

/// A motion within a set, as [`SetBounds::project`] ends it.
struct Motion<'a> {
    set: &'a SetBounds,
    along: Lane,
    /// by what distances from the centre of a ball are multiplied
    shrink: Lane,
}

impl Motion<'_> {
    /// Where a coordinate comes to.
    #[inline]
    fn of(&self, place: usize, x: &Lane, direction: &Lane) -> Lane {
        let free = lanes(|lane| x[lane] + self.along[lane] * direction[lane]);
        match self.set {
            SetBounds::Box { lo, hi } => {
                let (lo, hi) = (lo[place].hi, hi[place].lo);
                free.map(|x| x.max(lo).min(hi))
            }
            SetBounds::Ball { center, .. } => {
                let center = center[place].midpoint();
                lanes(|lane| match self.shrink[lane] {
                    1.0 => free[lane],
                    shrink => center + (free[lane] - center) * shrink,
                })
            }
        }
    }
}
