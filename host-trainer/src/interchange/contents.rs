//! What a file holds, and how a reader collects it.

use super::context::{Context, Reads};
use super::names::{self, Part};
use super::plan::Plan;
use super::shape::count;
use crate::files::tensors::NamedTensor;
use std::collections::BTreeMap;

/// The largest file that is read: four layers of 4,096 units fit in.
pub(super) const MAX_BYTES: u64 = 2 << 30;
/// Weights hardly shrink: what unpacks to more than so many times its file is refused.
pub(super) const MAX_RATIO: u64 = 100;
/// More tensors than this are refused.
const MAX_TENSORS: usize = 10_000;

/// Signed integers of 8 bits, as the formats name them: weights of a quantized network.
const EIGHT_BITS: [&str; 5] = ["I8", "int8", "|i1", "CharStorage", "QInt8Storage"];

/// What a file holds.
#[derive(Clone, Debug)]
pub struct Contents {
    /// What kind of file it is, for people.
    pub kind: &'static str,
    /// Its tensors as they are in the file, in f32.
    pub tensors: BTreeMap<String, NamedTensor>,
    /// The names in the order of the network's layers; empty where the file does not tell it.
    pub order: Vec<String>,
    /// What the file tells of the text that the network sees at a time.
    pub context: Context,
    /// What a person should know about it.
    pub notes: Vec<String>,
    /// Layers without weights that compute something, where the file names them and tells no more.
    pub(super) weightless: Vec<String>,
    /// What the network reads, where the file tells.
    pub reads: Option<Reads>,
    /// Why it is no network of characters that runs here, where the file tells that.
    pub(super) not_text: Option<String>,
    /// Its layers, or why they do not run here, where the file tells all of them.
    pub(super) plan: Option<Result<Plan, String>>,
}

impl Contents {
    /// Layers with their numbers, of a file that has no tensors by name.
    pub(super) fn of_plan(kind: &'static str, reads: Option<Reads>, mut plan: Plan) -> Self {
        Self {
            kind,
            tensors: BTreeMap::new(),
            order: Vec::new(),
            context: plan.context,
            notes: std::mem::take(&mut plan.notes),
            weightless: Vec::new(),
            reads,
            not_text: None,
            plan: Some(Ok(plan)),
        }
    }
}

/// Tensors as a reader adds them.
pub(super) struct Collector {
    tensors: BTreeMap<String, NamedTensor>,
    /// The names in the order in which they were added.
    added: Vec<String>,
    notes: Vec<String>,
    /// Numbers that may still be added.
    left: u64,
}

impl Collector {
    /// For a file of so many bytes.
    pub(super) fn new(file_bytes: usize) -> Self {
        Self {
            tensors: BTreeMap::new(),
            added: Vec::new(),
            notes: Vec::new(),
            left: MAX_BYTES.min(MAX_RATIO * file_bytes as u64) / 4,
        }
    }

    /// Adds a tensor whose numbers are already there.
    pub(super) fn insert(
        &mut self,
        name: &str,
        shape: Vec<usize>,
        values: Vec<f32>,
    ) -> Result<(), String> {
        if count(&shape) != Some(values.len()) {
            return Err(format!(
                "tensor {name} has {} numbers, expected those of shape {shape:?}",
                values.len()
            ));
        }
        if self.tensors.len() == MAX_TENSORS {
            return Err(format!(
                "found more than {MAX_TENSORS} tensors, expected a network's"
            ));
        }
        let left = self.left.checked_sub(values.len() as u64);
        self.left = left.ok_or_else(|| {
            format!(
                "found more numbers than the file could hold up to tensor {name}, expected weights"
            )
        })?;
        if self.tensors.contains_key(name) {
            return Err(format!("found tensor {name} twice, expected it once"));
        }
        self.added.push(name.to_owned());
        self.tensors
            .insert(name.to_owned(), NamedTensor { shape, values });
        Ok(())
    }

    /// Passes over a tensor that is not of floating-point numbers, with a note, unless it should be a
    /// weight.
    pub(super) fn pass_over(&mut self, name: &str, dtype: &str) -> Result<(), String> {
        let is_quantized = EIGHT_BITS.contains(&dtype)
            || name.contains("zero_point")
            || name.contains("_packed_params");
        if is_quantized {
            return Err(format!(
                "tensor {name} is of type {dtype}, as in a quantized network, expected floating-point \
                 numbers: save the network as it was before it was quantized"
            ));
        }
        // A Normalization's third number counts what it has seen.
        let is_count = |part| matches!(part, Part::Var(2) | Part::Listed(2));
        if names::split(name).is_some_and(|(_, part)| !is_count(part)) {
            return Err(format!(
                "tensor {name} is of type {dtype}, expected floating-point numbers"
            ));
        }
        self.note(format!("{name} is of type {dtype} and no weight: left out"));
        Ok(())
    }

    /// What a person should know.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// The names in the order in which they were added.
    pub(super) fn names(&self) -> &[String] {
        &self.added
    }

    /// All that was added.
    pub(super) fn tensors(&self) -> &BTreeMap<String, NamedTensor> {
        &self.tensors
    }

    /// A tensor that was added.
    pub(super) fn get(&self, name: &str) -> Option<&NamedTensor> {
        self.tensors.get(name)
    }

    /// All that was added; `order` is that of the layers, or empty.
    pub(super) fn finish(
        self,
        kind: &'static str,
        order: Vec<String>,
        context: Context,
    ) -> Contents {
        Contents {
            kind,
            tensors: self.tensors,
            order,
            context,
            notes: self.notes,
            weightless: Vec::new(),
            reads: None,
            not_text: None,
            plan: None,
        }
    }
}

/// How a file stores a floating-point number, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Number {
    F16,
    Bf16,
    F32,
    F64,
}

impl Number {
    /// All whole numbers in `bytes`, as f32.
    pub(super) fn decode(self, bytes: &[u8]) -> Vec<f32> {
        fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
            bytes.as_chunks().0.iter().map(|&b| number(b)).collect()
        }
        match self {
            Self::F16 => each(bytes, |b| half::f16::from_le_bytes(b).to_f32()),
            Self::Bf16 => each(bytes, |b| half::bf16::from_le_bytes(b).to_f32()),
            Self::F32 => each(bytes, f32::from_le_bytes),
            Self::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
        }
    }
}

/// Another library's message on one line.
pub(super) fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
