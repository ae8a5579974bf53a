//! Burn modules as functions of one flat parameter tensor, so that any `#[derive(Module)]` model can be
//! captured: the flat tensor is all float parameters row-major, in the order of the module's fields.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// Names and shapes of the float parameters of a module; the name is the path of fields, joined by
/// `_`, such as `hidden_weight`.
pub fn parameter_blocks<M: Module>(module: &M) -> Vec<(String, Vec<usize>)> {
    let mut blocks = Blocks::default();
    module.visit(&mut blocks);
    blocks.found
}

/// The module with its float parameters read from a flat tensor of the same device: what a captured
/// function calls before the forward pass.
///
/// # Panics
/// When the flat tensor is shorter than the parameters together; [`capture`](super::capture::capture)
/// turns that into an error.
pub fn with_parameters<M: Module>(module: M, flat: Tensor<1>) -> M {
    module.map(&mut Reader { flat, offset: 0 })
}

#[derive(Default)]
struct Blocks {
    path: Vec<String>,
    found: Vec<(String, Vec<usize>)>,
}

impl ModuleVisitor for Blocks {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found
            .push((self.path.join("_"), param.lazy_shape().to_vec()));
    }

    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
}

struct Reader {
    flat: Tensor<1>,
    offset: usize,
}

impl ModuleMapper for Reader {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.lazy_shape();
        let end = self.offset + shape.num_elements();
        assert!(
            end <= self.flat.dims()[0],
            "the flat tensor is shorter than the module's parameters"
        );
        let values = self.flat.clone().slice(self.offset..end).reshape(shape);
        self.offset = end;
        Param::initialized(param.id, values)
    }
}
