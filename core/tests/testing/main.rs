//! The embedded server: held against the real one, and what only it can do.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod compare;
mod faults;
mod lifecycle;
mod random;
mod scripts;
mod settings;
