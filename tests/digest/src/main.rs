//! `text-digest MODEL TOKENS BLOCKS`: a digest after each block of so many tokens, a line each.

use std::{error::Error, fs};

use lstm_core::{Model, WorkspaceSlices};
use text_digest::Run;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, tokens, blocks] = arguments.as_slice() else {
        return Err("usage: text-digest MODEL TOKENS BLOCKS".into());
    };
    let (tokens, blocks) = (tokens.parse()?, blocks.parse::<u32>()?);
    let file = fs::read(model)?;
    let mut flash = vec![0u128; file.len().div_ceil(size_of::<u128>())];
    let flash: &mut [u8] = bytemuck::cast_slice_mut(&mut flash);
    flash[..file.len()].copy_from_slice(&file);
    let model = Model::from_region(flash)?;
    let mut words = vec![0; model.workspace_words()];
    let mut logits = vec![0; model.num_outputs()];
    let workspace = WorkspaceSlices::new(&mut words, &mut logits);
    let mut run = Run::new(model, workspace)?;
    let mut state = vec![0; run.state_bytes()];
    for _ in 0..blocks {
        println!("{}", run.go_on(tokens, &mut state)?);
    }
    Ok(())
}
