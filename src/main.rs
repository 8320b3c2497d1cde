//! The hapax command.

fn main() {}
