//! Everything with Burn: running graphs on its devices ([`device`]) with its autodiff ([`executor`]), and turning
//! models written with it into graphs ([`capture`], [`models`], [`module`]).
//!
//! Burn is the reference against which our own gradients are held; no verdict rests on it.

pub mod capture;
pub mod device;
pub mod executor;
pub mod models;
pub mod module;
mod ops;

pub use ops::REWRITTEN;
