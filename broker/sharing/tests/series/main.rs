//! What is visible of a series, whatever arrives in which order.

mod make;
mod names;
mod orders;
mod plan;
mod registry;
mod ruled;
mod submit;
mod table;
mod vectors;
