//! Models of version 3 against plain references, and what a session of values promises.

mod common;

use common::reference::{F64Reference, Int8Reference};
use common::sensors::{F32SensorNet, Head, Int8SensorNet, plan, steps};
use common::{At, Plan, Random, times};
use lstm_core::{
    Activation, CellKind, DenseShape, Format, Generator, InputError, LayerShape, Model, ModelShape,
    Output, OutputGolden, Sampler, SensorSession, SensorWindow, Session, SnapshotError, Token,
    TokenDigest, WorkspaceError, WorkspaceSlices, sensor_workspace_words, window_words,
};

const INTEGERS: [Format; 2] = [Format::Int8, Format::Int4];

/// The RAM of a session, filled with what another session may have left.
struct Ram {
    words: Vec<u32>,
    logits: Vec<u32>,
}

impl Ram {
    fn of(model: &Model<'_>) -> Self {
        Ram {
            words: vec![0xaaaa_aaaa; model.workspace_words()],
            logits: vec![0xbbbb_bbbb; model.num_outputs()],
        }
    }

    fn memory(&mut self) -> WorkspaceSlices<'_> {
        WorkspaceSlices::new(&mut self.words, &mut self.logits)
    }

    fn session<'s, 'm>(&'s mut self, model: Model<'m>) -> SensorSession<'m, WorkspaceSlices<'s>> {
        SensorSession::new(model, self.memory()).unwrap()
    }
}

fn q12(output: Output<'_>) -> Vec<i64> {
    output
        .into_q12()
        .iter()
        .map(|&logit| logit.into())
        .collect()
}

/// docs/NUMBERS.md, "Values": the column of a value.
fn column(x: f32, mean: f32, scale: f32) -> i8 {
    let u = (x - mean) * scale;
    match u.is_nan() {
        true => 0,
        false => u.round().clamp(-127.0, 127.0) as i8,
    }
}

#[test]
fn int8_and_int4_equal_the_definition_bit_for_bit() {
    for seed in 0..times(96, 3) as u64 {
        for format in INTEGERS {
            let sensor = Int8SensorNet::random(format, seed);
            let at = At::new(&sensor.file(), 0);
            let model = at.model();
            let mut ram = Ram::of(&model);
            let mut reference = Int8Reference::new(&sensor.net);
            let what = format!("{format} {:?}", plan(seed));
            if sensor.net.channels == 0 {
                let mut session = Session::new(model, ram.memory()).unwrap();
                let mut random = Random::new(seed);
                for _ in 0..times(60, 2) {
                    let token = Token::new(random.below(sensor.net.table.len() as u32) as u8);
                    let found = q12(model.output(session.step(token)));
                    assert_eq!(found, reference.step(token), "{what}");
                }
                continue;
            }
            let mut session = ram.session(model);
            let [means, scales] = &sensor.channel_scaling;
            for values in steps(times(60, 2), sensor.net.channels, seed) {
                let columns: Vec<i8> = values
                    .iter()
                    .zip(means.iter().zip(scales))
                    .map(|(&x, (&mean, &scale))| column(x, mean, scale))
                    .collect();
                assert!(
                    session
                        .quantize(&values)
                        .unwrap()
                        .eq(columns.iter().copied())
                );
                let expected = reference.step_columns(&columns);
                assert_eq!(q12(session.step(&values).unwrap()), expected, "{what}");
            }
        }
    }
}

#[test]
fn f32_stays_near_a_reference_in_double_precision() {
    for seed in 0..times(96, 3) as u64 {
        let sensor = F32SensorNet::random(seed);
        let at = At::new(&sensor.file(), 4);
        let model = at.model();
        let mut ram = Ram::of(&model);
        let mut reference = F64Reference::new(&sensor.net);
        let near = |found: &Output<'_>, expected: &[f64]| {
            assert_eq!(found.len(), expected.len());
            let largest = expected.iter().fold(1.0f64, |max, y| max.max(y.abs()));
            for (found, expected) in found.logits().zip(expected) {
                let error = (f64::from(found) - expected).abs();
                assert!(
                    error < 1e-5 * largest,
                    "{found} {expected} {:?}",
                    plan(seed)
                );
            }
        };
        if sensor.net.channels == 0 {
            let mut session = Session::new(model, ram.memory()).unwrap();
            for index in 0..times(20, 2) {
                let token = Token::new((index % sensor.net.table.len()) as u8);
                let expected = reference.step(token);
                near(&model.output(session.step(token)), &expected);
            }
            continue;
        }
        let mut session = ram.session(model);
        let [means, scales] = &sensor.channel_scaling;
        let mut random = Random::new(seed);
        for _ in 0..times(20, 2) {
            let values: Vec<f32> = means.iter().map(|_| random.real()).collect();
            let columns: Vec<f64> = values
                .iter()
                .zip(means.iter().zip(scales))
                .map(|(&x, (&mean, &scale))| (f64::from(x) - f64::from(mean)) * f64::from(scale))
                .collect();
            let expected = reference.step_columns(&columns);
            let found = session.step(&values).unwrap();
            near(&found, &expected);
            let [offsets, scales] = &sensor.value_scaling;
            let scaled = offsets.iter().zip(scales).zip(found.logits());
            let scaled = scaled.map(|((offset, scale), y)| offset + scale * y);
            match sensor.head {
                Head::Values => assert!(found.values().eq(scaled)),
                _ => assert!(found.values().eq(found.logits())),
            }
        }
    }
}

/// A network that reads values.
fn reading_values(format: Format, seed: u64) -> Int8SensorNet {
    let (mut plan, _) = plan(seed);
    (plan.vocab, plan.channels) = (0, 3);
    Int8SensorNet::random_plan(format, &plan, Head::Values, seed)
}

#[test]
fn a_step_without_an_output_changes_the_state_and_a_reset_takes_it_back() {
    for format in INTEGERS {
        let net = reading_values(format, 3);
        let at = At::new(&net.file(), 0);
        let mut ram = Ram::of(&at.model());
        let mut session = ram.session(at.model());
        let inputs = steps(times(20, 3), 3, 3);
        let expected: Vec<_> = inputs
            .iter()
            .map(|values| q12(session.step(values).unwrap()))
            .collect();
        session.reset();
        assert_eq!(q12(session.step(&inputs[0]).unwrap()), expected[0]);
        session.reset();
        let (last, before) = inputs.split_last().unwrap();
        for values in before {
            session.advance(values).unwrap();
        }
        let found = q12(session.step(last).unwrap());
        assert_eq!(found, expected[before.len()]);
    }
}

#[test]
fn a_saved_state_goes_on_elsewhere_and_holds_no_input() {
    for seed in 0..times(24, 2) as u64 {
        for format in INTEGERS {
            let net = reading_values(format, seed);
            let at = At::new(&net.file(), 0);
            let model = at.model();
            let (mut ram, mut other) = (Ram::of(&model), Ram::of(&model));
            let mut session = ram.session(model);
            let inputs = steps(times(40, 4), 3, seed);
            let (before, behind) = inputs.split_at(inputs.len() / 2);
            for values in before {
                session.advance(values).unwrap();
            }
            let mut state = vec![0; session.state_bytes()];
            session.save(&mut state).unwrap();
            let layers = model.layers().iter();
            let expected: usize = layers.map(|s| s.output() + 2 * usize::from(s.hidden)).sum();
            assert_eq!(state.len(), expected);
            assert_eq!(ModelShape::of(at.bytes()).unwrap().state_bytes(), expected);

            let mut restored = other.session(model);
            restored.step_quantized(&[1, 2, 3]).unwrap();
            restored.restore(&state).unwrap();
            for values in behind {
                let expected = q12(session.step(values).unwrap());
                assert_eq!(q12(restored.step(values).unwrap()), expected);
            }
            let mut last = vec![0; state.len()];
            session.save(&mut last).unwrap();

            // A session that goes on with the workspace of another.
            let memory = session.into_memory();
            let mut resumed = SensorSession::resume(model, memory).unwrap();
            let mut found = vec![0; state.len()];
            resumed.save(&mut found).unwrap();
            assert_eq!(found, last);
            let values = &inputs[0];
            let expected = q12(restored.step(values).unwrap());
            assert_eq!(q12(resumed.step(values).unwrap()), expected);
        }
    }
}

#[test]
fn a_state_that_no_step_gives_is_refused() {
    let net = reading_values(Format::Int8, 2);
    let at = At::new(&net.file(), 0);
    let mut ram = Ram::of(&at.model());
    let mut session = ram.session(at.model());
    session.step(&[1.0, 2.0, 3.0]).unwrap();
    let mut state = vec![0; session.state_bytes()];
    session.save(&mut state).unwrap();
    let mut damaged = state.clone();
    damaged[0] = 0x80;
    assert_eq!(session.restore(&damaged), Err(SnapshotError::Damaged));
    let expected = state.len();
    assert_eq!(
        session.restore(&state[1..]),
        Err(SnapshotError::Length {
            found: expected - 1,
            expected
        })
    );
    let mut found = vec![0; expected];
    session.save(&mut found).unwrap();
    assert_eq!(found, state);

    // The first bytes of the workspace are the last values, which are no state; then follows h.
    let (words, logits) = session.into_memory().into_inner();
    let bytes: &mut [u8] = bytemuck::cast_slice_mut(words);
    bytes[..3].fill(0x80);
    let memory = WorkspaceSlices::new(words, logits);
    let session = SensorSession::resume(at.model(), memory).unwrap();
    let (words, logits) = session.into_memory().into_inner();
    bytemuck::cast_slice_mut::<u32, u8>(words)[3] = 0x80;
    let memory = WorkspaceSlices::new(words, logits);
    let refused = SensorSession::resume(at.model(), memory).unwrap_err();
    assert_eq!(refused, WorkspaceError::State);
}

#[test]
fn another_number_of_values_is_refused_and_changes_nothing() {
    let net = reading_values(Format::Int8, 1);
    let at = At::new(&net.file(), 0);
    let mut ram = Ram::of(&at.model());
    let mut session = ram.session(at.model());
    session.step(&[1.0, 2.0, 3.0]).unwrap();
    let mut state = vec![0; session.state_bytes()];
    session.save(&mut state).unwrap();
    for found in [0, 2, 4] {
        let refused = InputError::Channels { found, expected: 3 };
        let values = vec![0.0; found];
        assert_eq!(session.step(&values).unwrap_err(), refused);
        assert_eq!(session.advance(&values), Err(refused));
        assert_eq!(
            session.step_quantized(&vec![0; found]).unwrap_err(),
            refused
        );
        assert_eq!(session.advance_quantized(&vec![0; found]), Err(refused));
        assert_eq!(session.quantize(&values).err(), Some(refused));
        assert_eq!(
            refused.to_string(),
            format!("found {found} values, expected 3, one for each channel")
        );
    }
    let mut found = vec![0; state.len()];
    session.save(&mut found).unwrap();
    assert_eq!(found, state);
}

#[test]
fn quantized_columns_are_those_of_the_values() {
    let net = reading_values(Format::Int4, 5);
    let at = At::new(&net.file(), 0);
    let (mut ram, mut other) = (Ram::of(&at.model()), Ram::of(&at.model()));
    let (mut session, mut quantized) = (ram.session(at.model()), other.session(at.model()));
    for values in steps(times(40, 3), 3, 8) {
        let columns: Vec<_> = session.quantize(&values).unwrap().collect();
        session.advance(&values).unwrap();
        quantized.advance_quantized(&columns).unwrap();
        let expected = q12(session.step(&values).unwrap());
        assert_eq!(q12(quantized.step_quantized(&columns).unwrap()), expected);
    }
    // No column is -128.
    session.reset();
    quantized.reset();
    let expected = q12(session.step_quantized(&[-127, 5, 127]).unwrap());
    let found = quantized.step_quantized(&[-128, 5, 127]).unwrap();
    assert_eq!(q12(found), expected);
}

#[test]
fn each_session_and_the_generator_refuse_the_other_models() {
    let values = reading_values(Format::Int8, 1);
    let at = At::new(&values.file(), 0);
    let mut ram = Ram::of(&at.model());
    let refused = WorkspaceError::ReadsValues { found: 3 };
    assert_eq!(Session::new(at.model(), ram.memory()).unwrap_err(), refused);
    assert_eq!(
        Session::resume(at.model(), ram.memory()).unwrap_err(),
        refused
    );
    assert_eq!(
        refused.to_string(),
        "the model reads 3 values a step, expected one that reads symbols"
    );

    let plan = Plan {
        vocab: 7,
        shapes: vec![LayerShape::gru(3)],
        outputs: 4,
        ..Plan::default()
    };
    let classes = Int8SensorNet::random_plan(Format::Int8, &plan, Head::Classes, 1);
    let at = At::new(&classes.file(), 0);
    let mut ram = Ram::of(&at.model());
    let refused = WorkspaceError::ReadsSymbols { found: 7 };
    assert_eq!(
        SensorSession::new(at.model(), ram.memory()).unwrap_err(),
        refused
    );
    assert_eq!(
        SensorSession::resume(at.model(), ram.memory()).unwrap_err(),
        refused
    );
    assert_eq!(
        refused.to_string(),
        "the model reads one of 7 symbols a step, expected one that reads values"
    );
    let refused = WorkspaceError::GivesNoSymbols { found: 4 };
    type Windowed<'m, 's> = Generator<'m, WorkspaceSlices<'s>, 5>;
    let sampler = Sampler::new(1);
    for way in 0..3 {
        let session = Session::new(at.model(), ram.memory()).unwrap();
        let error = match way {
            0 => Generator::new(session, sampler.clone()).err(),
            1 => Windowed::stateful(session, sampler.clone()).err(),
            _ => Windowed::windowed(session, sampler.clone(), 2).err(),
        };
        assert_eq!(error, Some(refused));
    }
    assert_eq!(
        refused.to_string(),
        "the model gives 4 classes or values, expected one that gives symbols"
    );
}

/// A text is read, and its class is told.
#[test]
fn the_classes_of_a_text_have_probabilities() {
    for seed in 0..times(30, 2) as u64 {
        let plan = Plan {
            vocab: 9,
            shapes: vec![LayerShape::new(CellKind::GruResetBefore, 6)],
            dense: vec![DenseShape::new(8, Activation::Tanh)],
            outputs: 2 + seed as usize,
            ..Plan::default()
        };
        let net = Int8SensorNet::random_plan(Format::Int8, &plan, Head::Classes, seed);
        let at = At::new(&net.file(), 0);
        let model = at.model();
        let mut ram = Ram::of(&model);
        let mut session = Session::new(model, ram.memory()).unwrap();
        for index in 0..times(20, 2) as u8 {
            let output = model.output(session.step(Token::new(index % 9)));
            let logits: Vec<f64> = output.logits().map(f64::from).collect();
            let max = logits.iter().copied().fold(f64::MIN, f64::max);
            let class = logits.iter().position(|&logit| logit == max).unwrap();
            assert_eq!((output.class(), output.len()), (class, plan.outputs));
            let sum: f64 = logits.iter().map(|logit| (logit - max).exp()).sum();
            for (class, logit) in logits.iter().enumerate() {
                let expected = (logit - max).exp() / sum;
                let found = f64::from(output.probability(class));
                assert!((found - expected).abs() < 1e-6, "{found} {expected}");
                let found = f64::from(output.probability_q15(class)) / 32768.0;
                assert!((found - expected).abs() < 3e-3, "{found} {expected}");
            }
            assert_eq!(output.probability(plan.outputs), 0.0);
            assert_eq!(output.probability_q15(plan.outputs), 0);
            let q15: u32 = output.probabilities_q15().map(u32::from).sum();
            assert!(q15.abs_diff(1 << 15) <= plan.outputs as u32, "{q15}");
            // docs/NUMBERS.md, "Probabilities".
            let found: Vec<_> = output.probabilities_q15().map(u64::from).collect();
            let logits = q12(output);
            let largest = *logits.iter().max().unwrap();
            let weights = logits.iter().map(|logit| {
                let u = ((largest - logit).min((1 << 28) / 5909) * 5909 + (1 << 15)) >> 16;
                let fraction = (65535.0 * (-(u % 256) as f64 / 256.0).exp2()).round() as u64;
                fraction >> (u / 256)
            });
            let weights: Vec<u64> = weights.collect();
            let sum: u64 = weights.iter().sum();
            let expected = weights
                .iter()
                .map(|weight| ((weight << 15) + sum / 2) / sum);
            assert!(found.into_iter().eq(expected));
        }
    }
}

/// Their exponentials are beyond the largest float.
#[test]
fn large_logits_have_probabilities() {
    let (mut plan, _) = plan(0);
    plan.outputs = 3;
    let mut net = F32SensorNet::random_plan(&plan, Head::Classes, 0);
    net.net
        .dense
        .weights
        .iter_mut()
        .flatten()
        .for_each(|w| *w = 0.0);
    net.net.dense.rows = vec![999.0, 1000.0, -1000.0];
    let at = At::new(&net.file(), 0);
    let mut ram = Ram::of(&at.model());
    let mut session = ram.session(at.model());
    let output = session.step(&vec![0.0; plan.channels]).unwrap();
    // 1 / (1 + e).
    for (found, expected) in output.probabilities().zip([0.268_941_4, 0.731_058_6, 0.0]) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
}

#[test]
fn the_first_of_equal_classes_is_the_class() {
    let (mut plan, _) = plan(0);
    plan.outputs = 5;
    for integers in [true, false] {
        let file = if integers {
            let mut net = Int8SensorNet::random_plan(Format::Int8, &plan, Head::Classes, 0);
            net.net
                .dense
                .weights
                .iter_mut()
                .flatten()
                .for_each(|w| *w = 0);
            let biases = [1 << 12, 1 << 13, 1 << 13, 0, 1 << 13];
            for (row, bias) in net.net.dense.rows.iter_mut().zip(biases) {
                row.bias = bias;
            }
            net.file()
        } else {
            let mut net = F32SensorNet::random_plan(&plan, Head::Classes, 0);
            net.net
                .dense
                .weights
                .iter_mut()
                .flatten()
                .for_each(|w| *w = 0.0);
            net.net.dense.rows = vec![-3.0, -1.0, -1.0, -2.0, -1.0];
            net.file()
        };
        let at = At::new(&file, 0);
        let mut ram = Ram::of(&at.model());
        let mut session = ram.session(at.model());
        let output = session.step(&vec![0.0; plan.channels]).unwrap();
        assert_eq!(output.class(), 1);
        let [first, second] = [1, 2].map(|class| output.probability_q15(class));
        assert_eq!(first, second);
    }
}

#[test]
fn a_window_equals_its_steps_from_the_zero_state() {
    for (seed, (length, stride, is_backwards)) in [
        (1, 1, false),
        (5, 1, false),
        (5, 3, true),
        (4, 9, false),
        (8, 2, true),
    ]
    .into_iter()
    .enumerate()
    {
        let mut net = reading_values(Format::Int8, seed as u64);
        (net.window, net.backwards) = (Some(length as u16), is_backwards);
        let at = At::new(&net.file(), 0);
        let model = at.model();
        assert_eq!(model.window(), Some(length));
        assert_eq!(model.reads_backwards(), is_backwards);
        let (mut ram, mut other) = (Ram::of(&model), Ram::of(&model));
        let (mut session, mut plain) = (ram.session(model), other.session(model));
        // There may be more room than is needed.
        let mut words = vec![7; window_words(Format::Int8, 3, 8)];
        let mut window = SensorWindow::new(&model, &mut words, length, stride).unwrap();
        assert_eq!(window.length(), length);
        for _ in 0..2 {
            let inputs = steps(times(40, 9), 3, seed as u64);
            for end in 1..=inputs.len() {
                let is_run = end >= length && (end - length) % stride == 0;
                assert_eq!(window.missing() == 1, is_run);
                let found = window.push(&mut session, &inputs[end - 1]).unwrap();
                assert_eq!(found.is_some(), is_run);
                let Some(found) = found else { continue };
                let mut steps = inputs[end - length..end].to_vec();
                if is_backwards {
                    steps.reverse();
                }
                plain.reset();
                let (last, before) = steps.split_last().unwrap();
                for step in before {
                    plain.advance(step).unwrap();
                }
                assert_eq!(q12(found), q12(plain.step(last).unwrap()));
            }
            window.clear();
            assert_eq!(window.missing(), length);
        }
    }
}

/// The logits of what a window gives, to the bit. Of NaN, whose sign the hardware chooses, only that it is one.
fn told(output: Option<Output<'_>>) -> Option<Vec<u32>> {
    let bits = |logit: f32| match logit.is_nan() {
        true => f32::NAN.to_bits(),
        false => logit.to_bits(),
    };
    output.map(|output| output.logits().map(bits).collect())
}

/// Whatever the format, step by step or all at once, and though its state moves elsewhere before each step.
#[test]
fn a_window_gives_what_its_steps_give_from_the_zero_state() {
    let mut files = Vec::new();
    for (seed, is_backwards) in [(0, false), (1, true)] {
        let mut net = reading_values(Format::Int4, seed);
        (net.window, net.backwards) = (Some(5), is_backwards);
        files.push(net.file());
        let (mut plan, _) = plan(0);
        plan.channels = 3;
        let mut net = F32SensorNet::random_plan(&plan, Head::Classes, seed);
        (net.window, net.backwards) = (Some(5), is_backwards);
        files.push(net.file());
    }
    for file in files {
        let at = At::new(&file, 0);
        let model = at.model();
        let (mut ram, mut other) = (Ram::of(&model), Ram::of(&model));
        let (mut session, mut plain) = (ram.session(model), other.session(model));
        let words = model.window_words(5);
        assert_eq!(words, window_words(model.format(), 3, 5));
        let column_bytes: usize = if model.format() == Format::F32 { 4 } else { 1 };
        assert_eq!(words, (15 * column_bytes).div_ceil(4));
        // There may be more room than is needed.
        let mut rooms = [vec![7; words], vec![7; words + 1]];
        let [now, next] = &mut rooms;
        let mut window = SensorWindow::new(&model, now, 5, 2).unwrap();
        let mut moved = SensorWindow::new(&model, next, 5, 9).unwrap();
        let mut state = vec![0; window.state_bytes()];
        assert_eq!(state.len(), 12 + 15 * column_bytes);
        let inputs = steps(times(40, 9), 3, 8);
        let (mut missing, mut stride) = (5, 2);
        for (at, step) in inputs.iter().enumerate() {
            // A long stride that becomes short leaves more steps to come than any window has.
            for (from, longer_or_shorter) in [(5, 9), (12, 2), (20, 3)] {
                if at == from {
                    stride = longer_or_shorter;
                    window.set_stride(stride).unwrap();
                }
            }
            window.save(&mut state).unwrap();
            moved.restore(&state).unwrap();
            std::mem::swap(&mut window, &mut moved);
            assert_eq!((window.missing(), window.stride()), (missing, stride));
            missing -= 1;
            let mut expected = None;
            if missing == 0 {
                missing = stride;
                let mut last: Vec<_> = inputs[at - 4..=at].iter().collect();
                if model.reads_backwards() {
                    last.reverse();
                }
                plain.reset();
                for step in &last {
                    expected = told(Some(plain.step(step).unwrap()));
                }
            }
            let found = match at % 2 {
                0 => told(window.push(&mut session, step).unwrap()),
                _ if window.append(&session, step).unwrap() => {
                    for at in 0..4 {
                        assert!(window.run_step(&mut session, at).is_none());
                    }
                    told(window.run_step(&mut session, 4))
                }
                _ => None,
            };
            assert_eq!(found, expected);
            assert!(window.run_step(&mut session, 5).is_none());
            assert!(window.run_step(&mut session, usize::MAX).is_none());
            if found.is_some() {
                assert_eq!(told(Some(session.output())), found);
            }
        }
        window.clear();
        assert_eq!((window.missing(), window.length()), (5, 5));
    }
}

#[test]
fn a_window_without_room_and_a_state_of_another_window_are_refused() {
    let at = At::new(&reading_values(Format::Int8, 0).file(), 0);
    let model = at.model();
    let mut words = [0; 4];
    // 16 bytes of three channels.
    for found in [0, 6] {
        let refused = SensorWindow::new(&model, &mut words, found, 1).unwrap_err();
        let expected = 5;
        assert_eq!(refused, WorkspaceError::Window { found, expected });
    }
    let refused = SensorWindow::new(&model, &mut words, 5, 0).unwrap_err();
    assert_eq!(refused, WorkspaceError::Stride);
    assert_eq!(
        refused.to_string(),
        "a window is run every 0 steps, expected at least 1"
    );
    let mut window = SensorWindow::new(&model, &mut words, 5, 4).unwrap();
    assert_eq!(window.set_stride(0).unwrap_err(), WorkspaceError::Stride);
    let mut ram = Ram::of(&model);
    let mut session = ram.session(model);
    let (found, expected) = (4, 3);
    let refused = InputError::Channels { found, expected };
    let error = window.push(&mut session, &[1.0; 4]).unwrap_err();
    assert_eq!((error, window.missing()), (refused, 5));
    let mut state = vec![0; window.state_bytes() + 1];
    let (found, expected) = (state.len(), state.len() - 1);
    let refused = SnapshotError::Length { found, expected };
    assert_eq!(window.save(&mut state).unwrap_err(), refused);
    assert_eq!(window.restore(&state).unwrap_err(), refused);
    state.pop();
    window.save(&mut state).unwrap();
    // Each of the three numbers: the place, the steps to come, the stride.
    for (byte, wrong) in [(0, 5), (3, 1), (4, 0), (8, 0)] {
        let mut damaged = state.clone();
        damaged[byte] = wrong;
        assert_eq!(
            window.restore(&damaged).unwrap_err(),
            SnapshotError::Damaged,
            "{byte}: {wrong}"
        );
    }
    window.restore(&state).unwrap();

    let net = Int8SensorNet::random(Format::Int8, 3);
    let at = At::new(&net.file(), 0);
    let refused = SensorWindow::new(&at.model(), &mut words, 1, 1).unwrap_err();
    assert!(matches!(refused, WorkspaceError::ReadsSymbols { .. }));
    assert_eq!(at.model().window_words(usize::MAX), 0);
}

/// The same answers follow here and there; and not a bit of it is taken that was not written so.
#[test]
fn a_snapshot_goes_on_elsewhere_and_a_damaged_one_changes_nothing() {
    let mut plan = plan(0).0;
    plan.channels = 3;
    let floats = F32SensorNet::random_plan(&plan, Head::Classes, 3);
    let mut files = vec![reading_values(Format::Int8, 3).file(), floats.file()];
    let mut windowed = reading_values(Format::Int4, 4);
    (windowed.window, windowed.backwards) = (Some(5), true);
    files.push(windowed.file());
    for file in files {
        let at = At::new(&file, 0);
        let model = at.model();
        let (mut ram, mut other) = (Ram::of(&model), Ram::of(&model));
        let (mut first, mut second) = (ram.session(model), other.session(model));
        let mut rooms = [
            vec![0; model.window_words(5)],
            vec![0; model.window_words(5)],
        ];
        let [now, next] = &mut rooms;
        let of = |words| {
            model
                .window()
                .map(|n| SensorWindow::new(&model, words, n, 2).unwrap())
        };
        let (mut window, mut moved) = (of(now), of(next));
        let push = |session: &mut SensorSession<'_, _>,
                    window: &mut Option<SensorWindow<'_>>,
                    step: &[f32]| {
            match window {
                Some(window) => told(window.push(session, step).unwrap()),
                None => told(Some(session.step(step).unwrap())),
            }
        };
        let mut random = Random::new(8);
        let steps = [(); 20].map(|()| [(); 3].map(|()| random.real()));
        for step in &steps[..9] {
            push(&mut first, &mut window, step);
        }
        push(&mut second, &mut moved, &steps[0]);
        let mut snapshot = vec![0; first.snapshot_bytes(window.as_ref())];
        first.save_snapshot(window.as_ref(), &mut snapshot).unwrap();
        let mut before = snapshot.clone();
        second.save_snapshot(moved.as_ref(), &mut before).unwrap();
        assert_ne!(before, snapshot);
        for (byte, bit) in (0..snapshot.len()).flat_map(|byte| (0..8).map(move |bit| (byte, bit))) {
            let mut damaged = snapshot.clone();
            damaged[byte] ^= 1 << bit;
            let refused = second
                .restore_snapshot(moved.as_mut(), &damaged)
                .unwrap_err();
            assert_eq!(refused, SnapshotError::Damaged);
        }
        // Whole, but of another version, of another model, of another length.
        let mut with = |byte: usize| {
            let mut other = snapshot.clone();
            other[byte] ^= 1;
            let end = other.len() - 4;
            let mut digest = TokenDigest::new();
            other[..end]
                .iter()
                .for_each(|&byte| digest.push(Token::new(byte)));
            other[end..].copy_from_slice(&digest.value().to_le_bytes());
            second.restore_snapshot(moved.as_mut(), &other).unwrap_err()
        };
        assert_eq!(
            with(0),
            SnapshotError::Version {
                found: 0,
                expected: 1
            }
        );
        assert!(matches!(with(1), SnapshotError::Model { .. }));
        let (found, expected) = (snapshot.len() - 1, snapshot.len());
        let refused = SnapshotError::Length { found, expected };
        let short = &mut snapshot.clone()[1..];
        assert_eq!(
            second.restore_snapshot(moved.as_mut(), short).unwrap_err(),
            refused
        );
        assert_eq!(
            first.save_snapshot(window.as_ref(), short).unwrap_err(),
            refused
        );
        let mut after = before.clone();
        second.save_snapshot(moved.as_ref(), &mut after).unwrap();
        assert_eq!(before, after);
        second.restore_snapshot(moved.as_mut(), &snapshot).unwrap();
        for step in &steps[9..] {
            let found = push(&mut second, &mut moved, step);
            assert_eq!(found, push(&mut first, &mut window, step));
        }
    }
}

/// Known before the file is: as the firmware takes its RAM.
#[test]
fn the_words_of_a_model_are_a_constant() {
    const WORDS: usize = sensor_workspace_words(
        Format::F32,
        5,
        &[LayerShape::gru(3)],
        &[DenseShape::new(9, Activation::Relu)],
    );
    // Channels and h, c, packed columns of both matrices, the units of the dense layer.
    assert_eq!(WORDS, 8 + 3 + 64 + 9);
    for seed in 0..times(96, 4) as u64 {
        for format in [Format::Int8, Format::Int4, Format::F32] {
            let file = match format {
                Format::F32 => F32SensorNet::random(seed).file(),
                _ => Int8SensorNet::random(format, seed).file(),
            };
            let at = At::new(&file, 0);
            let (model, shape) = (at.model(), ModelShape::of(&file).unwrap());
            let (plan, _) = plan(seed);
            assert_eq!(shape.words(), model.workspace_words());
            assert_eq!(
                shape.words(),
                sensor_workspace_words(format, plan.channels, &plan.shapes, &plan.dense)
            );
            assert_eq!(shape.num_outputs(), plan.outputs);
            assert_eq!(model.num_outputs(), plan.outputs);
            assert_eq!(shape.num_channels(), plan.channels);
            assert_eq!(shape.num_symbols(), plan.vocab);
            assert_eq!(shape.dense_layers(), plan.dense);
            assert_eq!(shape.layers(), plan.shapes);
            let mut memory = Ram::of(&model);
            let (words, logits) = (&mut memory.words, &mut memory.logits);
            let (few, all) = (words.len() - 1, words.len());
            let room = WorkspaceSlices::new(&mut words[..few], logits);
            let refused = match plan.channels {
                0 => Session::new(model, room).unwrap_err(),
                _ => SensorSession::new(model, room).unwrap_err(),
            };
            let (found, expected) = (few, all);
            assert_eq!(refused, WorkspaceError::Words { found, expected });
            let (found, expected) = (logits.len() - 1, logits.len());
            let room = WorkspaceSlices::new(words, &mut logits[..found]);
            let refused = match plan.channels {
                0 => Session::new(model, room).unwrap_err(),
                _ => SensorSession::new(model, room).unwrap_err(),
            };
            assert_eq!(refused, WorkspaceError::Symbols { found, expected });
        }
    }
}

/// docs/FORMAT.md, "Golden outputs".
#[test]
fn golden_outputs_are_those_of_the_definition() {
    use rand_xoshiro::Xoshiro128PlusPlus;
    use rand_xoshiro::rand_core::{Rng, SeedableRng};

    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    for seed in 0..times(12, 2) as u64 {
        let net = Int8SensorNet::random(Format::Int8, seed);
        let at = At::new(&net.file(), 0);
        let mut ram = Ram::of(&at.model());
        let mut reference = Int8Reference::new(&net.net);
        let mut random = Xoshiro128PlusPlus::seed_from_u64(1);
        let mut digest = crc.digest();
        for _ in 0..64 {
            let logits = match net.net.channels {
                0 => {
                    let symbols = net.net.table.len() as u64;
                    let index = (u64::from(random.next_u32()) * symbols) >> 32;
                    reference.step(Token::new(index as u8))
                }
                channels => {
                    let mut column = || ((random.next_u32() >> 24) as i8).max(-127);
                    let columns: Vec<_> = (0..channels).map(|_| column()).collect();
                    reference.step_columns(&columns)
                }
            };
            for logit in logits {
                digest.update(&(logit as i32).to_le_bytes());
            }
        }
        let found = match net.net.channels {
            0 => OutputGolden::of_symbols(&mut Session::new(at.model(), ram.memory()).unwrap()),
            _ => OutputGolden::of_values(&mut ram.session(at.model())),
        };
        assert_eq!(found, digest.finalize());
    }
    // In f32 a column is a 32nd of the number.
    let (mut plan, _) = plan(0);
    plan.channels = 2;
    let net = F32SensorNet::random_plan(&plan, Head::Values, 0);
    let mut plain = net.clone();
    plain.channel_scaling = [vec![0.0; 2], vec![1.0 / 32.0; 2]];
    let (at, plain) = (At::new(&net.file(), 0), At::new(&plain.file(), 0));
    let mut ram = Ram::of(&plain.model());
    let mut session = ram.session(plain.model());
    let mut random = Xoshiro128PlusPlus::seed_from_u64(1);
    let mut digest = crc.digest();
    for _ in 0..64 {
        let values = [(); 2].map(|()| f32::from(((random.next_u32() >> 24) as i8).max(-127)));
        for logit in session.step(&values).unwrap().logits() {
            digest.update(&logit.to_le_bytes());
        }
    }
    let mut ram = Ram::of(&at.model());
    let found = OutputGolden::of_values(&mut ram.session(at.model()));
    assert_eq!(found, digest.finalize());
}
