//! Matrix products: tiles of the result in registers.
//!
//! The compiler keeps a tile in registers and its inner loop free of everything else only where nothing in it can fail; so the
//! extents of the factors are compared with the strides once, before the loops, which then go by pointers.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use super::buffer::Lane;
use super::elementwise::{leaky_relu_upward, leaky_step_of_number, relu};
use super::plan::PANEL_COLUMNS;
use super::vector::Vector;

/// Entries of the right factor that are copied to lie side by side.
const PANEL: usize = 256;
/// Bytes of the right factor beyond which some columns of it are copied before they are used: those that lie far apart
/// would not stay in the first-level cache, where addresses at such distances have the same few places.
const SPREAD: usize = 16 << 10;

/// Rows of a tile that share an address of the left factor; a tile has at most twice as many.
const NEAR: usize = 4;

/// An entry of a factor: one number for all points, or one for each.
pub(crate) trait Entry: Copy {
    /// Whether entries are so large that a matrix of them may be spread over the memory.
    const LARGE: bool;
    fn load<V: Vector>(&self) -> V;
}

impl Entry for f64 {
    const LARGE: bool = false;

    #[inline(always)]
    fn load<V: Vector>(&self) -> V {
        V::splat(*self)
    }
}

impl Entry for Lane {
    const LARGE: bool = true;

    #[inline(always)]
    fn load<V: Vector>(&self) -> V {
        V::load(self)
    }
}

/// What the left factor is of the entries of so many matrices.
pub(super) trait Function<const COUNT: usize>: Copy {
    fn of<V: Vector>(self, entries: [V; COUNT]) -> V;
}

/// `x`
#[derive(Clone, Copy)]
pub(super) struct Plain;
/// `relu(x)`
#[derive(Clone, Copy)]
pub(super) struct Relu;
/// `leaky_relu(x)` with a slope in (0, 1]
#[derive(Clone, Copy)]
pub(super) struct LeakyRelu(pub(super) f64);
/// `(x - y) leaky_step(x)` with this slope
#[derive(Clone, Copy)]
pub(super) struct LeakyStep(pub(super) f64);
/// `(x - y) (1 - z^2)`
#[derive(Clone, Copy)]
pub(super) struct TanhStep;
/// `(x - y) z`
#[derive(Clone, Copy)]
pub(super) struct Scaled;

impl Function<1> for Plain {
    #[inline(always)]
    fn of<V: Vector>(self, [x]: [V; 1]) -> V {
        x
    }
}

impl Function<1> for Relu {
    #[inline(always)]
    fn of<V: Vector>(self, [x]: [V; 1]) -> V {
        relu(x)
    }
}

impl Function<1> for LeakyRelu {
    #[inline(always)]
    fn of<V: Vector>(self, [x]: [V; 1]) -> V {
        leaky_relu_upward(x, V::splat(self.0))
    }
}

impl Function<2> for LeakyStep {
    #[inline(always)]
    fn of<V: Vector>(self, [x, y]: [V; 2]) -> V {
        // where x is NaN the difference is
        (x - y) * leaky_step_of_number(x, V::splat(self.0))
    }
}

impl Function<3> for TanhStep {
    #[inline(always)]
    fn of<V: Vector>(self, [x, y, z]: [V; 3]) -> V {
        (x - y) * (V::splat(1.0) - z * z)
    }
}

impl Function<3> for Scaled {
    #[inline(always)]
    fn of<V: Vector>(self, [x, y, z]: [V; 3]) -> V {
        (x - y) * z
    }
}

/// A matrix in memory: the distances of its rows and of its columns.
#[derive(Clone, Copy)]
pub(super) struct Strides {
    pub(super) row: usize,
    pub(super) column: usize,
}

impl Strides {
    #[inline(always)]
    fn at(self, row: usize, column: usize) -> usize {
        row * self.row + column * self.column
    }

    /// Entries that a matrix of this size takes.
    #[inline(always)]
    fn extent(self, rows: usize, columns: usize) -> usize {
        if rows == 0 || columns == 0 {
            0
        } else {
            self.at(rows - 1, columns - 1) + 1
        }
    }
}

/// Sizes and places of a matrix product.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) rows: usize,
    pub(super) inner: usize,
    pub(super) columns: usize,
    pub(super) left: Strides,
    pub(super) right: Strides,
    /// the right factor stands in panels, without gaps
    pub(super) panels: bool,
    pub(super) out: Strides,
    /// the product is added to what stands there
    pub(super) more: bool,
}

/// Distances of rows and columns in bytes; reckoned once, and without checks, which would cost as much as a short sum.
#[derive(Clone, Copy)]
struct Steps {
    left: [usize; 2],
    right: [usize; 2],
    out: [usize; 2],
}

impl Shape {
    #[inline(always)]
    fn steps<A, B>(&self) -> Steps {
        let bytes =
            |strides: Strides, size: usize| [strides.row, strides.column].map(|entries| entries * size);
        Steps {
            left: bytes(self.left, size_of::<A>()),
            right: bytes(self.right, size_of::<B>()),
            out: bytes(self.out, size_of::<Lane>()),
        }
    }
}

/// `out = f(left) right`, or with a row `plus` that is added to each of the result.
///
/// # Panics
/// Where a slice is shorter than the shape wants; `plus` may be empty.
#[inline(always)]
pub(super) fn multiply<
    V: Vector,
    const ROWS: usize,
    A: Entry,
    B: Entry,
    F: Function<COUNT>,
    const COUNT: usize,
>(
    left: [&[A]; COUNT],
    function: F,
    right: &[B],
    plus: &[Lane],
    shape: Shape,
    out: &mut [Lane],
) {
    let Shape {
        rows, inner, columns, ..
    } = shape;
    let mut fits = shape.right.extent(inner, columns) <= right.len()
        && shape.out.extent(rows, columns) <= out.len()
        && (plus.is_empty() || shape.out.extent(1, columns) <= plus.len());
    let mut pointers = [std::ptr::null(); COUNT];
    for number in 0..COUNT {
        fits &= shape.left.extent(rows, inner) <= left[number].len();
        pointers[number] = left[number].as_ptr();
    }
    assert!(fits, "a factor is too short");
    let tiles = Tiles {
        left: pointers,
        function,
        right: right.as_ptr(),
        plus: if plus.is_empty() {
            std::ptr::null()
        } else {
            plus.as_ptr()
        },
        shape,
        out: out.as_mut_ptr(),
    };
    // SAFETY: the matrices lie within the slices, as just checked
    unsafe { tiles.all::<V, ROWS>() };
}

/// A matrix product by pointers.
#[derive(Clone, Copy)]
struct Tiles<A, B, F, const COUNT: usize> {
    left: [*const A; COUNT],
    function: F,
    right: *const B,
    /// null where nothing is added
    plus: *const Lane,
    shape: Shape,
    out: *mut Lane,
}

/// All of these are safe where the matrices of the shape lie in memory that may be read, and for the result written.
impl<A: Entry, B: Entry, F: Function<COUNT>, const COUNT: usize> Tiles<A, B, F, COUNT> {
    /// Tile by tile; all rows of the left factor meet some columns of the right one, which thus stay in the first-level cache,
    /// before the next.
    #[inline(always)]
    unsafe fn all<V: Vector, const ROWS: usize>(self) {
        let Shape {
            rows, inner, columns, ..
        } = self.shape;
        let bytes = self.shape.right.extent(inner, columns) * size_of::<B>();
        let copied = B::LARGE && !self.shape.panels && bytes > SPREAD && rows >= 2 * ROWS;
        let mut column = 0;
        while column + PANEL_COLUMNS <= columns {
            unsafe { self.columns::<V, ROWS, PANEL_COLUMNS>(column, copied) };
            column += PANEL_COLUMNS;
        }
        while column < columns {
            unsafe { self.columns::<V, 4, 1>(column, false) };
            column += 1;
        }
    }

    /// Some columns of the result; those of the right factor are copied side by side first, [`PANEL`] entries at a time, or not.
    #[inline(always)]
    unsafe fn columns<V: Vector, const ROWS: usize, const COLUMNS: usize>(
        mut self,
        column: usize,
        copied: bool,
    ) {
        let Shape {
            inner,
            left,
            mut right,
            out,
            ..
        } = self.shape;
        let side_by_side = Strides {
            row: COLUMNS,
            column: 1,
        };
        unsafe {
            let first = out.at(0, column);
            self.out = self.out.add(first);
            if !self.plus.is_null() {
                self.plus = self.plus.add(first);
            }
            if self.shape.panels {
                self.right = self.right.add(column * inner);
                right = side_by_side;
            } else {
                self.right = self.right.add(right.at(0, column));
            }
            let mut panel = [const { MaybeUninit::<B>::uninit() }; PANEL];
            let depth = if copied { PANEL / COLUMNS } else { inner.max(1) };
            let mut first = 0;
            loop {
                let mut part = self;
                part.shape.inner = depth.min(inner - first);
                part.shape.more |= first > 0;
                part.shape.right = right;
                if copied {
                    // the panel has room for `depth` rows, and what is read of it has been written
                    for row in 0..part.shape.inner {
                        for number in 0..COLUMNS {
                            let entry = *self.right.add(right.at(first + row, number));
                            panel[row * COLUMNS + number].write(entry);
                        }
                    }
                    part.right = panel.as_ptr().cast();
                    part.shape.right = side_by_side;
                }
                for number in 0..COUNT {
                    part.left[number] = self.left[number].add(first * left.column);
                }
                first += depth;
                if first < inner {
                    part.plus = std::ptr::null();
                }
                part.rows::<V, ROWS, COLUMNS>();
                if first >= inner {
                    return;
                }
            }
        }
    }

    /// Tiles below each other; the last rows in lower ones.
    #[inline(always)]
    unsafe fn rows<V: Vector, const ROWS: usize, const COLUMNS: usize>(mut self) {
        let steps = self.shape.steps::<A, B>();
        let mut rows = self.shape.rows;
        unsafe {
            while rows >= ROWS {
                self.tile::<V, ROWS, COLUMNS>(steps);
                self.descend(ROWS, steps);
                rows -= ROWS;
            }
            while ROWS > 4 && rows >= 4 {
                self.tile::<V, 4, COLUMNS>(steps);
                self.descend(4, steps);
                rows -= 4;
            }
            while rows > 0 {
                self.tile::<V, 1, COLUMNS>(steps);
                self.descend(1, steps);
                rows -= 1;
            }
        }
    }

    /// Moves on by some rows.
    #[inline(always)]
    fn descend(&mut self, rows: usize, steps: Steps) {
        for number in 0..COUNT {
            self.left[number] = self.left[number].wrapping_byte_add(rows.wrapping_mul(steps.left[0]));
        }
        self.out = self.out.wrapping_byte_add(rows.wrapping_mul(steps.out[0]));
    }

    /// The first tile of the result: each entry is the sum over `inner`, in order.
    #[expect(
        clippy::needless_range_loop,
        reason = "a row and a column index several arrays, of which some are behind pointers"
    )]
    #[inline(always)]
    unsafe fn tile<V: Vector, const ROWS: usize, const COLUMNS: usize>(self, steps: Steps) {
        let Tiles {
            shape, function, out, ..
        } = self;
        let at = |i: usize, j: usize| {
            let [row, column] = steps.out;
            out.wrapping_byte_add(i.wrapping_mul(row).wrapping_add(j.wrapping_mul(column)))
        };
        unsafe {
            // a base for every four rows: the processor adds what lies between to the address
            let mut left = [self.left; 2];
            for number in 0..COUNT {
                left[1][number] = left[0][number].wrapping_byte_add(NEAR.wrapping_mul(steps.left[0]));
            }
            let mut right = self.right;
            let mut sums = [[V::splat(-0.0); COLUMNS]; ROWS];
            if shape.more {
                for i in 0..ROWS {
                    for j in 0..COLUMNS {
                        sums[i][j] = V::load(&*at(i, j));
                    }
                }
            }
            for _ in 0..shape.inner {
                let mut factors = [V::splat(0.0); COLUMNS];
                for j in 0..COLUMNS {
                    factors[j] = (*right.wrapping_byte_add(j.wrapping_mul(steps.right[1]))).load();
                }
                for i in 0..ROWS {
                    let mut entries = [V::splat(0.0); COUNT];
                    for number in 0..COUNT {
                        let below = (i % NEAR).wrapping_mul(steps.left[0]);
                        entries[number] = (*left[i / NEAR][number].wrapping_byte_add(below)).load();
                    }
                    let factor = function.of(entries);
                    for j in 0..COLUMNS {
                        sums[i][j] = factor.mul_add(factors[j], sums[i][j]);
                    }
                }
                for number in 0..COUNT {
                    left[0][number] = left[0][number].wrapping_byte_add(steps.left[1]);
                    left[1][number] = left[1][number].wrapping_byte_add(steps.left[1]);
                }
                right = right.wrapping_byte_add(steps.right[0]);
            }
            if !self.plus.is_null() {
                for j in 0..COLUMNS {
                    let plus = self.plus.wrapping_byte_add(j.wrapping_mul(steps.out[1]));
                    let plus = V::load(&*plus);
                    for i in 0..ROWS {
                        sums[i][j] = sums[i][j] + plus;
                    }
                }
            }
            for i in 0..ROWS {
                for j in 0..COLUMNS {
                    sums[i][j].store(&mut *at(i, j));
                }
            }
        }
    }
}
