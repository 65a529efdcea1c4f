//! The file of a model as an array of C.

use std::fmt::Write;

/// A header with the bytes of a file as `model_file`, on a multiple of 16, for C11 and C++11.
pub fn header(file: &[u8]) -> String {
    let mut text = "\
/* The file of a model. Made by `cargo xtask capi --model FILE`. */
#ifndef MODEL_H
#define MODEL_H

#include <stdint.h>
#ifndef __cplusplus
#include <stdalign.h>
#endif

alignas(16) static const uint8_t model_file[] = {
"
    .to_owned();
    for line in file.chunks(16) {
        for byte in line {
            // A String takes everything.
            let _ = write!(text, "{byte},");
        }
        text.push('\n');
    }
    text + "};\n\n#endif\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_there_in_order() {
        let file: Vec<u8> = (0..=255).chain([7]).collect();
        let text = header(&file);
        let (_, array) = text.split_once("= {").unwrap();
        let (array, _) = array.split_once('}').unwrap();
        let bytes = array.split(',').filter(|byte| !byte.trim().is_empty());
        let bytes: Vec<_> = bytes
            .map(|byte| byte.trim().parse::<u8>().unwrap())
            .collect();
        assert_eq!(bytes, file);
    }
}
