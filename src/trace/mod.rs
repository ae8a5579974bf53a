//! `trace`: runs (stochastic) gradient descent on the case's loss and holds the claim, and the guarantee that
//! follows from it, against every iterate.

pub mod record;
