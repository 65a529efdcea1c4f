//! Export: decides the bytes. The only writer of `.lstm` files.

use crate::error::{Error, Result};
use crate::network::{Network, NetworkConfig};
use crate::quantize::{self, Int8Matrix, Int8Network, TensorError};
use crate::tensors::write_atomically;
use lstm_core::file::{
    ARRAY_ALIGN, BLOCK_ROWS, COLUMN_ALIGN, Cell, HEAD_BYTES, Head, LayerShape, Order, Payload,
    encode_weight, round_up,
};
use lstm_core::{Format, Model};
use std::path::{Path, PathBuf};

static ZEROS: [u8; ARRAY_ALIGN] = [0; ARRAY_ALIGN];

/// What to write besides the numbers.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// A name for people, at most 64 bytes.
    pub name: String,
    /// The window that the network was trained on without state between windows.
    pub window: Option<u16>,
}

/// A float network as the bytes of a `.lstm` file in [`Format::F32`].
///
/// # Errors
///
/// A shape that the file does not hold.
pub fn encode_f32(network: &Network, labels: &Labels) -> Result<Vec<u8>> {
    let config = &network.config;
    let vocabulary = config.vocabulary();
    let mut data = Data::default();
    let floats = |data: &mut Data, values: &mut dyn Iterator<Item = f32>| {
        data.array(values.flat_map(f32::to_le_bytes));
    };
    for (index, layer) in config.layers.iter().enumerate() {
        let hidden = layer.hidden;
        let unit_gate = |row: usize| (row % 4) * hidden + row / 4;
        if index == 0 {
            let table = network.folded_table();
            let entry = |i: usize| {
                let (v, row) = (i / (4 * hidden), i % (4 * hidden));
                table[v * 4 * hidden + unit_gate(row)]
            };
            floats(&mut data, &mut (0..vocabulary * 4 * hidden).map(entry));
            floats(&mut data, &mut std::iter::repeat_n(0.0, 4 * hidden));
        } else {
            let bias = &network.layers[index].bias;
            floats(
                &mut data,
                &mut (0..4 * hidden).map(|row| bias[unit_gate(row)]),
            );
        }
        floats(
            &mut data,
            &mut f32_blocks(quantize::layer_rows(network, index)),
        );
    }
    let padded = round_up(vocabulary, BLOCK_ROWS);
    let bias = |v: usize| network.dense_bias.get(v).copied().unwrap_or(0.0);
    floats(&mut data, &mut (0..padded).map(bias));
    floats(&mut data, &mut f32_blocks(quantize::dense_rows(network)));
    encode(config, Format::F32, labels, &data.bytes)
}

/// `[blocks][columns][4]`, zeros where rows or columns are padded.
fn f32_blocks(rows: Vec<Vec<f32>>) -> impl Iterator<Item = f32> {
    let columns = round_up(rows[0].len(), COLUMN_ALIGN);
    let blocks = rows.len().div_ceil(BLOCK_ROWS);
    let positions = (0..blocks).flat_map(move |block| {
        (0..columns).flat_map(move |k| (0..BLOCK_ROWS).map(move |r| (block * BLOCK_ROWS + r, k)))
    });
    positions.map(move |(row, k)| {
        rows.get(row)
            .and_then(|row| row.get(k))
            .copied()
            .unwrap_or(0.0)
    })
}

/// A quantized network as the bytes of a `.lstm` file in [`Format::Int8`].
///
/// # Errors
///
/// A shape that the file does not hold.
pub fn encode_int8(network: &Int8Network, labels: &Labels) -> Result<Vec<u8>> {
    let mut data = Data::default();
    data.array(network.table.iter().map(|&entry| entry as u8));
    for (_, matrix) in network.matrices() {
        let rows = (0..round_up(matrix.rows.len(), BLOCK_ROWS))
            .map(|row| matrix.rows.get(row).copied().unwrap_or_default());
        data.array(rows.flat_map(|row| row.to_bytes()));
        data.array(int8_blocks(matrix));
    }
    encode(&network.config, Format::Int8, labels, &data.bytes)
}

/// `[blocks][columns / 4][4 rows][4 columns]`, zeros where rows or columns are padded.
fn int8_blocks(matrix: &Int8Matrix) -> impl Iterator<Item = u8> {
    let columns = round_up(matrix.columns, COLUMN_ALIGN);
    let blocks = matrix.rows.len().div_ceil(BLOCK_ROWS);
    let bytes = blocks * BLOCK_ROWS * columns;
    (0..bytes).map(move |i| {
        let (block, i) = (i / (BLOCK_ROWS * columns), i % (BLOCK_ROWS * columns));
        let (row, k) = (block * BLOCK_ROWS + i / 4 % 4, i / 16 * 4 + i % 4);
        let weight = if row < matrix.rows.len() && k < matrix.columns {
            matrix.weights[row * matrix.columns + k]
        } else {
            0
        };
        encode_weight(weight, k)
    })
}

/// The data section under construction.
#[derive(Default)]
struct Data {
    bytes: Vec<u8>,
}

impl Data {
    fn array(&mut self, bytes: impl Iterator<Item = u8>) {
        self.bytes.extend(bytes);
        self.bytes
            .resize(round_up(self.bytes.len(), ARRAY_ALIGN), 0);
    }
}

fn encode(config: &NetworkConfig, format: Format, labels: &Labels, data: &[u8]) -> Result<Vec<u8>> {
    if labels.name.len() > 64 {
        return Err(Error::bad_input(format!(
            "found a model name of {} bytes, expected at most 64",
            labels.name.len()
        )));
    }
    let mut layers = heapless::Vec::new();
    for layer in &config.layers {
        let crate::network::Cell::Lstm = layer.cell;
        let shape = LayerShape {
            cell: Cell::Lstm,
            hidden: u16::try_from(layer.hidden).unwrap_or(u16::MAX),
            projection: None,
        };
        layers.push(shape).map_err(|_| {
            Error::bad_input(format!(
                "found {} layers, expected 1 to 4",
                config.layers.len()
            ))
        })?;
    }
    let mut payload = Payload {
        name: &labels.name,
        symbols: &config.symbols,
        fold_case: config.fold_case,
        window: labels.window,
        format,
        order: Order::Rows4,
        layers,
        padding: &[],
        data,
    };
    let serialize = |payload: &Payload<'_>| {
        postcard::to_stdvec(payload)
            .map_err(|e| Error::failed(format!("cannot encode the model: {e}")))
    };
    let misaligned = (HEAD_BYTES + serialize(&payload)?.len() - data.len()) % ARRAY_ALIGN;
    payload.padding = &ZEROS[..(ARRAY_ALIGN - misaligned) % ARRAY_ALIGN];
    let payload = serialize(&payload)?;
    let mut file = Head::new(&payload).to_bytes().to_vec();
    file.extend(payload);
    // What is about to be written must be what the device accepts.
    let read = crate::model_file::ModelFile::from_bytes(&file);
    read.model().map_err(|e| Error::bad_input(e.to_string()))?;
    Ok(file)
}

/// The text that stands beside a `.lstm` file: what is in it, and how it was measured.
pub fn description(model: &Model<'_>, errors: &[TensorError], notes: &[String]) -> String {
    let mut text = crate::inspect::describe(model);
    if !errors.is_empty() {
        text += "\nquantization, by tensor\n";
        text += &quantize::error_table(errors);
    }
    for note in notes {
        text += &format!("\n{note}\n");
    }
    text
}

/// Write a .lstm file from a network, and a readable .txt beside it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A trained network, or one that `quantize` wrote (.safetensors).
    network: PathBuf,
    /// Where to write the model (.lstm).
    #[arg(long)]
    out: PathBuf,
    /// The number format; a quantized network has its own.
    #[arg(long, value_enum)]
    format: Option<ExportFormat>,
    /// A name for people; the file's own by default.
    #[arg(long)]
    name: Option<String>,
    /// The window that the network was trained on, if it never saw a carried state.
    #[arg(long)]
    window: Option<u16>,
    /// A line for the .txt, such as the command that trained the network; may be repeated.
    #[arg(long)]
    note: Vec<String>,
}

/// The formats of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// Single precision, the reference.
    F32,
    /// Quantized to 8 bits.
    Int8,
}

/// Runs the subcommand.
///
/// # Errors
///
/// The network cannot be read or does not fit the file, or the disk refuses.
pub fn run(args: &Args) -> Result<()> {
    let stem = args
        .out
        .file_stem()
        .map(|s| s.to_string_lossy().into_owned());
    let labels = Labels {
        name: args.name.clone().or(stem).unwrap_or_default(),
        window: args.window,
    };
    let (file, errors) = match (Int8Network::load(&args.network)?, args.format) {
        (Some(_), Some(ExportFormat::F32)) => {
            return Err(Error::bad_input(format!(
                "{} holds a quantized network, expected a float one for --format f32",
                args.network.display()
            )));
        }
        (Some(network), _) => (encode_int8(&network, &labels)?, Vec::new()),
        (None, format) => {
            let network = Network::load(&args.network)?;
            match format {
                Some(ExportFormat::F32) => (encode_f32(&network, &labels)?, Vec::new()),
                Some(ExportFormat::Int8) | None => {
                    let (network, errors) = quantize::int8(&network)?;
                    (encode_int8(&network, &labels)?, errors)
                }
            }
        }
    };
    write_model(&args.out, &file, &errors, &args.note)?;
    let text = args.out.with_extension("txt");
    println!(
        "wrote {} ({} bytes) and {}",
        args.out.display(),
        file.len(),
        text.display()
    );
    Ok(())
}

/// Writes a `.lstm` file and its description.
///
/// # Errors
///
/// The disk refuses.
pub fn write_model(
    path: &Path,
    file: &[u8],
    errors: &[TensorError],
    notes: &[String],
) -> Result<()> {
    let read = crate::model_file::ModelFile::from_bytes(file);
    let model = read.model().map_err(|e| Error::failed(e.to_string()))?;
    let text = description(&model, errors, notes);
    write_atomically(path, file)?;
    write_atomically(&path.with_extension("txt"), text.as_bytes())
}
