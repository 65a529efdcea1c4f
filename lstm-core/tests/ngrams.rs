//! The look-ups of the n-gram sections, against the same said again with hash maps.

mod common;

use common::ngrams::{Table, Vectors, ngrams, words};
use common::reference::Int8Reference;
use common::{At, Net, Random, times};
use lstm_core::export::ngram::{Backoff, Embeddings, hash, place};
use lstm_core::export::{BackoffSection, List, round_up};
use lstm_core::{
    Format, LayerShape, Session, SnapshotError, Token, WorkspaceError, WorkspaceSlices,
};

/// A text in which some contexts are met and others are not.
fn tokens(vocab: usize, seed: u64, count: usize) -> impl Iterator<Item = u8> {
    let mut random = Random::new(seed);
    (0..count).map(move |_| {
        let few = vocab.min(4) as u32;
        match random.below(12) {
            0 => random.below(vocab as u32) as u8,
            _ => random.below(few) as u8,
        }
    })
}

/// Its last tokens at each.
fn histories(vocab: usize, seed: u64, count: usize) -> impl Iterator<Item = [u8; 12]> {
    let mut history = [0; 12];
    tokens(vocab, seed, count).map(move |token| {
        history.rotate_right(1);
        history[0] = token;
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
            let start: Vec<i64> = (0..width)
                .map(|_| random.between(-127, 127).into())
                .collect();
            let mut hidden: Vec<i8> = start.iter().map(|&h| h as i8).collect();
            embeddings.add(&history, &mut hidden);
            let found: Vec<i64> = hidden.into_iter().map(i64::from).collect();
            assert_eq!(found, vectors.add(&history, &start), "{vocab} {history:?}");
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

/// Though the word that is looked at agrees with the context in each bit of the tag.
#[test]
fn a_length_without_contexts_and_a_slot_without_one_give_no_row() {
    let table = Table::random(5, 3, 0, &[0], 1);
    let history = [0; 12];
    let tag = |salt| place(hash(salt, &history[..1]), 0, 1).1 & 0xfff;
    let longest = |salt, slots, array: &[u32]| {
        let mut data = words(table.section().data);
        data.extend(array.iter().map(|word| word.to_le()));
        let section = BackoffSection {
            salt,
            slots: List::new(&[slots]).unwrap(),
            row_bytes: 4,
            data: bytemuck::cast_slice(&data),
            ..table.section()
        };
        let backoff = Backoff::new(5, 32, &section).unwrap();
        backoff.costs(&history, &mut [0; 5])
    };
    // Where the slots would be stands the row, of one symbol.
    let row = tag(1) << 20;
    assert_eq!(longest(1, 0, &[row]), 0);
    // A displacement, a slot, a row.
    assert_eq!(longest(1, 1, &[0, row, 0]), 1);
    let salt = (0..).find(|&salt| tag(salt) == 0).unwrap();
    assert_eq!(longest(salt, 1, &[0, 0xf_ffff, 0]), 0);
}

/// Runs a check for models of every cell and alphabet, with either section and with both.
fn each_model(
    mut check: impl FnMut(&Net<i8, common::Int8Plain>, Option<&Vectors>, Option<&Table>),
) {
    let (lstm, cifg, gru) = (LayerShape::lstm, LayerShape::cifg, LayerShape::gru);
    let models = [
        (1, vec![lstm(3)], 0),
        (2, vec![cifg(9)], 2),
        (27, vec![cifg(40).project(12)], 2),
        (27, vec![gru(13)], 1),
        (62, vec![gru(9).project(4), lstm(6)], 1),
        (256, vec![lstm(10).project(9), cifg(35)], 0),
        (11, vec![lstm(17), gru(5), cifg(8).project(3)], 2),
    ];
    let step = times(1, 3);
    for (seed, (vocab, shapes, dense)) in models.into_iter().enumerate().step_by(step) {
        let seed = seed as u64;
        let (first, last) = (shapes[0].output(), shapes[shapes.len() - 1].output());
        let vectors = Vectors::random(vocab, first, [14, 50, times(90, 20)], seed);
        let counts = [16, 0, times(90, 20), 60];
        let table = Table::random(vocab, last, dense, &counts, seed);
        for format in [Format::Int8, Format::Int4] {
            let net = Net::<i8, _>::random_shapes(format, vocab, &shapes, seed);
            check(&net, Some(&vectors), None);
            check(&net, None, Some(&table));
            check(&net, Some(&vectors), Some(&table));
        }
    }
}

/// Words and logits of a session.
fn ram(at: &At) -> (Vec<u32>, Vec<u32>) {
    let model = at.model();
    (
        vec![0; model.workspace_words()],
        vec![0; model.alphabet().len()],
    )
}

#[test]
fn steps_equal_the_definition_bit_for_bit() {
    let mut changed = 0;
    each_model(|net, vectors, table| {
        let at = At::new(&net.file_with(&ngrams(vectors, table)), 0);
        let (mut words, mut logits) = ram(&at);
        let slices = WorkspaceSlices::new(&mut words, &mut logits);
        let mut session = Session::new(at.model(), slices).unwrap();
        let mut reference = Int8Reference::new(net).with(vectors, table);
        let mut without = Int8Reference::new(net);
        for token in tokens(net.symbols.chars().count(), 5, times(150, 3)) {
            let token = Token::new(token);
            let expected = reference.step(token);
            let found = session.step(token).into_q12();
            let found: Vec<i64> = found.iter().map(|&logit| logit.into()).collect();
            assert_eq!(found, expected, "{} {:?}", net.format, net.shapes);
            changed += usize::from(expected != without.step(token));
        }
    });
    assert!(changed > times(4000, 10), "{changed}");
}

#[test]
fn a_state_holds_the_last_tokens() {
    each_model(|net, vectors, table| {
        let at = At::new(&net.file_with(&ngrams(vectors, table)), 0);
        let vocab = net.symbols.chars().count();
        let (mut one, mut two) = (ram(&at), ram(&at));
        let slices = WorkspaceSlices::new(&mut one.0, &mut one.1);
        let mut session = Session::new(at.model(), slices).unwrap();
        let text: Vec<_> = tokens(vocab, 3, times(40, 16)).map(Token::new).collect();
        let (first, second) = text.split_at(text.len() / 2);
        first.iter().for_each(|&token| session.advance(token));
        let mut state = vec![0; session.state_bytes()];
        session.save(&mut state).unwrap();
        // Behind h and c, the newest first.
        let found = &state[state.len() - 12..];
        let mut expected = [Token::default(); 12];
        let last = first.iter().rev();
        expected
            .iter_mut()
            .zip(last)
            .for_each(|(to, &from)| *to = from);
        assert!(found.iter().map(|&token| Token::new(token)).eq(expected));

        let slices = WorkspaceSlices::new(&mut two.0, &mut two.1);
        let mut other = Session::new(at.model(), slices).unwrap();
        other.restore(&state).unwrap();
        for &token in second {
            let expected = session.step(token).into_q12().to_vec();
            assert_eq!(other.step(token).into_q12(), expected);
        }
        // A session goes on in the same memory, and starts anew in it.
        session.restore(&state).unwrap();
        let mut resumed = Session::resume(at.model(), session.into_memory()).unwrap();
        other.restore(&state).unwrap();
        let expected = other.step(second[0]).into_q12().to_vec();
        assert_eq!(resumed.step(second[0]).into_q12(), expected);
        let (mut session, mut fresh) = (resumed, other);
        session.reset();
        let mut start = vec![1; state.len()];
        session.save(&mut start).unwrap();
        assert_eq!(start, vec![0; state.len()]);
        // One from outside counts as token 0, in the history too.
        if vocab < 256 {
            session.advance(Token::new(255));
            fresh.reset();
            fresh.advance(Token::new(0));
            let (mut found, mut expected) = (start.clone(), start);
            session.save(&mut found).unwrap();
            fresh.save(&mut expected).unwrap();
            assert_eq!(found, expected);
        }
    });
}

#[test]
fn a_saved_token_from_outside_the_alphabet_is_refused() {
    let net = Net::<i8, _>::random(27, &[4], 1);
    let table = Table::random(27, 4, 1, &[9], 1);
    let at = At::new(&net.file_with(&ngrams(None, Some(&table))), 0);
    let (mut words, mut logits) = ram(&at);
    let slices = WorkspaceSlices::new(&mut words, &mut logits);
    let mut session = Session::new(at.model(), slices).unwrap();
    let mut state = vec![0; session.state_bytes()];
    for place in 0..12 {
        for (token, is_refused) in [(26, false), (27, true), (0x80, true)] {
            session.save(&mut state).unwrap();
            let at = state.len() - 12 + place;
            state[at] = token;
            let found = session.restore(&state);
            let error = is_refused.then_some(SnapshotError::Damaged);
            assert_eq!(found.err(), error, "{place} {token}");
            session.reset();
        }
    }
    let (words, logits) = session.into_memory().into_inner();
    // Behind the hidden state, one word, and the cell state, two.
    bytemuck::cast_slice_mut::<u32, u8>(words)[12 + 5] = 27;
    let slices = WorkspaceSlices::new(words, logits);
    let error = Session::resume(at.model(), slices).err();
    assert_eq!(error, Some(WorkspaceError::State));
}
