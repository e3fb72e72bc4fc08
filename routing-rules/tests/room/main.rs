//! Tests of the room as its callers see it.

mod common;
mod files;
mod routing;
mod rule_files;
