//! The input is a description of a model that reads values, or gives classes or values. Its checksum is right,
//! whatever else is wrong; a model that is accepted runs, alone and on windows, and its state is saved and restored.

use crate::payload::{Rows, Writer, shape};
use crate::{Flash, assert_one_line, is_planted};
use arbitrary::{Result, Unstructured};
use lstm_core::export::{
    DenseLayers, HEAD_BYTES, Layers, SENSOR_COLUMN_ALIGN, SENSOR_VERSION, SensorDescription,
    encode_sensor_file, sensor_data_bytes, with_head,
};
use lstm_core::{
    Activation, CellKind, DenseShape, Format, Generator, Input, LayerShape, MAX_DENSE_LAYERS,
    MAX_LAYERS, Model, ModelShape, Order, OutputGolden, OutputHead, Sampler, SensorSession,
    SensorWindow, Session, Token, WorkspaceSlices,
};

type Values<'m, 's> = SensorSession<'m, WorkspaceSlices<'s>>;
type Symbols<'m, 's> = Session<'m, WorkspaceSlices<'s>>;

/// Bytes of the data section of a model that is run.
const MAX_DATA: usize = 16_000;
/// Steps of the longest window.
const WINDOW: usize = 4;

pub(crate) fn run(data: &[u8]) {
    // An input that is too short is filled up with zeros.
    let mut input = Unstructured::new(data);
    let file = match input.ratio(1, 8) {
        Ok(true) => with_head(
            SENSOR_VERSION,
            input.peek_bytes(input.len()).unwrap_or_default(),
        ),
        _ => described(&mut input).unwrap_or_default(),
    };
    // What a `const` reads may be wrong, but is read without a panic.
    let shape = ModelShape::of(&file);
    let flash = Flash::new(&file, 0);
    match Model::from_bytes(flash.bytes()) {
        Ok(model) => {
            let shape = shape.expect("a file that is read has a shape");
            assert_eq!(shape.layers(), model.layers());
            assert_eq!(shape.dense_layers(), model.dense_layers());
            assert_eq!(shape.words(), model.workspace_words());
            assert_eq!(shape.num_symbols(), model.alphabet().len());
            assert_eq!(shape.num_channels(), model.num_channels());
            assert_eq!(shape.num_outputs(), model.num_outputs());
            assert_eq!(model.channels().count(), model.num_channels());
            let _: Result<()> = accepted(&model, &mut input);
        }
        Err(error) => assert_one_line(&error),
    }
}

/// So many lines, of which some are empty.
fn lines(count: usize) -> String {
    let names: Vec<_> = (0..count).map(|i| &"walking"[i % 8..]).collect();
    names.join("\n")
}

/// A described file, as it should be or not quite.
fn described(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let format = *input.choose(&[Format::Int8, Format::Int4, Format::F32])?;
    let count = match input.int_in_range(0..=15u8)? {
        0 => input.int_in_range(0..=300)?,
        _ => input.int_in_range(1..=4)?,
    };
    let channels = lines(match input.int_in_range(0..=31u8)? {
        0 => 2,
        _ => count,
    });
    let head = lines(match input.int_in_range(0..=15u8)? {
        0 => input.int_in_range(0..=300)?,
        _ => input.int_in_range(2..=5)?,
    });
    let layers = (0..input.int_in_range(1..=2u8)?).map(|_| layer(input));
    let layers: Vec<_> = layers.collect::<Result<_>>()?;
    let dense = (0..input.int_in_range(0..=MAX_DENSE_LAYERS as u8)?).map(|_| dense(input));
    let dense: Vec<_> = dense.collect::<Result<_>>()?;
    let reads_symbols = input.ratio(1, 4)?;
    let mut description = SensorDescription {
        name: "a",
        input: match reads_symbols {
            true => Input::Symbols {
                symbols: "\nabc",
                fold_case: input.arbitrary()?,
            },
            false => Input::Values {
                channels: &channels,
                count: count as u16,
            },
        },
        window: match input.int_in_range(0..=7u8)? {
            0 => Some(input.arbitrary()?),
            1..=3 => Some(input.int_in_range(1..=WINDOW as u16)?),
            _ => None,
        },
        backwards: input.ratio(1, 8)?,
        format,
        order: Order::of(format, input.int_in_range(0..=127)?),
        layers: Layers::new(&layers[..layers.len().min(MAX_LAYERS)]).expect("at most four"),
        dense: DenseLayers::new(&dense).expect("at most three"),
        head: match input.int_in_range(0..=7u8)? {
            0 => OutputHead::Symbols,
            1..=4 => OutputHead::Classes { labels: &head },
            _ => OutputHead::Values { names: &head },
        },
        padding: &[],
        data: &[],
    };
    let rows = *input.choose(&[Rows::Small, Rows::Largest, Rows::Small, Rows::Any])?;
    let (damage, place): (u8, u16) = (input.int_in_range(0..=15)?, input.arbitrary()?);
    let value: u8 = input.arbitrary()?;
    let fill = input.peek_bytes(input.len()).unwrap_or_default();
    let data = data(&description, rows, fill);
    description.data = &data;
    let file = encode_sensor_file(&description, None).expect("a description is encoded");
    let mut payload = file[HEAD_BYTES..].to_vec();
    let at = usize::from(place).checked_rem(payload.len()).unwrap_or(0);
    match damage {
        0 => payload[at] ^= value,
        // The description is at the start.
        1 => payload[at % 64] ^= value,
        2 => payload.truncate(at),
        3 => drop(payload.splice(at..at, [value])),
        4 => payload.extend([value; 4]),
        _ => {}
    }
    Ok(with_head(SENSOR_VERSION, &payload))
}

fn layer(input: &mut Unstructured<'_>) -> Result<LayerShape> {
    let LayerShape {
        hidden, projection, ..
    } = shape(input)?;
    let cells = [
        CellKind::Lstm,
        CellKind::Cifg,
        CellKind::Gru,
        CellKind::GruResetBefore,
    ];
    let cell = *input.choose(&cells)?;
    let keeps = cell != CellKind::GruResetBefore || input.ratio(1, 8)?;
    Ok(LayerShape {
        cell,
        hidden,
        projection: projection.filter(|_| keeps),
    })
}

fn dense(input: &mut Unstructured<'_>) -> Result<DenseShape> {
    let activations = [
        Activation::Linear,
        Activation::Relu,
        Activation::Tanh,
        Activation::Sigmoid,
    ];
    let width = match input.int_in_range(0..=31u8)? {
        0 => input.arbitrary()?,
        _ => input.int_in_range(1..=5)?,
    };
    Ok(DenseShape::new(width, *input.choose(&activations)?))
}

/// The data section of a description, as long as it should be if its shapes can be.
fn data(description: &SensorDescription<'_>, rows: Rows, fill: &[u8]) -> Vec<u8> {
    // What is larger only takes longer: the reader has to see that so few bytes are not enough.
    if !sensor_data_bytes(description).is_ok_and(|bytes| bytes <= MAX_DATA) {
        return fill.iter().copied().take(64).collect();
    }
    let format = description.format;
    let mut writer = Writer::new(fill, rows, SENSOR_COLUMN_ALIGN);
    let mut below = 0;
    match description.input {
        Input::Symbols { symbols, .. } => {
            writer.table(format, symbols.chars().count(), description.layers[0]);
        }
        Input::Values { count, .. } => {
            below = count.into();
            writer.floats(2, below);
        }
    }
    for &shape in description.layers.iter() {
        let (weights, blocks) = (format.layer_weights(), shape.gate_blocks());
        let both = below + shape.output();
        match shape.cell {
            CellKind::Lstm | CellKind::Cifg => writer.matrix(weights, blocks, both),
            CellKind::Gru => {
                writer.matrix(weights, blocks, below);
                writer.matrix(weights, blocks, shape.output());
            }
            CellKind::GruResetBefore => {
                (0..3).for_each(|_| writer.matrix(weights, blocks / 3, both));
            }
        }
        writer.matrix(weights, shape.projection_blocks(), shape.hidden.into());
        below = shape.output();
    }
    let outputs = match (description.head, description.input) {
        (OutputHead::Symbols, Input::Symbols { symbols, .. }) => symbols.chars().count(),
        (head, _) => head.names().count(),
    };
    let widths = description.dense.iter().map(|shape| shape.width.into());
    for width in widths.chain([outputs]) {
        writer.matrix(format.dense_weights(), usize::div_ceil(width, 4), below);
        below = width;
    }
    if let OutputHead::Values { .. } = description.head {
        writer.floats(2, outputs);
    }
    writer.into_data()
}

/// Everything that one does with a model.
fn accepted(model: &Model<'_>, input: &mut Unstructured<'_>) -> Result<()> {
    let mut words = vec![0xffff_ffff; model.workspace_words()];
    let mut logits = vec![0; model.num_outputs()];
    let is_values = model.num_channels() > 0;
    let slices = WorkspaceSlices::new(&mut words, &mut logits);
    if !is_values {
        assert!(SensorSession::new(*model, slices).is_err());
        let slices = WorkspaceSlices::new(&mut words, &mut logits);
        return symbols(Session::new(*model, slices).unwrap(), input);
    }
    assert!(Session::new(*model, slices).is_err());
    let slices = WorkspaceSlices::new(&mut words, &mut logits);
    let mut session = SensorSession::new(*model, slices).unwrap();
    let step = |input: &mut Unstructured<'_>| -> Result<Vec<f32>> {
        (0..model.num_channels()).map(|_| value(input)).collect()
    };
    let steps = [step(input)?, step(input)?];
    let mut more = steps[0].clone();
    more.push(0.0);
    assert_one_line(&session.step(&more).unwrap_err());
    assert!(session.step_quantized(&[]).is_err());
    quantized(&session, &steps[0]);

    session.advance(&steps[1]).unwrap();
    let mut state = vec![0; session.state_bytes()];
    session.save(&mut state).unwrap();
    let expected = outputs(&mut session, &steps);
    // The last byte of a state is lost.
    if let (Some(last), true) = (state.last_mut(), is_planted()) {
        *last = 0;
    }
    match session.restore(&state) {
        Ok(()) => assert_eq!(outputs(&mut session, &steps), expected),
        // What is no number went in, or weights of many digits made sums that are none.
        Err(_) => assert_eq!(model.format(), Format::F32),
    }
    let golden = OutputGolden::of_values(&mut session);
    assert_eq!(golden, OutputGolden::of_values(&mut session));
    windows(&mut session, &steps);
    Ok(())
}

/// Any float, and often a small one.
fn value(input: &mut Unstructured<'_>) -> Result<f32> {
    match input.ratio(1, 4)? {
        true => input.arbitrary(),
        false => Ok(f32::from(input.arbitrary::<i16>()?) / 1000.0),
    }
}

/// The columns of a step are whole numbers from -127 to 127, and 0 where a value is no number.
fn quantized(session: &Values<'_, '_>, step: &[f32]) {
    for (column, &x) in session.quantize(step).unwrap().zip(step) {
        assert!(column >= -127);
        assert!(column == 0 || !x.is_nan());
    }
}

/// What two steps give, in bits.
fn outputs(session: &mut Values<'_, '_>, steps: &[Vec<f32>; 2]) -> Vec<u32> {
    let mut found = Vec::new();
    for step in steps {
        let output = session.step(step).unwrap();
        assert!(output.class() < output.len());
        assert!(output.probabilities_q15().all(|p| p <= 1 << 15));
        found.extend(output.values().map(f32::to_bits));
        found.extend(output.probabilities().map(f32::to_bits));
        found.extend(output.into_q12().iter().map(|&logit| logit as u32));
    }
    found
}

fn windows(session: &mut Values<'_, '_>, steps: &[Vec<f32>; 2]) {
    let model = *session.model();
    let length = model.window().unwrap_or(2);
    let mut words = vec![0; model.window_words(WINDOW)];
    let Ok(mut window) = SensorWindow::new(&model, &mut words, length, 2) else {
        assert!(length > WINDOW);
        return;
    };
    for count in 0..2 * WINDOW {
        let is_run = count + 1 >= length && (count + 1 - length).is_multiple_of(2);
        let output = window.push(session, &steps[count % 2]).unwrap();
        assert_eq!(output.is_some(), is_run);
    }
}

fn symbols(mut session: Symbols<'_, '_>, input: &mut Unstructured<'_>) -> Result<()> {
    let model = *session.model();
    for _ in 0..2 {
        let output = model.output(session.step(Token::new(input.arbitrary()?)));
        assert!(output.class() < output.len());
        assert!(output.probabilities_q15().all(|p| p <= 1 << 15));
    }
    let golden = OutputGolden::of_symbols(&mut session);
    assert_eq!(golden, OutputGolden::of_symbols(&mut session));
    let generator = Generator::<_, WINDOW>::stateful(session, Sampler::new(1));
    match (generator, model.head()) {
        (Ok(mut generator), OutputHead::Symbols) => {
            let _ = generator.next_token();
        }
        (Err(error), OutputHead::Classes { .. } | OutputHead::Values { .. }) => {
            assert_one_line(&error);
        }
        (generator, head) => panic!("{head:?}: {generator:?}"),
    }
    Ok(())
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    // Any bytes describe something; each start leads to other shapes.
    let bytes = |seed: u32| (0..160u32).map(move |i| (i * i * 11 + seed * 41 * (i + 1)) as u8);
    (0..48).map(|seed| bytes(seed).collect()).collect()
}
