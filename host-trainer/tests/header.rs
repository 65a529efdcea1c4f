//! `header` through the real binary.

mod binary;

use binary::{printed, refuses};
use host_trainer::model::encode::encode_zeros;
use host_trainer::network::config::NetworkConfig;
use host_trainer::text::alphabet::Alphabet;
use lstm_core::Format;
use std::fs;

#[test]
fn a_model_becomes_an_array_of_c() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let config = NetworkConfig::lstm(&Alphabet::letters(), 8, 10, 1);
    let model = encode_zeros(&config, Format::Int8).unwrap();
    fs::write(path.join("m.lstm"), &model).unwrap();
    let told = printed(path, "header m.lstm");
    let bytes = format!("wrote model.h: model_file has {} bytes", model.len());
    assert!(told.contains(&bytes), "{told}");
    let header = fs::read_to_string(path.join("model.h")).unwrap();
    let (_, array) = header.split_once("model_file[] = {").unwrap();
    let (array, _) = array.split_once('}').unwrap();
    let found = array.split(',').filter_map(|byte| byte.trim().parse().ok());
    assert_eq!(found.collect::<Vec<u8>>(), model);

    // As many words as `inspect` tells.
    let (_, words) = told.split_once("its workspace takes ").unwrap();
    let words: usize = words.split(' ').next().unwrap().parse().unwrap();
    let inspected = printed(path, "inspect m.lstm");
    assert!(inspected.contains(&format!("a workspace of {words} words on a chip")));

    fs::write(path.join("cut.lstm"), &model[..model.len() - 1]).unwrap();
    refuses(path, "header cut.lstm", "cut.lstm: ");
    refuses(path, "header none.lstm", "none.lstm");
    refuses(path, "header m.lstm --out m.lstm", "m.lstm");
    assert_eq!(fs::read_to_string(path.join("model.h")).unwrap(), header);
    assert_eq!(fs::read(path.join("m.lstm")).unwrap(), model);
}
