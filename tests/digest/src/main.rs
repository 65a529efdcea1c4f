//! `text-digest MODEL TOKENS BLOCKS`: a digest after each block of so many tokens, a line each.

use std::{error::Error, fs};

use lstm_core::{Model, Session, WorkspaceSlices};
use text_digest::Text;

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
    let mut logits = vec![0; model.alphabet().len()];
    let workspace = WorkspaceSlices::new(&mut words, &mut logits);
    let session = Session::new(model, workspace)?;
    let mut state = vec![0; session.state_bytes()];
    let mut text = Text::new(session)?;
    for _ in 0..blocks {
        println!("{}", text.write(tokens, &mut state)?);
    }
    Ok(())
}
