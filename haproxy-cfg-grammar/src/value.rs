//! Values that words stand for. Pure functions from bytes to types.

pub mod address;
pub mod condition;
pub mod converter;
pub mod criterion;
pub mod expression;
pub mod format;
pub mod log;
pub mod name;
pub mod number;
pub mod operation;
pub mod pattern;
pub mod size;
pub mod stored;
pub mod time;
