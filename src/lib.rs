//! proxycert checks inequalities about a loss function, its gradient and proxies of it.
//!
//! Data flows one way: case, claim, graph, engines, certificate, report. See `docs/architecture.md`.

pub mod eval;
pub mod expr;
pub mod graph;
