//! The arithmetic whose numbers are forms.

use dashu_ratio::RBig;

use super::{Accumulator, Atom, FormId, Symbolic};
use crate::eval::{Arithmetic, Flags};
use crate::graph::op::{Binary, Unary};

impl Arithmetic for Symbolic {
    type Value = FormId;

    fn rational(&mut self, x: &RBig) -> FormId {
        self.constant(x.clone())
    }

    fn float(&mut self, x: f64) -> FormId {
        // arrays of a graph are finite
        self.constant(RBig::try_from(x).unwrap_or_default())
    }

    fn pi(&mut self) -> FormId {
        self.of_atom(Atom::Pi)
    }

    fn unary(&mut self, op: Unary, x: &FormId) -> FormId {
        self.apply(op, *x)
    }

    fn binary(&mut self, op: Binary, x: &FormId, y: &FormId) -> FormId {
        self.apply_binary(op, *x, *y)
    }

    fn dot<'a>(&mut self, pairs: impl Iterator<Item = (&'a FormId, &'a FormId)>) -> FormId {
        let mut sum = Accumulator::default();
        for (&x, &y) in pairs {
            if self.exhausted() {
                break;
            }
            if let Some(value) = self.form(x).as_constant().cloned() {
                sum.add(self, &value, y);
            } else if let Some(value) = self.form(y).as_constant().cloned() {
                sum.add(self, &value, x);
            } else {
                let product = self.mul(x, y);
                sum.add(self, &RBig::ONE, product);
            }
        }
        sum.finish(self)
    }

    fn sum<'a>(&mut self, entries: impl Iterator<Item = &'a FormId>) -> FormId {
        let mut sum = Accumulator::default();
        for &entry in entries {
            sum.add(self, &RBig::ONE, entry);
        }
        sum.finish(self)
    }

    fn max(&mut self, entries: &[FormId]) -> FormId {
        match entries {
            [only] => *only,
            _ => self.of_atom(Atom::Max(entries.into())),
        }
    }

    fn log_sum_exp(&mut self, entries: &[FormId]) -> FormId {
        match entries {
            [only] => *only,
            _ => self.of_atom(Atom::LogSumExp(entries.into())),
        }
    }

    fn softmax(&mut self, entries: &[FormId], out: &mut [FormId]) {
        for (number, out) in out.iter_mut().enumerate() {
            if self.exhausted() {
                break;
            }
            *out = self.of_atom(Atom::Softmax(entries.into(), number as u32));
        }
    }

    fn arg_max(&mut self, entries: &[FormId], out: &mut [FormId]) {
        for (number, out) in out.iter_mut().enumerate() {
            if self.exhausted() {
                break;
            }
            *out = self.of_atom(Atom::ArgMax(entries.into(), number as u32));
        }
    }

    fn take_flags(&mut self) -> Flags {
        Flags::default()
    }
}
