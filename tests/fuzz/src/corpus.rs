//! The input is a text to train on, and how its alphabet is chosen.

use crate::{assert_one_line, is_planted};
use host_trainer::network::config::{LayerConfig, NetworkConfig};
use host_trainer::text::alphabet::AlphabetKind;
use host_trainer::text::corpus::{Corpus, Split, text_of};
use host_trainer::text::text_file::TextFile;
use std::path::Path;

pub(crate) fn run(data: &[u8]) {
    let Some((&kind, bytes)) = data.split_first() else {
        return;
    };
    let kind = match kind % 2 {
        0 => AlphabetKind::Text,
        _ => AlphabetKind::Letters,
    };
    let path = Path::new("corpus.txt");
    let text = match text_of(path, bytes.to_vec()) {
        Ok(text) => text,
        Err(error) => return assert_one_line(&error),
    };
    let corpus = match Corpus::of(&text, kind) {
        Ok(corpus) => corpus,
        Err(error) => return assert_one_line(&error),
    };
    let (alphabet, tokens) = (&corpus.alphabet, &corpus.tokens);
    assert_eq!(tokens.len(), text.chars().count());
    let mut decoded = alphabet.decode(tokens);
    // The end of the last line, lost.
    if is_planted() {
        decoded.truncate(decoded.trim_end().len());
    }
    match kind {
        AlphabetKind::Text => {
            let expected = text.chars().map(|c| {
                let is_known = alphabet.symbols.contains(&c);
                if is_known { c } else { alphabet.symbols[0] }
            });
            assert_eq!(decoded, expected.collect::<String>());
        }
        AlphabetKind::Letters => {
            assert!(decoded.chars().all(|c| c == ' ' || c.is_ascii_lowercase()));
            assert_eq!(alphabet.encode(&decoded), *tokens);
        }
    }

    // The chip reads a prompt as the trainer read the corpus.
    let symbols: String = alphabet.symbols.iter().collect();
    let device = lstm_core::Alphabet::new(&symbols, alphabet.fold_case).unwrap();
    for (character, &token) in text.chars().zip(tokens).take(100) {
        assert_eq!(
            device.encode(character).index(),
            usize::from(token),
            "{character:?}"
        );
    }
    let network = NetworkConfig::stack(alphabet, 1, LayerConfig::lstm(1), 1);
    network.check().unwrap();
    assert_eq!(network.alphabet(), *alphabet);

    let parts = Split::ALL.map(|part| corpus.split(part));
    assert_eq!(parts.concat(), *tokens);
    for part in Split::ALL {
        let _ = corpus.before(part, 10);
    }
    assert_eq!(TextFile::new(path, tokens).hash.len(), 64);
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "From fairest creatures we desire increase,\n",
        "aé—\u{10348}ß\r\n\t",
    ];
    let kinds = [0, 1].into_iter();
    let seed = |kind| texts.map(|text| [&[kind], text.as_bytes()].concat());
    kinds.flat_map(seed).collect()
}
