//! Axes and marks on the SVG backend of `plotters`, in colours that the style sheet decides.
//!
//! The backend writes fixed colours. Every colour used here is a stand-in for a variable of the style sheet, put in its
//! place at the end, so that a picture follows light, dark and paper.

use std::convert::Infallible;

use plotters_backend::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, FontFamily, FontTransform,
};
use plotters_svg::SVGBackend;

/// Height of letters, in units of the `viewBox`, as the backend counts it.
const LETTERS: f64 = 29.0;
/// Levels of the slack on each side of 0.
pub const LEVELS: usize = 7;
/// Kinds of boxes that have a colour of their own.
pub const BOXES: usize = 5;

/// What a colour is for; the style sheet gives each its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    Text,
    Muted,
    Grid,
    Bar,
    Hatch,
    Good,
    Bad,
    Open,
    Above(usize),
    Below(usize),
    Curve(usize),
    Box(usize),
}

impl Ink {
    fn all() -> Vec<Ink> {
        use Ink::{Above, Bad, Bar, Below, Box, Curve, Good, Grid, Hatch, Muted, Open, Text};
        let mut all = vec![Text, Muted, Grid, Bar, Hatch, Good, Bad, Open];
        all.extend((0..LEVELS).flat_map(|level| [Above(level), Below(level)]));
        all.extend((1..=4).map(Curve));
        all.extend((0..BOXES).map(Box));
        all
    }

    /// The stand-in.
    fn color(self) -> BackendColor {
        let number = Ink::all().iter().position(|&ink| ink == self).unwrap_or(0);
        BackendColor {
            alpha: 1.0,
            rgb: (0xF0, 0x00, number as u8),
        }
    }

    /// What the style sheet or the page calls it.
    fn value(self) -> String {
        match self {
            Ink::Text => "var(--ink)".to_owned(),
            Ink::Muted => "var(--muted)".to_owned(),
            Ink::Grid => "var(--grid)".to_owned(),
            Ink::Bar => "var(--bar)".to_owned(),
            Ink::Hatch => "url(#hatch)".to_owned(),
            Ink::Good => "var(--good)".to_owned(),
            Ink::Bad => "var(--bad)".to_owned(),
            Ink::Open => "var(--open)".to_owned(),
            Ink::Above(level) => format!("var(--above-{level})"),
            Ink::Below(level) => format!("var(--below-{level})"),
            Ink::Curve(number) => format!("var(--curve-{number})"),
            Ink::Box(number) => format!("var(--box-{number})"),
        }
    }
}

/// A line or an area.
struct Pen(Ink, u32);

impl BackendStyle for Pen {
    fn color(&self) -> BackendColor {
        self.0.color()
    }

    fn stroke_width(&self) -> u32 {
        self.1
    }
}

/// Words. The backend writes them as text and never asks for their extent.
struct Letters(Ink, Pos, FontTransform);

impl BackendTextStyle for Letters {
    type FontError = Infallible;

    fn color(&self) -> BackendColor {
        self.0.color()
    }

    fn size(&self) -> f64 {
        LETTERS
    }

    fn transform(&self) -> FontTransform {
        self.2.clone()
    }

    fn anchor(&self) -> Pos {
        self.1
    }

    fn family(&self) -> FontFamily<'_> {
        FontFamily::SansSerif
    }

    fn layout_box(&self, _: &str) -> Result<((i32, i32), (i32, i32)), Infallible> {
        Ok(((0, 0), (0, 0)))
    }

    fn draw<E, F: FnMut(i32, i32, BackendColor) -> Result<(), E>>(
        &self,
        _: &str,
        _: BackendCoord,
        _: F,
    ) -> Result<Result<(), E>, Infallible> {
        Ok(Ok(()))
    }
}

/// Where words stand relative to their place.
#[derive(Clone, Copy)]
pub enum Anchor {
    /// to the right of it
    Right,
    /// to the left of it
    Left,
    /// around it
    Middle,
}

/// One axis: its name and its range, `from < to`, positive where it is logarithmic.
#[derive(Clone)]
pub struct Scale {
    /// name; without one the axis has no ticks
    pub name: String,
    /// left or lower end
    pub from: f64,
    /// right or upper end
    pub to: f64,
    /// logarithmic
    pub log: bool,
}

impl Scale {
    /// A linear axis.
    pub fn linear(name: &str, from: f64, to: f64) -> Scale {
        Scale {
            name: name.to_owned(),
            from,
            to,
            log: false,
        }
    }

    /// A logarithmic axis; both ends are positive.
    pub fn log(name: &str, from: f64, to: f64) -> Scale {
        Scale {
            log: true,
            ..Scale::linear(name, from, to)
        }
    }

    /// How far along the axis a number stands, 0 to 1 inside the range.
    fn share(&self, x: f64) -> f64 {
        if self.log {
            (x / self.from).ln() / (self.to / self.from).ln()
        } else {
            // the quotients first: a difference may overflow
            (x / 2.0 - self.from / 2.0) / (self.to / 2.0 - self.from / 2.0)
        }
    }

    /// Round numbers in the range, about five, or the decades.
    fn ticks(&self) -> Vec<f64> {
        if self.log {
            let (first, last) = (self.from.log10().ceil() as i32, self.to.log10().floor() as i32);
            let every = ((last - first) / 5 + 1).max(1);
            return (first..=last)
                .filter(|power| power.rem_euclid(every) == 0)
                .map(|power| 10f64.powi(power))
                .collect();
        }
        let rough = (self.to / 5.0 - self.from / 5.0).abs();
        let unit = 10f64.powi(rough.log10().floor() as i32);
        let factor = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .find(|factor| factor * unit >= rough);
        let step = factor.unwrap_or(10.0) * unit;
        if !(step > 0.0 && step.is_finite()) {
            return vec![];
        }
        let (first, last) = ((self.from / step).ceil(), (self.to / step).floor());
        // a range of a few units in the last place has no round numbers
        if !(0.0..=20.0).contains(&(last - first)) || first.abs() > 1e9 {
            return vec![];
        }
        (0..=(last - first) as i32)
            .map(|number| (first + f64::from(number)) * step)
            .collect()
    }
}

/// A number at an axis.
pub fn tick(x: f64) -> String {
    if x == 0.0 {
        "0".to_owned()
    } else if (1e-3..1e5).contains(&x.abs()) {
        // what is left of a product such as 3 * 0.1
        let digits = (9 - x.abs().log10().floor() as i32).clamp(1, 12) as usize;
        let text = format!("{x:.digits$}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        let text = format!("{x:.3e}");
        let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
        format!("{}e{power}", digits.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A picture with two axes.
pub struct Chart<'a> {
    backend: SVGBackend<'a>,
    x: Scale,
    y: Scale,
    /// left, top, right and bottom of the frame
    frame: [i32; 4],
}

/// A picture of this size with axes; `right` is left free for a legend.
pub fn chart(size: (u32, u32), x: Scale, y: Scale, right: i32, draw: impl FnOnce(&mut Chart)) -> String {
    let mut text = String::new();
    let left = if y.name.is_empty() { 24 } else { 150 };
    let mut chart = Chart {
        backend: SVGBackend::with_string(&mut text, size),
        x,
        y,
        frame: [left, 20, size.0 as i32 - right, size.1 as i32 - 84],
    };
    chart.axes();
    draw(&mut chart);
    chart.border();
    // writing to a string does not fail
    let _ = chart.backend.present();
    drop(chart);
    for ink in Ink::all() {
        let (r, g, b) = ink.color().rgb;
        text = text.replace(
            &format!("\"#{r:02X}{g:02X}{b:02X}\""),
            &format!("\"{}\"", ink.value()),
        );
    }
    // a size of its own would keep it from shrinking, and inside HTML the name space is known
    text.replacen(&format!(" width=\"{}\" height=\"{}\"", size.0, size.1), "", 1)
        .replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1)
        .replace(" opacity=\"1\"", "")
        .replace(" font-family=\"sans-serif\"", "")
}

impl Chart<'_> {
    fn place(&self, (x, y): (f64, f64)) -> BackendCoord {
        let [left, top, right, bottom] = self.frame.map(f64::from);
        let clamp = |share: f64| share.clamp(-1.0, 2.0);
        (
            (left + (right - left) * clamp(self.x.share(x))).round() as i32,
            (bottom - (bottom - top) * clamp(self.y.share(y))).round() as i32,
        )
    }

    /// Grid, numbers and names.
    fn axes(&mut self) {
        let [left, top, right, bottom] = self.frame;
        for x in self.x.ticks() {
            let (at, _) = self.place((x, self.y.from));
            self.stroke(&[(at, top), (at, bottom)], Ink::Grid, 1);
            self.words(&tick(x), (at, bottom + 20), Ink::Text, Anchor::Middle);
        }
        let middle = (left + right) / 2;
        let (x_name, y_name) = (self.x.name.clone(), self.y.name.clone());
        self.words(&x_name, (middle, bottom + 60), Ink::Text, Anchor::Middle);
        if y_name.is_empty() {
            return;
        }
        for y in self.y.ticks() {
            let (_, at) = self.place((self.x.from, y));
            self.stroke(&[(left, at), (right, at)], Ink::Grid, 1);
            self.words(&tick(y), (left - 12, at), Ink::Text, Anchor::Left);
        }
        let style = Letters(
            Ink::Text,
            Pos::new(HPos::Center, VPos::Center),
            FontTransform::Rotate270,
        );
        let _ = self.backend.draw_text(&y_name, &style, (24, (top + bottom) / 2));
    }

    fn border(&mut self) {
        let [left, top, right, bottom] = self.frame;
        let _ = self
            .backend
            .draw_rect((left, top), (right, bottom), &Pen(Ink::Muted, 1), false);
    }

    /// Words at a place of the picture.
    pub fn words(&mut self, text: &str, at: BackendCoord, ink: Ink, anchor: Anchor) {
        let side = match anchor {
            Anchor::Right => HPos::Left,
            Anchor::Left => HPos::Right,
            Anchor::Middle => HPos::Center,
        };
        let style = Letters(ink, Pos::new(side, VPos::Center), FontTransform::None);
        let _ = self.backend.draw_text(text, &style, at);
    }

    /// Words at a point of the axes.
    pub fn label(&mut self, text: &str, at: (f64, f64), ink: Ink, anchor: Anchor) {
        let at = self.place(at);
        self.words(text, at, ink, anchor);
    }

    fn stroke(&mut self, path: &[BackendCoord], ink: Ink, width: u32) {
        let _ = self.backend.draw_path(path.iter().copied(), &Pen(ink, width));
    }

    /// A line through points of the axes.
    pub fn line(&mut self, points: &[(f64, f64)], ink: Ink, width: u32) {
        if points.len() > 1 {
            let path: Vec<BackendCoord> = points.iter().map(|&point| self.place(point)).collect();
            self.stroke(&path, ink, width);
        }
    }

    /// A curve whose stroke tells it from the others without its colour: whole, or broken with longer and longer dashes
    /// as `pattern` grows.
    pub fn curve(&mut self, points: &[(f64, f64)], ink: Ink, pattern: usize) {
        let path: Vec<BackendCoord> = points.iter().map(|&point| self.place(point)).collect();
        self.patterned(&path, ink, pattern);
    }

    fn patterned(&mut self, path: &[BackendCoord], ink: Ink, pattern: usize) {
        let dash = match pattern % 4 {
            0 => f64::INFINITY,
            1 => 24.0,
            2 => 12.0,
            _ => 5.0,
        };
        // along the path, strokes and gaps of one length
        let mut stroke = Vec::new();
        let mut left = dash;
        let mut drawing = true;
        for ends in path.windows(2) {
            let [from, to] = [ends[0], ends[1]].map(|(x, y)| (f64::from(x), f64::from(y)));
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            let at = |way: f64| {
                let share = if length > 0.0 { way / length } else { 0.0 };
                let between = |a: f64, b: f64| (a + (b - a) * share).round() as i32;
                (between(from.0, to.0), between(from.1, to.1))
            };
            let mut way = 0.0;
            stroke.push(ends[0]);
            while length - way > left {
                way += left;
                stroke.push(at(way));
                if drawing {
                    self.stroke(&stroke, ink, 4);
                }
                stroke = vec![at(way)];
                drawing = !drawing;
                left = dash;
            }
            left -= length - way;
            stroke.push(ends[1]);
        }
        if drawing && stroke.len() > 1 {
            self.stroke(&stroke, ink, 4);
        }
    }

    /// A filled rectangle between two corners of the axes.
    pub fn area(&mut self, corners: [(f64, f64); 2], ink: Ink) {
        self.rectangle(corners, ink, true);
    }

    /// The border of a rectangle between two corners of the axes.
    pub fn edge(&mut self, corners: [(f64, f64); 2], ink: Ink) {
        self.rectangle(corners, ink, false);
    }

    fn rectangle(&mut self, corners: [(f64, f64); 2], ink: Ink, fill: bool) {
        let [(x0, y0), (x1, y1)] = corners.map(|corner| self.place(corner));
        let (upper, lower) = ((x0.min(x1), y0.min(y1)), (x0.max(x1), y0.max(y1)));
        let _ = self.backend.draw_rect(upper, lower, &Pen(ink, 1), fill);
    }

    /// A cross in a circle.
    pub fn mark(&mut self, at: (f64, f64)) {
        let (x, y) = self.place(at);
        let _ = self.backend.draw_circle((x, y), 13, &Pen(Ink::Text, 4), false);
        self.stroke(&[(x - 7, y - 7), (x + 7, y + 7)], Ink::Text, 4);
        self.stroke(&[(x - 7, y + 7), (x + 7, y - 7)], Ink::Text, 4);
    }

    /// A patch of a legend beside the frame, number `row` from the top, with words.
    pub fn legend(&mut self, row: usize, ink: Ink, hatched: bool, text: &str) {
        let [_, top, right, _] = self.frame;
        let (left, top) = (right + 16, top + 42 * row as i32);
        let (upper, lower) = ((left, top), (left + 36, top + 34));
        let _ = self.backend.draw_rect(upper, lower, &Pen(ink, 1), true);
        if hatched {
            let _ = self.backend.draw_rect(upper, lower, &Pen(Ink::Hatch, 1), true);
        }
        let _ = self.backend.draw_rect(upper, lower, &Pen(Ink::Muted, 1), false);
        self.words(text, (left + 46, top + 17), Ink::Text, Anchor::Right);
    }

    /// A stroke of a curve in the legend, with its name.
    pub fn legend_line(&mut self, row: usize, ink: Ink, pattern: usize, text: &str) {
        let [_, top, right, _] = self.frame;
        let (left, y) = (right + 12, top + 20 + 44 * row as i32);
        self.patterned(&[(left, y), (left + 48, y)], ink, pattern);
        self.words(text, (left + 56, y), Ink::Text, Anchor::Right);
    }
}
