//! Where there is no machine code of ours, plans run as they are.

use std::sync::Arc;

use super::buffer::Buffer;
use super::compile::{Item, Program};
use super::plan::{Plan, Root};

/// A plan in machine code: none.
#[derive(Debug)]
pub(super) struct Native {
    pub(super) plan: Arc<Plan>,
}

impl Native {
    pub(super) fn new(_: &Program, _: &[Root<Item>], _: usize) -> Option<Native> {
        None
    }

    pub(super) fn run(&self, _: &mut [Buffer]) {
        unreachable!("there is none")
    }
}
