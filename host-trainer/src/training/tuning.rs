//! Quantization-aware fine-tuning: its parameters, its loss, its config, and where it leaves what comes of it. What it
//! computes is in [`quantize::qat`](crate::quantize::qat).

use crate::engine::loss::distillation;
use crate::engine::many::{apply, lock};
use crate::engine::model::{Beside, Model};
use crate::engine::ngrams::less_costs;
use crate::engine::optimizer::OptimizerConfig;
use crate::engine::schedule::Schedule;
use crate::engine::stack_op::Reading;
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
use crate::text::text_file::TextFile;
use crate::training::checkpoint::{Checkpoint, Progress};
use crate::training::memory::{TrainingMemory, TrainingRecall};
use crate::training::phase::{Phase, Source};
use crate::training::stage::{Stage, Text};
use crate::training::task::{Report, Task};
use crate::training::trainer::{Call, Plan, Trainer};
use candle_core::{Device, Tensor, Var};
use serde::Serialize;
use std::f64::consts::LN_2;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

/// How to tune.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Epochs over the training part.
    pub epochs: f64,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Share of the teacher in the loss, 0 to 1.
    pub teacher: f64,
    /// Rows of a batch.
    pub batch: usize,
    /// Seed of every random choice.
    pub seed: u64,
}

/// What is tuned: a network, and the integers found for it.
#[derive(Clone, Copy, Debug)]
pub struct Start<'n> {
    /// In f32: the teacher.
    pub network: &'n Network,
    /// Rounded.
    pub rounded: &'n QuantizedNetwork,
}

/// The texts of a tuning, and where they lie.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'t> {
    /// Its training part is read, its validation part chooses the best.
    pub corpus: (&'t Path, &'t Corpus),
    /// Read in turn with it.
    pub extra: Option<(&'t Path, &'t [u8])>,
}

/// Where the results go.
#[derive(Clone, Copy, Debug)]
pub struct Output<'o> {
    /// What scores best on the validation part, whenever something does: the start first. A checkpoint lies beside it
    /// until all is done.
    pub out: &'o Path,
    /// Whether to go on from that checkpoint.
    pub resume: bool,
}

/// What came of tuning.
#[derive(Clone, Copy, Debug)]
pub struct Tuned {
    /// Bits per character of the best on the validation part.
    pub validation: f64,
    /// Epochs that were done.
    pub epochs: f64,
    /// Whether those are all.
    pub is_done: bool,
}

/// All that decides a tuning.
#[derive(Serialize)]
struct TuningConfig<'a> {
    format: String,
    teacher: f64,
    seed: u64,
    input: Input,
    phases: [&'a Phase; 1],
}

#[derive(Serialize)]
struct Input {
    corpus: TextFile,
    pretrain: Option<TextFile>,
    /// Hashes.
    network: String,
    rounded: String,
}

/// Tunes until all is done, or the call's `stop` is set; prints a line every half epoch.
///
/// # Errors
/// A text is too short, there is no checkpoint to go on from, one of another tuning, or one that nobody
/// asked for, tuning led out of the device's ranges or to what is not finite, or the disk refuses.
pub fn tune(
    start: Start<'_>,
    texts: Texts<'_>,
    settings: Settings,
    output: Output<'_>,
    call: Call,
) -> Result<Tuned> {
    let path = output.checkpoint()?;
    let stage_texts = texts.to_read();
    let mut phase = phase(start.network, settings);
    for text in &stage_texts {
        text.check(phase.feed)?;
    }
    let feeder = Feeder::new(stage_texts[0].tokens, phase.feed, &mut Random::new(0));
    let batches = (feeder.batches() * stage_texts.len()) as u64;
    phase.validate_every = Some(batches.div_ceil(2));
    let names: Vec<&str> = stage_texts.iter().map(|text| &text.name[..]).collect();
    let names = names.join(" and ");
    let plan = Plan {
        config: texts.config(start, settings, &phase)?,
        minutes: None,
        stages: vec![Stage {
            phase: &phase,
            texts: stage_texts,
        }],
    };
    let memory = texts.memory(start, &call)?;
    let recall = memory.as_ref().map(TrainingMemory::recall).transpose()?;
    let recall = recall.map(|recall| (recall, texts.to_read().iter().map(|t| t.tokens).collect()));
    let share = settings.teacher as f32;
    let task = TuningTask::new(start, texts.corpus.1, share, output.out, recall)?;
    let now = match output.resume {
        true => Checkpoint::load(&path)?,
        false => task.first(&plan, Random::new(settings.seed))?,
    };
    let mut trainer = Trainer::new(plan, task, path.clone(), now, call)?;
    trainer.keep_best()?;
    tell!("fine-tuning on {names}");
    let best = trainer.now.progress.best.unwrap_or(f64::INFINITY);
    match output.resume {
        true => tell!(
            "going on after epoch {:.1}, best so far: validation {best:.4} bits/char",
            trainer.epochs()
        ),
        false => {
            trainer.now.save(&path)?;
            tell!("rounded only: validation {best:.4} bits/char");
        }
    }
    let is_done = trainer.train()?;
    if is_done
        && let Err(error) = std::fs::remove_file(&path)
        && error.kind() != ErrorKind::NotFound
    {
        let shown = path.display();
        return Err(Error::failed(format!("cannot remove {shown}: {error}")));
    }
    Ok(Tuned {
        validation: trainer.now.progress.best.unwrap_or(f64::INFINITY),
        epochs: trainer.epochs(),
        is_done,
    })
}

/// In the context that the network was trained on.
fn phase(network: &Network, settings: Settings) -> Phase {
    let batch_size = settings.batch;
    Phase {
        name: "fine-tune".into(),
        source: Source::Train,
        feed: match network.config.window {
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
        epochs: settings.epochs,
        learning_rate: settings.learning_rate,
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

impl Output<'_> {
    /// The checkpoint beside `out`: there if it is to go on, and else not.
    fn checkpoint(&self) -> Result<PathBuf> {
        let path = self.out.with_added_extension("checkpoint");
        let shown = path.display();
        match (self.resume, path.exists()) {
            (false, true) => Err(Error::bad_input(format!(
                "found {shown} of a fine-tuning that was stopped, expected no such file: --resume goes on \
                 with it; remove it to begin anew"
            ))),
            (true, false) => Err(Error::bad_input(format!(
                "found no {shown}, expected one to --resume from: a fine-tuning that came to its end \
                 leaves none"
            ))),
            _ => Ok(path),
        }
    }
}

impl<'t> Texts<'t> {
    fn to_read(&self) -> Vec<Text<'t>> {
        let (path, corpus) = self.corpus;
        let train = Text {
            name: format!("the training part of {}", path.display()),
            tokens: corpus.split(Split::Train),
        };
        let extra = self.extra.map(|(path, tokens)| Text {
            name: path.display().to_string(),
            tokens,
        });
        std::iter::once(train).chain(extra).collect()
    }

    /// The memory of the network, counted anew for cross-fitting.
    fn memory(&self, start: Start<'_>, call: &Call) -> Result<Option<TrainingMemory>> {
        let Some(ngrams) = &start.network.ngrams else {
            return Ok(None);
        };
        let (path, corpus) = self.corpus;
        let train = corpus.split(Split::Train);
        let extra = self.extra.map(|(_, tokens)| tokens);
        let (config, made_by) = (&start.network.config, ngrams.memory.config().made_by);
        let is_stopped = || call.stop.load(Ordering::SeqCst);
        let memory = TrainingMemory::new(made_by, config, train, extra, &is_stopped)?;
        match memory.memory == ngrams.memory {
            true => Ok(Some(memory)),
            false => Err(Error::bad_input(format!(
                "{}{} give another memory than the network's, expected the texts that it was trained on: \
                 --corpus, and --pretrain if there was one",
                path.display(),
                self.extra
                    .map_or_else(String::new, |(path, _)| format!(" and {}", path.display())),
            ))),
        }
    }

    fn config(
        &self,
        start: Start<'_>,
        settings: Settings,
        phase: &Phase,
    ) -> Result<serde_json::Value> {
        let parameters = start.network.parameters().into_iter().flatten();
        let parameters: Vec<u8> = parameters.flat_map(|x| x.to_le_bytes()).collect();
        let (path, corpus) = self.corpus;
        let config = TuningConfig {
            format: match start.rounded.dead_zone {
                0 => start.rounded.format.to_string(),
                zone => format!("{} with dead zone {zone}", start.rounded.format),
            },
            teacher: settings.teacher,
            seed: settings.seed,
            input: Input {
                corpus: TextFile::new(path, &corpus.tokens),
                pretrain: self.extra.map(|(path, tokens)| TextFile::new(path, tokens)),
                network: sha256(&parameters),
                rounded: sha256(&encode_quantized(start.rounded, &Labels::default())?),
            },
            phases: [phase],
        };
        let config = serde_json::to_value(config);
        config.map_err(|e| Error::bad_input(format!("cannot write the config: {e}")))
    }
}

/// A network that learns in the device's integers.
struct TuningTask<'n> {
    start: Start<'n>,
    corpus: &'n Corpus,
    /// The teacher's share of the loss.
    share: f32,
    out: &'n Path,
    /// What learns.
    masters: Masters,
    vars: Vec<Var>,
    /// Its numbers at the start, and other masters that show what some numbers round to.
    first: Vec<Vec<f32>>,
    shown: Masters,
    teacher: Model,
    /// The network's, then the teacher's.
    layers: Vec<LayerConfig>,
    shape: Arc<StackShape>,
    tape: Arc<Mutex<StackTape>>,
    /// The memory of a network that has one, and the texts that are read.
    recall: Option<(TrainingRecall<'n>, Vec<&'n [u8]>)>,
}

impl<'n> TuningTask<'n> {
    /// From where quantization ended.
    fn new(
        start: Start<'n>,
        corpus: &'n Corpus,
        share: f32,
        out: &'n Path,
        recall: Option<(TrainingRecall<'n>, Vec<&'n [u8]>)>,
    ) -> Result<Self> {
        let Start { network, rounded } = start;
        let masters = Masters::new(network, rounded)?;
        let mut layers = network.config.layer_shapes();
        for layer in &mut layers {
            layer.projection_bias = layer.projection.is_some();
        }
        let shape = StackShape {
            vocabulary: network.config.vocabulary(),
            outputs: network.config.dense_outputs(),
            layers,
        };
        Ok(Self {
            start,
            corpus,
            share,
            out,
            vars: masters.vars(),
            first: values(&masters.vars())?,
            masters,
            shown: Masters::new(network, rounded)?,
            teacher: Model::new(network, &Device::Cpu)?,
            layers: network.config.layers.repeat(2),
            shape: Arc::new(shape),
            recall,
            tape: Arc::default(),
        })
    }

    /// The checkpoint of the start, which is the best so far.
    fn first(&self, plan: &Plan<'_>, random: Random) -> Result<Checkpoint> {
        let mut now = plan.start(self.first.clone(), random);
        now.progress.best = Some(self.validate(&self.first, plan.stages[0].phase)?);
        now.best.clone_from(&self.first);
        Ok(now)
    }

    /// What the memory holds of a batch.
    fn recall(&self, batch: &Batch, loss_on: LossOn) -> Result<Option<Recalled>> {
        let Some((recall, texts)) = &self.recall else {
            return Ok(None);
        };
        let windows = self.start.network.config.window.is_some();
        let recall = recall.of(batch.text, texts[batch.text]);
        Ok(Some(recall.batch(batch, loss_on, windows)))
    }

    /// What some parameters round to.
    fn rounded(&self, parameters: &[Vec<f32>]) -> Result<QuantizedNetwork> {
        // The first masters may round to a neighbour of an integer of the start.
        if parameters == self.first {
            return Ok(self.start.rounded.clone());
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
        self.start.network.config.vocabulary()
    }

    fn layers(&self) -> &[LayerConfig] {
        &self.layers
    }

    fn loss(
        &mut self,
        batch: Batch,
        loss_on: LossOn,
        states: &mut Vec<State>,
        _phase: &Phase,
        _random: &mut Random,
    ) -> Result<(Tensor, Loss)> {
        let mut teachers = states.split_off(states.len() / 2);
        let recalled = self.recall(&batch, loss_on)?;
        let beside = Beside {
            masks: &[],
            recalled: recalled.as_ref(),
            frozen: true,
        };
        let teacher = self
            .teacher
            .logits(&batch, loss_on, &mut teachers, beside)?;
        let reading = Reading {
            has_context: false,
            shape: self.shape.clone(),
            tokens: batch.inputs.clone(),
            rows: batch.rows,
            first: match loss_on {
                LossOn::EveryStep => 0,
                LossOn::LastStep => batch.steps - 1,
            },
        };
        let integers = Arc::new(self.masters.round()?);
        let values = self.masters.values(&integers)?;
        let own = Arc::new(Mutex::new(std::mem::take(states)));
        let ngrams = self.start.rounded.ngrams.as_ref().zip(recalled.as_ref());
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
        Ok(distillation(
            &logits,
            targets,
            (&teacher.detach(), self.share),
        )?)
    }

    /// By the device's engine.
    fn validate(&self, parameters: &[Vec<f32>], phase: &Phase) -> Result<f64> {
        let network = self.rounded(parameters)?;
        let file = ModelFile::from_bytes(&encode_quantized(&network, &Labels::default())?);
        let (window, splits) = (phase.feed.window(), [Split::Validation]);
        let scores = file.score(window, self.corpus, &splits, Extent::Sample)?;
        Ok(scores[0].bits_per_char)
    }

    fn keep(&self, parameters: &[Vec<f32>]) -> Result<()> {
        self.rounded(parameters)?.save(self.out)
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
