//! `include/lstm.h` is what cbindgen makes of the functions.

use std::{fs, path::Path};

#[test]
fn the_header_is_that_of_the_functions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bindings = cbindgen::generate(folder).unwrap();
    let mut found = Vec::new();
    bindings.write(&mut found);
    let path = folder.join("include/lstm.h");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &found).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == expected.as_bytes(),
        "capi/include/lstm.h is not that of capi/src; `BLESS=1 cargo test --release -p lstm-capi --test header` writes it anew"
    );
}
