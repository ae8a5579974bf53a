//! Syntax to nodes of the graph: names resolved, shapes checked, gradients taken.
//!
//! A gradient stays symbolic for as long as it is only added, negated and scaled: `dot(grad(f)(p), u)`
//! then becomes the derivative of `f` at `p` along `u` (a `jvp`), which is cheaper than a gradient and
//! a dot product and far tighter in intervals.

use std::ops::Range;

use smallvec::{SmallVec, smallvec};

use super::ast::{Call, Expr, ExprId, Infix, Kind};
use super::functions::{self, FUNCTIONS, Function, check_shape, shape_text};
use super::scope::{Binding, Context, Gradients, RESERVED, Scope};
use super::{ExprError, MAX_NODES, MAX_TOTAL_ENTRIES, MAX_WALK};
use crate::graph::op::{Binary, Input};
use crate::graph::{GradientRequest, NodeId, size};

/// Symbolic gradients of one value beyond this many are built.
const MAX_TERMS: usize = 8;

/// Stands for the direction while a derivative is moved to another point.
const DIRECTION: Input = Input::Gradient(u32::MAX);

/// `scale * grad(function)(point)`, not built yet.
#[derive(Clone, Copy, Debug)]
struct Term {
    scale: NodeId,
    function: NodeId,
    point: NodeId,
}

/// A node, or a sum of symbolic gradients and perhaps a node of shape `[p]`.
#[derive(Clone, Debug)]
struct Value {
    gradients: SmallVec<[Term; 1]>,
    rest: Option<NodeId>,
}

impl From<NodeId> for Value {
    fn from(node: NodeId) -> Self {
        Value {
            gradients: SmallVec::new(),
            rest: Some(node),
        }
    }
}

/// What to say of a case that needs more than [`MAX_TOTAL_ENTRIES`].
pub fn too_large() -> String {
    format!(
        "the case is too large: all arrays and intermediate results together have more than \
         {MAX_TOTAL_ENTRIES} entries"
    )
}

/// The node of a parsed expression.
pub fn elaborate(scope: &mut Scope, expr: &Expr, context: Context) -> Result<NodeId, ExprError> {
    let mut work = Elaboration {
        scope,
        expr,
        context,
        values: vec![None; expr.nodes.len()],
    };
    for id in 0..expr.nodes.len() {
        if work.scope.graph.len() > MAX_NODES {
            let span = expr.node(id).span.clone();
            return Err(ExprError::new(
                span,
                format!("the case needs more than {MAX_NODES} operations"),
            ));
        }
        if work.scope.graph.entries() > MAX_TOTAL_ENTRIES {
            return Err(ExprError::new(expr.node(id).span.clone(), too_large()));
        }
        if work.scope.walked > MAX_WALK {
            let span = expr.node(id).span.clone();
            return Err(ExprError::new(span, "the case applies its definitions too often"));
        }
        let value = work.value_of(id)?;
        work.values[id] = Some(value);
    }
    Ok(work.node(expr.root))
}

pub(super) struct Elaboration<'a> {
    pub(super) scope: &'a mut Scope,
    expr: &'a Expr,
    context: Context,
    /// values of the nodes before the current one; taken by their only parent
    values: Vec<Option<Value>>,
}

impl Elaboration<'_> {
    pub(super) fn span(&self, id: ExprId) -> Range<usize> {
        self.expr.node(id).span.clone()
    }

    fn take(&mut self, id: ExprId) -> Value {
        self.values[id]
            .take()
            .expect("children stand before their parent, which is only one")
    }

    /// The value as a node, its gradients built.
    pub(super) fn node(&mut self, id: ExprId) -> NodeId {
        let value = self.take(id);
        self.build(value)
    }

    fn build(&mut self, value: Value) -> NodeId {
        let mut total = value.rest;
        for term in value.gradients {
            let gradient = self.gradient_at(term.function, term.point);
            let scaled = self.scope.graph.mul(term.scale, gradient);
            total = Some(match total {
                Some(sum) => self.scope.graph.add(sum, scaled),
                None => scaled,
            });
        }
        total.expect("a value has a part")
    }

    fn gradient_at(&mut self, function: NodeId, point: NodeId) -> NodeId {
        let dimension = self.scope.dimension;
        let graph = &mut self.scope.graph;
        let gradient = match self.scope.built.get(&function) {
            Some(&gradient) => gradient,
            None => {
                let gradient = graph.gradient(function, Input::W, dimension);
                self.scope.built.insert(function, gradient);
                gradient
            }
        };
        self.moved(gradient, point)
    }

    /// A node in terms of [`Input::W`] with another point for it.
    fn moved(&mut self, root: NodeId, point: NodeId) -> NodeId {
        let graph = &mut self.scope.graph;
        if point == graph.input(Input::W, self.scope.dimension) {
            root
        } else {
            self.scope.walked += graph.len();
            graph.substitute(root, &[(Input::W, point)])
        }
    }

    fn derivative_along(&mut self, term: Term, direction: NodeId) -> NodeId {
        let dimension = self.scope.dimension;
        let graph = &mut self.scope.graph;
        self.scope.walked += graph.len();
        let derivative = if term.point == graph.input(Input::W, dimension) {
            graph.jvp(term.function, Input::W, direction)
        } else {
            let symbol = graph.input(DIRECTION, dimension);
            let derivative = graph.jvp(term.function, Input::W, symbol);
            graph.substitute(derivative, &[(Input::W, term.point), (DIRECTION, direction)])
        };
        graph.mul(term.scale, derivative)
    }

    fn value_of(&mut self, id: ExprId) -> Result<Value, ExprError> {
        let span = self.span(id);
        let expr = self.expr;
        let at = |message: String| ExprError::new(span.clone(), message);
        match &expr.node(id).kind {
            Kind::Number(value) => Ok(self.scope.graph.rational(value.clone()).into()),
            Kind::Name(name) => self.name(name, span).map(Value::from),
            Kind::Neg(x) => {
                let value = self.take(*x);
                let minus = self.scope.graph.integer(-1);
                Ok(self.scale(value, minus))
            }
            Kind::Binary(op, a, b) => self.binary(*op, *a, *b, span),
            Kind::Transpose(x) => {
                let x = self.node(*x);
                Ok(functions::transpose(&mut self.scope.graph, x).into())
            }
            Kind::Index(x, items) => self.index(*x, items, span).map(Value::from),
            Kind::Call(call) => self.call(call, span),
            Kind::Gradient {
                function,
                function_span,
                point,
            } => {
                if !matches!(self.context, Context::Claim { .. }) {
                    return Err(at("a gradient may stand in a claim only".to_owned()));
                }
                let Some(root) = self.scope.function(function) else {
                    return Err(self.not_a_function(function, function_span.clone()));
                };
                if !self.scope.graph.shape(root).is_empty() {
                    let shape = shape_text(self.scope.graph.shape(root));
                    let message = format!("`{function}` is an array of shape {shape}");
                    return Err(ExprError::new(function_span.clone(), message)
                        .expecting("a function with scalar values"));
                }
                let point = self.point(*point)?;
                self.gradient(root, point, span)
            }
        }
    }

    fn gradient(&mut self, function: NodeId, point: NodeId, span: Range<usize>) -> Result<Value, ExprError> {
        match self.scope.gradients {
            Gradients::Own => {
                let scale = self.scope.graph.integer(1);
                Ok(Value {
                    gradients: smallvec![Term {
                        scale,
                        function,
                        point
                    }],
                    rest: None,
                })
            }
            Gradients::External => {
                let request = GradientRequest { function, point };
                let requests = &mut self.scope.requests;
                let position = requests
                    .iter()
                    .position(|known| *known == request)
                    .unwrap_or_else(|| {
                        requests.push(request);
                        requests.len() - 1
                    });
                let number =
                    u32::try_from(position).map_err(|_| ExprError::new(span, "too many gradients"))?;
                let dimension = self.scope.dimension;
                Ok(self.scope.graph.input(Input::Gradient(number), dimension).into())
            }
        }
    }

    /// The point of `f(point)`: shape `[p]`, or a scalar where `p = 1`.
    fn point(&mut self, id: ExprId) -> Result<NodeId, ExprError> {
        let point = self.node(id);
        let dimension = self.scope.dimension;
        let shape = self.scope.graph.shape(point);
        if shape == [dimension] {
            Ok(point)
        } else if shape.is_empty() && dimension == 1 {
            Ok(self.scope.graph.reshape(point, &[1]))
        } else {
            let message = format!("this point has the shape {}", shape_text(shape));
            Err(ExprError::new(self.span(id), message).expecting(format!(
                "all parameters in one axis, shape [{dimension}], such as `w`"
            )))
        }
    }

    /// The flat point that blocks and bare functions are read at, where the context has one.
    fn place(&self) -> Option<Input> {
        match self.context {
            Context::Constant | Context::Data => None,
            Context::Definition => Some(Input::W),
            Context::Claim { at } => Some(at),
        }
    }

    fn name(&mut self, name: &str, span: Range<usize>) -> Result<NodeId, ExprError> {
        let refuse = |message: String| Err(ExprError::new(span.clone(), message));
        let dimension = self.scope.dimension;
        match name {
            "pi" => return Ok(self.scope.graph.pi()),
            "e" => return Ok(functions::euler(&mut self.scope.graph)),
            "w" if self.place().is_some() => return Ok(self.scope.graph.input(Input::W, dimension)),
            "v" if matches!(self.context, Context::Claim { .. }) => {
                return Ok(self.scope.graph.input(Input::V, dimension));
            }
            "w" | "v" => return refuse(format!("`{name}` is not known here{}", self.allowed())),
            _ => {}
        }
        let Some(binding) = self.scope.bindings.get(name).cloned() else {
            return Err(self.unknown(name, span));
        };
        let kind = match (&binding, self.context, self.place()) {
            (Binding::Constant(node), _, _) => return Ok(*node),
            (Binding::Data(node), Context::Data | Context::Definition | Context::Claim { .. }, _) => {
                return Ok(*node);
            }
            (Binding::Block { offset, shape }, _, Some(at)) => {
                let graph = &mut self.scope.graph;
                let flat = graph.input(at, dimension);
                let part = graph.slice(flat, 0, *offset, 1, size(shape));
                return Ok(graph.reshape(part, shape));
            }
            (Binding::Function(root), _, Some(at)) => {
                let point = self.scope.graph.input(at, dimension);
                return Ok(self.moved(*root, point));
            }
            (Binding::Data(_), Context::Constant, _) => "data",
            (Binding::Block { .. }, _, None) => "a block of parameters",
            (Binding::Function(_), _, None) => "a definition",
        };
        refuse(format!(
            "`{name}` is {kind}, which cannot be used here{}",
            self.allowed()
        ))
    }

    /// What the context allows, for the end of a message.
    fn allowed(&self) -> &'static str {
        match self.context {
            Context::Constant => ": only numbers and constants can",
            Context::Data => ": only numbers, constants and data can",
            Context::Definition => ": a definition is a function of `w` alone",
            Context::Claim { .. } => "",
        }
    }

    fn unknown(&self, name: &str, span: Range<usize>) -> ExprError {
        if functions::find(name).is_some() || name == "model" {
            return ExprError::new(span, format!("`{name}` is a function"))
                .expecting(format!("arguments, as in `{name}(x)`"));
        }
        if self.scope.announced.contains(name) {
            return ExprError::new(span, format!("`{name}` is given by itself or later in the case"))
                .expecting("a name that the case gives earlier");
        }
        let error = ExprError::new(span, format!("unknown name `{name}`"));
        let known = self.scope.bindings.keys().map(String::as_str);
        let built_in = FUNCTIONS.iter().map(|row| row.name).chain(RESERVED);
        // short names have many neighbours that nobody meant
        let limit = (name.len() / 2).min(2);
        let nearest = known
            .chain(built_in)
            .map(|known| (distance(name, known), known))
            .filter(|(distance, _)| *distance <= limit)
            .min();
        match nearest {
            Some((_, known)) => {
                ExprError::new(error.span, format!("{}; did you mean `{known}`?", error.message))
            }
            None => error,
        }
    }

    fn not_a_function(&self, name: &str, span: Range<usize>) -> ExprError {
        if self.scope.bindings.contains_key(name) || ["pi", "e", "w", "v"].contains(&name) {
            ExprError::new(span, format!("`{name}` is not a function"))
                .expecting("a definition or a function")
        } else if functions::find(name).is_some() {
            ExprError::new(span, format!("`{name}` is not a function of the parameters"))
                .expecting("the name of a definition")
        } else {
            self.unknown(name, span)
        }
    }

    fn binary(&mut self, op: Infix, a: ExprId, b: ExprId, span: Range<usize>) -> Result<Value, ExprError> {
        let at = |message: String| ExprError::new(span.clone(), message);
        let (left, right) = (self.take(a), self.take(b));
        match op {
            Infix::Add | Infix::Sub if self.symbolic(&left, &right) => {
                let right = if op == Infix::Sub {
                    let minus = self.scope.graph.integer(-1);
                    self.scale(right, minus)
                } else {
                    right
                };
                return Ok(self.merge(left, right));
            }
            Infix::Mul if !left.gradients.is_empty() && self.is_scalar(&right) => {
                let scale = self.build(right);
                return Ok(self.scale(left, scale));
            }
            Infix::Mul if !right.gradients.is_empty() && self.is_scalar(&left) => {
                let scale = self.build(left);
                return Ok(self.scale(right, scale));
            }
            Infix::Div if !left.gradients.is_empty() && self.is_scalar(&right) => {
                let (one, divisor) = (self.scope.graph.integer(1), self.build(right));
                let scale =
                    functions::binary(&mut self.scope.graph, Binary::Div, one, divisor).map_err(at)?;
                return Ok(self.scale(left, scale));
            }
            Infix::MatMul if self.is_flat(&left) && self.is_flat(&right) => {
                return self.dot(left, right).map_err(at);
            }
            Infix::Add | Infix::Sub | Infix::Mul | Infix::Div | Infix::MatMul | Infix::Pow => {}
        }
        let (left, right) = (self.build(left), self.build(right));
        let graph = &mut self.scope.graph;
        let node = match op {
            Infix::Add => functions::binary(graph, Binary::Add, left, right),
            Infix::Sub => functions::binary(graph, Binary::Sub, left, right),
            Infix::Mul => functions::binary(graph, Binary::Mul, left, right),
            Infix::Div => functions::binary(graph, Binary::Div, left, right),
            Infix::MatMul => functions::matmul(graph, left, right),
            Infix::Pow => functions::power(graph, left, right),
        };
        node.map(Value::from).map_err(at)
    }

    /// Whether the value has the shape `[p]`.
    fn is_flat(&self, value: &Value) -> bool {
        value
            .rest
            .is_none_or(|node| self.scope.graph.shape(node) == [self.scope.dimension])
    }

    fn is_scalar(&self, value: &Value) -> bool {
        value.gradients.is_empty()
            && value
                .rest
                .is_some_and(|node| self.scope.graph.shape(node).is_empty())
    }

    /// Whether the sum of two values keeps symbolic gradients.
    fn symbolic(&self, a: &Value, b: &Value) -> bool {
        (!a.gradients.is_empty() || !b.gradients.is_empty()) && self.is_flat(a) && self.is_flat(b)
    }

    fn scale(&mut self, mut value: Value, scale: NodeId) -> Value {
        for term in &mut value.gradients {
            term.scale = self.scope.graph.mul(scale, term.scale);
        }
        value.rest = value.rest.map(|rest| self.scope.graph.mul(scale, rest));
        value
    }

    fn merge(&mut self, mut a: Value, b: Value) -> Value {
        a.rest = match (a.rest, b.rest) {
            (Some(x), Some(y)) => Some(self.scope.graph.add(x, y)),
            (x, y) => x.or(y),
        };
        for term in b.gradients {
            let same = |known: &&mut Term| known.function == term.function && known.point == term.point;
            match a.gradients.iter_mut().find(same) {
                Some(known) => known.scale = self.scope.graph.add(known.scale, term.scale),
                None => a.gradients.push(term),
            }
        }
        if a.gradients.len() > MAX_TERMS {
            self.build(a).into()
        } else {
            a
        }
    }

    fn dot(&mut self, a: Value, b: Value) -> Result<Value, String> {
        let (symbolic, other) = match (a.gradients.is_empty(), b.gradients.is_empty()) {
            (false, true) => (a, b),
            (true, false) => (b, a),
            (true, true) | (false, false) => {
                let (a, b) = (self.build(a), self.build(b));
                return functions::dot(&mut self.scope.graph, a, b).map(Value::from);
            }
        };
        let direction = self.build(other);
        let dimension = self.scope.dimension;
        let graph = &mut self.scope.graph;
        if size(graph.shape(direction)) != dimension {
            let shape = shape_text(graph.shape(direction));
            return Err(format!("`dot` does not fit the shapes [{dimension}] and {shape}"));
        }
        let direction = graph.flatten(direction);
        let mut total = symbolic.rest.map(|rest| graph.dot(rest, direction));
        for term in symbolic.gradients {
            let derivative = self.derivative_along(term, direction);
            total = Some(match total {
                Some(sum) => self.scope.graph.add(sum, derivative),
                None => derivative,
            });
        }
        Ok(total.expect("a value has a part").into())
    }

    fn call(&mut self, call: &Call, span: Range<usize>) -> Result<Value, ExprError> {
        let at = |message: String| ExprError::new(span.clone(), message);
        if let Some(row) = functions::find(&call.name) {
            let given = call.args.len();
            if given < row.fewest || given > row.most {
                let message = format!("`{}` is called with {given} arguments", row.name);
                return Err(at(message).expecting(format!("`{}({})`", row.name, row.arguments)));
            }
            if let (Some(axis), false) = (call.axis, row.axis) {
                return Err(
                    ExprError::new(self.span(axis), format!("`{}` takes no axis", row.name))
                        .expecting(format!("`{}({})`", row.name, row.arguments)),
                );
            }
            if row.function == Function::Dot {
                let (a, b) = (self.take(call.args[0]), self.take(call.args[1]));
                return self.dot(a, b).map_err(at);
            }
            let args: Vec<NodeId> = call.args.iter().map(|&arg| self.node(arg)).collect();
            let axis = call.axis.map(|axis| self.node(axis));
            let node = functions::build(&mut self.scope.graph, row, &args, axis).map_err(at)?;
            return Ok(node.into());
        }
        let root = self.scope.function(&call.name);
        if root.is_none() && call.name != "model" {
            return Err(self.not_a_function(&call.name, call.name_span.clone()));
        }
        if call.args.len() != 1 || call.axis.is_some() {
            let message = format!("`{}` takes one argument", call.name);
            return Err(at(message).expecting(format!("`{}(...)`", call.name)));
        }
        if self.place().is_none() {
            return Err(at(format!(
                "`{}` cannot be used here{}",
                call.name,
                self.allowed()
            )));
        }
        match root {
            Some(root) => {
                let point = self.point(call.args[0])?;
                Ok(self.moved(root, point).into())
            }
            None => self.model(call, span).map(Value::from),
        }
    }

    fn model(&mut self, call: &Call, span: Range<usize>) -> Result<NodeId, ExprError> {
        let x = self.node(call.args[0]);
        let place = self.place().unwrap_or(Input::W);
        let dimension = self.scope.dimension;
        if place != Input::W && self.scope.graph.is_variable(x) {
            return Err(ExprError::new(
                self.span(call.args[0]),
                "here the model is called with data only",
            ));
        }
        let Some(model) = &self.scope.model else {
            return Err(ExprError::new(call.name_span.clone(), "the case has no model"));
        };
        let graph = &mut self.scope.graph;
        let root = model(graph, x).and_then(|root| check_shape(graph.shape(root)).map(|()| root));
        let root = root.map_err(|message| ExprError::new(span, message))?;
        let point = graph.input(place, dimension);
        Ok(self.moved(root, point))
    }
}

/// Fewest insertions, deletions, replacements and swaps of neighbours that turn one name into the
/// other (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn distances_between_names() {
        for (a, b, expected) in [
            ("sum", "sum", 0),
            ("smu", "sum", 1),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
