//! A graph compiled to a flat list of instructions over reusable buffers.
//!
//! Tensors with one row for each data point are never held whole where that can be helped: the instructions between the
//! data and the sums over them run on a strip of rows after the other, so that what lies between stays in the
//! first-level cache. Elementwise operations of one size form chains that run over short tiles within a strip.

use std::sync::Arc;

use super::buffer::{Buffer, LANES};
use super::sparse::Sparse;
use crate::graph::op::{Along, Binary, Input, Reduction, Unary};

/// Entries of a tile.
pub(super) const TILE: usize = 96;

/// Columns of a panel, and of the tiles of a product: a matrix in panels has its first columns row by row, then the next.
pub(super) const PANEL_COLUMNS: usize = 2;
/// Columns of a panel that data with many zeros are multiplied by.
pub(super) const SPARSE_COLUMNS: usize = 8;

/// Where the entries of a tensor are.
#[derive(Clone, Debug)]
pub(super) enum Value<B> {
    /// the same for all points
    Numbers(Arc<[f64]>),
    /// in a buffer, at these places
    Lanes(B, Places),
}

/// Places of the entries in a buffer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Places {
    /// one after the other from there on
    Run(usize),
    /// entry by entry
    List(Arc<[usize]>),
}

/// A result and its number of entries.
pub(super) type Root<B> = (Value<B>, usize);

/// A buffer, by number.
pub(super) type Slot = usize;

/// A tensor in a buffer: where its first entry stands, and how far a row of the strip moves on. The latter is 0 for
/// what is the same for all rows, and for buffers that hold one strip.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) slot: Slot,
    pub(super) start: usize,
    pub(super) row: usize,
}

/// An operand or a result in a chain.
#[derive(Clone, Copy, Debug)]
pub(super) enum Port {
    /// a tile
    Tile(Slot),
    /// the tensor
    Whole(At),
    /// the same row of so many entries for all rows: a buffer holds it again and again, [`TILE`] entries beyond the first
    Row(Slot, usize),
    /// one entry of a buffer, whatever the entry of the result
    Entry(Slot, usize),
    /// one number, whatever the entry and the point
    Number(f64),
}

/// The first of two operations that are done together.
#[derive(Clone, Copy, Debug)]
pub(super) enum Inner {
    Add,
    Sub,
    Mul,
}

/// The second of two operations: `From` subtracts from `z`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outer {
    Add,
    Sub,
    From,
    Mul,
}

/// `outer(inner(x, y), z)`, each rounded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fused {
    pub(super) inner: Inner,
    pub(super) outer: Outer,
}

/// What the left factor of a product is of its matrix `x`, and of those beside it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Through {
    /// `x`
    Nothing,
    /// `relu(x)`
    Relu,
    /// `tanh(x)`
    Tanh,
    /// `leaky_relu(x)` with a slope in (0, 1]
    LeakyRelu(f64),
    /// `(x - y) leaky_step(x)` with this slope
    LeakyStep(f64),
    /// `(x - y) (1 - z^2)`, where `z` is the `tanh` of something
    TanhStep,
    /// `(x - y) z`
    Scaled,
}

/// A step of a chain, done for one tile. Lists of numbers and of places move on by a row as buffers do.
#[derive(Clone, Debug)]
pub(super) enum ChainStep {
    /// the same numbers for all points
    Splat(Arc<[f64]>, usize, Port),
    /// entries from anywhere in a buffer
    Gather(At, Arc<[usize]>, usize, Port),
    Unary(Unary, Port, Port),
    Binary(Binary, [Port; 2], Port),
    Fused(Fused, [Port; 3], Port),
}

/// A side of a matrix product: row-major, without gaps.
#[derive(Clone, Debug)]
pub(super) enum Matrix {
    /// the same for all points; a row of the strip moves on so far
    Numbers(Arc<[f64]>, usize),
    /// the same for all points, with many zeros; its rows are those of the strip
    Sparse(Arc<Sparse>),
    Lanes(At),
}

/// A matrix product.
#[derive(Clone, Debug)]
pub(super) struct Product {
    pub(super) left: Matrix,
    pub(super) through: Through,
    /// matrices that the left factor is a function of as well
    pub(super) beside: Vec<At>,
    pub(super) right: Matrix,
    /// a row that is added to each of the result
    pub(super) plus: Option<At>,
    /// the right factor stands in panels of [`PANEL_COLUMNS`], or of [`SPARSE_COLUMNS`] where the left one is sparse
    pub(super) panels: bool,
    pub(super) shape: [Extent; 3],
    /// distance of the rows of the left factor
    pub(super) stride: usize,
    /// first entries of the two factors for each matrix of the result
    pub(super) starts: Vec<[usize; 2]>,
    /// neighbouring vectors of an entry
    pub(super) blocks: usize,
}

/// A size: fixed, or that of the strip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Extent {
    Fixed(usize),
    Strip,
}

/// Lines of a tensor along an axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines {
    pub(super) from: At,
    /// number of lines, their length, and the distance of their entries
    pub(super) shape: [Extent; 3],
}

/// One instruction.
#[derive(Clone, Debug)]
pub(super) enum Instruction {
    Chain {
        /// entries of a row
        width: usize,
        each: Vec<ChainStep>,
    },
    Product(Product, At),
    /// of lines, or of their products with as many entries, by which no matrix is sparse
    Reduce(Reduction, Lines, Option<Matrix>, At),
    Along(Along, Lines, At),
    /// zeros, then each part written from a place on with a stride: (value, places in the result)
    Assemble {
        length: usize,
        parts: Vec<(Value<Slot>, Arc<[usize]>)>,
        to: Slot,
    },
}

/// Instructions that run on a strip of rows after the other. What has no rows has one.
#[derive(Clone, Debug)]
pub(super) struct Strips {
    pub(super) rows: usize,
    pub(super) strip: usize,
    pub(super) body: Vec<Instruction>,
}

/// What is run for each block of points.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) strips: Vec<Strips>,
    /// blocks of points side by side: an entry is so many neighbouring vectors
    pub(super) blocks: usize,
    /// vectors of each buffer
    pub(super) slots: Vec<usize>,
    /// numbers that stand in a buffer, the same for all points
    pub(super) constants: Vec<(Arc<[f64]>, Slot)>,
    /// the inputs that are read: which, their dimension and buffer
    pub(super) inputs: Vec<(Input, usize, Slot)>,
    pub(super) roots: Vec<Root<Slot>>,
}

impl Places {
    /// The place of an entry.
    #[inline(always)]
    pub(super) fn at(&self, position: usize) -> usize {
        match self {
            Places::Run(start) => start + position,
            Places::List(list) => list[position],
        }
    }
}

impl<B: Copy + PartialEq> Value<B> {
    /// Whether two tensors hold the same entries.
    pub(super) fn same(&self, other: &Value<B>) -> bool {
        match (self, other) {
            (Value::Numbers(a), Value::Numbers(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.to_bits() == b.to_bits())
            }
            (Value::Lanes(a, places), Value::Lanes(b, others)) => a == b && places == others,
            (Value::Numbers(_), Value::Lanes(..)) | (Value::Lanes(..), Value::Numbers(_)) => false,
        }
    }
}

impl<B: Copy> Value<B> {
    /// The buffer that is read.
    pub(super) fn base(&self) -> Option<B> {
        match self {
            Value::Numbers(_) => None,
            Value::Lanes(base, _) => Some(*base),
        }
    }

    /// The entries at these places of this tensor.
    pub(super) fn pick(&self, places: &[usize]) -> Value<B> {
        match self {
            Value::Numbers(numbers) => Value::Numbers(places.iter().map(|&place| numbers[place]).collect()),
            Value::Lanes(base, own) => {
                let list: Vec<usize> = places.iter().map(|&place| own.at(place)).collect();
                let first = list.first().copied().unwrap_or(0);
                let run = list
                    .iter()
                    .enumerate()
                    .all(|(number, &place)| place == first + number);
                Value::Lanes(
                    *base,
                    if run {
                        Places::Run(first)
                    } else {
                        Places::List(list.into())
                    },
                )
            }
        }
    }

    pub(super) fn on<C>(&self, base: impl FnOnce(B) -> C) -> Value<C> {
        match self {
            Value::Numbers(numbers) => Value::Numbers(numbers.clone()),
            Value::Lanes(own, places) => Value::Lanes(base(*own), places.clone()),
        }
    }
}

impl Plan {
    /// Buffers of its own, with the numbers that stand in them.
    pub(super) fn buffers(&self) -> Vec<Buffer> {
        let mut slots = Buffer::all(&self.slots);
        for (numbers, slot) in &self.constants {
            for (lane, number) in slots[*slot].lanes_mut().iter_mut().zip(numbers.iter()) {
                *lane = [*number; LANES];
            }
        }
        slots
    }
}

impl Strips {
    /// Instructions that run once.
    pub(super) fn at_once(body: Vec<Instruction>) -> Strips {
        Strips {
            rows: 1,
            strip: 1,
            body,
        }
    }
}
