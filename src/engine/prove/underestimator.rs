//! Convex quadratics below a function, in binary64: what [`super::smooth`] then shows to be one. Nothing rests
//! on how they are found.
//!
//! With the diagonal of the Hessian raised by as much as makes it positive semidefinite (the αBB of Adjiman and
//! Floudas), the quadratic of Taylor's formula is convex, and its least value over a box is that of a tangent
//! at the minimiser.

/// Share of the largest entry that is added to a shift, so that elimination in enclosures succeeds.
const MARGIN: f64 = 1e-10;
/// Sweeps of the eigenvalue iteration, and of the descent.
const SWEEPS: usize = 24;
/// Share of the largest entry below which others count as zero, in the eigenvalue iteration.
const NEGLIGIBLE: f64 = 1e-17;

/// A positive semidefinite matrix, and a point where the quadratic is smallest over a box, about.
#[derive(Clone, Debug, PartialEq)]
pub struct Convexified {
    /// symmetric: a given matrix with a raised diagonal
    pub matrix: Vec<Vec<f64>>,
    /// offset from the middle of the box
    pub point: Vec<f64>,
}

/// For `slope.d + d.hessian.d/2` over a box of offsets `d`; `None` where a number is not finite.
pub fn convexify(hessian: &[Vec<f64>], slope: &[f64], offsets: &[[f64; 2]]) -> Option<Convexified> {
    let dimension = offsets.len();
    let radii: Vec<f64> = offsets.iter().map(|[lo, hi]| hi.max(-lo)).collect();
    // in units of the radii the box lies in a cube, and one shift serves all coordinates
    let mut scaled: Vec<Vec<f64>> = (0..dimension)
        .map(|k| {
            (0..dimension)
                .map(|l| hessian[k][l] * radii[k] * radii[l])
                .collect()
        })
        .collect();
    let largest = scaled.iter().flatten().fold(0.0f64, |most, x| most.max(x.abs()));
    if !largest.is_finite() || slope.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let shift = (-least_eigenvalue(&scaled)).max(0.0) + MARGIN * largest;
    let mut matrix = hessian.to_vec();
    for k in 0..dimension {
        scaled[k][k] += shift;
        if radii[k] > 0.0 {
            matrix[k][k] += shift / radii[k] / radii[k];
        } else {
            matrix[k].fill(0.0);
            matrix.iter_mut().for_each(|row| row[k] = 0.0);
        }
    }
    if !matrix.iter().flatten().all(|x| x.is_finite()) {
        return None;
    }
    let linear: Vec<f64> = slope
        .iter()
        .zip(&radii)
        .map(|(slope, radius)| slope * radius)
        .collect();
    let unit = |(&[lo, hi], &radius): (&[f64; 2], &f64)| match radius > 0.0 {
        true => [lo / radius, hi / radius],
        false => [0.0, 0.0],
    };
    let cube: Vec<[f64; 2]> = offsets.iter().zip(&radii).map(unit).collect();
    let point = minimiser(&scaled, &linear, &cube);
    let point = point.iter().zip(&radii).map(|(u, radius)| u * radius).collect();
    Some(Convexified { matrix, point })
}

/// The least eigenvalue of a symmetric matrix, by Jacobi's rotations.
fn least_eigenvalue(matrix: &[Vec<f64>]) -> f64 {
    let mut a = matrix.to_vec();
    let dimension = a.len();
    let largest = a.iter().flatten().fold(0.0f64, |most, x| most.max(x.abs()));
    for _ in 0..SWEEPS {
        let mut turned = false;
        for p in 0..dimension {
            for q in p + 1..dimension {
                if a[p][q].abs() <= NEGLIGIBLE * largest {
                    continue;
                }
                turned = true;
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let tangent = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
                let sine = tangent * cosine;
                for row in &mut a {
                    (row[p], row[q]) = (cosine * row[p] - sine * row[q], sine * row[p] + cosine * row[q]);
                }
                let (above, below) = a.split_at_mut(q);
                for (x, y) in above[p].iter_mut().zip(&mut below[0]) {
                    (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
                }
            }
        }
        if !turned {
            break;
        }
    }
    (0..dimension).fold(f64::INFINITY, |least, k| least.min(a[k][k]))
}

/// The minimiser of `linear.u + u.matrix.u/2` over a box, about: the stationary point where it
/// lies in the box, otherwise by descent along one coordinate after the other from the nearest point.
fn minimiser(matrix: &[Vec<f64>], linear: &[f64], ranges: &[[f64; 2]]) -> Vec<f64> {
    let free = solve(matrix, linear);
    let mut point: Vec<f64> = free
        .iter()
        .zip(ranges)
        .map(|(u, &[lo, hi])| if u.is_finite() { u.clamp(lo, hi) } else { lo })
        .collect();
    if point == free {
        return point;
    }
    for _ in 0..SWEEPS {
        let before = point.clone();
        for k in 0..point.len() {
            let others: f64 = (0..point.len())
                .filter(|&l| l != k)
                .map(|l| matrix[k][l] * point[l])
                .sum();
            let slope = linear[k] + others;
            let best = -slope / matrix[k][k];
            let [lo, hi] = ranges[k];
            point[k] = if best.is_finite() {
                best.clamp(lo, hi)
            } else if slope > 0.0 {
                lo
            } else {
                hi
            };
        }
        if point == before {
            break;
        }
    }
    point
}

/// `u` with `matrix u = -linear` by elimination.
fn solve(matrix: &[Vec<f64>], linear: &[f64]) -> Vec<f64> {
    let dimension = linear.len();
    let mut a = matrix.to_vec();
    let mut u: Vec<f64> = linear.iter().map(|x| -x).collect();
    for pivot in 0..dimension {
        for row in pivot + 1..dimension {
            let factor = a[row][pivot] / a[pivot][pivot];
            if factor == 0.0 {
                continue;
            }
            let (above, below) = a.split_at_mut(row);
            for (x, y) in below[0].iter_mut().zip(&above[pivot]) {
                *x -= factor * y;
            }
            u[row] -= factor * u[pivot];
        }
    }
    for row in (0..dimension).rev() {
        let known: f64 = (row + 1..dimension)
            .map(|column| a[row][column] * u[column])
            .sum();
        u[row] = (u[row] - known) / a[row][row];
    }
    u
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvalues_of_small_matrices() {
        assert_eq!(least_eigenvalue(&[vec![3.0]]), 3.0);
        // [[2, -2], [-2, 2]] has 0 and 4, [[0, 1], [1, 0]] has -1 and 1
        assert!(least_eigenvalue(&[vec![2.0, -2.0], vec![-2.0, 2.0]]).abs() < 1e-15);
        assert!((least_eigenvalue(&[vec![0.0, 1.0], vec![1.0, 0.0]]) + 1.0).abs() < 1e-15);
        // the path on three points: 2 - sqrt(2)
        let path = [vec![2.0, -1.0, 0.0], vec![-1.0, 2.0, -1.0], vec![0.0, -1.0, 2.0]];
        assert!((least_eigenvalue(&path) - (2.0 - 2.0f64.sqrt())).abs() < 1e-14);
    }

    #[test]
    fn a_valley_and_a_saddle() {
        // (x - y)^2 - (x - y): the valley's floor is x - y = 1/2
        let valley = convexify(
            &[vec![2.0, -2.0], vec![-2.0, 2.0]],
            &[-1.0, 1.0],
            &[[-1.0, 1.0]; 2],
        )
        .unwrap();
        assert!((valley.point[0] - valley.point[1] - 0.5).abs() < 1e-6);
        assert!((valley.matrix[0][0] - 2.0).abs() < 1e-8);
        // x^2/2 - y^2/2 over |x| <= 1, |y| <= 2: y's range is twice x's, so that the diagonal is raised by 4 and 1
        let saddle = convexify(
            &[vec![1.0, 0.0], vec![0.0, -1.0]],
            &[0.5, 1.0],
            &[[-1.0, 1.0], [-2.0, 2.0]],
        )
        .unwrap();
        assert!((saddle.matrix[0][0] - 5.0).abs() < 1e-8 && saddle.matrix[1][1].abs() < 1e-8);
        assert!((saddle.point[0] + 0.1).abs() < 1e-8 && saddle.point[1] == -2.0);
    }

    #[test]
    fn ranges_without_width_and_infinities() {
        let flat = convexify(
            &[vec![1.0, 9.0], vec![9.0, 1.0]],
            &[1.0, 1.0],
            &[[-1.0, 1.0], [0.0, 0.0]],
        )
        .unwrap();
        assert_eq!(flat.matrix[0][1], 0.0);
        assert_eq!(flat.point[1], 0.0);
        assert_eq!(convexify(&[vec![f64::INFINITY]], &[1.0], &[[-1.0, 1.0]]), None);
        assert!(convexify(&[], &[], &[]).unwrap().point.is_empty());
    }
}
