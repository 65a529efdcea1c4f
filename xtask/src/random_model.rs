//! Model files of random weights, where only the shape matters.

use lstm_core::export::{
    ARRAY_ALIGN, BLOCK_ROWS, COLUMN_ALIGN, DenseLayers, Description, Layers, Ngrams, Row,
    SENSOR_COLUMN_ALIGN, SensorDescription, WeightFormat, encode_file, encode_sensor_file,
    encode_weight, int4_words, round_up,
};
use lstm_core::{CellKind, Format, Input, LayerShape, Order, OutputHead};

/// Of an int4 model.
const DEAD_ZONE: u8 = 8;

/// The file of a model with random weights, these layers from the input up and this alphabet.
///
/// The weights are so large that the text varies, and so small that no sum leaves its range.
pub fn random_model(format: Format, symbols: &str, layers: &[LayerShape], seed: u64) -> Vec<u8> {
    model(format, symbols, layers, seed, false)
}

/// As [`random_model`], of integers, but after a few characters every hidden value is as large as it
/// can be: no step can take longer than this model's.
pub fn saturated_model(format: Format, symbols: &str, layers: &[LayerShape], seed: u64) -> Vec<u8> {
    model(format, symbols, layers, seed, true)
}

/// The file of a model with random weights that reads so many channels and gives a value.
pub fn random_sensor_model(
    format: Format,
    channels: u16,
    layers: &[LayerShape],
    seed: u64,
) -> Vec<u8> {
    let mut writer = Writer::new(seed, SENSOR_COLUMN_ALIGN);
    for scaling in [0.0f32, 32.0] {
        let values = std::iter::repeat_n(scaling, channels.into());
        writer.data.extend(values.flat_map(f32::to_le_bytes));
        writer.pad();
    }
    writer.layers(format, 0, channels.into(), layers);
    writer.head(format, 1, layers);
    for scaling in [0.0f32, 1.0] {
        writer.data.extend(scaling.to_le_bytes());
        writer.pad();
    }
    let names = vec![""; channels.into()].join("\n");
    let description = SensorDescription {
        name: "random",
        input: Input::Values {
            channels: &names,
            count: channels,
        },
        window: None,
        backwards: false,
        format,
        order: Order::of(format, DEAD_ZONE),
        layers: Layers::new(layers).expect("at most four layers"),
        dense: DenseLayers::new(&[]).expect("no dense layers"),
        head: OutputHead::Values { names: "" },
        padding: &[],
        data: &writer.data,
    };
    encode_sensor_file(&description, None).expect("the description encodes")
}

fn model(
    format: Format,
    symbols: &str,
    layers: &[LayerShape],
    seed: u64,
    saturated: bool,
) -> Vec<u8> {
    let vocab = symbols.chars().count();
    let mut writer = Writer::new(seed, COLUMN_ALIGN);
    writer.saturated = saturated;
    writer.layers(format, vocab, 0, layers);
    writer.saturated = false;
    writer.head(format, vocab, layers);

    let description = Description {
        name: "random",
        symbols,
        fold_case: false,
        window: None,
        format,
        order: Order::of(format, DEAD_ZONE),
        layers: Layers::new(layers).expect("at most four layers"),
        padding: &[],
        data: &writer.data,
    };
    encode_file(&description, &Ngrams::default(), None).expect("the description encodes")
}

/// To which side the sums of each gate go where every hidden value is as large as it can be: 0 for
/// either.
fn saturating(cell: CellKind) -> &'static [i32] {
    match cell {
        CellKind::Lstm => &[1, 1, 0, 1],
        CellKind::Cifg => &[1, 0, 1],
        CellKind::Gru | CellKind::GruResetBefore => &[1, -1, 0],
    }
}

/// Writes the arrays one after the other.
struct Writer {
    random: Random,
    data: Vec<u8>,
    saturated: bool,
    /// Columns are filled up to a multiple of this number.
    column_align: usize,
}

impl Writer {
    fn new(seed: u64, column_align: usize) -> Self {
        Writer {
            random: Random(seed),
            data: Vec::new(),
            saturated: false,
            column_align,
        }
    }

    /// The arrays of the recurrent layers, from the input up: `input` channels, or the symbols of an alphabet.
    fn layers(&mut self, format: Format, vocab: usize, mut input: usize, layers: &[LayerShape]) {
        let weights = format.layer_weights();
        for shape in layers {
            let blocks = shape.gate_blocks();
            if input == 0 {
                self.table(format, vocab * blocks * BLOCK_ROWS);
            }
            // The gate that each row is of; none for those that only fill up.
            let mut gates = vec![None; blocks * BLOCK_ROWS];
            for unit in 0..shape.hidden.into() {
                for gate in 0..shape.cell.gates() {
                    gates[shape.cell.gate_row(shape.hidden.into(), unit, gate)] = Some(gate);
                }
            }
            let is_used = |row: usize| gates[row].is_some();
            let sign = |row: usize| gates[row].map_or(0, |gate| saturating(shape.cell)[gate]);
            let output = shape.output();
            if shape.cell.resets_before_product() {
                for gate in 0..3 {
                    let first = gate * blocks / 3 * BLOCK_ROWS;
                    let (is_used, sign) = (|row| is_used(first + row), |row| sign(first + row));
                    self.matrix(weights, blocks / 3, input + output, is_used, sign);
                }
            } else if shape.cell.takes_products_apart() {
                self.matrix(weights, blocks, input, is_used, sign);
                self.matrix(weights, blocks, output, is_used, sign);
            } else {
                self.matrix(weights, blocks, input + output, is_used, sign);
            }
            if shape.projection.is_some() {
                let is_used = |row| row < shape.output();
                let (blocks, units) = (shape.projection_blocks(), shape.hidden.into());
                self.matrix(weights, blocks, units, is_used, |_| 0);
            }
            input = shape.output();
        }
    }

    /// The arrays of the head: so many logits.
    fn head(&mut self, format: Format, outputs: usize, layers: &[LayerShape]) {
        let input = layers.last().map_or(0, |shape| shape.output());
        let blocks = outputs.div_ceil(BLOCK_ROWS);
        let is_used = |row| row < outputs;
        self.matrix(format.dense_weights(), blocks, input, is_used, |_| 0);
    }

    /// Entries of the folded table. Each moves a pre-activation by 1.5 at most.
    fn table(&mut self, format: Format, entries: usize) {
        for _ in 0..entries {
            if format == Format::F32 {
                let entry = 1.5 * self.random.real();
                self.data.extend(entry.to_le_bytes());
            } else {
                self.data.push(self.random.int(127) as u8);
            }
        }
        self.pad();
    }

    /// The parameters of the rows, then the weights. Rows and columns that only fill up are zero.
    /// In a saturated model `sign` says to which side a row's sum goes; 0: to either.
    fn matrix(
        &mut self,
        format: WeightFormat,
        blocks: usize,
        columns: usize,
        is_used: impl Fn(usize) -> bool,
        sign: impl Fn(usize) -> i32,
    ) {
        for row in 0..blocks * BLOCK_ROWS {
            self.row(format, is_used(row), columns, sign(row));
        }
        self.pad();
        // Of a row, so many columns stand together.
        let together = match format {
            WeightFormat::F32 => 1,
            WeightFormat::Int8 => 4,
            WeightFormat::Int4 => return self.int4_weights(BLOCK_ROWS * blocks, columns, is_used),
        };
        for block in 0..blocks {
            for group in 0..round_up(columns, self.column_align) / together {
                for row in BLOCK_ROWS * block..BLOCK_ROWS * (block + 1) {
                    let first = together * group;
                    let used = if is_used(row) { columns } else { 0 };
                    self.weights(format, first, used.saturating_sub(first), columns);
                }
            }
        }
        self.pad();
    }

    fn row(&mut self, format: WeightFormat, used: bool, columns: usize, sign: i32) {
        // The sum over the columns grows like the root of their number.
        let root = (columns as f32).sqrt();
        let weight_scale = match format {
            WeightFormat::F32 => {
                let bias = if used { 0.5 * self.random.real() } else { 0.0 };
                return self.data.extend(bias.to_le_bytes());
            }
            WeightFormat::Int8 => 120.0 / root,
            WeightFormat::Int4 => 16.0 * 120.0 / root,
        };
        let mut row = Row {
            bias: i32::from(self.random.int(127)) << 10,
            weight_scale: weight_scale as u16,
            table_scale: 3000,
        };
        if self.saturated {
            let sign = match sign {
                0 => row.bias.signum() | 1,
                sign => sign,
            };
            row = Row {
                bias: sign << 24,
                weight_scale: 1,
                table_scale: 1,
            };
        }
        let row = if used { row } else { Row::default() };
        self.data.extend(row.to_bytes());
    }

    /// The weights of one row that stand together, from the column `first`; all but `used` are 0.
    fn weights(&mut self, format: WeightFormat, first: usize, used: usize, columns: usize) {
        match format {
            WeightFormat::F32 => {
                let weight = 4.0 / (columns as f32).sqrt() * self.random.real();
                let weight = if used == 0 { 0.0 } else { weight };
                self.data.extend(weight.to_le_bytes());
            }
            WeightFormat::Int8 => {
                for k in 0..4 {
                    let weight = if k < used { self.random.int(127) } else { 0 };
                    self.data.push(encode_weight(weight, first + k));
                }
            }
            WeightFormat::Int4 => unreachable!("written a column at a time"),
        }
    }

    fn int4_weights(&mut self, rows: usize, columns: usize, is_used: impl Fn(usize) -> bool) {
        let random = &mut self.random;
        let words = int4_words(rows, columns, self.column_align, |row, _| {
            match is_used(row) {
                true => random.int(7),
                false => 0,
            }
        });
        self.data.extend(words.flat_map(u32::to_le_bytes));
        self.pad();
    }

    fn pad(&mut self) {
        self.data.resize(round_up(self.data.len(), ARRAY_ALIGN), 0);
    }
}

/// Splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In `-limit..=limit`.
    fn int(&mut self, limit: i8) -> i8 {
        let values = 2 * u64::from(limit.unsigned_abs()) + 1;
        (((self.next() >> 32) % values) as i16 - i16::from(limit)) as i8
    }

    /// In -1..1, a multiple of `2^-23`.
    fn real(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use lstm_core::{Model, Sampler, Session, Token, WorkspaceSlices};

    use super::*;
    use crate::aligned::AlignedBytes;

    const SYMBOLS: &str = "abcdefg";

    fn lstm(hidden: u16) -> LayerShape {
        LayerShape::lstm(hidden)
    }

    fn cifg(hidden: u16) -> LayerShape {
        LayerShape::cifg(hidden)
    }

    #[test]
    fn a_saturated_model_is_full_of_large_values() {
        for format in [Format::Int8, Format::Int4] {
            let layers = [lstm(20), cifg(21), cifg(18).project(10)];
            let file = saturated_model(format, SYMBOLS, &layers, 1);
            let flash = AlignedBytes::new(&file);
            let model = Model::from_bytes(flash.bytes()).unwrap();
            let mut words = vec![0; model.workspace_words()];
            let mut logits = [0; SYMBOLS.len()];
            let workspace = WorkspaceSlices::new(&mut words, &mut logits);
            let mut session = Session::new(model, workspace).unwrap();
            let mut state = vec![0; session.state_bytes()];
            for n in 0..100 {
                session.step(Token::new(n % 7));
            }
            session.save(&mut state).unwrap();
            // For each layer h, a byte each, then c, two bytes each.
            let mut rest = &state[..];
            for (output, hidden, least) in [(20, 20, 127), (21, 21, 97), (10, 18, 127)] {
                let (h, after) = rest.split_at(output);
                rest = &after[2 * hidden..];
                let least_found = h.iter().map(|&h| (h as i8).unsigned_abs()).min();
                assert_eq!(least_found, Some(least), "{format} {h:?}");
            }
        }
    }

    #[test]
    fn every_format_and_shape_is_read_and_writes_every_symbol() {
        for format in [Format::F32, Format::Int8, Format::Int4] {
            for layers in [
                &[lstm(20)][..],
                &[lstm(48), lstm(17), lstm(32)],
                &[cifg(21).project(10)],
                &[LayerShape::gru(33), LayerShape::gru(7)],
                &[cifg(32), cifg(18).project(18), lstm(16).project(7)],
            ] {
                let file = random_model(format, SYMBOLS, layers, 1);
                let flash = AlignedBytes::new(&file);
                let model = Model::from_bytes(flash.bytes()).unwrap();
                let mut words = vec![0; model.workspace_words()];
                let mut logits = [0; SYMBOLS.len()];
                let workspace = WorkspaceSlices::new(&mut words, &mut logits);
                let mut session = Session::new(model, workspace).unwrap();
                let mut sampler = Sampler::new(1);
                let mut seen = [0; SYMBOLS.len()];
                let mut token = Token::default();
                for _ in 0..2000 {
                    token = sampler.sample(session.step(token));
                    seen[token.index()] += 1;
                }
                assert!(seen.iter().all(|&n| n > 0), "{format} {layers:?} {seen:?}");
            }
        }
    }
}
