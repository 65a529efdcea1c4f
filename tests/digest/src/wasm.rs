//! The digests as a WebAssembly module.
#![allow(
    unsafe_code,
    unreachable_pub,
    reason = "exported functions have their names as they are, and are called from outside"
)]

use std::sync::Mutex;

use lstm_core::{Model, WorkspaceSlices};

use crate::Run;

/// The memory for the model's file.
static FLASH: Mutex<Vec<u128>> = Mutex::new(Vec::new());
type Runner = Run<'static, WorkspaceSlices<'static>>;

static RUN: Mutex<Option<(Runner, Vec<u8>)>> = Mutex::new(None);

/// Makes room for a model of so many bytes, and tells where.
#[unsafe(no_mangle)]
pub extern "C" fn room(bytes: usize) -> *mut u128 {
    let mut flash = FLASH.lock().expect("one thread");
    flash.resize(bytes.div_ceil(size_of::<u128>()), 0);
    flash.as_mut_ptr()
}

/// Reads the model. Traps, as all here does, on an error.
#[unsafe(no_mangle)]
pub extern "C" fn start() {
    let flash = std::mem::take(&mut *FLASH.lock().expect("one thread")).leak();
    let model = Model::from_region(bytemuck::cast_slice(flash)).expect("a model");
    let words = vec![0; model.workspace_words()].leak();
    let logits = vec![0; model.num_outputs()].leak();
    let workspace = WorkspaceSlices::new(words, logits);
    let run = Run::new(model, workspace).expect("the workspace is measured");
    let state = vec![0; run.state_bytes()];
    *RUN.lock().expect("one thread") = Some((run, state));
}

/// Goes on by so many tokens or steps; gives the digest of them in the upper half, that of the state in
/// the lower.
#[unsafe(no_mangle)]
pub extern "C" fn write(tokens: u32) -> u64 {
    let mut run = RUN.lock().expect("one thread");
    let (run, state) = run.as_mut().expect("started");
    let digest = run.go_on(tokens, state).expect("the state is measured");
    u64::from(digest.tokens) << 32 | u64::from(digest.state)
}
