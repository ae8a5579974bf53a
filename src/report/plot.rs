//! The pictures of a report.

use super::canvas::{Anchor, BOXES, Chart, Ink, LEVELS, Scale, chart, tick};
use super::cover::{Boxes, meaning};
use super::page::Figure;
use super::slice::Slice;
use super::words::{count, percent, short};
use crate::engine::Verdict;
use crate::engine::prove::tree::Rule;
use crate::engine::statistics::Histogram;
use crate::tighten::Bracket;
use crate::trace::record::{Held, Record, Trace};

/// Width and height of a picture.
const SIZE: (u32, u32) = (880, 560);
/// The same of a plane,
const PLANE: (u32, u32) = (880, 700);
/// and of a line with marks.
const FLAT: (u32, u32) = (880, 260);

/// A range with some room on both sides.
fn padded(lo: f64, hi: f64, share: f64) -> [f64; 2] {
    let room = if hi > lo {
        (hi - lo) * share
    } else {
        lo.abs().max(1.0) * 0.5
    };
    [lo - room, hi + room]
}

/// The distribution of the sampled slack; none where it has no width or is not finite.
pub fn histogram(histogram: &Histogram, tolerance: f64) -> Option<Figure> {
    let Histogram { from, to, counts } = histogram;
    let (from, to) = (*from, *to);
    let sum = |counts: &mut dyn Iterator<Item = u64>| counts.fold(0, u64::saturating_add);
    let total = sum(&mut counts.iter().copied());
    if !(from < to && (to - from).is_finite()) || counts.is_empty() || total == 0 {
        return None;
    }
    let width = (to - from) / counts.len() as f64;
    let edge = |bin: usize| from + width * bin as f64;
    let highest = counts.iter().copied().max().unwrap_or(1) as f64;
    let (left, right) = (from.min(0.0), to.max(0.0));
    let [left, right] = padded(left, right, 0.03);
    let top = highest * 1.08;
    let scales = (
        Scale::linear("slack", left, right),
        Scale::linear("points", 0.0, top),
    );
    let picture = chart(SIZE, scales.0, scales.1, 28, |chart| {
        for (bin, &points) in counts.iter().enumerate().filter(|(_, points)| **points > 0) {
            let corners = [(edge(bin), 0.0), (edge(bin + 1), points as f64)];
            chart.area(corners, Ink::Bar);
            if edge(bin) < -tolerance.max(width * 1e-9) {
                chart.area(corners, Ink::Hatch);
            }
        }
        chart.line(&[(0.0, 0.0), (0.0, top)], Ink::Text, 3);
    });
    let below = (0..counts.len()).filter(|bin| edge(bin + 1) <= 0.0);
    let negative = sum(&mut below.map(|bin| counts[bin]));
    let fullest = (0..counts.len()).max_by_key(|&bin| (counts[bin], std::cmp::Reverse(bin)))?;
    Some(Figure {
        svg: picture,
        title: "Histogram of the slack at the uniform points".to_owned(),
        description: format!(
            "{} points in {} bins from {} to {}; {} points lie in bins wholly below 0. The fullest bin, from {} to {}, \
             holds {}.",
            count(total),
            counts.len(),
            short(from),
            short(to),
            count(negative),
            short(edge(fullest)),
            short(edge(fullest + 1)),
            count(counts[fullest])
        ),
        caption: "Slack at the uniform points. The thick line is 0: left of it the inequality fails. Bins that reach below \
                  minus the tolerance are hatched."
            .to_owned(),
    })
}

/// The slack on a line or in a plane; none where it is nowhere finite.
pub fn slice(slice: &Slice) -> Option<Figure> {
    let finite = || slice.values.iter().copied().filter(|value| value.is_finite());
    let (lo, hi) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), x| {
        (lo.min(x), hi.max(x))
    });
    if !(hi - lo).is_finite() {
        return None;
    }
    let negative = finite().filter(|value| *value < -slice.floor).count();
    let floor = short(slice.floor);
    let seen = finite().count();
    let ranges: Vec<String> = slice
        .axes
        .iter()
        .map(|axis| format!("{} from {} to {}", axis.name, short(axis.from), short(axis.to)))
        .collect();
    let description = format!(
        "The slack at {} points of the region: {}. It lies between {} and {}, and below minus {floor} at {} of these points.",
        count(seen as u64),
        ranges.join(", "),
        short(lo),
        short(hi),
        count(negative as u64)
    );
    let (picture, title, how) = if slice.axes.len() == 1 {
        (
            line(slice, lo, hi),
            format!("The slack on a line through {}", slice.point),
            "The thick line is 0; the mark is the point.".to_owned(),
        )
    } else {
        let levels = Levels::new(lo, hi, slice.floor);
        (
            plane(slice, &levels),
            format!("The slack in a plane through {}", slice.point),
            format!(
                "Where the slack is below minus {floor} (the tolerance, or what rounding may make of 0) the plane is hatched and \
             bordered by a line; left blank is what lies outside the region or where the slack is not a number; the mark is \
             the point. {}",
                levels.words()
            ),
        )
    };
    Some(Figure {
        svg: picture,
        title,
        description,
        caption: format!(
            "What varies: {}. {how} Evaluated in binary64, without bounds on rounding errors, when this page was made: a \
             picture and no evidence.",
            slice.fixed
        ),
    })
}

/// The curve of the slack along one coordinate.
fn line(slice: &Slice, lo: f64, hi: f64) -> String {
    let axis = &slice.axes[0];
    let [bottom, top] = padded(lo.min(0.0), hi.max(0.0), 0.06);
    let x = Scale::linear(&axis.name, axis.from, axis.to);
    chart(SIZE, x, Scale::linear("slack", bottom, top), 28, |chart| {
        chart.line(&[(axis.from, 0.0), (axis.to, 0.0)], Ink::Text, 3);
        let at = |number: usize| (slice.position(0, number), slice.values[number]);
        let points: Vec<(f64, f64)> = (0..slice.count).map(at).collect();
        for run in points.split(|(_, value)| !value.is_finite()) {
            chart.line(run, Ink::Curve(1), 4);
        }
        let nearest = points
            .iter()
            .filter(|(_, value)| value.is_finite())
            .min_by(|a, b| (a.0 - axis.at).abs().total_cmp(&(b.0 - axis.at).abs()));
        if let Some(&(_, value)) = nearest {
            chart.mark((axis.at, value));
        }
    })
}

/// The levels that a plane is coloured by: spaced by factors of 4 from the largest size down, so that the
/// neighbourhood of 0 shows; evenly where all values have one sign and lie within a factor of 16.
struct Levels {
    least: f64,
    largest: f64,
    floor: f64,
    even: bool,
}

impl Levels {
    /// For values from `lo` to `hi`; what is not below minus `floor` counts as not negative.
    fn new(lo: f64, hi: f64, floor: f64) -> Levels {
        let least = lo.abs().min(hi.abs());
        let largest = lo.abs().max(hi.abs()).max(f64::MIN_POSITIVE);
        Levels {
            least,
            largest,
            floor,
            even: (lo > 0.0 || hi < -floor) && least >= largest / 16.0 && largest > least,
        }
    }

    /// The level of a slack: 0 next to 0, the last one for the largest.
    fn of(&self, value: f64) -> Ink {
        let size = value.abs();
        let level = if self.even {
            ((size - self.least) / (self.largest - self.least) * LEVELS as f64) as usize
        } else {
            let below = if size > 0.0 {
                -(size / self.largest).log2() / 2.0
            } else {
                f64::INFINITY
            };
            (LEVELS - 1).saturating_sub(below.min(LEVELS as f64).max(0.0) as usize)
        };
        let level = level.min(LEVELS - 1);
        if value < -self.floor {
            Ink::Below(level)
        } else {
            Ink::Above(level)
        }
    }

    /// The end of a level that is farther from 0.
    fn end(&self, level: usize) -> f64 {
        if self.even {
            self.least + (self.largest - self.least) * ((level + 1) as f64 / LEVELS as f64)
        } else {
            self.largest * 0.25f64.powi((LEVELS - 1 - level) as i32)
        }
    }

    /// How they are spaced.
    fn words(&self) -> &'static str {
        if self.even {
            "Levels are evenly spaced."
        } else {
            "Levels are spaced by factors of 4."
        }
    }
}

/// The plane: cells by level, hatched where negative, with the border of 0.
fn plane(slice: &Slice, levels: &Levels) -> String {
    let floor = slice.floor;
    let (first, second) = (&slice.axes[0], &slice.axes[1]);
    let count = slice.count;
    let edge = |axis: usize, number: usize| {
        let axis = &slice.axes[axis];
        axis.from + (axis.to - axis.from) * (number as f64 / count as f64)
    };
    let value = |column: usize, row: usize| slice.values[row * count + column];
    let x = Scale::linear(&first.name, first.from, first.to);
    let y = Scale::linear(&second.name, second.from, second.to);
    chart(PLANE, x, y, 214, |chart| {
        for row in 0..count {
            let fill = |column: usize| {
                let value = value(column, row);
                value.is_finite().then(|| levels.of(value))
            };
            let hatch = |column: usize| (value(column, row) < -floor).then_some(Ink::Hatch);
            let inks: [Vec<Option<Ink>>; 2] =
                [(0..count).map(fill).collect(), (0..count).map(hatch).collect()];
            for (start, end, ink) in inks.iter().flat_map(|inks| runs(inks)) {
                chart.area(
                    [(edge(0, start), edge(1, row)), (edge(0, end), edge(1, row + 1))],
                    ink,
                );
            }
        }
        let parts = |a: f64, b: f64| a.is_finite() && b.is_finite() && (a < -floor) != (b < -floor);
        for (column, row) in (0..count).flat_map(|row| (0..count).map(move |column| (column, row))) {
            if column > 0 && parts(value(column, row), value(column - 1, row)) {
                let x = edge(0, column);
                chart.line(&[(x, edge(1, row)), (x, edge(1, row + 1))], Ink::Text, 2);
            }
            if row > 0 && parts(value(column, row), value(column, row - 1)) {
                let y = edge(1, row);
                chart.line(&[(edge(0, column), y), (edge(0, column + 1), y)], Ink::Text, 2);
            }
        }
        chart.mark((first.at, second.at));
        legend(chart, &slice.values, levels);
    })
}

/// Neighbours that are the same, as ranges.
fn runs(inks: &[Option<Ink>]) -> Vec<(usize, usize, Ink)> {
    let mut found: Vec<(usize, usize, Ink)> = Vec::new();
    for (place, ink) in inks.iter().enumerate() {
        let Some(ink) = *ink else { continue };
        match found.last_mut() {
            Some((_, end, last)) if *end == place && *last == ink => *end = place + 1,
            _ => found.push((place, place + 1, ink)),
        }
    }
    found
}

/// The levels that occur, highest first, each with its end that is farther from 0.
fn legend(chart: &mut Chart, values: &[f64], levels: &Levels) {
    let finite = values.iter().filter(|value| value.is_finite());
    let used: Vec<Ink> = finite.map(|&value| levels.of(value)).collect();
    let number = |x: f64| tick(format!("{x:.2e}").parse().unwrap_or(x));
    let above = (0..LEVELS).rev().map(|level| {
        (
            Ink::Above(level),
            false,
            format!("to {}", number(levels.end(level))),
        )
    });
    let below = (0..LEVELS).map(|level| {
        let words = format!("to {}", number(-levels.end(level)));
        (Ink::Below(level), true, words)
    });
    let rows = above.chain(below).filter(|(ink, ..)| used.contains(ink));
    for (row, (ink, hatched, words)) in rows.enumerate() {
        chart.legend(row, ink, hatched, &words);
    }
}

/// The boxes of a proof over one or two coordinates.
pub fn boxes(boxes: &Boxes) -> Option<Figure> {
    let used: Vec<Rule> = Rule::ALL
        .into_iter()
        .filter(|rule| boxes.leaves.iter().any(|(_, own)| own == rule))
        .collect();
    let ink = |rule: Rule| {
        Ink::Box(
            used.iter()
                .position(|own| *own == rule)
                .unwrap_or(0)
                .min(BOXES - 1),
        )
    };
    let finite = boxes.root.iter().flatten().all(|end| end.is_finite());
    if !finite || boxes.root.iter().any(|[lo, hi]| lo >= hi) {
        return None;
    }
    let plane = boxes.root.len() == 2;
    let [x0, x1] = boxes.root[0];
    let [y0, y1] = if plane { boxes.root[1] } else { [0.0, 1.0] };
    let x = Scale::linear(&boxes.names[0], x0, x1);
    let y = Scale::linear(boxes.names.get(1).map_or("", String::as_str), y0, y1);
    let picture = chart(if plane { PLANE } else { FLAT }, x, y, 120, |chart| {
        for (ranges, rule) in &boxes.leaves {
            let [lo, hi] = ranges[0];
            let [bottom, top] = if plane { ranges[1] } else { [0.0, 1.0] };
            let corners = [(lo, bottom), (hi, top)];
            chart.area(corners, ink(*rule));
            chart.edge(corners, Ink::Muted);
            // the letter where it has room
            let (wide, high) = ((hi - lo) / (x1 - x0), (top - bottom) / (y1 - y0));
            if wide > 0.05 && high > 0.06 {
                let middle = (0.5 * (lo + hi), 0.5 * (bottom + top));
                chart.label(&rule.letter().to_string(), middle, Ink::Text, Anchor::Middle);
            }
        }
        for (row, rule) in used.iter().enumerate() {
            chart.legend(row, ink(*rule), false, &rule.letter().to_string());
        }
    });
    let smallest = boxes
        .leaves
        .iter()
        .map(|(ranges, _)| {
            let shares = ranges.iter().zip(&boxes.root);
            shares
                .map(|([lo, hi], [from, to])| (hi - lo) / (to - from))
                .product::<f64>()
        })
        .fold(f64::INFINITY, f64::min);
    let kinds: Vec<String> = used
        .iter()
        .map(|rule| format!("{}: {}", rule.letter(), meaning(*rule)))
        .collect();
    Some(Figure {
        svg: picture,
        title: "The boxes of the proof".to_owned(),
        description: format!(
            "{} boxes fill the box around the region; the smallest takes {} of it.",
            count(boxes.leaves.len() as u64),
            percent(smallest)
        ),
        caption: format!(
            "Each box is settled by the rule of its letter ({}). Small boxes are where the inequality is tight.",
            kinds.join("; ")
        ),
    })
}

/// The values that `tighten` tried, on a line.
pub fn bracket(bracket: &Bracket) -> Option<Figure> {
    let number = |text: &str| -> Option<f64> {
        let value = match text.split_once('/') {
            Some((a, b)) => a.trim().parse::<f64>().ok()? / b.trim().parse::<f64>().ok()?,
            None => text.trim().parse().ok()?,
        };
        value.is_finite().then_some(value)
    };
    let [from, to] = [number(&bracket.between[0])?, number(&bracket.between[1])?];
    if from >= to {
        return None;
    }
    let paper = bracket.paper.as_ref().and_then(|paper| number(&paper.value));
    let [left, right] = padded(from, to, 0.04);
    let x = Scale::linear(&bracket.constant, left, right);
    let last = bracket.runs.len() as f64 + 1.0;
    let picture = chart(SIZE, x, Scale::linear("run", 0.0, last), 28, |chart| {
        if let Some(x) = paper {
            chart.line(&[(x, 0.0), (x, last)], Ink::Text, 3);
        }
        for (place, run) in bracket.runs.iter().enumerate() {
            let Some(x) = number(&run.value) else { continue };
            let (ink, symbol) = match run.verdict {
                Verdict::Proved => (Ink::Good, "○"),
                Verdict::Refuted => (Ink::Bad, "×"),
                Verdict::Supported | Verdict::Undecided => (Ink::Open, "?"),
            };
            chart.label(symbol, (x, place as f64 + 1.0), ink, Anchor::Middle);
        }
    });
    let (name, runs) = (&bracket.constant, bracket.runs.len());
    Some(Figure {
        svg: picture,
        title: format!("Values of {name} that were tried"),
        description: format!(
            "{runs} values between {} and {}; {}.",
            bracket.between[0], bracket.between[1], bracket.reason
        ),
        caption: "The values in the order in which they were tried, upward. A circle is a proved value, a cross a refuted one, a \
                  question mark one that is neither. The upright line is the value in the source."
            .to_owned(),
    })
}

/// The first trajectory on logarithmic axes: f, g, the running minimum and the guarantee, and the gradient's norm.
pub fn trace(trace: &Trace) -> Vec<Figure> {
    let Some(run) = trace.runs.first() else {
        return vec![];
    };
    type Read = fn(&Record) -> Option<f64>;
    let bounded = match trace.guarantee.as_ref().map(|guarantee| guarantee.held) {
        Some(Held::G) | None => "least g so far",
        Some(Held::Least) => "least so far",
    };
    let losses: [(&str, Read); 4] = [
        ("f", |record| Some(record.f)),
        ("g", |record| record.g),
        (bounded, |record| record.least),
        ("guarantee", |record| record.bound),
    ];
    let others: [(&str, Read); 2] = [
        ("|grad f|", |record| Some(record.gradient)),
        ("slack", |record| Some(record.slack)),
    ];
    let picture = |title: &str, curves: &[(&'static str, Read)], caption: &str| {
        let curves: Vec<(&str, Vec<(f64, f64)>)> = curves
            .iter()
            .map(|(name, read)| {
                // iterate t stands at t + 1, so that the start has a place on the axis
                let points = run.records.iter().filter_map(|record| {
                    let value = read(record).filter(|value| *value > 0.0 && value.is_finite())?;
                    Some((record.t as f64 + 1.0, value))
                });
                (*name, points.collect())
            })
            .filter(|(_, points): &(_, Vec<_>)| !points.is_empty())
            .collect();
        curves_on_log_axes(title, &curves, caption)
    };
    let start = run.start;
    [
        picture(
            &format!("Losses and the guarantee, from start {start}"),
            &losses,
            "The guarantee bounds the curve of the running minimum, or of g where it says so. Numbers that are not positive \
             have no place on a logarithmic axis and are left out.",
        ),
        picture(
            &format!("Gradient and slack, from start {start}"),
            &others,
            "Where the curve of the slack is missing it is not positive.",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Curves of positive numbers, each with its name at its end and a stroke of its own.
fn curves_on_log_axes(title: &str, curves: &[(&str, Vec<(f64, f64)>)], caption: &str) -> Option<Figure> {
    let all = || curves.iter().flat_map(|(_, points)| points);
    let (lo, hi) = all().fold((f64::INFINITY, 0.0f64), |(lo, hi), (_, y)| {
        (lo.min(*y), hi.max(*y))
    });
    let last = all().map(|(x, _)| *x).fold(2.0, f64::max);
    all().next()?;
    let (bottom, top) = ((lo / 1.5).max(f64::MIN_POSITIVE), (hi * 1.5).min(f64::MAX));
    let x = Scale::log("step t + 1", 1.0, last);
    let picture = chart(SIZE, x, Scale::log("value", bottom, top), 214, |chart| {
        for (number, (name, points)) in curves.iter().enumerate() {
            let ink = Ink::Curve(1 + number % 4);
            chart.curve(points, ink, number);
            chart.legend_line(number, ink, number, name);
        }
    });
    let told: Vec<String> = curves
        .iter()
        .filter_map(|(name, points)| {
            let (first, last) = (points.first()?, points.last()?);
            Some(format!(
                "{name} from {} at step {} to {} at step {}",
                short(first.1),
                first.0 - 1.0,
                short(last.1),
                last.0 - 1.0
            ))
        })
        .collect();
    Some(Figure {
        svg: picture,
        title: title.to_owned(),
        description: format!("{}.", told.join("; ")),
        caption: format!("Both axes are logarithmic. {caption}"),
    })
}
