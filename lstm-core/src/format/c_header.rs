use alloc::string::String;
use core::fmt::Write;

/// A header of C11 or C++11 with the bytes of a model's file as `model_file`, on a multiple of 16.
pub fn c_header(file: &[u8]) -> String {
    let mut text = String::from(
        "\
/* The file of a model, for lstm_model_init. */
#ifndef MODEL_H
#define MODEL_H

#include <stdint.h>
#ifndef __cplusplus
#include <stdalign.h>
#endif

alignas(16) static const uint8_t model_file[] = {
",
    );
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
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn every_byte_is_there_in_order() {
        let file: Vec<u8> = (0..=255).chain([7]).collect();
        let text = c_header(&file);
        let (_, array) = text.split_once("= {").unwrap();
        let (array, _) = array.split_once('}').unwrap();
        let bytes = array.split(',').filter(|byte| !byte.trim().is_empty());
        let bytes: Vec<u8> = bytes.map(|byte| byte.trim().parse().unwrap()).collect();
        assert_eq!(bytes, file);
    }
}
