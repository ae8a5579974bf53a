//! proxycert checks inequalities about a loss function, its gradient and proxies of it.
//!
//! Data flows one way: case, claim, graph, engines, certificate, report. See `docs/architecture.md`.

pub mod burn;
pub mod case;
pub mod certificate;
pub mod claim;
pub mod cli;
pub mod diagnostic;
pub mod engine;
pub mod error;
pub mod eval;
pub mod expr;
pub mod graph;
pub mod guarantee;
pub mod report;
pub mod symbolic;
pub mod theorem;
pub mod tighten;
pub mod trace;
