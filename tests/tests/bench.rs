//! The kernels on their own machines, and the instruction counts against docs/bench.txt and the
//! README.

use xtask::bench::{MACHINES, measure};

#[test]
fn kernels_give_the_same_bits_on_every_machine() {
    for machine in MACHINES {
        let line = machine.test_kernels().unwrap();
        assert!(line.ends_with(" cases equal\n"), "{line}");
    }
}

#[test]
fn counts_are_those_of_the_snapshot() {
    measure(MACHINES).unwrap().check().unwrap();
}
