//! Steps against plain references, and the contracts of a session's state.

mod common;

use common::{At, F32Plain, Int8Plain, Net, Random};
use lstm_core::{
    Error, Format, LayerShape, Logits, Session, Token, Window, Workspace, workspace_words,
};

type Big = Workspace<{ workspace_words(Format::F32, &[LayerShape::lstm(40); 4]) }, 32>;

fn values(logits: Logits<'_>) -> Vec<f32> {
    logits.iter().collect()
}

fn tokens(n: usize, vocab: u32, seed: u64) -> Vec<Token> {
    let mut random = Random::new(seed);
    (0..n)
        .map(|_| Token::new(random.below(vocab) as u8))
        .collect()
}

/// docs/NUMBERS.md, section by section, over weights in plain order.
struct Int8Reference<'n> {
    net: &'n Net<i8, Int8Plain>,
    h: Vec<Vec<i64>>,
    c: Vec<Vec<i64>>,
}

fn sigmoid(z: i64) -> i64 {
    let u = z.clamp(-32768, 32767) + 32768;
    let at = |i: i64| (32768.0 / (1.0 + (-(i as f64 - 128.0) / 16.0).exp())).round() as i64;
    let (value, next) = (at(u >> 8), at((u >> 8) + 1));
    value + (((next - value) * (u & 255)) >> 8)
}

impl<'n> Int8Reference<'n> {
    fn new(net: &'n Net<i8, Int8Plain>) -> Self {
        let zeros = || net.hidden.iter().map(|&h| vec![0; h]).collect();
        Int8Reference {
            net,
            h: zeros(),
            c: zeros(),
        }
    }

    fn step(&mut self, token: Token) -> Vec<i64> {
        let row_sum = |m: &Int8Plain, row: usize, x: &[i64], t: i64| {
            let dot: i64 = m.weights[row]
                .iter()
                .zip(x)
                .map(|(&w, x)| i64::from(w) * x)
                .sum();
            let p = m.rows[row];
            i64::from(p.bias) + dot * i64::from(p.weight_scale) + t * i64::from(p.table_scale)
        };
        let mut below: Vec<i64> = Vec::new();
        for (l, matrix) in self.net.layers.iter().enumerate() {
            let mut x = below;
            x.extend(&self.h[l]);
            for unit in 0..self.net.hidden[l] {
                let z: Vec<i64> = (0..4)
                    .map(|gate| {
                        let row = 4 * unit + gate;
                        let t = if l == 0 {
                            self.net.table[token.index()][row].into()
                        } else {
                            0
                        };
                        row_sum(matrix, row, &x, t)
                    })
                    .collect();
                let (i, f, o) = (sigmoid(z[0] >> 6), sigmoid(z[1] >> 6), sigmoid(z[3] >> 6));
                let g = sigmoid(z[2] >> 5) - 16384;
                let c = (f * self.c[l][unit] + ((i * g) >> 3) + (1 << 14)) >> 15;
                self.c[l][unit] = c.clamp(-32768, 32767);
                let tanh = sigmoid(self.c[l][unit] << 2) - 16384;
                let p = o * tanh;
                self.h[l][unit] = (p - (p >> 7) + (1 << 21)) >> 22;
            }
            below = self.h[l].clone();
        }
        let logits =
            (0..self.net.dense.rows.len()).map(|v| row_sum(&self.net.dense, v, &below, 0) >> 6);
        logits.collect()
    }
}

#[test]
fn int8_and_int4_equal_the_definition_bit_for_bit() {
    for (seed, hidden) in [
        &[1][..],
        &[4],
        &[7],
        &[16],
        &[33],
        &[40, 3],
        &[5, 17, 9],
        &[8, 8, 8, 8],
    ]
    .into_iter()
    .enumerate()
    {
        let vocab = 2 + 5 * seed % 30;
        for format in [Format::Int8, Format::Int4] {
            let net = Net::random_in(format, vocab, hidden, seed as u64);
            let at = At::new(&net.file(), 0);
            let model = at.model();
            let mut workspace = Big::new();
            let mut session = Session::new(&model, &mut workspace).unwrap();
            let mut reference = Int8Reference::new(&net);
            for token in tokens(200, vocab as u32, 99) {
                let expected = reference.step(token);
                let logits = session.step(token);
                let found: Vec<i64> = logits
                    .iter()
                    .map(|l| (f64::from(l) * 4096.0) as i64)
                    .collect();
                assert_eq!(found, expected, "{format} {hidden:?}");
            }
        }
    }
}

#[test]
fn f32_stays_near_a_reference_in_double_precision() {
    for (seed, hidden) in [&[1][..], &[6], &[24], &[10, 13], &[4, 5, 6, 7]]
        .into_iter()
        .enumerate()
    {
        let net = Net::<f32, F32Plain>::random(9, hidden, seed as u64);
        let at = At::new(&net.file(), 4);
        let model = at.model();
        let mut workspace = Big::new();
        let mut session = Session::new(&model, &mut workspace).unwrap();
        let mut h: Vec<Vec<f64>> = hidden.iter().map(|&n| vec![0.0; n]).collect();
        let mut c = h.clone();
        for token in tokens(40, 9, 5) {
            let mut below: Vec<f64> = Vec::new();
            let dot = |row: &[f32], x: &[f64]| -> f64 {
                row.iter().zip(x).map(|(&w, x)| f64::from(w) * x).sum()
            };
            for (l, matrix) in net.layers.iter().enumerate() {
                let mut x = below;
                x.extend(&h[l]);
                for unit in 0..hidden[l] {
                    let z = |gate: usize| {
                        let row = 4 * unit + gate;
                        let t = if l == 0 {
                            net.table[token.index()][row]
                        } else {
                            0.0
                        };
                        dot(&matrix.weights[row], &x) + f64::from(matrix.rows[row]) + f64::from(t)
                    };
                    let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
                    c[l][unit] = sigmoid(z(1)) * c[l][unit] + sigmoid(z(0)) * z(2).tanh();
                    h[l][unit] = sigmoid(z(3)) * c[l][unit].tanh();
                }
                below = h[l].clone();
            }
            let found = values(session.step(token));
            for (v, found) in found.into_iter().enumerate() {
                let expected = dot(&net.dense.weights[v], &below) + f64::from(net.dense.rows[v]);
                assert!(
                    (f64::from(found) - expected).abs() < 2e-5,
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
    let mut session = Session::new(&model, &mut workspace).unwrap();
    session.advance(Token::new(1));
    let mut c = 0.5 * 1f32.tanh();
    for _ in 0..5 {
        c *= 0.5;
        let h = values(session.step(Token::new(0)))[0];
        assert!((h - 0.5 * c.tanh()).abs() < 1e-6);
    }
}

/// Runs a check for both formats.
fn each_format(check: impl Fn(&At)) {
    check(&At::new(&Net::<i8, _>::random(11, &[12, 7], 3).file(), 0));
    check(&At::new(
        &Net::<f32, F32Plain>::random(11, &[12, 7], 3).file(),
        0,
    ));
}

#[test]
fn single_steps_equal_one_run_and_advance_equals_step() {
    each_format(|at| {
        let model = at.model();
        let (mut one, mut two) = (Big::new(), Big::new());
        let mut stepped = Session::new(&model, &mut one).unwrap();
        let mut advanced = Session::new(&model, &mut two).unwrap();
        let text = tokens(64, 11, 1);
        for &token in &text[..63] {
            stepped.step(token);
            advanced.advance(token);
        }
        let found = values(stepped.step(text[63]));
        assert_eq!(found, values(advanced.step(text[63])));
        stepped.reset();
        for &token in &text[..63] {
            stepped.step(token);
        }
        assert_eq!(found, values(stepped.step(text[63])));
    });
}

#[test]
fn a_restored_state_goes_on_identically() {
    each_format(|at| {
        let model = at.model();
        let (mut one, mut two) = (Big::new(), Big::new());
        let mut session = Session::new(&model, &mut one).unwrap();
        let text = tokens(50, 11, 2);
        for &token in &text[..30] {
            session.advance(token);
        }
        let snapshot = session.save::<256>().unwrap();
        assert_eq!(snapshot.len(), session.snapshot_bytes());
        let mut other = Session::new(&model, &mut two).unwrap();
        other.restore(&snapshot).unwrap();
        for &token in &text[30..] {
            assert_eq!(values(session.step(token)), values(other.step(token)));
        }
        // A refused snapshot leaves the state alone.
        let before = other.save::<256>().unwrap();
        for bit in 0..8 * snapshot.len() {
            let mut damaged = snapshot.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(other.restore(&damaged), Err(Error::SnapshotDamaged));
        }
        let expected = snapshot.len();
        assert_eq!(
            other.restore(&snapshot[1..]),
            Err(Error::SnapshotLength {
                found: expected - 1,
                expected
            })
        );
        assert_eq!(
            other.save::<8>().unwrap_err(),
            Error::SnapshotLength { found: 8, expected }
        );
        assert_eq!(other.save::<256>().unwrap(), before);
    });
}

#[test]
fn a_snapshot_of_another_model_is_refused() {
    let (a, b) = (
        Net::<i8, _>::random(5, &[6], 1),
        Net::<i8, _>::random(5, &[6], 2),
    );
    let (a, b) = (At::new(&a.file(), 0), At::new(&b.file(), 0));
    let (a, b) = (a.model(), b.model());
    let (mut one, mut two) = (Big::new(), Big::new());
    let snapshot = Session::new(&a, &mut one).unwrap().save::<64>().unwrap();
    assert_eq!(
        Session::new(&b, &mut two).unwrap().restore(&snapshot),
        Err(Error::SnapshotModel {
            found: a.checksum(),
            expected: b.checksum()
        })
    );
}

#[test]
fn a_token_from_outside_counts_as_token_0() {
    each_format(|at| {
        let model = at.model();
        let mut workspace = Big::new();
        let mut session = Session::new(&model, &mut workspace).unwrap();
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
        let mut windowed = Session::new(&model, &mut one).unwrap();
        let mut plain = Session::new(&model, &mut two).unwrap();
        let mut window = Window::<10>::new();
        let text = tokens(30, 11, 4);
        for end in 1..=text.len() {
            let found = values(window.step(&mut windowed, text[end - 1]));
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
fn a_workspace_that_is_too_small_is_refused() {
    let at = At::new(&Net::<i8, _>::random(11, &[32], 3).file(), 0);
    let model = at.model();
    const WORDS: usize = workspace_words(Format::Int8, &[LayerShape::lstm(32)]);
    assert_eq!(Session::words(&model), WORDS);
    assert!(Session::new(&model, &mut Workspace::<WORDS, 11>::new()).is_ok());
    assert_eq!(
        Session::new(&model, &mut Workspace::<{ WORDS - 1 }, 11>::new()).err(),
        Some(Error::WorkspaceWords {
            found: WORDS - 1,
            expected: WORDS
        })
    );
    assert_eq!(
        Session::new(&model, &mut Workspace::<WORDS, 10>::new()).err(),
        Some(Error::WorkspaceSymbols {
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
