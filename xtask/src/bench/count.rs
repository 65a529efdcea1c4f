//! Counting the instructions of one model on one machine.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use crc::{CRC_32_ISO_HDLC, Crc};
use lstm_core::{Format, LayerShape, Model, Sampler, Session, Token, WorkspaceSlices};

use super::{
    cycles::{self, Cycles},
    machine::{CmsisNn, MODEL_ROOM, Machine},
};
use crate::{
    aligned::AlignedBytes,
    random_model::{random_model, saturated_model},
    shell::{root, target},
    table::{Table, grouped},
};

/// A network, but for its format and its weights.
pub(super) struct Network {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    layer: LayerShape,
    /// The shipped model of this shape, without its format.
    model: &'static str,
}

pub(super) const NETWORKS: [Network; 4] = [
    Network {
        name: "A",
        description: "an LSTM of 64 units",
        layer: LayerShape::lstm(64),
        model: "sonnets-64",
    },
    Network {
        name: "B",
        description: "an LSTM of 256 units",
        layer: LayerShape::lstm(256),
        model: "sonnets-256",
    },
    Network {
        name: "C",
        description: "a CIFG layer of 384 units, projected to 96",
        layer: LayerShape::cifg(384).project(96),
        model: "cifg-384",
    },
    Network {
        name: "D",
        description: "a CIFG layer of 96 units, projected to 32",
        layer: LayerShape::cifg(96).project(32),
        model: "cifg-96",
    },
];
pub(super) const SYMBOLS: &str = " abcdefghijklmnopqrstuvwxyz";
pub(super) const FORMATS: [Format; 3] = [Format::Int8, Format::Int4, Format::F32];
/// As the program `bench`.
const SEED: u64 = 1;
/// As the program `bench`.
pub(super) const TEMPERATURE: f32 = 0.8;
/// The function of the program `bench` that makes a character.
const CHARACTER: &str = "character";
/// By how many instructions two ways to count may differ: a tick of the slowest counter.
pub(super) const TICK: u64 = 64;
/// Characters whose instructions are looked at one by one; all take about as many cycles an
/// instruction.
const TRACED: u64 = 100;

/// A model on disk and in memory.
pub(super) struct ModelFile {
    /// For the table.
    name: String,
    /// The index of the network, if it is one of [`NETWORKS`].
    network: Option<usize>,
    path: PathBuf,
    bytes: AlignedBytes,
    /// A model of the same shape and format that takes longest, where the time depends on the text.
    longest: Option<Box<ModelFile>>,
}

impl ModelFile {
    pub(super) fn new(name: String, network: Option<usize>, path: PathBuf, bytes: &[u8]) -> Self {
        ModelFile {
            name,
            network,
            path,
            bytes: AlignedBytes::new(bytes),
            longest: None,
        }
    }

    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| path.display().to_string())?;
        let name = path.file_stem().unwrap_or_default().display().to_string();
        Ok(Self::new(name, None, path.to_owned(), &bytes))
    }

    fn len(&self) -> usize {
        self.bytes.bytes().len()
    }

    pub(super) fn model(&self) -> Result<Model<'_>> {
        Model::from_bytes(self.bytes.bytes()).with_context(|| self.path.display().to_string())
    }
}

/// Every network in every format, written to disk. A step takes always the same in all formats but
/// int4, which skips zeros: that is counted with a shipped model, which writes its own text, and with
/// one that has no zeros.
pub(super) fn models() -> Result<Vec<ModelFile>> {
    let folder = target().join("bench");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let mut files = Vec::new();
    for format in FORMATS {
        for (index, network) in NETWORKS.iter().enumerate() {
            let model = match format {
                Format::Int4 => saturated_model,
                _ => random_model,
            };
            let bytes = model(format, SYMBOLS, &[network.layer], SEED);
            let path = folder.join(format!("{}-{format}.lstm", network.name));
            fs::write(&path, &bytes).with_context(|| path.display().to_string())?;
            let name = network.name.to_owned();
            let mut file = ModelFile::new(name.clone(), Some(index), path, &bytes);
            if format == Format::Int4 {
                let path = root().join(format!("models/{}-{format}.lstm", network.model));
                let shipped = ModelFile::read(&path)?;
                let shape = shipped.model()?.layers().to_vec();
                ensure!(
                    shape == [network.layer],
                    "{} has the layers {shape:?}, expected {:?}",
                    path.display(),
                    network.layer
                );
                file = ModelFile {
                    name,
                    network: Some(index),
                    longest: Some(Box::new(file)),
                    ..shipped
                };
            }
            files.push(file);
        }
    }
    Ok(files)
}

/// What a program that counts prints: words such as `name=value`.
pub(super) struct Line(pub(super) String);

impl Line {
    pub(super) fn field(&self, name: &str) -> Result<&str> {
        let mut words = self.0.split_whitespace();
        let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.with_context(|| format!("found {:?}, expected {name}=", self.0))
    }

    pub(super) fn number(&self, name: &str) -> Result<u64> {
        Ok(self.field(name)?.parse()?)
    }
}

/// What the program `bench` finds for one model.
pub(super) struct Count {
    pub(super) machine: &'static Machine,
    pub(super) format: Format,
    /// The model's name.
    pub(super) name: String,
    pub(super) mean: f64,
    minimum: u64,
    maximum: u64,
    /// As [`Count::maximum`], where no zero is skipped.
    pub(super) longest: u64,
    /// Estimated, on average.
    pub(super) cycles: Option<Cycles>,
    /// The likeliest of the longest character, where no zero is skipped.
    pub(super) longest_cycles: Option<u64>,
    multiply_adds: usize,
    /// What CMSIS-NN takes for the same network.
    pub(super) cmsis_nn: Option<CmsisNn>,
    pub(super) model_bytes: usize,
    /// State, scratch and logits.
    pub(super) workspace: u64,
    /// The deepest of reading the file and a character.
    pub(super) stack: u64,
}

impl Count {
    /// Counts one model with the program `bench`, and checks that it draws the same tokens as on
    /// the host.
    pub(super) fn new(machine: &'static Machine, program: &Path, file: &ModelFile) -> Result<Self> {
        ensure!(
            file.len() <= MODEL_ROOM,
            "{} does not fit: found {} bytes, expected at most {MODEL_ROOM}",
            file.path.display(),
            file.len()
        );
        let model = file.model()?;
        let loader = machine.loader(&file.path, 0);
        let line = Line(machine.run(program, &["-icount", "shift=0", "-device", &loader])?);
        let number = |name| line.number(name);

        let (warm_up, characters) = (number("warm-up")?, number("characters")?);
        let found = u32::from_str_radix(line.field("tokens")?, 16)?;
        let expected = host_tokens(&model, warm_up + characters)?;
        ensure!(
            found == expected,
            "{} does not write what the host writes with {}: \
             found {found:08x}, expected {expected:08x}",
            machine.name,
            file.path.display()
        );
        let mean = number("instructions")? as f64 / characters as f64;
        let maximum = number("maximum")?;
        let (mut longest, mut cycles, mut longest_cycles) = (maximum, None, None);
        if machine.has_cycles(model.format()) {
            let loader = ["-device", &loader];
            let most = (warm_up + TRACED.min(characters)) as usize;
            let calls = cycles::calls(machine, program, CHARACTER, &loader, most)?;
            let calls = calls.get(warm_up as usize..).unwrap_or_default();
            let range = number("minimum")?.saturating_sub(TICK)..=maximum + TICK;
            ensure!(
                !calls.is_empty() && calls.iter().all(|call| range.contains(&call.instructions)),
                "{} counts {range:?} instructions, and not so QEMU's log: {calls:?}",
                machine.name
            );
            // Those of all characters, at the cycles an instruction of these.
            let traced = cycles::mean(calls);
            let share = mean / traced.instructions as f64;
            cycles = Some(
                traced
                    .cycles
                    .map(|cycles| (cycles as f64 * share).round() as u64),
            );
            longest_cycles = calls.iter().map(|call| call.cycles.likely).max();
        }
        if let Some(file) = &file.longest {
            let count = Count::new(machine, program, file)?;
            (longest, longest_cycles) = (count.maximum, count.longest_cycles);
        }
        // CMSIS-NN has no float arithmetic to compare with.
        let cmsis_nn = file.network.filter(|_| model.format() != Format::F32);
        Ok(Count {
            machine,
            format: model.format(),
            name: file.name.clone(),
            mean,
            minimum: number("minimum")?,
            maximum,
            longest,
            cycles,
            longest_cycles,
            multiply_adds: model.multiply_adds(),
            cmsis_nn: cmsis_nn.and_then(|network| machine.cmsis_nn.get(network).copied()),
            model_bytes: file.len(),
            workspace: number("workspace")?,
            stack: number("stack")?.max(number("load-stack")?),
        })
    }

    /// How many times fewer instructions than CMSIS-NN.
    pub(super) fn ratio(&self) -> Option<f64> {
        let theirs = self.cmsis_nn?.instructions as f64;
        Some(theirs / self.mean)
    }

    /// How many times fewer cycles than CMSIS-NN.
    fn cycle_ratio(&self) -> Option<f64> {
        let theirs = self.cmsis_nn?.cycles? as f64;
        Some(theirs / self.cycles?.likely as f64)
    }
}

/// The counts as text.
pub(super) fn table(counts: &[Count]) -> String {
    let mut table = Table::new(&[
        "machine",
        "core",
        "format",
        "network",
        "mean",
        "minimum",
        "maximum",
        "no zeros",
        "cycles",
        "least",
        "most",
        "no zeros",
        "multiply-adds",
        "per multiply-add",
        "CMSIS-NN",
        "ratio",
        "its cycles",
        "ratio",
        "model bytes",
        "RAM bytes",
        "stack bytes",
    ]);
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let ratio = |ratio: Option<f64>| or_none(ratio.map(|ratio| format!("{ratio:.2}")));
    for count in counts {
        table.push(vec![
            count.machine.name.to_owned(),
            count.machine.core.to_owned(),
            count.format.to_string(),
            count.name.clone(),
            grouped(count.mean.round() as u64),
            grouped(count.minimum),
            grouped(count.maximum),
            grouped(count.longest),
            or_none(count.cycles.map(|cycles| grouped(cycles.likely))),
            or_none(count.cycles.map(|cycles| grouped(cycles.least))),
            or_none(count.cycles.map(|cycles| grouped(cycles.most))),
            or_none(count.longest_cycles.map(grouped)),
            grouped(count.multiply_adds as u64),
            format!("{:.3}", count.mean / count.multiply_adds as f64),
            or_none(count.cmsis_nn.map(|theirs| grouped(theirs.instructions))),
            ratio(count.ratio()),
            or_none(count.cmsis_nn.and_then(|theirs| theirs.cycles).map(grouped)),
            ratio(count.cycle_ratio()),
            grouped(count.model_bytes as u64),
            grouped(count.workspace),
            grouped(count.stack),
        ]);
    }
    table.render()
}

/// The CRC-32 of the tokens that a model draws on the host.
fn host_tokens(model: &Model<'_>, characters: u64) -> Result<u32> {
    let mut words = vec![0; model.workspace_words()];
    let mut logits = vec![0; model.alphabet().len()];
    let workspace = WorkspaceSlices::new(&mut words, &mut logits);
    let mut session = Session::new(*model, workspace)?;
    let mut sampler = Sampler::new(SEED).with_temperature(TEMPERATURE)?;
    let crc = Crc::<u32>::new(&CRC_32_ISO_HDLC);
    let mut tokens = crc.digest();
    let mut token = Token::default();
    for _ in 0..characters {
        token = sampler.sample(session.step(token));
        tokens.update(&[token.index() as u8]);
    }
    Ok(tokens.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiply_adds_are_those_of_the_matrices() {
        let layers = [LayerShape::lstm(16), LayerShape::cifg(32).project(24)];
        let bytes = random_model(Format::Int8, "abc", &layers, 1);
        let file = ModelFile::new(String::new(), None, PathBuf::new(), &bytes);
        let expected = 64 * 16 + 96 * (16 + 24) + 32 * 24 + 3 * 24;
        assert_eq!(file.model().unwrap().multiply_adds(), expected);
    }
}
