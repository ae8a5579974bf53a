//! Matrix products: tiles of the result in registers.
//!
//! The compiler keeps a tile in registers and its inner loop free of everything else only where nothing in it can fail; so the
//! extents of the factors are compared with the strides once, before the loops, which then go by pointers.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use super::buffer::Lane;
use super::elementwise::{leaky_relu, relu};
use super::vector::Vector;

/// Entries of the right factor that are copied to lie side by side.
const PANEL: usize = 256;
/// Bytes of the right factor beyond which some columns of it are copied before they are used: those that lie far apart
/// would not stay in the first-level cache, where addresses at such distances have the same few places.
const SPREAD: usize = 16 << 10;

/// An entry of a factor: one number for all points, or one for each.
pub(super) trait Entry: Copy {
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

/// What an entry of the left factor goes through.
pub(super) trait Function: Copy {
    fn of<V: Vector>(self, x: V) -> V;
}

#[derive(Clone, Copy)]
pub(super) struct Plain;
#[derive(Clone, Copy)]
pub(super) struct Relu;
/// With a slope below 0.
#[derive(Clone, Copy)]
pub(super) struct LeakyRelu(pub(super) f64);

impl Function for Plain {
    #[inline(always)]
    fn of<V: Vector>(self, x: V) -> V {
        x
    }
}

impl Function for Relu {
    #[inline(always)]
    fn of<V: Vector>(self, x: V) -> V {
        relu(x)
    }
}

impl Function for LeakyRelu {
    #[inline(always)]
    fn of<V: Vector>(self, x: V) -> V {
        leaky_relu(x, V::splat(self.0))
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
    pub(super) out: Strides,
    /// the product is added to what stands there
    pub(super) more: bool,
}

/// A matrix product, tile by tile; all rows of the left factor meet some columns of the right one, which thus stay in the first-level cache,
/// before the next.
#[inline(always)]
pub(super) fn multiply<
    V: Vector,
    const ROWS: usize,
    const COLUMNS: usize,
    A: Entry,
    B: Entry,
    F: Function,
>(
    a: &[A],
    b: &[B],
    f: F,
    shape: Shape,
    out: &mut [Lane],
) {
    let Shape {
        rows, inner, columns, ..
    } = shape;
    assert!(
        shape.left.extent(rows, inner) <= a.len()
            && shape.right.extent(inner, columns) <= b.len()
            && shape.out.extent(rows, columns) <= out.len(),
        "a factor is too short"
    );
    let bytes = shape.right.extent(inner, columns) * size_of::<B>();
    let spread = B::LARGE && bytes > SPREAD && rows >= 2 * ROWS;
    let (a, b, out) = (a.as_ptr(), b.as_ptr(), out.as_mut_ptr());
    let mut column = 0;
    // SAFETY: the tiles lie within the matrices, and these within the slices
    while column + COLUMNS <= columns {
        if spread {
            unsafe { packed::<V, ROWS, COLUMNS, A, B, F>(a, b, f, shape, column, out) };
        } else {
            unsafe { column_of_tiles::<V, ROWS, COLUMNS, A, B, F>(a, b, f, shape, column, out) };
        }
        column += COLUMNS;
    }
    while column < columns {
        unsafe { column_of_tiles::<V, ROWS, 1, A, B, F>(a, b, f, shape, column, out) };
        column += 1;
    }
}

/// Tiles below each other, with the columns of the right factor copied first.
#[inline(always)]
unsafe fn packed<V: Vector, const ROWS: usize, const COLUMNS: usize, A: Entry, B: Entry, F: Function>(
    a: *const A,
    b: *const B,
    f: F,
    shape: Shape,
    column: usize,
    out: *mut Lane,
) {
    let mut panel = [const { MaybeUninit::<B>::uninit() }; PANEL];
    let depth = PANEL / COLUMNS;
    let mut first = 0;
    while first < shape.inner {
        let part = Shape {
            inner: depth.min(shape.inner - first),
            right: Strides {
                row: COLUMNS,
                column: 1,
            },
            more: shape.more || first > 0,
            ..shape
        };
        // SAFETY: the panel has room for `depth` rows, and what is read of it has been written
        unsafe {
            for row in 0..part.inner {
                for number in 0..COLUMNS {
                    let entry = *b.add(shape.right.at(first + row, column + number));
                    panel[row * COLUMNS + number].write(entry);
                }
            }
            let a = a.add(first * shape.left.column);
            let out = out.add(shape.out.at(0, column));
            column_of_tiles::<V, ROWS, COLUMNS, A, B, F>(a, panel.as_ptr().cast(), f, part, 0, out);
        }
        first += depth;
    }
}

/// Tiles below each other; the last rows in lower ones.
#[inline(always)]
unsafe fn column_of_tiles<
    V: Vector,
    const ROWS: usize,
    const COLUMNS: usize,
    A: Entry,
    B: Entry,
    F: Function,
>(
    a: *const A,
    b: *const B,
    f: F,
    shape: Shape,
    column: usize,
    out: *mut Lane,
) {
    let mut row = 0;
    while row + ROWS <= shape.rows {
        unsafe { tile::<V, ROWS, COLUMNS, A, B, F>(a, b, f, shape, [row, column], out) };
        row += ROWS;
    }
    while ROWS > 4 && row + 4 <= shape.rows {
        unsafe { tile::<V, 4, COLUMNS, A, B, F>(a, b, f, shape, [row, column], out) };
        row += 4;
    }
    while row < shape.rows {
        unsafe { tile::<V, 1, COLUMNS, A, B, F>(a, b, f, shape, [row, column], out) };
        row += 1;
    }
}

/// A tile of the result: each entry is the sum over `inner`, in order.
#[expect(
    clippy::needless_range_loop,
    reason = "a row and a column index three arrays, of which one is behind a pointer"
)]
#[inline(always)]
unsafe fn tile<V: Vector, const ROWS: usize, const COLUMNS: usize, A: Entry, B: Entry, F: Function>(
    a: *const A,
    b: *const B,
    f: F,
    shape: Shape,
    [row, column]: [usize; 2],
    out: *mut Lane,
) {
    unsafe {
        let (mut a, mut b) = (a.add(row * shape.left.row), b.add(column * shape.right.column));
        let out = out.add(shape.out.at(row, column));
        let mut sums = [[V::splat(-0.0); COLUMNS]; ROWS];
        if shape.more {
            for i in 0..ROWS {
                for j in 0..COLUMNS {
                    sums[i][j] = V::load(&*out.add(shape.out.at(i, j)));
                }
            }
        }
        for _ in 0..shape.inner {
            let mut right = [V::splat(0.0); COLUMNS];
            for j in 0..COLUMNS {
                right[j] = (*b.add(j * shape.right.column)).load();
            }
            for i in 0..ROWS {
                let left: V = f.of((*a.add(i * shape.left.row)).load());
                for j in 0..COLUMNS {
                    sums[i][j] = left.mul_add(right[j], sums[i][j]);
                }
            }
            a = a.wrapping_add(shape.left.column);
            b = b.wrapping_add(shape.right.row);
        }
        for i in 0..ROWS {
            for j in 0..COLUMNS {
                sums[i][j].store(&mut *out.add(shape.out.at(i, j)));
            }
        }
    }
}
