//! The look-ups of the n-gram sections, against the same said again with hash maps.

mod common;

use common::ngrams::{Table, Vectors};
use common::{Random, times};
use lstm_core::export::ngram::{Backoff, Embeddings};
use lstm_core::export::round_up;

/// The last tokens of a text in which some contexts are met and others are not.
fn histories(vocab: usize, seed: u64, count: usize) -> impl Iterator<Item = [u8; 12]> {
    let mut random = Random::new(seed);
    let mut history = [0; 12];
    (0..count).map(move |_| {
        history.rotate_right(1);
        let few = vocab.min(4) as u32;
        history[0] = match random.below(12) {
            0 => random.below(vocab as u32) as u8,
            _ => random.below(few) as u8,
        };
        history
    })
}

#[test]
fn vectors_are_those_of_the_last_tokens() {
    let mut found = [0; 2];
    for (seed, (vocab, width, counts)) in [
        (1, 1, [1, 1, 1]),
        (2, 8, [3, 0, 9]),
        (27, 32, [12, 40, 200]),
        (27, 33, [0, 0, 60]),
        (62, 7, [16, 0, 0]),
        (256, 100, [0, 64, 250]),
        (27, 20, [0, 0, 0]),
    ]
    .into_iter()
    .enumerate()
    {
        let vectors = Vectors::random(vocab, width, counts, seed as u64);
        let embeddings = Embeddings::new(width, &vectors.section()).unwrap();
        let mut random = Random::new(seed as u64);
        for history in histories(vocab, seed as u64, times(400, 20)) {
            let rows = embeddings.rows(&history);
            assert_eq!(rows, vectors.rows(&history), "{vocab} {history:?}");
            for (row, map) in rows.iter().zip(&vectors.maps) {
                if let (Some(row), Some(map)) = (row, map) {
                    found[usize::from(*row < map.slots)] += 1;
                }
            }
            let mut hidden: Vec<i8> = (0..width)
                .map(|_| random.between(-127, 127) as i8)
                .collect();
            let expected = vectors.add(&history, &hidden);
            embeddings.add(&history, &mut hidden);
            assert_eq!(hidden, expected, "{vocab} {width} {history:?}");
        }
    }
    assert!(found.iter().all(|&n| n > times(500, 10)), "{found:?}");
}

#[test]
fn costs_are_those_of_the_longest_contexts() {
    let mut found = [0; 11];
    for (seed, (vocab, dense, counts)) in [
        (1, 2, &[1, 1, 1][..]),
        (2, 0, &[2, 3, 0, 9, 20]),
        (27, 2, &[40, 90, 0, 0, 200, 300]),
        (27, 0, &[]),
        (62, 1, &[9, 60, 200]),
        (256, 1, &[16, 0, 250]),
        (3, 2, &[9, 30, 90, 200, 99, 99, 99, 99, 99, 99]),
    ]
    .into_iter()
    .enumerate()
    {
        let table = Table::random(vocab, 40, dense, counts, seed as u64);
        let backoff = Backoff::new(vocab, round_up(40, 32), &table.section()).unwrap();
        for history in histories(vocab, seed as u64, times(400, 20)) {
            let (longest, expected) = table.costs(&history);
            let mut costs = vec![0x55; vocab];
            assert_eq!(backoff.costs(&history, &mut costs), longest, "{history:?}");
            assert_eq!(costs, expected, "{vocab} {history:?}");
            found[longest] += 1;
        }
    }
    let none = found.iter().take(7).filter(|&&n| n == 0).count();
    assert!(none == 0 || cfg!(miri), "{found:?}");
}
