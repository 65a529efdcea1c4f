//! The sampler against its definition, and its draws against exact distributions.

mod common;

use common::{At, F32Plain, Net, Random, times};
use lstm_core::export::Row;
use lstm_core::{
    Format, LayerShape, Sampler, SamplerError, Session, Token, Workspace, workspace_words,
};
use rand_xoshiro::Xoshiro128PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// A model of f32 whose logits are these, whatever it reads.
fn constant(logits: &[f32]) -> At {
    let mut net = Net::<f32, F32Plain>::random(logits.len(), &[1], 0);
    net.dense.weights = vec![vec![0.0]; logits.len()];
    net.dense.rows = logits.to_vec();
    At::new(&net.file(), 0)
}

/// The same of a format; logits of the integer formats are rounded down to Q12.
fn constant_in(format: Format, logits: &[f32]) -> At {
    if format == Format::F32 {
        return constant(logits);
    }
    let q12: Vec<i32> = logits.iter().map(|l| (l * 4096.0) as i32).collect();
    constant_q12(format, &q12)
}

/// A model of integers whose logits are these, at most 2^25 apart from 0.
fn constant_q12(format: Format, logits: &[i32]) -> At {
    let mut net = Net::<i8, _>::random_in(format, logits.len(), &[1], 0);
    net.dense.weights = vec![vec![0]; logits.len()];
    let row = |&logit: &i32| Row {
        bias: logit << 6,
        ..Row::default()
    };
    net.dense.rows = logits.iter().map(row).collect();
    At::new(&net.file(), 0)
}

fn draw(at: &At, mut sampler: Sampler, n: usize) -> Vec<Token> {
    draw_with(at, &mut sampler, n)
}

fn draw_with(at: &At, sampler: &mut Sampler, n: usize) -> Vec<Token> {
    let model = at.model();
    let mut workspace =
        Workspace::<{ workspace_words(Format::F32, &[LayerShape::lstm(1)]) }, 256>::new();
    let mut session = Session::new(model, &mut workspace).unwrap();
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

/// How a sampler is set, and so what it should do.
#[derive(Clone, Copy, Debug)]
struct Setting {
    temperature: f32,
    top_k: usize,
    top_p: f32,
}

impl Setting {
    const ALL: Self = Setting {
        temperature: 1.0,
        top_k: 256,
        top_p: 1.0,
    };

    fn sampler(self, seed: u64) -> Sampler {
        let sampler = Sampler::new(seed)
            .with_temperature(self.temperature)
            .unwrap();
        let sampler = sampler.with_top_k(self.top_k).unwrap();
        sampler.with_top_p(self.top_p).unwrap()
    }

    /// The probabilities in real numbers. No sum of the likeliest may lie near `top_p`.
    fn exact(self, logits: &[f32]) -> Vec<f64> {
        let order = order(logits);
        let mut kept = vec![0.0; logits.len()];
        if self.temperature == 0.0 {
            kept[order[0]] = 1.0;
            return kept;
        }
        let e = |i: usize| (f64::from(logits[i]) / f64::from(self.temperature)).exp();
        let order = &order[..self.top_k.min(logits.len())];
        let enough = f64::from(self.top_p) * order.iter().map(|&i| e(i)).sum::<f64>();
        let mut mass = 0.0;
        for &i in order {
            if mass < enough {
                kept[i] = e(i);
                mass += e(i);
            }
        }
        kept.iter().map(|e| e / mass).collect()
    }
}

/// The indices from the largest down, the lower first among equals.
fn order<T: PartialOrd>(values: &[T]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].partial_cmp(&values[a]).unwrap());
    order
}

/// The weights of docs/NUMBERS.md.
fn weights(logits: &[i64], temperature: f32) -> Vec<u64> {
    let scale = i64::from((std::f32::consts::LOG2_E * 4096.0 / temperature) as u32);
    let best = logits.iter().max().unwrap();
    let weight = |logit: &i64| {
        let d = (best - logit).min((1 << 28) / scale);
        let u = (d * scale + (1 << 15)) >> 16;
        let e = (65535.0 * (-((u & 255) as f64) / 256.0).exp2()).round() as u64;
        if u >= 16 * 256 { 0 } else { e >> (u >> 8) }
    };
    logits.iter().map(weight).collect()
}

/// A draw as docs/NUMBERS.md defines it.
fn defined(logits: &[i64], setting: Setting, random: &mut Xoshiro128PlusPlus) -> usize {
    if setting.temperature == 0.0 {
        return order(logits)[0];
    }
    let mut weights = weights(logits, setting.temperature);
    let order = order(&weights);
    let (best, others) = order.split_at(setting.top_k.min(order.len()));
    let kept: u64 = best.iter().map(|&i| weights[i]).sum();
    let top_p = ((setting.top_p * 65536.0) as u64).max(1);
    let enough = (kept * top_p).div_ceil(65536);
    let mut sum = 0;
    let mut out = others.to_vec();
    for &i in best {
        if sum < enough {
            sum += weights[i];
        } else {
            out.push(i);
        }
    }
    out.iter().for_each(|&i| weights[i] = 0);
    let draw = (u64::from(random.next_u32()) * sum) >> 32;
    let sums = weights.iter().scan(0, |sum, w| {
        *sum += w;
        Some(*sum)
    });
    sums.take_while(|&sum| sum <= draw).count()
}

/// Any settings over logits of any spread, equals among them: token for token.
#[test]
fn draws_are_those_of_the_definition() {
    let mut random = Random::new(17);
    for round in 0..times(4000, 12) {
        let vocab = [2, 3, 7, 27, 100, 256][random.below(6) as usize].min(times(256, 7));
        // Up to 2^25; often a few steps apart, and equals.
        let spread = 1 << random.below(26);
        let q12: Vec<i32> = (0..vocab)
            .map(|_| random.between(-spread, spread) / 64 * 64 + random.between(0, 1))
            .map(|logit| logit.clamp(-(1 << 25), (1 << 25) - 1))
            .collect();
        let setting = Setting {
            temperature: [0.0, 0.01, 0.3, 0.8, 1.0, 1.7, 99.0, 100.0][random.below(8) as usize],
            top_k: [1, 2, 3, 5, 40, 255, 256][random.below(7) as usize],
            top_p: [1e-6, 0.1, 0.5, 0.9, 0.999, 0.999_999, 1.0][random.below(7) as usize],
        };
        let at = constant_q12([Format::Int8, Format::Int4][round % 2], &q12);
        let logits: Vec<i64> = q12.iter().map(|&l| l.into()).collect();
        let seed = round as u64;
        let mut reference = Xoshiro128PlusPlus::seed_from_u64(seed);
        for token in draw(&at, setting.sampler(seed), times(20, 2)) {
            let expected = defined(&logits, setting, &mut reference);
            assert_eq!(token.index(), expected, "{setting:?}, {logits:?}");
        }
    }
}

/// docs/NUMBERS.md states the bounds.
#[test]
#[cfg_attr(miri, ignore = "numbers only")]
fn weights_stay_near_the_exponential() {
    let (mut relative, mut absolute) = (0f64, 0f64);
    for temperature in [
        0.01f32, 0.1, 0.5, 0.8, 1.0, 1.3, 2.0, 10.0, 50.0, 98.4, 100.0,
    ] {
        let end = (16.0 * temperature * 4096.0) as i64;
        for distance in (0..end).step_by((end as usize / 50_000).max(1)) {
            let found = weights(&[0, -distance], temperature)[1] as f64 / 65535.0;
            let nats = distance as f64 / 4096.0 / f64::from(temperature);
            let exact = (-nats).exp();
            // Rounding the scale down makes the temperature larger by T / 5909 at most.
            let warmer = (nats * f64::from(temperature) / 5909.0).exp_m1();
            let error = (found - exact).abs();
            relative = relative.max((error - 1.0 / 65535.0) / exact - warmer);
            absolute = absolute.max(error - warmer * exact);
        }
    }
    assert!(relative < 0.0014, "{relative}");
    // The relative bound is that of rounding to steps of 1/256; it is no looser than it must be.
    assert!(relative > 0.0010, "{relative}");
    assert!(absolute < 0.0014 + 1.0 / 65535.0, "{absolute}");
}

const LOGITS: [f32; 7] = [0.3, -1.5, 2.0, 1.9, -4.0, 0.0, 1.0];

/// Draws against exact distributions.
mod statistics {
    use super::*;

    /// Chi-square, and its quantile at p = 0.001 (Wilson and Hilferty's approximation). What has the
    /// probability 0 must not have been drawn.
    fn chi_square(counts: &[f64], probabilities: &[f64]) -> (f64, f64) {
        let n: f64 = counts.iter().sum();
        let (mut statistic, mut degrees) = (0.0, -1.0);
        for (&count, &p) in counts.iter().zip(probabilities) {
            if p == 0.0 {
                assert_eq!(count, 0.0, "drawn from outside the set: {counts:?}");
            } else {
                statistic += (count - n * p).powi(2) / (n * p);
                degrees += 1.0;
            }
        }
        let q: f64 = 2.0 / (9.0 * degrees);
        (statistic, degrees * (1.0 - q + 3.09 * q.sqrt()).powi(3))
    }

    const FORMATS: [Format; 3] = [Format::F32, Format::Int8, Format::Int4];
    const DRAWS: usize = 1_000_000;

    /// A million draws of each setting in each format fit the exact distribution; and they do not
    /// where one draw in a hundred is replaced by the likeliest symbol, so the test sees that much.
    fn assert_fits(settings: impl IntoIterator<Item = Setting>) {
        for setting in settings {
            let expected = setting.exact(&LOGITS);
            for format in FORMATS {
                let at = constant_in(format, &LOGITS);
                let found = counts(&at, setting.sampler(11), DRAWS);
                if expected.contains(&1.0) {
                    assert_eq!(found[2], DRAWS as f64, "{format} {setting:?}");
                    continue;
                }
                let (statistic, limit) = chi_square(&found, &expected);
                assert!(
                    statistic < limit,
                    "{format} {setting:?}: {statistic} is not below {limit}"
                );
                let mut biased: Vec<f64> = found.iter().map(|count| 0.99 * count).collect();
                biased[2] += 0.01 * DRAWS as f64;
                let (statistic, limit) = chi_square(&biased, &expected);
                assert!(
                    statistic > limit,
                    "{format} {setting:?}: a bias gives {statistic}, below {limit}"
                );
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "millions of draws")]
    fn draws_follow_the_softmax_at_each_temperature() {
        let of = |temperature| Setting {
            temperature,
            ..Setting::ALL
        };
        assert_fits([0.0, 0.5, 0.8, 1.0, 2.0].map(of));
    }

    #[test]
    #[cfg_attr(miri, ignore = "millions of draws")]
    fn top_k_keeps_the_k_likeliest() {
        let of = |top_k| Setting {
            top_k,
            ..Setting::ALL
        };
        assert_fits([1, 2, 3, 6, 7].map(of));
    }

    #[test]
    #[cfg_attr(miri, ignore = "millions of draws")]
    fn top_p_keeps_the_smallest_set_that_holds_p() {
        let of = |top_p| Setting {
            top_p,
            ..Setting::ALL
        };
        assert_fits([0.1, 0.5, 0.7, 0.9, 0.99].map(of));
    }

    #[test]
    #[cfg_attr(miri, ignore = "millions of draws")]
    fn the_settings_combine() {
        let of = |(temperature, top_k, top_p)| Setting {
            temperature,
            top_k,
            top_p,
        };
        assert_fits(
            [
                (0.0, 3, 0.5),
                (0.8, 4, 1.0),
                (1.3, 256, 0.9),
                (1.0, 5, 0.8),
                (0.7, 5, 0.95),
            ]
            .map(of),
        );
    }

    /// The tests above see a temperature that is 2 % off.
    #[test]
    #[cfg_attr(miri, ignore = "many draws")]
    fn a_wrong_temperature_is_noticed() {
        let found = counts(&constant(&LOGITS), Sampler::new(11), DRAWS);
        let wrong = Setting {
            temperature: 1.02,
            ..Setting::ALL
        };
        let (statistic, limit) = chi_square(&found, &wrong.exact(&LOGITS));
        assert!(statistic > limit, "{statistic} is below {limit}");
    }

    #[test]
    #[should_panic(expected = "drawn from outside the set")]
    fn a_draw_from_outside_the_set_is_noticed() {
        chi_square(&[90.0, 9.0, 1.0], &[0.9, 0.1, 0.0]);
    }
}

#[test]
fn equals_are_broken_by_the_lower_index() {
    let at = constant(&[1.0; 6]);
    assert!(
        draw(&at, Sampler::new(1).with_temperature(0.0).unwrap(), 50)
            .iter()
            .all(|t| t.index() == 0)
    );
    let draws = times(10_000, 50);
    let found = counts(&at, Sampler::new(1).with_top_k(2).unwrap(), draws);
    assert_eq!(found[2..], [0.0; 4]);
    assert!(found[..2].iter().all(|&n| n > 0.3 * draws as f64));
}

/// Where the random number is as good as 0, a symbol of weight 0 before the others is not drawn.
#[test]
fn a_symbol_of_no_weight_is_never_drawn() {
    const SEED: u64 = 16_272;
    assert!(Xoshiro128PlusPlus::seed_from_u64(SEED).next_u32() < 1 << 16);
    for format in [Format::F32, Format::Int8, Format::Int4] {
        let at = constant_in(format, &[-30.0, 1.0, -30.0]);
        assert_eq!(draw(&at, Sampler::new(SEED), 1)[0].index(), 1, "{format}");
    }
}

#[test]
fn temperature_zero_is_greedy() {
    let at = constant(&LOGITS);
    let mut sampler = Sampler::new(1).with_temperature(0.0).unwrap();
    let before = sampler.clone();
    let tokens = draw_with(&at, &mut sampler, times(100, 5));
    assert!(tokens.iter().all(|t| t.index() == 2));
    // A greedy draw takes no random number; any other takes one.
    assert_eq!(sampler, before);
    let mut warm = before.clone().with_temperature(1.0).unwrap();
    draw_with(&at, &mut warm, 1);
    assert_ne!(warm.with_temperature(0.0).unwrap(), before);
}

#[test]
fn a_seed_repeats_and_another_differs() {
    let at = constant(&LOGITS);
    let text = |seed| draw(&at, Sampler::new(seed), times(100, 20));
    assert_eq!(text(1), text(1));
    assert_ne!(text(1), text(2));
    assert_eq!(
        draw(&at, Sampler::new(9).with_seed(1), times(100, 20)),
        text(1),
        "a seed set later is as good"
    );
}

#[test]
fn settings_are_told() {
    let sampler = Sampler::new(7).with_temperature(0.5).unwrap();
    let sampler = sampler.with_top_k(9).unwrap().with_top_p(0.25).unwrap();
    let settings = sampler.settings();
    assert_eq!(
        (settings.temperature, settings.top_k, settings.top_p),
        (0.5, 9, 0.25)
    );
    assert_eq!(sampler.seed(), 7);
    let reseeded = sampler.with_seed(8);
    assert_eq!(reseeded.seed(), 8);
    assert_eq!(reseeded.settings(), settings);
}

#[test]
fn logits_of_any_size_are_drawn_from() {
    // Far apart, huge, and a full alphabet.
    let at = constant(&[f32::MAX, f32::MIN, 0.0]);
    assert!(
        draw(&at, Sampler::new(1), times(100, 5))
            .iter()
            .all(|t| t.index() == 0)
    );
    let at = constant(&[f32::NEG_INFINITY, f32::NAN]);
    draw(
        &at,
        Sampler::new(1).with_temperature(0.01).unwrap(),
        times(100, 5),
    );
    if cfg!(miri) {
        return; // Too long for it.
    }
    let mut many: Vec<f32> = vec![0.0; 150];
    many[149] = 3.0;
    let at = constant(&many);
    let sampler = Sampler::new(3)
        .with_top_k(100)
        .unwrap()
        .with_top_p(0.9)
        .unwrap();
    let found = counts(&at, sampler, 20_000);
    // Of e^3 + 99 the likeliest and 88 others are the first to hold 0.9.
    assert_eq!(found.iter().filter(|&&n| n > 0.0).count(), 89);
}

#[test]
fn settings_out_of_range_are_refused() {
    let sampler = || Sampler::new(1);
    for temperature in [
        -1.0,
        f32::from_bits(1),
        0.001,
        0.009_999,
        100.01,
        101.0,
        f32::NAN,
        f32::INFINITY,
    ] {
        let refused = sampler().with_temperature(temperature);
        // A NaN does not equal itself.
        assert!(
            matches!(refused, Err(SamplerError::Temperature { found }) if found.to_bits() == temperature.to_bits())
        );
    }
    for found in [0, 257] {
        assert_eq!(
            sampler().with_top_k(found),
            Err(SamplerError::TopK { found })
        );
    }
    for p in [0.0, -0.5, 1.1, f32::NAN] {
        let refused = sampler().with_top_p(p);
        assert!(
            matches!(refused, Err(SamplerError::TopP { found }) if found.to_bits() == p.to_bits())
        );
    }
    for temperature in [0.0, -0.0, 0.01, 100.0] {
        assert!(sampler().with_temperature(temperature).is_ok());
    }
    for k in [1, 256] {
        assert!(sampler().with_top_k(k).is_ok());
    }
    for p in [f32::MIN_POSITIVE, 1.0] {
        assert!(sampler().with_top_p(p).is_ok());
    }
}
