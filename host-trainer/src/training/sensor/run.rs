//! From the first moment, or from a checkpoint, to the closing report.

use super::config::{Parts, SensorRunConfig};
use super::sensor_task::SensorTask;
use crate::engine::sensor::SensorModel;
use crate::files::error::{Error, Result};
use crate::files::stdout::tell;
use crate::files::table::table;
use crate::kernels::random::Random;
use crate::model::sensor::{Variant, variants};
use crate::network::sensor::{LayerConfig, SensorNetwork};
use crate::quantize::sensor::observe;
use crate::training::checkpoint::Checkpoint;
use crate::training::run_folder::RunFolder;
use crate::training::stage::{Content, Material, Stage};
use crate::training::trainer::{Call, Plan, Trainer};
use candle_core::Device;
use std::sync::atomic::Ordering;

fn plan<'r>(config: &'r SensorRunConfig, parts: &Parts) -> Plan<'r> {
    let stage = |phase| Stage {
        phase,
        materials: vec![Material {
            name: config.data.path.display().to_string(),
            content: Content::Sequences(parts.train.sequences.len()),
        }],
    };
    Plan {
        config: serde_json::to_value(config).expect("plain data"),
        minutes: None,
        stages: config.phases.iter().map(stage).collect(),
    }
}

/// The checkpoint of a run that has not begun.
///
/// # Errors
/// The network cannot be trained.
pub(crate) fn start(config: &SensorRunConfig, parts: &Parts) -> Result<Checkpoint> {
    let mut random = Random::new(config.seed);
    let network = SensorNetwork::new(config.network.clone(), &mut random)?;
    let parameters = network.parameters().into_iter();
    let parameters = parameters.map(<[f32]>::to_vec).collect();
    Ok(plan(config, parts).start(parameters, random))
}

/// A run that is about to go on.
pub(crate) struct Run<'r>(Trainer<'r, SensorTask<'r>>);

impl<'r> Run<'r> {
    /// Goes on from a checkpoint, which may be of the start; nothing is written yet.
    ///
    /// # Errors
    /// It is of another run.
    pub(crate) fn new(
        config: &'r SensorRunConfig,
        parts: &'r Parts,
        folder: &'r RunFolder,
        now: Checkpoint,
        device: &Device,
        call: Call,
    ) -> Result<Self> {
        // Its weights come from the checkpoint.
        let shapes = config.network.shapes().into_iter();
        let zeros = shapes.map(|(_, shape)| vec![0.0; shape.iter().product()]);
        let network = SensorNetwork::from_parameters(config.network.clone(), zeros.collect());
        let task = SensorTask {
            config,
            parts,
            folder,
            model: SensorModel::new(&network, device)?,
            rows: Vec::new(),
        };
        let (plan, path) = (plan(config, parts), folder.checkpoint());
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
        trainer.train_in(folder)?;
        let network = trainer.task.network(&trainer.now.parameters);
        network.save(&folder.last())?;
        // Nothing is left to save: from here on Ctrl-C ends the program at once.
        trainer.call.stop.store(true, Ordering::SeqCst);
        trainer.pool.run(|| close(&trainer))
    }
}

fn introduce(trainer: &Trainer<'_, SensorTask<'_>>) {
    let task = &trainer.task;
    let network = &task.config.network;
    let layers: Vec<String> = network.layers.iter().map(LayerConfig::to_string).collect();
    tell!(
        "{}: {}; held out {}; {}, {} parameters; batch size {}; {}",
        task.config.data.path.display(),
        task.parts.train.summary(),
        task.parts.validation.sequences.len(),
        layers.join(" + "),
        network.parameter_count(),
        trainer.batch_size(),
        task.folder.path().display()
    );
    if trainer.now.progress.update > 0 {
        tell!("going on after update {}", trainer.now.progress.update);
    }
}

/// The closing report: how the best network answers, and what its integers do.
fn close(trainer: &Trainer<'_, SensorTask<'_>>) -> Result<()> {
    let (task, progress) = (&trainer.task, &trainer.now.progress);
    if trainer.is_out_of_patience() {
        tell!(
            "stopped early: no better one in {} validations",
            progress.stale
        );
    }
    if progress.best.is_none() {
        return Err(Error::failed(format!(
            "no validation was better than guessing, so there are no best weights; start anew with a \
             lower --learning-rate; {} has the last weights",
            task.folder.last().display()
        )));
    }
    let path = task.folder.best();
    let network = SensorNetwork::load(&path)?
        .ok_or_else(|| Error::failed(format!("{} is no network of this run", path.display())))?;
    tell!(
        "{} (weights of the best validation), on what was held out:",
        path.display()
    );
    let parts = task.parts;
    let variants = variants(&network, &observe(&network, &parts.train))?;
    let float = variants[0].file.answers(&parts.validation, &parts.task)?;
    tell!("{}", float.table().trim_end());
    let row = |variant: &Variant| {
        let figure = |part| Ok::<_, Error>(variant.file.answers(part, &parts.task)?.figure());
        let bytes = variant.file.bytes().len().to_string();
        let (train, held_out) = (figure(&parts.train)?, figure(&parts.validation)?);
        Ok([variant.name.to_owned(), bytes, train, held_out])
    };
    let rows = variants.iter().map(row).collect::<Result<Vec<_>>>()?;
    let heads = ["format", "bytes", "train", "held out"];
    tell!("\n{}", table(&heads, &[0], rows).trim_end());
    tell!(
        "in integers by rounding alone; the model for a chip: host-trainer quantize {} --data {} --out MODEL.lstm\n\
         all about the run as a page: host-trainer report {}",
        path.display(),
        task.config.data.path.display(),
        task.folder.path().display()
    );
    Ok(())
}
