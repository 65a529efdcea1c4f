//! How well a back-off table alone predicts the parts that it was not counted in, for some sizes:
//!
//! ```text
//! cargo xtask corpus
//! cargo run --release -p host-trainer --example counted_costs -- data/sonnets.txt target/corpus/pretrain.txt letters 3 100 200 400 800
//! ```
//!
//! The corpus is counted 3 times here, and the last numbers are kilobytes of flash. With `text` for `letters` the alphabet has all characters of the corpus.
//! Printed are bits a character: of the other text, and of the corpus's training part, each eighth by the table of the
//! other seven, and by the table that has counted all of both; of the held-out parts.

use host_trainer::files::error::{Error, Result};
use host_trainer::ngram::{CrossFitted, CrossFittedReader, Settings, Size, Text};
use host_trainer::text::alphabet::AlphabetKind;
use host_trainer::text::corpus::{Corpus, Split};
use lstm_core::export::HISTORY;
use std::ops::Range;
use std::path::Path;

/// What a token costs in bits, where the costs of all tokens are made those of probabilities.
fn bits(costs: &[u8], token: u8) -> f64 {
    let bits = |cost: &u8| f64::from(*cost) / 4.0;
    let sum: f64 = costs.iter().map(|cost| (-bits(cost)).exp2()).sum();
    bits(&costs[usize::from(token)]) + sum.log2()
}

/// Mean bits of a part of a text; `costs` writes those of a position.
fn mean(
    tokens: &[u8],
    part: Range<usize>,
    symbols: usize,
    costs: impl Fn(usize, &[u8; HISTORY], &mut [u8]) -> usize,
) -> f64 {
    let mut room = vec![0; symbols];
    let of = |at: usize| {
        let history = std::array::from_fn(|age| at.checked_sub(age + 1).map_or(0, |at| tokens[at]));
        costs(at, &history, &mut room);
        bits(&room, tokens[at])
    };
    let characters = part.len() as f64;
    part.map(of).sum::<f64>() / characters
}

fn print(corpus: &Corpus, texts: &[Text<'_>], reader: &CrossFittedReader<'_>) {
    let symbols = corpus.alphabet.len();
    for (index, text) in texts.iter().enumerate() {
        let all = 0..text.tokens.len();
        let new = mean(text.tokens, all.clone(), symbols, |at, history, costs| {
            reader.costs(index, at, history, costs)
        });
        let own = mean(text.tokens, all, symbols, |_, history, costs| {
            reader.unseen(history, costs)
        });
        println!(
            "  text {}: {new:.4}, and {own:.4} by its own counts",
            index + 1
        );
    }
    for split in [Split::Validation, Split::Test] {
        let part = split.range(corpus.tokens.len());
        let found = mean(&corpus.tokens, part, symbols, |_, history, costs| {
            reader.unseen(history, costs)
        });
        println!("  {}: {found:.4}", split.name());
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [corpus, other, alphabet, weight, sizes @ ..] = &arguments[..] else {
        return Err(Error::bad_input(
            "expected CORPUS TEXT letters|text WEIGHT KILOBYTES..",
        ));
    };
    let kind = match &alphabet[..] {
        "letters" => AlphabetKind::Letters,
        _ => AlphabetKind::Text,
    };
    let corpus = Corpus::read(Path::new(corpus), kind)?;
    let other = Corpus::read_with(Path::new(other), corpus.alphabet.clone())?;
    let number = |text: &String| {
        let number = text.parse::<u32>();
        number.map_err(|e| Error::bad_input(format!("{text}: {e}")))
    };
    let text = |tokens, weight| Text { tokens, weight };
    let texts = [
        text(&other.tokens[..], 1),
        text(corpus.split(Split::Train), number(weight)?),
    ];
    for size in sizes {
        let kilobytes = number(size)? as usize;
        let size = Size::Bytes {
            most: 1024 * kilobytes,
            columns: 64,
        };
        let settings = Settings {
            max_length: 9,
            size,
        };
        let tables = CrossFitted::build(corpus.alphabet.len(), &texts, settings, &|| false)?;
        let (bytes, slots) = (tables.whole().data_bytes(64), tables.whole().slots());
        println!(
            "{bytes} bytes, {slots} slots, an entry saves {:.2} bits",
            tables.threshold()
        );
        print(&corpus, &texts, &tables.reader()?);
    }
    Ok(())
}
