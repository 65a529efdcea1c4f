//! Quantization-aware fine-tuning: its parameters, its loss, its config, and where it leaves what comes of it. What it
//! computes is in [`quantize::qat`](crate::quantize::qat).

use crate::engine::loss::distillation;
use crate::engine::many::{apply, lock};
use crate::engine::ngrams::less_costs;
use crate::engine::optimizer::OptimizerConfig;
use crate::engine::schedule::Schedule;
use crate::engine::stack_op::{BatchInput, Reading};
use crate::engine::variables::{set_values, values};
use crate::files::error::{Error, Result};
use crate::files::hash::sha256;
use crate::files::stdout::tell;
use crate::kernels::random::Random;
use crate::kernels::softmax::Loss;
use crate::kernels::stack::{StackShape, StackTape};
use crate::model::encode::{Labels, encode_quantized};
use crate::model::file::ModelFile;
use crate::network::config::LayerConfig;
use crate::network::parameters::Network;
use crate::network::score::Extent;
use crate::network::state::State;
use crate::ngram::Recalled;
use crate::quantize::QuantizedNetwork;
use crate::quantize::ngrams::{self, QuantizedNgrams};
use crate::quantize::qat::device_op::DeviceOp;
use crate::quantize::qat::masters::Masters;
use crate::text::batches::{Batch, Feed, Feeder, LossOn};
use crate::text::corpus::{Corpus, Split};
use crate::training::checkpoint::{Checkpoint, Progress};
use crate::training::memory::{TrainingMemory, TrainingRecall};
use crate::training::phase::{Phase, Source};
use crate::training::stage::{Content, Material, Stage};
use crate::training::task::{Report, Task, Turn};
use crate::training::teachers::{Teachers, check_teacher};
use crate::training::trainer::{Call, Plan, Trainer};
use crate::training::tuned_file::TunedFile;
use candle_core::{Device, Tensor, Var};
use serde_json::{Value, json};
use std::f64::consts::LN_2;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

/// A fine-tuning as it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Tuning<'a> {
    /// The network in f32: the teacher.
    pub network: &'a Network,
    /// Others that teach beside it, with their names.
    pub ensemble: &'a [(String, Network)],
    /// The same, rounded: the start.
    pub rounded: &'a QuantizedNetwork,
    /// A text, and where it lies: its training part is read, its validation part chooses the best.
    pub corpus: (&'a Path, &'a Corpus),
    /// Another, read in turn with it.
    pub extra: Option<(&'a Path, &'a [u8])>,
    /// Epochs over the training part.
    pub epochs: f64,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Share of the teachers in the loss, 0 to 1.
    pub teacher: f64,
    /// Rows of a batch.
    pub batch_size: usize,
    /// Seed of every random choice.
    pub seed: u64,
    /// What scores best on the validation part, whenever something does: the start first. A checkpoint lies beside it
    /// until all is done.
    pub out: &'a Path,
    /// Whether to go on from that checkpoint.
    pub resume: bool,
}

impl<'a> Tuning<'a> {
    /// Tunes until all is done, or the call's `stop` is set; prints a line every half epoch.
    ///
    /// # Errors
    /// A network cannot teach this one, a text is too short, there is no checkpoint to go on from, one of another tuning, or one that nobody asked for,
    /// another process tunes into the same file, tuning led out of the device's ranges or to what is not finite, or the disk refuses; [`Error::Interrupted`] by
    /// `stop`.
    pub fn run(&self, call: Call) -> Result<()> {
        let file = TunedFile {
            path: self.out,
            resume: self.resume,
        };
        file.tune(|checkpoint| self.run_alone(checkpoint, call))
    }

    fn run_alone(&self, path: &Path, call: Call) -> Result<()> {
        for teacher in self.ensemble {
            check_teacher(teacher, self.network)?;
        }
        let (materials, mut phase) = (self.materials(), self.phase());
        for material in &materials {
            material.check(phase.feed)?;
        }
        let length = materials[0].content.length();
        let feeder = Feeder::new(length, phase.feed, &mut Random::new(0));
        let batches = (feeder.batches() * materials.len()) as u64;
        phase.validate_every = Some(batches.div_ceil(2));
        let names: Vec<&str> = materials.iter().map(|read| &read.name[..]).collect();
        let names = names.join(" and ");
        let plan = Plan {
            config: self.config(&phase)?,
            minutes: None,
            stages: vec![Stage {
                phase: &phase,
                materials,
            }],
        };
        let memories = self.memories(&call)?;
        let recalls = memories.iter().map(TrainingMemory::recall);
        let task = TuningTask::new(self, recalls.collect::<Result<_>>()?)?;
        let now = match self.resume {
            true => Checkpoint::load(path)?,
            false => task.first(&plan, Random::new(self.seed))?,
        };
        let mut trainer = Trainer::new(plan, task, path.to_owned(), now, call)?;
        trainer.keep_best()?;
        tell!("fine-tuning on {names}");
        let best = |trainer: &Trainer<'_, _>| trainer.now.progress.best.unwrap_or(f64::INFINITY);
        let found = best(&trainer);
        if self.resume {
            let epochs = trainer.epochs();
            tell!("going on after epoch {epochs:.1}, best so far: validation {found:.4} bits/char");
        } else {
            trainer.now.save(path)?;
            tell!("rounded only: validation {found:.4} bits/char");
        }
        if !trainer.train()? {
            return Err(Error::Interrupted(format!(
                "stopped after {:.1} of {} epochs; {} has the best so far: validation {:.4} bits/char; go \
                 on with --resume and the flags as they were",
                trainer.epochs(),
                self.epochs,
                self.out.display(),
                best(&trainer)
            )));
        }
        tell!("best: validation {:.4} bits/char", best(&trainer));
        Ok(())
    }

    /// The network, and then the others that teach, with their names.
    fn teachers(&self) -> impl Iterator<Item = (&'a str, &'a Network)> {
        let others = self
            .ensemble
            .iter()
            .map(|(name, network)| (&name[..], network));
        std::iter::once(("the network", self.network)).chain(others)
    }

    /// The memories of the networks, each once, counted anew for cross-fitting.
    fn memories(&self, call: &Call) -> Result<Vec<TrainingMemory>> {
        let (path, corpus) = self.corpus;
        let train = corpus.split(Split::Train);
        let extra = self.extra.map(|(_, tokens)| tokens);
        let is_stopped = || call.stop.load(Ordering::SeqCst);
        let mut memories: Vec<TrainingMemory> = Vec::new();
        for (name, network) in self.teachers() {
            let Some(memory) = network.memory() else {
                continue;
            };
            if memories.iter().any(|counted| counted.memory == *memory) {
                continue;
            }
            let made_by = memory.config().made_by;
            let counted = TrainingMemory::new(made_by, &network.config, train, extra, &is_stopped)?;
            if counted.memory != *memory {
                let extra = self
                    .extra
                    .map(|(path, _)| format!(" and {}", path.display()));
                return Err(Error::bad_input(format!(
                    "{}{} give another memory than {name} has, expected the texts that it was trained on: \
                     --corpus, and --pretrain if there was one",
                    path.display(),
                    extra.unwrap_or_default(),
                )));
            }
            memories.push(counted);
        }
        Ok(memories)
    }

    fn materials(&self) -> Vec<Material<'a>> {
        let (path, corpus) = self.corpus;
        let train = Material {
            name: format!("the training part of {}", path.display()),
            content: Content::Text(corpus.split(Split::Train)),
        };
        let extra = self.extra.map(|(path, tokens)| Material {
            name: path.display().to_string(),
            content: Content::Text(tokens),
        });
        std::iter::once(train).chain(extra).collect()
    }

    /// In the context that the network was trained on.
    fn phase(&self) -> Phase {
        let batch_size = self.batch_size;
        Phase {
            name: "fine-tune".into(),
            source: Source::Train,
            feed: match self.network.config.window {
                None => Feed::Streams {
                    batch_size,
                    sequence_length: 64,
                    jitter: true,
                },
                Some(sequence_length) => Feed::Windows {
                    batch_size,
                    sequence_length,
                    loss_on: LossOn::LastStep,
                },
            },
            epochs: self.epochs,
            learning_rate: self.learning_rate,
            embedding_rate: 1.0,
            schedule: Schedule::cosine(30, 0.02),
            optimizer: OptimizerConfig {
                beta2: 0.99,
                epsilon: 1e-8,
                ..OptimizerConfig::ADAM
            },
            grad_clip: Some(1.0),
            token_dropout: 0.0,
            drop_connect: 0.0,
            frozen_vectors: true,
            validate_every: None,
            ema: None,
            patience: None,
        }
    }

    /// All that decides it; of what it reads, hashes.
    fn config(&self, phase: &Phase) -> Result<Value> {
        let hash = |network: &Network| {
            let parameters = network.parameters().into_iter().flatten();
            let parameters: Vec<u8> = parameters.flat_map(|x| x.to_le_bytes()).collect();
            sha256(&parameters)
        };
        let ensemble = self.ensemble.iter().map(|(_, network)| hash(network));
        let format = self.rounded.format.to_string();
        Ok(json!({
            "format": match self.rounded.dead_zone {
                0 => format,
                zone => format!("{format} with dead zone {zone}"),
            },
            "teacher": self.teacher,
            "seed": self.seed,
            "input": {
                "corpus": sha256(&self.corpus.1.tokens),
                "pretrain": self.extra.map(|(_, tokens)| sha256(tokens)),
                "network": hash(self.network),
                "ensemble": ensemble.collect::<Vec<_>>(),
                "rounded": sha256(&encode_quantized(self.rounded, &Labels::default())?),
            },
            "phases": [phase],
        }))
    }
}

/// A network that learns in the device's integers.
struct TuningTask<'t> {
    tuning: &'t Tuning<'t>,
    /// What learns.
    masters: Masters,
    vars: Vec<Var>,
    /// Its numbers at the start, and other masters that show what some numbers round to.
    first: Vec<Vec<f32>>,
    shown: Masters,
    teachers: Teachers,
    /// The network's, then the teachers'.
    layers: Vec<LayerConfig>,
    shape: Arc<StackShape>,
    tape: Arc<Mutex<StackTape>>,
    /// Each memory of a network, ready for look-ups.
    recalls: Vec<TrainingRecall<'t>>,
    /// Its number, for the network and then for the others that teach, where one has any.
    memories: Vec<Option<usize>>,
}

impl<'t> TuningTask<'t> {
    /// From where quantization ended.
    fn new(tuning: &'t Tuning<'t>, recalls: Vec<TrainingRecall<'t>>) -> Result<Self> {
        let (network, rounded) = (tuning.network, tuning.rounded);
        let masters = Masters::new(network, rounded)?;
        let mut layers = network.config.layer_shapes();
        for layer in &mut layers {
            layer.projection_bias = layer.projection.is_some();
        }
        let shape = StackShape {
            outputs: network.config.dense_outputs(),
            layers,
        };
        let teachers = Teachers::new(tuning.teachers().map(|(_, network)| network))?;
        let memory_of = |(_, network): (&str, &Network)| {
            let memory = network.memory()?;
            recalls.iter().position(|recall| recall.is_of(memory))
        };
        let own = network.config.layers.iter().copied();
        Ok(Self {
            tuning,
            vars: masters.vars(),
            first: values(&masters.vars())?,
            masters,
            shown: Masters::new(network, rounded)?,
            layers: own.chain(teachers.layers()).collect(),
            teachers,
            shape: Arc::new(shape),
            tape: Arc::default(),
            memories: tuning.teachers().map(memory_of).collect(),
            recalls,
        })
    }

    /// The checkpoint of the start, which is the best so far.
    fn first(&self, plan: &Plan<'_>, random: Random) -> Result<Checkpoint> {
        let mut now = plan.start(self.first.clone(), random);
        now.progress.best = Some(self.validate(&self.first, plan.stages[0].phase)?);
        now.best.clone_from(&self.first);
        Ok(now)
    }

    /// What each memory holds of a batch of this text.
    fn recalled(
        &self,
        (number, tokens): (usize, &[u8]),
        batch: &Batch,
        loss_on: LossOn,
    ) -> Vec<Recalled> {
        let windows = self.tuning.network.config.window.is_some();
        let recalls = self.recalls.iter();
        let recalled = recalls.map(|r| r.of(number, tokens).batch(batch, loss_on, windows));
        recalled.collect()
    }

    /// What some parameters round to.
    fn rounded(&self, parameters: &[Vec<f32>]) -> Result<QuantizedNetwork> {
        // The first masters may round to a neighbour of an integer of the start.
        if parameters == self.first {
            return Ok(self.tuning.rounded.clone());
        }
        set_values(&self.shown.vars(), parameters)?;
        Ok(self.shown.quantized(&self.shown.round()?))
    }
}

/// The logits by the device's arithmetic, with the gradient of what it rounds.
fn table_logits(ngrams: &QuantizedNgrams, outputs: Tensor, recalled: &Recalled) -> Result<Tensor> {
    if ngrams.coefficients.is_empty() {
        return Ok(outputs);
    }
    let values: Vec<f32> = outputs.flatten_all()?.to_vec1()?;
    let exact = ngrams::logits(&ngrams.coefficients, &values, recalled);
    let coefficients = Tensor::from_vec(ngrams.values(), ngrams.coefficients.len(), &Device::Cpu)?;
    let smooth = less_costs(&outputs, &coefficients, recalled)?;
    let exact = Tensor::from_vec(exact, smooth.shape(), &Device::Cpu)?;
    let rounding = (exact - smooth.detach())?;
    Ok((smooth + rounding)?)
}

impl Task for TuningTask<'_> {
    fn vars(&self) -> &[Var] {
        &self.vars
    }

    fn num_symbols(&self) -> usize {
        self.tuning.network.config.vocabulary()
    }

    fn layers(&self) -> &[LayerConfig] {
        &self.layers
    }

    fn loss(
        &mut self,
        turn: Turn<'_>,
        states: &mut Vec<State>,
        phase: &Phase,
        _random: &mut Random,
    ) -> Result<(Tensor, Loss)> {
        let mut teachers = states.split_off(self.tuning.network.config.layers.len());
        let (text, loss_on) = ((turn.number, turn.tokens), phase.feed.loss_on());
        let batch = turn.batch();
        let recalled = self.recalled(text, &batch, loss_on);
        let of_each = self
            .memories
            .iter()
            .map(|memory| memory.map(|number| &recalled[number]));
        let of_each: Vec<Option<&Recalled>> = of_each.collect();
        let expected = self
            .teachers
            .logits(&batch, loss_on, &mut teachers, &of_each)?;
        let reading = Reading {
            has_context: false,
            shape: self.shape.clone(),
            input: BatchInput::Tokens(batch.inputs.clone()),
            steps: batch.steps,
            rows: batch.rows,
            first: match loss_on {
                LossOn::EveryStep => 0,
                LossOn::LastStep => batch.steps - 1,
            },
        };
        let integers = Arc::new(self.masters.round()?);
        let values = self.masters.values(&integers)?;
        let own = Arc::new(Mutex::new(std::mem::take(states)));
        let ngrams = self.tuning.rounded.ngrams.as_ref().zip(of_each[0]);
        let context = ngrams.map_or_else(Vec::new, |(n, recalled)| n.context(&recalled.vectors));
        let reading = (reading, context);
        let device = DeviceOp::new(integers, reading, own.clone(), self.tape.clone());
        let outputs = apply(device, &values.iter().collect::<Vec<_>>())?;
        let logits = match ngrams {
            None => outputs,
            Some((ngrams, recalled)) => table_logits(ngrams, outputs, recalled)?,
        };
        states.append(&mut lock(&own));
        states.append(&mut teachers);
        let targets = batch.counted_targets(loss_on);
        let teacher = (&expected, self.tuning.teacher as f32);
        Ok(distillation(&logits, targets, teacher)?)
    }

    /// By the device's engine.
    fn validate(&self, parameters: &[Vec<f32>], phase: &Phase) -> Result<f64> {
        let network = self.rounded(parameters)?;
        let file = ModelFile::from_bytes(&encode_quantized(&network, &Labels::default())?);
        let (window, splits) = (phase.feed.window(), [Split::Validation]);
        let scores = file.score(window, self.tuning.corpus.1, &splits, Extent::Sample)?;
        Ok(scores[0].bits_per_char)
    }

    fn keep(&self, parameters: &[Vec<f32>]) -> Result<()> {
        self.rounded(parameters)?.save(self.tuning.out)
    }

    fn report(
        &mut self,
        report: &Report,
        _parameters: &[Vec<f32>],
        phase: &Phase,
        _progress: &mut Progress,
    ) -> Result<String> {
        let row = &report.row;
        Ok(format!(
            "epoch {:.1} of {}: train {:.4}, from the teacher {:.4}, validation {:.4} bits/char{}",
            row.epoch,
            phase.epochs,
            row.train_bits(),
            report.teacher_nats / LN_2,
            row.validation_bits_per_char,
            if report.is_best { " *" } else { "" },
        ))
    }
}
