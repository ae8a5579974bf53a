//! Products of data with many zeros and a factor in panels: each row of the data meets only what its other entries multiply.
//!
//! As in [`super::product`], extents are compared once, and the loops go by pointers.
#![allow(unsafe_code)]

use std::ops::Range;

use super::buffer::Lane;
use super::plan::SPARSE_COLUMNS;
use super::vector::Vector;

/// Rows that go together: an entry of the right factor is read once for both.
const BAND: usize = 2;
/// Rows of which one is chosen for a band.
const NEAR: usize = 32;

/// A matrix without the columns of each band of rows that hold zeros alone. The bands of a strip are rows of it whose zeros stand in much
/// the same columns.
#[derive(Clone, Debug)]
pub(super) struct Sparse {
    rows: usize,
    /// columns of the matrix
    inner: usize,
    /// rows of a strip, in which bands lie
    strip: usize,
    /// the rows of each band, twice the same where it has one alone
    bands: Vec<[usize; BAND]>,
    /// where each band begins among the entries, and where the last ends
    starts: Vec<usize>,
    /// columns and their numbers in the rows of the band; all columns lie within the matrix
    entries: Vec<(usize, [f64; BAND])>,
}

impl Sparse {
    /// A matrix of so many columns, row-major, that is multiplied in strips of so many rows.
    pub(super) fn new(numbers: &[f64], inner: usize, strip: usize) -> Sparse {
        let rows = numbers.len() / inner;
        let row = |number: usize| &numbers[number * inner..][..inner];
        let mut sparse = Sparse {
            rows,
            inner,
            strip,
            bands: Vec::new(),
            starts: vec![0],
            entries: Vec::new(),
        };
        for first in (0..rows).step_by(strip) {
            // a row with that of the others which leaves fewest columns
            let mut open: Vec<usize> = (first..rows.min(first + strip)).rev().collect();
            while let Some(one) = open.pop() {
                let both = |other: usize| {
                    let pairs = row(one).iter().zip(row(other));
                    pairs.filter(|(a, b)| **a != 0.0 || **b != 0.0).count()
                };
                // the first of equal ones
                let near = (0..open.len()).rev().take(NEAR);
                let best = near.min_by_key(|place| both(open[*place]));
                let band = [one, best.map_or(one, |place| open.remove(place))];
                for column in 0..inner {
                    let entry = band.map(|number| row(number)[column]);
                    if entry != [0.0; BAND] {
                        sparse.entries.push((column, entry));
                    }
                }
                sparse.bands.push(band);
                sparse.starts.push(sparse.entries.len());
            }
        }
        sparse
    }

    /// Whether products without the zeros of these numbers take less time: they have lower tiles.
    pub(super) fn pays(numbers: &[f64]) -> bool {
        let zeros = numbers.iter().filter(|number| **number == 0.0).count();
        3 * zeros >= numbers.len()
    }

    /// `out = rows right`, with a right factor of so many columns in panels of [`SPARSE_COLUMNS`], or with a row `plus` that is added to
    /// each of the result.
    ///
    /// A sum of nothing but zeros is 0, also where all products would be -0.
    ///
    /// # Panics
    /// Where a slice is too short; `plus` may be empty. Or where the rows do not begin and end with strips.
    #[inline(always)]
    pub(super) fn multiply<V: Vector, const ROWS: usize>(
        &self,
        rows: Range<usize>,
        right: &[Lane],
        plus: &[Lane],
        columns: usize,
        out: &mut [Lane],
    ) {
        assert!(
            rows.start.is_multiple_of(self.strip)
                && (rows.end.is_multiple_of(self.strip) && rows.end <= self.rows || rows.end == self.rows),
            "a band is cut"
        );
        // whole strips before, and after them a part of one at the end alone
        let band =
            |row: usize| row / self.strip * self.strip.div_ceil(BAND) + (row % self.strip).div_ceil(BAND);
        let (starts, bands) = (
            &self.starts[band(rows.start)..=band(rows.end)],
            &self.bands[band(rows.start)..band(rows.end)],
        );
        assert!(
            self.inner * columns <= right.len()
                && rows.len() * columns <= out.len()
                && (plus.is_empty() || columns <= plus.len()),
            "a factor is too short"
        );
        for column in (0..columns).step_by(SPARSE_COLUMNS) {
            let width = SPARSE_COLUMNS.min(columns - column);
            let mut first = 0;
            // as many sums at a time as the registers hold
            macro_rules! some {
                ($count:literal) => {
                    while width - first >= $count {
                        let part = Part {
                            right: right[column * self.inner + first..].as_ptr(),
                            width,
                            plus: if plus.is_empty() {
                                std::ptr::null()
                            } else {
                                plus[column + first..].as_ptr()
                            },
                            first: rows.start,
                            columns,
                            out: out[column + first..].as_mut_ptr(),
                        };
                        // SAFETY: the matrices lie within the slices, as just checked, and the rows of the bands between those asked for
                        unsafe { part.all::<V, $count>(bands, starts, &self.entries) };
                        first += $count;
                    }
                };
            }
            if ROWS >= SPARSE_COLUMNS {
                some!(8);
            }
            some!(2);
            some!(1);
        }
    }
}

/// Some columns of the result.
#[derive(Clone, Copy)]
struct Part {
    /// the first of them in a panel of the right factor
    right: *const Lane,
    /// columns of that panel
    width: usize,
    /// null where nothing is added
    plus: *const Lane,
    /// number of the first row
    first: usize,
    /// columns of the result
    columns: usize,
    out: *mut Lane,
}

impl Part {
    #[expect(
        clippy::needless_range_loop,
        reason = "a column indexes what is behind pointers, too"
    )]
    #[inline(always)]
    unsafe fn all<V: Vector, const COUNT: usize>(
        self,
        bands: &[[usize; BAND]],
        starts: &[usize],
        entries: &[(usize, [f64; BAND])],
    ) {
        for (rows, band) in bands.iter().zip(starts.windows(2)) {
            let mut sums = [[V::splat(0.0); COUNT]; BAND];
            for (column, numbers) in &entries[band[0]..band[1]] {
                let numbers = [V::splat(numbers[0]), V::splat(numbers[1])];
                let right = self.right.wrapping_add(column.wrapping_mul(self.width));
                for j in 0..COUNT {
                    let factor = unsafe { V::load(&*right.add(j)) };
                    for i in 0..BAND {
                        sums[i][j] = numbers[i].mul_add(factor, sums[i][j]);
                    }
                }
            }
            for i in 0..BAND {
                let out =
                    (self.out).wrapping_add((rows[i].wrapping_sub(self.first)).wrapping_mul(self.columns));
                for j in 0..COUNT {
                    if !self.plus.is_null() {
                        sums[i][j] = sums[i][j] + unsafe { V::load(&*self.plus.add(j)) };
                    }
                    sums[i][j].store(unsafe { &mut *out.add(j) });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::buffer::LANES;
    use super::super::level::{Kernel, Level};
    use super::*;

    struct Multiply<'a> {
        left: &'a Sparse,
        rows: Range<usize>,
        right: &'a [Lane],
        plus: &'a [Lane],
        columns: usize,
        out: &'a mut [Lane],
    }

    impl Kernel for Multiply<'_> {
        #[inline(always)]
        fn run<V: Vector, const ROWS: usize>(self) {
            let Multiply {
                left,
                rows,
                right,
                plus,
                columns,
                out,
            } = self;
            left.multiply::<V, ROWS>(rows, right, plus, columns, out);
        }
    }

    /// Rows that are alike go together, within their strip.
    #[test]
    fn bands_are_of_rows_that_are_alike() {
        let numbers = [
            [1.0, 2.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
            [3.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, 5.0, 6.0],
            [1.0, 1.0, 0.0, 0.0],
        ];
        let sparse = Sparse::new(numbers.as_flattened(), 4, 4);
        assert_eq!(sparse.bands, [[0, 2], [1, 3], [4, 4]]);
        assert_eq!(sparse.starts, [0, 2, 4, 6]);
        assert_eq!(sparse.entries[2], (2, [1.0, 5.0]));
    }

    /// Five rows, some empty, one full, the last without a second in its band; all widths of the last panel. The integers are
    /// exact in any order.
    #[test]
    fn sums_leave_out_zeros() {
        let (rows, inner) = (5, 7);
        let number = |row: usize, k: usize| match row {
            0 | 1 => 0.0,
            2 => 1.0 + k as f64,
            _ => ((row * 5 + k * 3) % 4) as f64,
        };
        let factor = |k: usize, column: usize, lane: usize| (k * 31 + column * 7 + lane) as f64 - 90.0;
        let numbers: Vec<f64> = (0..rows * inner)
            .map(|place| number(place / inner, place % inner))
            .collect();
        let sparse = Sparse::new(&numbers, inner, 2);
        for (level, columns) in Level::available()
            .into_iter()
            .flat_map(|level| (1..=19).map(move |columns| (level, columns)))
        {
            let mut right: Vec<Lane> = Vec::new();
            for first in (0..columns).step_by(SPARSE_COLUMNS) {
                for k in 0..inner {
                    let panel = first..columns.min(first + SPARSE_COLUMNS);
                    right.extend(panel.map(|column| std::array::from_fn(|lane| factor(k, column, lane))));
                }
            }
            let plus: Vec<Lane> = (0..columns).map(|column| [column as f64; LANES]).collect();
            for (range, plus) in [(0..5, &plus[..]), (2..5, &plus[..0]), (2..4, &plus[..])] {
                let mut out = vec![[f64::NAN; LANES]; range.len() * columns];
                level.run(Multiply {
                    left: &sparse,
                    rows: range.clone(),
                    right: &right,
                    plus,
                    columns,
                    out: &mut out,
                });
                for (place, found) in out.iter().enumerate() {
                    let (row, column) = (range.start + place / columns, place % columns);
                    for (lane, found) in found.iter().enumerate() {
                        let terms = (0..inner).map(|k| number(row, k) * factor(k, column, lane));
                        let sum = terms.sum::<f64>() + plus.get(column).map_or(0.0, |plus| plus[lane]);
                        assert_eq!(
                            *found, sum,
                            "{level:?}, {columns} columns, {row}, {column}, {lane}"
                        );
                    }
                }
            }
        }
    }
}
