//! The RAM of networks that people ask for, as symbols of the ELF file: the kernel of the target
//! decides, so only its compiler knows. A symbol is a number here, and takes no memory.

#![allow(unsafe_code, reason = "only assembly defines a symbol without memory")]

use lstm_core::{Format, LayerShape, workspace_words};

const fn bytes(format: Format) -> usize {
    4 * workspace_words(format, &[LayerShape::lstm(256)])
}

core::arch::global_asm!(
    ".global workspace_lstm256_int8",
    ".set workspace_lstm256_int8, {int8}",
    ".global workspace_lstm256_int4",
    ".set workspace_lstm256_int4, {int4}",
    ".global workspace_lstm256_f32",
    ".set workspace_lstm256_f32, {f32}",
    int8 = const bytes(Format::Int8),
    int4 = const bytes(Format::Int4),
    f32 = const bytes(Format::F32),
);
