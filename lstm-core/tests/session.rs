//! Steps against plain references, and the contracts of a session's state.

mod common;

use common::reference::{F64Reference, Int8Reference};
use common::{At, F32Plain, Net, Random, lstms, times};
use lstm_core::{
    CellKind, Format, LayerShape, Logits, Session, SnapshotError, Token, Window, Workspace,
    WorkspaceError, workspace_words,
};

type Big = Workspace<{ workspace_words(Format::F32, &[LayerShape::lstm(100); 4]) }, 32>;

fn values(logits: Logits<'_>) -> Vec<f32> {
    logits.iter().collect()
}

fn tokens(n: usize, vocab: u32, seed: u64) -> Vec<Token> {
    let mut random = Random::new(seed);
    (0..n)
        .map(|_| Token::new(random.below(vocab) as u8))
        .collect()
}

/// Stacks of all cells, with and without projection, of even and odd sizes.
fn shapes() -> Vec<Vec<LayerShape>> {
    let (lstm, cifg, gru) = (LayerShape::lstm, LayerShape::cifg, LayerShape::gru);
    let gru_before = |hidden| LayerShape::new(CellKind::GruResetBefore, hidden);
    if cfg!(miri) {
        let stack = vec![cifg(5).project(2), lstm(2), cifg(4)];
        let grus = vec![gru(2), gru_before(3), gru(3)];
        return vec![vec![cifg(1)], vec![lstm(3)], grus, stack];
    }
    let mut shapes: Vec<_> = [
        &[1][..],
        &[4],
        &[7],
        &[16],
        &[33],
        &[40, 3],
        &[5, 17, 9],
        &[8; 4],
    ]
    .into_iter()
    .map(lstms)
    .collect();
    shapes.extend([
        vec![cifg(1)],
        vec![cifg(4)],
        vec![cifg(7)],
        vec![cifg(34)],
        vec![cifg(40).project(12)],
        vec![cifg(5).project(5)],
        vec![cifg(18).project(1)],
        vec![lstm(21).project(6)],
        vec![cifg(6), cifg(9)],
        vec![cifg(13).project(5), lstm(7), cifg(8).project(3)],
        vec![lstm(10).project(4), cifg(16).project(7), cifg(2), lstm(3)],
        vec![gru(1)],
        vec![gru(7)],
        vec![gru(34), lstm(5), gru(6)],
        vec![gru(40), gru(3)],
        vec![gru_before(1)],
        vec![gru_before(34), lstm(2)],
        vec![gru_before(5), gru_before(40), cifg(30).project(6), lstm(3)],
        vec![gru(7), cifg(9), gru_before(12), lstm(6)],
        vec![gru(9).project(4), cifg(3)],
    ]);
    shapes
}

/// Layers with more blocks of rows than a batch holds on a computer: 96, or 48 of each of two matrices.
fn wide_shapes() -> Vec<Vec<LayerShape>> {
    if cfg!(miri) {
        return Vec::new();
    }
    vec![
        vec![LayerShape::lstm(100)],
        vec![LayerShape::cifg(131), LayerShape::lstm(3)],
        vec![LayerShape::gru(70)],
        vec![LayerShape::new(CellKind::GruResetBefore, 200)],
    ]
}

#[test]
fn int8_and_int4_equal_the_definition_bit_for_bit() {
    let shapes = shapes().into_iter().chain(wide_shapes());
    for (seed, shapes) in shapes.enumerate() {
        let vocab = 2 + 5 * seed % 30;
        for format in [Format::Int8, Format::Int4] {
            let net = Net::<i8, _>::random_shapes(format, vocab, &shapes, seed as u64);
            let at = At::new(&net.file(), 0);
            let model = at.model();
            let mut workspace = Big::new();
            let mut session = Session::new(model, &mut workspace).unwrap();
            let mut reference = Int8Reference::new(&net);
            for token in tokens(times(200, 2), vocab as u32, 99) {
                let expected = reference.step(token);
                let logits = session.step(token);
                let found: Vec<i64> = logits
                    .iter()
                    .map(|l| (f64::from(l) * 4096.0) as i64)
                    .collect();
                assert_eq!(found, expected, "{format} {shapes:?}");
            }
        }
    }
}

#[test]
fn f32_stays_near_a_reference_in_double_precision() {
    for (seed, shapes) in shapes().into_iter().enumerate() {
        let net = Net::<f32, F32Plain>::random_shapes(9, &shapes, seed as u64);
        let at = At::new(&net.file(), 4);
        let model = at.model();
        let mut workspace = Big::new();
        let mut session = Session::new(model, &mut workspace).unwrap();
        let mut reference = F64Reference::new(&net);
        for token in tokens(times(20, 2), 9, 5) {
            let expected = reference.step(token);
            let found = values(session.step(token));
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.into_iter().zip(expected) {
                assert!(
                    (f64::from(found) - expected).abs() < 1e-4,
                    "{found} {expected}"
                );
            }
        }
    }
}

#[test]
fn zero_weights_halve_the_cell() {
    // All pre-activations are zero: the gates are 1/2 and g is 0, so c halves at every step.
    let mut net = Net::<f32, F32Plain>::random(2, &[1], 0);
    for row in net.layers[0]
        .weights
        .iter_mut()
        .flatten()
        .chain(net.table.iter_mut().flatten())
    {
        *row = 0.0;
    }
    net.layers[0].rows = vec![0.0; 4];
    net.table[1][2] = 1.0; // token 1 opens g
    net.dense.weights = vec![vec![1.0], vec![0.0]];
    net.dense.rows = vec![0.0; 2];
    let at = At::new(&net.file(), 0);
    let model = at.model();
    let mut workspace = Big::new();
    let mut session = Session::new(model, &mut workspace).unwrap();
    session.advance(Token::new(1));
    let mut c = 0.5 * 1f32.tanh();
    for _ in 0..5 {
        c *= 0.5;
        let h = values(session.step(Token::new(0)))[0];
        assert!((h - 0.5 * c.tanh()).abs() < 1e-6);
    }
}

/// Runs a check for each format.
fn each_format(check: impl Fn(&At)) {
    let units = [times(12, 5), times(7, 2)];
    check(&At::new(&Net::<i8, _>::random(11, &units, 3).file(), 0));
    let f32 = Net::<f32, F32Plain>::random(11, &units, 3);
    check(&At::new(&f32.file(), 0));
    let [first, second] = [times(10, 5), times(9, 2)].map(|units| units as u16);
    let cifg = [LayerShape::cifg(first).project(4), LayerShape::cifg(second)];
    let int4 = Net::<i8, _>::random_shapes(Format::Int4, 11, &cifg, 3);
    check(&At::new(&int4.file(), 0));
    let gru = [LayerShape::gru(first), LayerShape::gru(second)];
    let gru = Net::<i8, _>::random_shapes(Format::Int4, 11, &gru, 3);
    check(&At::new(&gru.file(), 0));
}

#[test]
fn single_steps_equal_one_run_and_advance_equals_step() {
    each_format(|at| {
        let model = at.model();
        let (mut one, mut two) = (Big::new(), Big::new());
        let mut stepped = Session::new(model, &mut one).unwrap();
        let mut advanced = Session::new(model, &mut two).unwrap();
        let n = times(64, 4);
        let text = tokens(n, 11, 1);
        for &token in &text[..n - 1] {
            stepped.step(token);
            advanced.advance(token);
        }
        let found = values(stepped.step(text[n - 1]));
        assert_eq!(found, values(advanced.step(text[n - 1])));
        stepped.reset();
        for &token in &text[..n - 1] {
            stepped.step(token);
        }
        assert_eq!(found, values(stepped.step(text[n - 1])));
    });
}

#[test]
fn a_copy_of_the_network_gives_the_same_logits() {
    each_format(|at| {
        let model = at.model();
        let bytes = model.network_bytes();
        let mut words = vec![0u32; bytes / 4 + 1];
        let ram: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        // Too short, and not aligned.
        assert!(model.with_network_in(&mut ram[..bytes - 1]).is_none());
        assert!(model.with_network_in(&mut ram[1..]).is_none());
        let copy = model.with_network_in(ram).unwrap();
        let (mut one, mut two) = (Big::new(), Big::new());
        let mut session = Session::new(model, &mut one).unwrap();
        let mut copied = Session::new(copy, &mut two).unwrap();
        for token in tokens(times(20, 3), 11, 4) {
            assert_eq!(values(session.step(token)), values(copied.step(token)));
        }
        assert!(at.bytes().ends_with(&ram[..bytes]));
    });
}

#[test]
fn a_restored_state_goes_on_identically() {
    each_format(|at| {
        let model = at.model();
        let (mut one, mut two) = (Big::new(), Big::new());
        let mut session = Session::new(model, &mut one).unwrap();
        let text = tokens(times(50, 5), 11, 2);
        let half = text.len() / 2;
        for &token in &text[..half] {
            session.advance(token);
        }
        let mut state = vec![0; session.state_bytes()];
        session.save(&mut state).unwrap();
        let mut other = Session::new(model, &mut two).unwrap();
        other.restore(&state).unwrap();
        for &token in &text[half..] {
            assert_eq!(values(session.step(token)), values(other.step(token)));
        }
    });
}

#[test]
fn a_refused_state_leaves_the_session_alone() {
    each_format(|at| {
        let model = at.model();
        let mut workspace = Big::new();
        let mut session = Session::new(model, &mut workspace).unwrap();
        for &token in &tokens(times(30, 3), 11, 2) {
            session.advance(token);
        }
        let mut state = vec![0; session.state_bytes()];
        session.save(&mut state).unwrap();
        // A NaN, or an element of h that no step can give, as the last of all.
        let mut impossible = vec![0; state.len()];
        let end = impossible.len();
        if model.format() == Format::F32 {
            impossible[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        } else {
            let units: usize = model.layers().last().unwrap().hidden.into();
            impossible[end - 2 * units - 1] = 0x80;
        }
        assert_eq!(session.restore(&impossible), Err(SnapshotError::Damaged));
        let top = model.layers().last().unwrap().cell;
        if model.format() != Format::F32 && top.has_unit_cell_state() {
            // In Q14: 1 is the most, beyond it h would wrap.
            for (value, is_refused) in [(0x4000i16, false), (0x4001, true), (-0x4001, true)] {
                let mut beyond = state.clone();
                beyond[end - 2..].copy_from_slice(&value.to_le_bytes());
                assert_eq!(session.restore(&beyond).is_err(), is_refused, "{value}");
            }
            session.restore(&state).unwrap();
        }
        let expected = state.len();
        for found in [0, 1, expected - 1, expected + 1] {
            let error = Err(SnapshotError::Length { found, expected });
            assert_eq!(session.restore(&vec![0; found]), error);
            assert_eq!(session.save(&mut vec![0; found]), error);
        }
        let mut after = vec![0; state.len()];
        session.save(&mut after).unwrap();
        assert_eq!(after, state);
    });
}

#[test]
fn a_token_from_outside_counts_as_token_0() {
    each_format(|at| {
        let model = at.model();
        let mut workspace = Big::new();
        let mut session = Session::new(model, &mut workspace).unwrap();
        let zero = values(session.step(Token::new(0)));
        for outside in [11, 12, 255] {
            session.reset();
            assert_eq!(values(session.step(Token::new(outside))), zero);
        }
    });
}

#[test]
fn a_window_is_the_last_tokens_from_the_zero_state() {
    each_format(|at| {
        let model = at.model();
        let (mut one, mut two) = (Big::new(), Big::new());
        let mut windowed = Session::new(model, &mut one).unwrap();
        let mut plain = Session::new(model, &mut two).unwrap();
        let mut window = Window::<10>::new();
        let text = tokens(times(30, 12), 11, 4);
        for end in 1..=text.len() {
            let found = values(window.step(&mut windowed, text[end - 1]));
            if end % times(1, 4) != 0 {
                continue;
            }
            plain.reset();
            let last = &text[end.saturating_sub(10)..end];
            for &token in &last[..last.len() - 1] {
                plain.advance(token);
            }
            assert_eq!(found, values(plain.step(last[last.len() - 1])), "{end}");
        }
    });
}

#[test]
fn a_window_may_be_shorter_than_its_room() {
    let mut window = Window::<10>::of_length(3).unwrap();
    for index in 0..5 {
        window.push(Token::new(index));
    }
    assert!(window.tokens().eq([2, 3, 4].map(Token::new)));
    for found in [0, 11] {
        let expected = 10;
        let error = WorkspaceError::Window { found, expected };
        assert_eq!(Window::<10>::of_length(found).err(), Some(error));
    }
}

#[test]
fn a_workspace_that_is_too_small_is_refused() {
    let at = At::new(&Net::<i8, _>::random(11, &[32], 3).file(), 0);
    let model = at.model();
    const WORDS: usize = workspace_words(Format::Int8, &[LayerShape::lstm(32)]);
    assert_eq!(model.workspace_words(), WORDS);
    assert!(Session::new(model, &mut Workspace::<WORDS, 11>::new()).is_ok());
    assert_eq!(
        Session::new(model, &mut Workspace::<{ WORDS - 1 }, 11>::new()).err(),
        Some(WorkspaceError::Words {
            found: WORDS - 1,
            expected: WORDS
        })
    );
    assert_eq!(
        Session::new(model, &mut Workspace::<WORDS, 10>::new()).err(),
        Some(WorkspaceError::Symbols {
            found: 10,
            expected: 11
        })
    );
}

#[test]
fn ram_is_a_few_bytes_a_unit() {
    let bytes = 4 * workspace_words(Format::Int8, &[LayerShape::lstm(256)]);
    assert!(bytes <= 10 * 256, "{bytes}");
    assert_eq!(
        4 * workspace_words(Format::F32, &[LayerShape::lstm(256)]),
        12 * 256
    );
}
