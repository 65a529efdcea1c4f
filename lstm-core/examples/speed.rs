//! Measures how many characters a second a model writes on this computer, on one thread.
//!
//! ```text
//! cargo run --release -p lstm-core --example speed -- models/sonnets-256.lstm
//! cargo run --release -p lstm-core --example speed -- int4 256 256
//! ```
//!
//! The second form makes a model of random weights: its format, then the width of each layer.

use lstm_core::{Format, Model, Sampler, Session, WorkspaceSlices};
use std::time::{Duration, Instant};

#[path = "../tests/common/mod.rs"]
mod common;

/// Symbols of a random model.
const SYMBOLS: usize = 27;
const TEMPERATURE: f32 = 0.8;
/// The text is written so many times; the fastest counts.
const ROUNDS: usize = 40;
/// How long a round lasts at least.
const ROUND: Duration = Duration::from_millis(50);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(first) = args.first() else {
        return Err("usage: speed MODEL | speed int8|int4 HIDDEN...".into());
    };
    let random = |format| -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let hidden = args.iter().skip(1).map(|n| n.parse());
        let hidden = hidden.collect::<Result<Vec<usize>, _>>()?;
        if hidden.is_empty() {
            return Err("the width of each layer is missing".into());
        }
        Ok(common::Net::<i8, common::Int8Plain>::random_in(format, SYMBOLS, &hidden, 1).file())
    };
    let file = match first.as_str() {
        "int8" => random(Format::Int8)?,
        "int4" => random(Format::Int4)?,
        path => std::fs::read(path)?,
    };
    let file = common::At::new(&file, 0);
    let model = Model::from_bytes(file.bytes()).map_err(|e| e.to_string())?;
    let rate = (0..ROUNDS).map(|_| rate(&model)).fold(0.0, f64::max);
    let layers: Vec<_> = model.layers().iter().map(|shape| shape.hidden).collect();
    println!(
        "{} {layers:?}: {rate:.0} characters a second",
        model.format()
    );
    Ok(())
}

/// Characters a second in one round.
fn rate(model: &Model<'_>) -> f64 {
    let mut words = vec![0; model.workspace_words()];
    let mut logits = vec![0; model.alphabet().len()];
    let workspace = WorkspaceSlices::new(&mut words, &mut logits);
    let mut session = Session::new(*model, workspace).unwrap();
    let mut sampler = Sampler::new(1).with_temperature(TEMPERATURE).unwrap();
    let mut token = model.alphabet().encode('\n');
    let mut characters = 0;
    let start = Instant::now();
    while start.elapsed() < ROUND {
        for _ in 0..200 {
            token = sampler.sample(session.step(token));
        }
        characters += 200;
    }
    std::hint::black_box(token);
    f64::from(characters) / start.elapsed().as_secs_f64()
}
