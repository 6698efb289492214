//! The kubectl plugin: one screen of a quorum, and the few things that people do to it.

fn main() {}
