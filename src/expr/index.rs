//! Indices and slices, as numpy reads them: `W[0, 1]`, `W[:, 1:3]`, `x[-1]`, `x[::-2]`.

use std::ops::Range;

use super::ExprError;
use super::ast::{ExprId, Item};
use super::elaborate::Elaboration;
use super::functions::{as_integer, shape_text};
use crate::graph::{NodeId, Shape};

impl Elaboration<'_> {
    /// `x[...]`; `span` is that of the whole.
    pub(super) fn index(
        &mut self,
        x: ExprId,
        items: &[Item],
        span: Range<usize>,
    ) -> Result<NodeId, ExprError> {
        let mut x = self.node(x);
        let full = Shape::from_slice(self.scope.graph.shape(x));
        if items.len() > full.len() {
            let message = format!(
                "{} indices into an array of shape {}",
                items.len(),
                shape_text(&full)
            );
            return Err(ExprError::new(span, message).expecting(format!("at most {}", full.len())));
        }
        let mut shape = Shape::new();
        for (axis, item) in items.iter().enumerate() {
            let length = full[axis] as i64;
            let (start, step, count) = match *item {
                Item::At(at) => {
                    let given = self.integer(at)?;
                    let counted = if given < 0 {
                        given.saturating_add(length)
                    } else {
                        given
                    };
                    if counted < 0 || counted >= length {
                        let message = format!("there is no entry {given} along an axis of {length}");
                        return Err(ExprError::new(self.span(at), message));
                    }
                    (counted, 1, 1)
                }
                Item::Slice { start, stop, step } => {
                    let range = self.slice(start, stop, step, length)?;
                    if range.2 == 0 {
                        return Err(ExprError::new(span, format!("the slice of axis {axis} is empty")));
                    }
                    shape.push(range.2 as usize);
                    range
                }
            };
            x = self
                .scope
                .graph
                .slice(x, axis, start as usize, step as isize, count as usize);
        }
        shape.extend_from_slice(&full[items.len()..]);
        Ok(self.scope.graph.reshape(x, &shape))
    }

    /// Start, step and number of entries of `start:stop:step`, as Python reads it.
    fn slice(
        &mut self,
        start: Option<ExprId>,
        stop: Option<ExprId>,
        step: Option<ExprId>,
        length: i64,
    ) -> Result<(i64, i64, i64), ExprError> {
        let step = match step {
            Some(id) => match self.integer(id)? {
                0 => return Err(ExprError::new(self.span(id), "the step of a slice is not zero")),
                step => step.clamp(-length, length),
            },
            None => 1,
        };
        // a bound outside the axis is moved to its end; for a step downwards these are one lower
        let (lowest, highest) = if step > 0 { (0, length) } else { (-1, length - 1) };
        let mut bound = |id: Option<ExprId>, default: i64| -> Result<i64, ExprError> {
            let Some(id) = id else { return Ok(default) };
            let given = self.integer(id)?;
            let counted = if given < 0 {
                given.saturating_add(length)
            } else {
                given
            };
            Ok(counted.clamp(lowest, highest))
        };
        let (first, last) = if step > 0 {
            (lowest, highest)
        } else {
            (highest, lowest)
        };
        let (start, stop) = (bound(start, first)?, bound(stop, last)?);
        let distance = if step > 0 { stop - start } else { start - stop };
        let count = if distance <= 0 {
            0
        } else {
            (distance - 1) / step.abs() + 1
        };
        Ok((start, step, count))
    }

    fn integer(&mut self, id: ExprId) -> Result<i64, ExprError> {
        let node = self.node(id);
        as_integer(&self.scope.graph, node)
            .ok_or_else(|| ExprError::new(self.span(id), "not an integer").expecting("an integer constant"))
    }
}
