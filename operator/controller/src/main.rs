//! The operator: observes, executes and publishes; decides nothing.

fn main() {}
