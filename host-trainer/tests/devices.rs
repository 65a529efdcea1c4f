//! `--device` through the real binary.

mod binary;

use binary::{printed, refuses};
use host_trainer::model::encode::encode_zeros;
use host_trainer::network::config::NetworkConfig;
use host_trainer::text::alphabet::Alphabet;
use lstm_core::Format;

#[test]
fn a_device_that_cannot_be_had_is_one_line_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("good.txt"), "to be or not to be ".repeat(40)).unwrap();
    let config = NetworkConfig::lstm(&Alphabet::letters(), 8, 10, 1);
    let model = encode_zeros(&config, Format::Int8).unwrap();
    std::fs::write(path.join("m.lstm"), model).unwrap();
    let mut cases = vec![(
        "train --corpus good.txt --out r --device tpu",
        "invalid value 'tpu' for '--device <DEVICE>' [possible values: cpu, cuda, metal]",
    )];
    if !cfg!(feature = "cuda") {
        cases.push((
            "train --corpus good.txt --out r --device cuda",
            "found --device cuda in a program built without it, expected one built with --features",
        ));
    }
    if !cfg!(feature = "metal") {
        cases.push((
            "evaluate m.lstm --corpus good.txt --device metal",
            "found --device metal in a program built without it, expected one built with --features",
        ));
    }
    for (line, expected) in cases {
        refuses(path, line, expected);
        assert!(!path.join("r").exists());
    }
    printed(path, "evaluate m.lstm --corpus good.txt --device cpu");
}
