//! The sampler against exact distributions.

mod common;

use common::{At, F32Plain, Net};
use lstm_core::{Error, Format, LayerShape, Sampler, Session, Token, Workspace, workspace_words};

/// A model whose logits are these, whatever it reads.
fn constant(logits: &[f32]) -> At {
    let mut net = Net::<f32, F32Plain>::random(logits.len(), &[1], 0);
    net.dense.weights = vec![vec![0.0]; logits.len()];
    net.dense.rows = logits.to_vec();
    At::new(&net.file(), 0)
}

fn draw(at: &At, mut sampler: Sampler, n: usize) -> Vec<Token> {
    let model = at.model();
    let mut workspace =
        Workspace::<{ workspace_words(Format::F32, &[LayerShape::lstm(1)]) }, 256>::new();
    let mut session = Session::new(&model, &mut workspace).unwrap();
    (0..n)
        .map(|_| sampler.sample(session.step(Token::new(0))))
        .collect()
}

fn counts(at: &At, sampler: Sampler, n: usize) -> Vec<f64> {
    let mut counts = vec![0.0; at.model().alphabet().len()];
    for token in draw(at, sampler, n) {
        counts[token.index()] += 1.0;
    }
    counts
}

fn softmax(logits: &[f32], temperature: f64) -> Vec<f64> {
    let e: Vec<f64> = logits
        .iter()
        .map(|&l| (f64::from(l) / temperature).exp())
        .collect();
    let sum: f64 = e.iter().sum();
    e.into_iter().map(|e| e / sum).collect()
}

/// Asserts that the counts fit the probabilities: chi-square at p = 0.001 (Wilson and Hilferty's
/// approximation of the quantile), and nothing where the probability is 0.
fn assert_fits(counts: &[f64], probabilities: &[f64]) {
    let n: f64 = counts.iter().sum();
    let (mut statistic, mut degrees) = (0.0, -1.0);
    for (&count, &p) in counts.iter().zip(probabilities) {
        if p == 0.0 {
            assert_eq!(count, 0.0);
        } else {
            statistic += (count - n * p).powi(2) / (n * p);
            degrees += 1.0;
        }
    }
    let q: f64 = 2.0 / (9.0 * degrees);
    let limit = degrees * (1.0 - q + 3.09 * q.sqrt()).powi(3);
    assert!(statistic < limit, "{statistic} is not below {limit}");
}

const LOGITS: [f32; 7] = [0.3, -1.5, 2.0, 1.9, -4.0, 0.0, 1.0];

#[test]
fn draws_follow_the_softmax_at_each_temperature() {
    let at = constant(&LOGITS);
    for temperature in [0.5, 0.8, 1.0, 2.0] {
        let sampler = Sampler::new(11).temperature(temperature).unwrap();
        assert_fits(
            &counts(&at, sampler, 200_000),
            &softmax(&LOGITS, temperature.into()),
        );
    }
}

#[test]
#[should_panic(expected = "is not below")]
fn a_wrong_distribution_is_noticed() {
    let at = constant(&LOGITS);
    let sampler = Sampler::new(11).temperature(1.0).unwrap();
    assert_fits(&counts(&at, sampler, 200_000), &softmax(&LOGITS, 1.02));
}

#[test]
fn top_k_keeps_the_k_likeliest() {
    let at = constant(&LOGITS);
    let mut order: Vec<usize> = (0..7).collect();
    order.sort_by(|&a, &b| LOGITS[b].total_cmp(&LOGITS[a]));
    for k in 1..=7 {
        let mut expected = softmax(&LOGITS, 1.0);
        for &out in &order[k..] {
            expected[out] = 0.0;
        }
        let sum: f64 = expected.iter().sum();
        expected.iter_mut().for_each(|p| *p /= sum);
        let found = counts(&at, Sampler::new(5).top_k(k).unwrap(), 100_000);
        if k == 1 {
            assert_eq!(found[2], 100_000.0);
        } else {
            assert_fits(&found, &expected);
        }
    }
}

#[test]
fn top_p_keeps_the_smallest_set_that_holds_p() {
    let at = constant(&LOGITS);
    let all = softmax(&LOGITS, 1.0);
    let mut order: Vec<usize> = (0..7).collect();
    order.sort_by(|&a, &b| all[b].total_cmp(&all[a]));
    for p in [0.1, 0.5, 0.7, 0.9, 0.99] {
        let (mut kept, mut mass) = (vec![0.0; 7], 0.0);
        for &symbol in &order {
            if mass < p {
                kept[symbol] = all[symbol];
                mass += all[symbol];
            }
        }
        kept.iter_mut().for_each(|q| *q /= mass);
        let found = counts(&at, Sampler::new(6).top_p(p as f32).unwrap(), 100_000);
        if kept.iter().filter(|&&q| q > 0.0).count() == 1 {
            assert_eq!(found[2], 100_000.0);
        } else {
            assert_fits(&found, &kept);
        }
    }
}

#[test]
fn equals_are_broken_by_the_lower_index() {
    let at = constant(&[1.0; 6]);
    assert!(
        draw(&at, Sampler::new(1).temperature(0.0).unwrap(), 50)
            .iter()
            .all(|t| t.index() == 0)
    );
    let found = counts(&at, Sampler::new(1).top_k(2).unwrap(), 10_000);
    assert_eq!(found[2..], [0.0; 4]);
    assert!(found[0] > 4_000.0 && found[1] > 4_000.0);
}

#[test]
fn temperature_zero_is_greedy() {
    let at = constant(&LOGITS);
    let sampler = Sampler::new(1).temperature(0.0).unwrap();
    assert!(draw(&at, sampler, 100).iter().all(|t| t.index() == 2));
}

#[test]
fn a_seed_repeats_and_another_differs() {
    let at = constant(&LOGITS);
    let text = |seed| draw(&at, Sampler::new(seed), 100);
    assert_eq!(text(1), text(1));
    assert_ne!(text(1), text(2));
}

#[test]
fn logits_of_any_size_are_drawn_from() {
    // Far apart, huge, and a full alphabet.
    let at = constant(&[f32::MAX, f32::MIN, 0.0]);
    assert!(
        draw(&at, Sampler::new(1), 100)
            .iter()
            .all(|t| t.index() == 0)
    );
    let at = constant(&[f32::NEG_INFINITY, f32::NAN]);
    draw(&at, Sampler::new(1).temperature(0.01).unwrap(), 100);
    let mut many: Vec<f32> = vec![0.0; 150];
    many[149] = 3.0;
    let at = constant(&many);
    let sampler = Sampler::new(3).top_k(100).unwrap().top_p(0.9).unwrap();
    let found = counts(&at, sampler, 20_000);
    // Of e^3 + 99 the likeliest and 88 others are the first to hold 0.9.
    assert_eq!(found.iter().filter(|&&n| n > 0.0).count(), 89);
}

#[test]
fn settings_out_of_range_are_refused() {
    let sampler = || Sampler::new(1);
    for temperature in [-1.0, 0.001, 101.0, f32::NAN, f32::INFINITY] {
        assert_eq!(sampler().temperature(temperature), Err(Error::Temperature));
    }
    for found in [0, 257] {
        assert_eq!(sampler().top_k(found), Err(Error::TopK { found }));
    }
    for p in [0.0, -0.5, 1.1, f32::NAN] {
        assert_eq!(sampler().top_p(p), Err(Error::TopP));
    }
    for temperature in [0.0, 0.01, 100.0] {
        assert!(sampler().temperature(temperature).is_ok());
    }
}
