//! What a recurrent layer over the values of sensors takes for a step, beside CMSIS-NN.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use crc::{CRC_32_ISO_HDLC, Crc};
use lstm_core::{CellKind, Format, LayerShape, SensorSession, WorkspaceSlices};

use super::{
    count::{Line, ModelFile, TICK},
    cycles::{self, Cycles},
    machine::{CmsisNn, Machine},
};
use crate::{
    random_model::random_sensor_model,
    shell::target,
    table::{Table, grouped},
};

/// A layer over so many channels.
#[derive(Clone, Copy)]
pub(super) struct Layer {
    channels: u16,
    shape: LayerShape,
}

const fn lstm(channels: u16, hidden: u16) -> Layer {
    Layer {
        channels,
        shape: LayerShape::lstm(hidden),
    }
}

const fn gru(channels: u16, hidden: u16) -> Layer {
    Layer {
        channels,
        shape: LayerShape::gru(hidden),
    }
}

/// Those that CMSIS-NN was counted for, then those of a cell that it does not have.
const LAYERS: [Layer; 6] = [
    lstm(6, 32),
    lstm(12, 48),
    lstm(6, 64),
    lstm(3, 128),
    gru(6, 64),
    gru(6, 256),
];
const FORMATS: [Format; 2] = [Format::Int8, Format::Int4];
const SEED: u64 = 1;
/// Steps whose instructions are looked at one by one.
const TRACED: u64 = 8;
/// The function of the program `layer` that makes a step.
const STEP: &str = "layer_step";

/// What a layer takes on a machine.
pub(super) struct LayerCount {
    machine: &'static Machine,
    format: Format,
    layer: Layer,
    mean: f64,
    cycles: Option<Cycles>,
    cmsis_nn: Option<CmsisNn>,
}

impl LayerCount {
    /// Every layer in the integer formats.
    pub(super) fn all(machine: &'static Machine) -> Result<Vec<Self>> {
        let folder = target().join("bench");
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let program = &machine.build(&["layer"], &["sensor"])?.join("layer");
        let mut counts = Vec::new();
        for format in FORMATS {
            for (index, &layer) in LAYERS.iter().enumerate() {
                let mut count = Self::new(machine, program, format, layer)?;
                count.cmsis_nn = machine.cmsis_nn_layers.get(index).copied();
                counts.push(count);
            }
        }
        Ok(counts)
    }

    fn new(
        machine: &'static Machine,
        program: &Path,
        format: Format,
        layer: Layer,
    ) -> Result<Self> {
        let bytes = random_sensor_model(format, layer.channels, &[layer.shape], SEED);
        let path = target().join(format!(
            "bench/{}-{format}.lstm",
            layer.name().replace(' ', "-")
        ));
        fs::write(&path, &bytes).with_context(|| path.display().to_string())?;
        let loader = machine.loader(&path, 0);
        let line = Line(machine.run(program, &["-icount", "shift=0", "-device", &loader])?);
        let (warm_up, steps) = (line.number("warm-up")?, line.number("steps")?);
        let found = u32::from_str_radix(line.field("state")?, 16)?;
        let expected = host_state(
            &ModelFile::new(layer.name(), None, path, &bytes),
            layer,
            warm_up + steps,
        )?;
        ensure!(
            found == expected,
            "{} does not come to the state of the host with {} in {format}: found {found:08x}, expected {expected:08x}",
            machine.name,
            layer.name()
        );
        let mean = line.number("instructions")? as f64 / steps as f64;
        let mut estimated = None;
        if machine.has_cycles(format) {
            let options = ["-device", &loader];
            let most = (warm_up + TRACED.min(steps)) as usize;
            let calls = cycles::calls(machine, program, STEP, &options, most)?;
            let calls = calls.get(warm_up as usize..).unwrap_or_default();
            let range =
                line.number("minimum")?.saturating_sub(TICK)..=line.number("maximum")? + TICK;
            ensure!(
                !calls.is_empty() && calls.iter().all(|call| range.contains(&call.instructions)),
                "{} counts {range:?} instructions, and not so QEMU's log: {calls:?}",
                machine.name
            );
            // Those of all steps, at the cycles an instruction of these.
            let traced = cycles::mean(calls);
            let share = mean / traced.instructions as f64;
            let scaled = |cycles: u64| (cycles as f64 * share).round() as u64;
            estimated = Some(traced.cycles.map(scaled));
        }
        Ok(LayerCount {
            machine,
            format,
            layer,
            mean,
            cycles: estimated,
            cmsis_nn: None,
        })
    }

    fn cmsis_nn_cycles(&self) -> Option<u64> {
        self.cmsis_nn?.cycles
    }
}

impl Layer {
    fn name(self) -> String {
        let cell = match self.shape.cell {
            CellKind::Lstm => "LSTM",
            _ => "GRU",
        };
        format!("{cell} {} of {}", self.shape.hidden, self.channels)
    }
}

/// The CRC-32 of the state after so many steps on the host, with the inputs of the program `layer`.
fn host_state(file: &ModelFile, layer: Layer, steps: u64) -> Result<u32> {
    let model = file.model()?;
    let mut words = vec![0; model.workspace_words()];
    let mut logits = vec![0; model.num_outputs()];
    let workspace = WorkspaceSlices::new(&mut words, &mut logits);
    let mut session = SensorSession::new(model, workspace)?;
    for n in 0..steps {
        let columns = (0..u64::from(layer.channels)).map(|k| ((n * 101 + k * 59) % 255) as i8);
        session.advance_quantized(&columns.collect::<Vec<_>>())?;
    }
    let mut state = vec![0; session.state_bytes()];
    session.save(&mut state)?;
    Ok(Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(&state))
}

/// The counts as text.
pub(super) fn table(counts: &[LayerCount]) -> String {
    let mut table = Table::new(&[
        "core",
        "format",
        "layer",
        "instructions",
        "CMSIS-NN",
        "ratio",
        "cycles",
        "its cycles",
        "ratio",
    ]);
    for count in counts {
        table.push(cells(count, "-"));
    }
    table.render()
}

/// The rows of a table in Markdown that compares int8 with CMSIS-NN, and of the GRUs.
pub(super) fn markdown_rows(counts: &[LayerCount]) -> impl Iterator<Item = Vec<String>> {
    let int8 = counts.iter().filter(|count| count.format == Format::Int8);
    int8.map(|count| {
        let mut cells = cells(count, "");
        cells.remove(1);
        cells
    })
}

/// The titles of [`markdown_rows`].
pub(super) const MARKDOWN_HEAD: [&str; 8] = [
    "a step in int8",
    "layer",
    "instructions",
    "CMSIS-NN",
    "times fewer",
    "cycles, estimated",
    "CMSIS-NN",
    "times fewer",
];

fn cells(count: &LayerCount, none: &str) -> Vec<String> {
    let number = |n: Option<u64>| n.map_or(none.to_owned(), grouped);
    let ratio = |theirs: Option<u64>, ours: Option<f64>| match theirs.zip(ours) {
        Some((theirs, ours)) => format!("{:.2}", theirs as f64 / ours),
        None => none.to_owned(),
    };
    let cycles = count.cycles.map(|cycles| cycles.likely);
    let theirs = count.cmsis_nn.map(|theirs| theirs.instructions);
    vec![
        count.machine.core.to_owned(),
        count.format.to_string(),
        count.layer.name(),
        grouped(count.mean.round() as u64),
        number(theirs),
        ratio(theirs, Some(count.mean)),
        number(cycles),
        number(count.cmsis_nn_cycles()),
        ratio(count.cmsis_nn_cycles(), cycles.map(|cycles| cycles as f64)),
    ]
}
