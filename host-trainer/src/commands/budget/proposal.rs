//! A network with a memory for so much flash: what each part of it takes.

use super::Args;
use super::subject::{Subject, text_config};
use crate::commands::numbers::Bytes;
use crate::files::error::{Error, Result};
use crate::files::stdout::grouped;
use crate::files::table;
use crate::hardware::figures::CORES;
use crate::network::config::{LayerConfig, NetworkConfig};
use crate::ngram::least_bytes;
use crate::text::alphabet::AlphabetKind;
use crate::training::memory::Split;
use crate::training::recipe::recall;
use lstm_core::Format;
use lstm_core::export::{COLUMN_ALIGN, round_up};
use serde_json::json;
use std::fmt;

/// Bytes beside the arrays of the network and the memory, at most: the model's name, what describes the sections of the
/// memory, and where they are aligned.
const LABELS: usize = 512;

/// A network with a memory.
pub(super) struct Proposal {
    flash: Bytes,
    choice: Choice,
    /// Others that are as large.
    others: Vec<Choice>,
    /// The line that trains it.
    train: String,
}

/// A network beside what flash it leaves to a memory.
struct Choice {
    config: NetworkConfig,
    subject: Subject,
    /// Bytes of the network.
    network: usize,
    /// Bytes of the memory.
    memory: Bytes,
    split: Split,
}

/// The network of the recipe with a memory, or the one that flags tell, in so much flash.
///
/// # Errors
/// The flash is too small for a memory, or the network is none that the device runs.
pub(super) fn propose(args: &Args, flash: Bytes) -> Result<(Subject, Proposal)> {
    let format = args.format();
    if format == Format::F32 {
        return Err(Error::bad_input(
            "found --flash with --format f32, expected int8 or int4: a memory is in integers",
        ));
    }
    let choice = Choice::new(text_config(args, recall::RECIPE.layer)?, format, flash)?;
    let is_own = args.cell.is_none() && args.hidden.is_none() && args.projection.is_none();
    let mut others = Vec::new();
    for layer in recall::LAYERS {
        if !is_own || layer == recall::RECIPE.layer {
            continue;
        }
        let config = NetworkConfig {
            layers: vec![layer; args.layers],
            ..choice.config.clone()
        };
        // One that leaves less to the memory than it takes is none to propose.
        let other = Choice::new(config, format, flash).ok();
        others.extend(other.filter(|other| other.memory.size() > other.network));
    }
    let train = train_line(args, &choice);
    let subject = Subject {
        parameters: None,
        shape: choice.subject.shape.clone(),
        ..choice.subject
    };
    let proposal = Proposal {
        flash,
        train,
        choice,
        others,
    };
    Ok((subject, proposal))
}

impl Choice {
    fn new(config: NetworkConfig, format: Format, flash: Bytes) -> Result<Self> {
        let mut subject = Subject::of_text(&config, format)?;
        let network = subject.bytes.file;
        let whole = flash.size().saturating_sub(network + LABELS);
        let memory = Bytes::nearest(whole / 1024 * 1024);
        let width = config.layers[0].output();
        let split = Split::new(memory.size(), width);
        let columns = round_up(config.input_width(config.layers.len()), COLUMN_ALIGN);
        let least = least_bytes(config.vocabulary(), columns);
        if split.table_bytes < least {
            let expected = network + LABELS + 2 * least;
            return Err(Error::bad_input(format!(
                "found --flash {flash}, expected at least {} for a network of {} bytes with a memory: a table of {} \
                 symbols takes {}",
                Bytes::nearest(expected.div_ceil(1024) * 1024),
                grouped(network),
                config.vocabulary(),
                grouped(least),
            )));
        }
        subject.bytes.file = network + LABELS + memory.size();
        subject.shape.has_memory = true;
        Ok(Self {
            config,
            subject,
            network,
            memory,
            split,
        })
    }

    fn layer(&self) -> LayerConfig {
        self.config.layers[0]
    }

    fn name(&self) -> String {
        match self.config.layers.len() {
            1 => self.layer().to_string(),
            layers => format!("{layers} x {}", self.layer()),
        }
    }
}

/// What `train` must be told.
fn train_line(args: &Args, choice: &Choice) -> String {
    let mut line = format!("host-trainer train --recipe {}", recall::RECIPE.name);
    let (layer, own) = (choice.layer(), recall::RECIPE.layer);
    if layer.cell != own.cell {
        line += &format!(" --cell {}", layer.cell.name());
    }
    if layer.hidden != own.hidden {
        line += &format!(" --hidden {}", layer.hidden);
    }
    if layer.projection != own.projection {
        line += &format!(" --projection {}", layer.projection.unwrap_or(0));
    }
    if args.layers > 1 {
        line += &format!(" --layers {}", args.layers);
    }
    if let Some(embedding) = args.embedding {
        line += &format!(" --embedding {embedding}");
    }
    if args.alphabet == AlphabetKind::Text {
        line += " --alphabet text";
    }
    if let Some(corpus) = &args.corpus {
        line += &format!(" --corpus {}", shell_word(&corpus.display().to_string()));
    }
    line + &format!(" --memory {}", choice.memory)
}

/// A word as a shell takes it.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    match text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |choice: &Choice| {
            let Split {
                vectors,
                table_bytes,
                ..
            } = choice.split;
            let cycles = |name: &str| {
                let core = CORES.iter().find(|core| core.name == name);
                let cycles = core.and_then(|core| core.cycles(&choice.subject.shape));
                cycles.map_or("-".to_owned(), |cycles| grouped(cycles.round() as usize))
            };
            [
                choice.name(),
                grouped(choice.network),
                grouped(vectors.iter().sum()),
                grouped(choice.split.all_vector_bytes()),
                grouped(table_bytes),
                grouped(choice.subject.bytes.file),
                cycles("Cortex-M4F"),
                cycles("Cortex-M0"),
            ]
        };
        let heads = [
            "network",
            "its bytes",
            "vectors",
            "their bytes",
            "table",
            "model at most",
            "cycles, M4",
            "M0",
        ];
        let choices = [&self.choice].into_iter().chain(&self.others);
        write!(
            f,
            "for {} bytes of flash: a network with a memory (vectors of the last 2, 3 and 4 characters, and a table of counts)\n\n{}\n",
            grouped(self.flash.size()),
            table::table(&heads, &[0], choices.map(row))
        )?;
        if !self.others.is_empty() {
            f.write_str(
                "The first is proposed. A larger network computes more and leaves less to the memory; --hidden, --projection\n\
                 and --cell propose another.\n\n",
            )?;
        }
        write!(
            f,
            "to train it:\n  {}\n--pretrain FILE, more text of the same kind, makes both better\n",
            self.train
        )
    }
}

impl Proposal {
    pub(super) fn as_json(&self) -> serde_json::Value {
        let choice = |choice: &Choice| {
            json!({
                "network": choice.name(),
                "network_bytes": choice.network,
                "memory_bytes": choice.memory.size(),
                "vectors": choice.split.vectors,
                "vector_bytes": choice.split.all_vector_bytes(),
                "table_bytes": choice.split.table_bytes,
                "file_bytes": choice.subject.bytes.file,
            })
        };
        json!({
            "flash_bytes": self.flash.size(),
            "choice": choice(&self.choice),
            "others": self.others.iter().map(choice).collect::<Vec<_>>(),
            "train": self.train,
        })
    }
}
