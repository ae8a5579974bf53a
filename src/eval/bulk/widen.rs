//! Several blocks of points side by side, where tensors are so small that running an instruction costs more than what it does.
//!
//! Every entry becomes as many neighbouring entries as there are blocks; elementwise operations and sums do not see the difference.

use std::sync::Arc;

use super::buffer::LANES;
use super::plan::{
    At, ChainStep, Extent, Instruction, Lines, Matrix, Places, Plan, Port, Product, TILE, Value,
};

/// Blocks at most.
const MOST: usize = 8;
/// Bytes of all buffers together, tiles aside, beyond which no further blocks are added.
const BYTES: usize = 24 << 10;

/// The plan for so many blocks as its buffers leave room for in the first-level cache.
pub(super) fn widen(mut plan: Plan) -> Plan {
    let entries: usize = plan.slots.iter().filter(|entries| **entries < TILE).sum();
    let large = plan.slots.iter().any(|entries| *entries > TILE);
    let mut blocks = 1;
    while !large && blocks < MOST && 2 * blocks * entries * LANES * size_of::<f64>() <= BYTES {
        blocks *= 2;
    }
    if blocks > 1 {
        Widen { blocks }.plan(&mut plan);
    }
    plan
}

struct Widen {
    blocks: usize,
}

impl Widen {
    fn plan(&self, plan: &mut Plan) {
        plan.blocks = self.blocks;
        for entries in &mut plan.slots {
            *entries *= self.blocks;
        }
        for (numbers, _) in &mut plan.constants {
            *numbers = self.repeat(numbers);
        }
        for strips in &mut plan.strips {
            for instruction in &mut strips.body {
                if let Instruction::Chain { width, each } = instruction {
                    self.spread(*width * strips.strip, each, &mut plan.slots);
                }
                self.instruction(instruction);
            }
        }
    }

    /// One entry for all is a list of the same entry: with several blocks it is no longer one vector.
    fn spread(&self, count: usize, each: &mut Vec<ChainStep>, slots: &mut Vec<usize>) {
        let mut steps = Vec::new();
        for mut step in std::mem::take(each) {
            let ports = match &mut step {
                ChainStep::Binary(_, ports, _) => ports.as_mut_slice(),
                ChainStep::Fused(_, ports, _) => ports.as_mut_slice(),
                ChainStep::Splat(..) | ChainStep::Gather(..) | ChainStep::Unary(..) => &mut [],
            };
            for port in ports {
                if let Port::Entry(slot, place) = *port {
                    let (start, row) = (0, 0);
                    *port = Port::Tile(slots.len());
                    slots.push(TILE * self.blocks);
                    steps.push(ChainStep::Gather(
                        At { slot, start, row },
                        [place].repeat(count).into(),
                        row,
                        *port,
                    ));
                }
            }
            steps.push(step);
        }
        *each = steps;
    }

    fn instruction(&self, instruction: &mut Instruction) {
        match instruction {
            Instruction::Chain { width, each } => {
                *width *= self.blocks;
                for step in each {
                    self.step(step);
                }
            }
            Instruction::Product(product, to) => {
                self.product(product);
                self.at(to);
            }
            Instruction::Reduce(_, lines, times, to) => {
                self.lines(lines);
                match times {
                    Some(Matrix::Lanes(at)) => self.at(at),
                    Some(Matrix::Numbers(numbers, row)) => {
                        *numbers = self.repeat(numbers);
                        *row *= self.blocks;
                    }
                    Some(Matrix::Sparse(_)) | None => {}
                }
                self.at(to);
            }
            Instruction::Along(_, lines, to) => {
                self.lines(lines);
                self.at(to);
            }
            Instruction::Assemble { length, parts, .. } => {
                *length *= self.blocks;
                for (value, places) in parts {
                    *places = self.list(places);
                    *value = match value {
                        Value::Numbers(numbers) => Value::Numbers(self.repeat(numbers)),
                        Value::Lanes(slot, Places::Run(start)) => {
                            Value::Lanes(*slot, Places::Run(*start * self.blocks))
                        }
                        Value::Lanes(slot, Places::List(list)) => {
                            Value::Lanes(*slot, Places::List(self.list(list)))
                        }
                    };
                }
            }
        }
    }

    fn step(&self, step: &mut ChainStep) {
        match step {
            ChainStep::Splat(numbers, row, to) => {
                *numbers = self.repeat(numbers);
                *row *= self.blocks;
                self.port(to);
            }
            ChainStep::Gather(from, list, row, to) => {
                self.at(from);
                *list = self.list(list);
                *row *= self.blocks;
                self.port(to);
            }
            ChainStep::Unary(_, x, to) => [x, to].into_iter().for_each(|port| self.port(port)),
            ChainStep::Binary(_, ports, to) => ports.iter_mut().chain([to]).for_each(|port| self.port(port)),
            ChainStep::Fused(_, ports, to) => ports.iter_mut().chain([to]).for_each(|port| self.port(port)),
        }
    }

    fn port(&self, port: &mut Port) {
        match port {
            Port::Whole(at) => self.at(at),
            Port::Row(_, width) => *width *= self.blocks,
            Port::Tile(_) | Port::Number(_) => {}
            Port::Entry(..) => unreachable!("spread before"),
        }
    }

    fn at(&self, at: &mut At) {
        at.start *= self.blocks;
        at.row *= self.blocks;
    }

    /// Lists of places of entries, and of entries themselves.
    fn list(&self, places: &[usize]) -> Arc<[usize]> {
        (places.iter())
            .flat_map(|place| (0..self.blocks).map(move |block| place * self.blocks + block))
            .collect()
    }

    fn repeat(&self, numbers: &[f64]) -> Arc<[f64]> {
        (numbers.iter())
            .flat_map(|number| (0..self.blocks).map(move |_| *number))
            .collect()
    }

    fn lines(&self, lines: &mut Lines) {
        self.at(&mut lines.from);
        match &mut lines.shape[2] {
            Extent::Fixed(inner) => *inner *= self.blocks,
            Extent::Strip => unreachable!("rows stand before or along the axis"),
        }
    }

    fn product(&self, product: &mut Product) {
        product.blocks = self.blocks;
        (product.beside.iter_mut().chain(&mut product.plus)).for_each(|at| self.at(at));
        for (side, number) in [(&mut product.left, 0), (&mut product.right, 1)] {
            if let Matrix::Lanes(at) = side {
                self.at(at);
                for starts in &mut product.starts {
                    starts[number] *= self.blocks;
                }
            }
        }
    }
}
