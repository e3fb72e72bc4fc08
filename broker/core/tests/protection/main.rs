//! Protection on the way through the decision: what is refused and how, what is read, what leaves.

mod envelope;
mod outgoing;
mod refused;
mod scene;
mod waiting;
