//! Subspaces in which coordinates are tied together: the entries of a parameter block that differ in one
//! index only, or all of them, are equal. Where every hidden unit of a layer is the same, for instance,
//! the columns (or the rows) of its weights are.

use crate::eval::bulk::Lane;
use crate::graph::size;

/// A partition of the coordinates of a point into groups that move together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tie {
    /// coordinates of each group, in ascending order
    pub groups: Vec<Vec<usize>>,
}

impl Tie {
    /// The ties of parameter blocks with these shapes, which follow each other in the point: over the
    /// first index of every block, over the last, over all. Each is listed once; one that ties nothing
    /// is left out.
    pub fn of(blocks: &[(String, Vec<usize>)]) -> Vec<Tie> {
        let mut ties: Vec<Tie> = Vec::new();
        for over in [Over::First, Over::Last, Over::All] {
            let mut groups = Vec::new();
            let mut offset = 0;
            for (_, shape) in blocks {
                groups.extend(over.groups(shape, offset));
                offset += size(shape);
            }
            let tie = Tie { groups };
            if tie.groups.len() < offset && !ties.contains(&tie) {
                ties.push(tie);
            }
        }
        ties
    }

    /// Gives every coordinate of one of the points the value of the first of its group.
    pub fn apply(&self, points: &mut [Lane], lane: usize) {
        for group in &self.groups {
            for &coordinate in group {
                points[coordinate][lane] = points[group[0]][lane];
            }
        }
    }
}

/// The indices over which the entries of a block are equal.
#[derive(Clone, Copy)]
enum Over {
    First,
    Last,
    All,
}

impl Over {
    /// Groups of a block whose first entry is coordinate `offset`.
    fn groups(self, shape: &[usize], offset: usize) -> Vec<Vec<usize>> {
        let count = size(shape);
        // entries of a group are `stride` apart
        let (members, stride) = match (self, shape) {
            (Over::First, [first, rest @ ..]) => (*first, size(rest)),
            (Over::Last, [.., last]) => (*last, 1),
            (Over::All, _) | (_, []) => (count, 1),
        };
        (0..count)
            .filter(|entry| (entry / stride) % members == 0)
            .map(|first| {
                (0..members)
                    .map(|member| offset + first + member * stride)
                    .collect()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_has_equal_rows_or_equal_columns_or_equal_entries() {
        let blocks = [("W".to_owned(), vec![2, 3]), ("b".to_owned(), vec![3])];
        let ties: Vec<Vec<Vec<usize>>> = Tie::of(&blocks).into_iter().map(|tie| tie.groups).collect();
        let bias = vec![6, 7, 8];
        assert_eq!(
            ties,
            [
                vec![vec![0, 3], vec![1, 4], vec![2, 5], bias.clone()],
                vec![vec![0, 1, 2], vec![3, 4, 5], bias.clone()],
                vec![vec![0, 1, 2, 3, 4, 5], bias],
            ]
        );
    }

    #[test]
    fn each_tie_is_listed_once_and_scalars_are_not_tied() {
        assert_eq!(Tie::of(&[("x".to_owned(), vec![4])]).len(), 1);
        assert!(Tie::of(&[("x".to_owned(), vec![]), ("y".to_owned(), vec![1])]).is_empty());
    }
}
