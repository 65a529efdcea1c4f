//! Raspberry Pi Pico: an RP2040 and 2 MB of flash.

#![no_std]
#![no_main]

use support_rp::{ModelCopy, bytes, model_copy};

static MODEL_COPY: ModelCopy<{ bytes(env!("BOARD_MODEL_COPY")) }> = model_copy();

#[support_rp::entry]
fn main() -> ! {
    support_rp::start(env!("BOARD_TITLE"), env!("BOARD_LABEL"), &MODEL_COPY)
}
