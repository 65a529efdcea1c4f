//! The training of a network, from its first moment or from a checkpoint to the closing report.

use crate::engine::model::Model;
use crate::files::error::{Error, Result};
use crate::files::stdout::tell;
use crate::kernels::random::Random;
use crate::model::compare;
use crate::network::config::LayerConfig;
use crate::network::parameters::Network;
use crate::network::score::{SAMPLE, SAMPLE_PIECES, score_table};
use crate::text::corpus::Split;
use crate::training::checkpoint::Checkpoint;
use crate::training::memory::TrainingMemory;
use crate::training::metrics::notebook_table;
use crate::training::network_task::NetworkTask;
use crate::training::recipe::Sample;
use crate::training::run_config::RunConfig;
use crate::training::run_folder::RunFolder;
use crate::training::texts::Texts;
use crate::training::trainer::{Call, Plan, Trainer};
use candle_core::Device;
use std::sync::atomic::Ordering;

/// The checkpoint of a run that has not begun.
///
/// # Errors
/// The network has another shape than it may have.
pub(crate) fn start(config: &RunConfig, texts: &Texts) -> Result<Checkpoint> {
    let mut random = Random::new(config.seed);
    let network = match &config.from {
        None => Network::new(config.network.clone(), &mut random)?,
        Some(file) => {
            let network = Network::load(&file.path)?;
            network.with_alphabet(config.network.clone(), &mut random)?
        }
    };
    let network = match &texts.memory {
        None => network,
        Some(memory) => network.with_memory(memory.memory.clone()),
    };
    let parameters = network.parameters().into_iter();
    let parameters = parameters.map(<[f32]>::to_vec).collect();
    Ok(plan(config, texts).start(parameters, random))
}

fn plan<'r>(config: &'r RunConfig, texts: &'r Texts) -> Plan<'r> {
    Plan {
        config: serde_json::to_value(config).expect("plain data"),
        minutes: config.minutes,
        stages: texts.stages(config),
    }
}

/// A run that is about to go on.
pub(crate) struct Run<'r>(Trainer<'r, NetworkTask<'r>>);

impl<'r> Run<'r> {
    /// Goes on from a checkpoint, which may be of the start; nothing is written yet.
    ///
    /// # Errors
    /// It is of another run.
    pub(crate) fn new(
        config: &'r RunConfig,
        texts: &'r Texts,
        folder: &'r RunFolder,
        now: Checkpoint,
        device: &Device,
        call: Call,
    ) -> Result<Self> {
        // Its weights come from the checkpoint.
        let shapes = config.network.shapes().into_iter();
        let zeros = shapes.map(|(_, shape)| vec![0.0; shape.iter().product()]);
        let memory = texts.memory.as_ref().map(|m| m.memory.clone());
        let network = Network::from_parameters(config.network.clone(), memory, zeros.collect());
        let task = NetworkTask {
            config,
            corpus: &texts.corpus,
            folder,
            model: Model::new(&network, device)?,
            texts,
            recall: texts
                .memory
                .as_ref()
                .map(TrainingMemory::recall)
                .transpose()?,
            rows: Vec::new(),
        };
        let (plan, path) = (plan(config, texts), folder.checkpoint());
        Trainer::new(plan, task, path, now, call).map(Self)
    }

    /// Trains to the end, or until it is to stop.
    ///
    /// # Errors
    /// The files do not fit the checkpoint, a number is not finite, or the disk refuses; [`Error::Interrupted`] if
    /// it is to stop.
    pub(crate) fn train(self) -> Result<()> {
        let mut trainer = self.0;
        let folder = trainer.task.folder;
        folder.cut_back(trainer.now.progress.lengths)?;
        trainer.task.rows = folder.rows()?;
        trainer.keep_best()?;
        introduce(&trainer);
        // The notebook samples before the first epoch too.
        let (phase, now) = (trainer.phase(), &mut trainer.now);
        let sample = trainer.task.config.recipe.sample;
        if sample == Sample::Letter && now.progress.lengths.samples == 0 {
            let task = &trainer.task;
            let written = task.write_sample(&now.parameters, phase, &mut now.progress)?;
            tell!("{written}");
        }
        trainer.train_in(folder)?;
        let network = trainer.task.network(&trainer.now.parameters);
        network.save(&folder.last())?;
        // Nothing is left to save: from here on Ctrl-C ends the program at once.
        trainer.call.stop.store(true, Ordering::SeqCst);
        trainer.pool.run(|| close(&trainer))
    }
}

/// Says what is about to be trained.
fn introduce(trainer: &Trainer<'_, NetworkTask<'_>>) {
    let task = &trainer.task;
    let network = &task.config.network;
    let layers: Vec<String> = network.layers.iter().map(LayerConfig::to_string).collect();
    tell!(
        "{}: {} symbols, embedding {}, {}, {} parameters; {} characters; batch size {}; {} \
         thread(s); {}",
        task.config.recipe.name,
        network.vocabulary(),
        network.embedding,
        layers.join(" + "),
        network.parameter_count(),
        task.corpus.tokens.len(),
        trainer.batch_size(),
        trainer.pool.threads(),
        task.folder.path().display()
    );
    if trainer.now.progress.update > 0 {
        tell!("going on after update {}", trainer.now.progress.update);
    }
}

/// The closing report.
fn close(trainer: &Trainer<'_, NetworkTask<'_>>) -> Result<()> {
    let (task, progress) = (&trainer.task, &trainer.now.progress);
    if trainer.is_out_of_patience() {
        tell!(
            "stopped early: no better one in {} validations",
            progress.stale
        );
    }
    tell!(
        "trained {:.1} s, {} characters, {:.0} a second",
        progress.seconds,
        progress.characters,
        progress.characters as f64 / progress.seconds.max(1e-9)
    );
    if let Some(losses) = task.config.notebook_losses() {
        tell!("\n{}", notebook_table(&task.rows, losses));
    }
    if task.config.holds_out() && progress.best.is_none() {
        return Err(Error::failed(format!(
            "no validation was better than guessing, so there are no best weights; start anew with a \
             lower --learning-rate or --grad-clip; {} has the last weights",
            task.folder.last().display()
        )));
    }
    let (path, what) = if task.config.holds_out() {
        (task.folder.best(), "weights of the best validation")
    } else {
        (
            task.folder.last(),
            "last weights; all three parts were trained on, as in the notebook",
        )
    };
    tell!("{} ({what}):", path.display());
    let network = Network::load(&path)?;
    let scores = task.scores(&network, &Split::ALL, trainer.phase())?;
    tell!("{}", score_table(&Split::ALL, &scores).trim_end());
    if scores.iter().any(|score| score.characters == SAMPLE) {
        tell!(
            "of long parts {SAMPLE} characters in {SAMPLE_PIECES} pieces; evaluate reads all of them"
        );
    }
    let variants = compare::variants(&network, task.corpus);
    tell!("\n{}", compare::table(&variants).trim_end());
    tell!(
        "in integers by rounding alone; quantize --qat trains in them\n\
         all about the run as a page: host-trainer report {}",
        task.folder.path().display()
    );
    Ok(())
}
