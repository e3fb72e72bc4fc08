//! Why a message was trusted, in one file that anybody can check years later, without the broker.

pub mod archive;
