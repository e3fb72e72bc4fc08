//! Stand-ins for the places that documents are published to: they take what the real ones take, refuse what those refuse, and
//! misbehave when they are told to.

pub mod registry;
pub mod store;
pub mod tokens;
pub mod web;
