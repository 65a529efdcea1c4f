//! A network that learns from sequences of values: its loss, its validation, and what each validation leaves in the run's folder.

use super::config::{Parts, SensorRunConfig};
use super::lesson::Lesson;
use crate::engine::sensor::SensorModel;
use crate::files::error::Result;
use crate::kernels::random::Random;
use crate::kernels::softmax::Loss;
use crate::network::config::LayerConfig;
use crate::network::sensor::{Head, LayerConfig as SensorLayer, SensorNetwork};
use crate::network::state::State;
use crate::text::batches::Span;
use crate::training::chart;
use crate::training::checkpoint::Progress;
use crate::training::curve::value_curve;
use crate::training::metrics::Row;
use crate::training::phase::Phase;
use crate::training::run_folder::RunFolder;
use crate::training::task::{Report, Task, Turn};
use candle_core::{Tensor, Var};

/// A network of a run that learns.
pub(crate) struct SensorTask<'r> {
    pub(crate) config: &'r SensorRunConfig,
    pub(crate) parts: &'r Parts,
    pub(crate) folder: &'r RunFolder,
    pub(crate) model: SensorModel,
    /// The reports so far.
    pub(crate) rows: Vec<Row>,
}

impl Task for SensorTask<'_> {
    fn vars(&self) -> &[Var] {
        self.model.vars()
    }

    /// Of values, so many that no error is absurd.
    fn num_symbols(&self) -> usize {
        match &self.config.network.head {
            Head::Classes(labels) => labels.len(),
            Head::Values(_) => usize::MAX,
        }
    }

    /// A sequence starts from the zero state: none is carried.
    fn layers(&self) -> &[LayerConfig] {
        &[]
    }

    fn units(&self) -> [&'static str; 2] {
        Lesson::UNITS
    }

    fn read(&self, span: &Span) -> usize {
        self.lesson().steps(&span.starts)
    }

    fn speed(&self, per_second: f64) -> String {
        format!("{:.1}k steps/s", per_second / 1e3)
    }

    fn loss(
        &mut self,
        turn: Turn<'_>,
        _states: &mut Vec<State>,
        phase: &Phase,
        random: &mut Random,
    ) -> Result<(Tensor, Loss)> {
        let (batch, targets) = self.lesson().batch(&turn.span.starts);
        let masks = match phase.drop_connect {
            0.0 => Vec::new(),
            share => {
                let layers = self.config.network.layers.iter();
                let mask = |l: &SensorLayer| random.mask(l.output() * l.columns(), share);
                layers.map(mask).collect()
            }
        };
        let outputs = self.model.outputs(&batch, &masks)?;
        self.lesson().loss(&outputs, targets, None)
    }

    /// Bits an answer, or the mean squared error in deviations.
    fn validate(&self, parameters: &[Vec<f32>], _phase: &Phase) -> Result<f64> {
        let network = self.network(parameters);
        let found = self.lesson().judge(&network, &self.parts.validation);
        Ok(found.0)
    }

    fn keep(&self, parameters: &[Vec<f32>]) -> Result<()> {
        self.network(parameters).save(&self.folder.best())
    }

    fn report(
        &mut self,
        report: &Report,
        parameters: &[Vec<f32>],
        phase: &Phase,
        progress: &mut Progress,
    ) -> Result<String> {
        let columns = self.config.columns();
        self.folder
            .add_row(&report.row, &columns, &mut progress.lengths)?;
        self.rows.push(report.row.clone());
        let (unit, train_unit) = self.config.loss_unit();
        let svg = value_curve((820, 420), unit, train_unit, &self.rows);
        self.folder.write_curve(&chart::stand_alone(&svg))?;
        let row = &report.row;
        let network = self.network(parameters);
        let (_, score) = self.lesson().judge(&network, &self.parts.validation);
        Ok(format!(
            "epoch {:.0} of {}: train {:.4}, validation {:.4}{} {unit}, {}{}",
            row.epoch,
            phase.epochs,
            row.train_nats / train_unit,
            row.validation_bits_per_char,
            row.average_bits_per_char
                .map_or(String::new(), |loss| format!(", averaged {loss:.4}")),
            score.figure(),
            if report.is_best { " *" } else { "" }
        ))
    }
}

impl SensorTask<'_> {
    fn lesson(&self) -> Lesson<'_> {
        Lesson {
            config: &self.config.network,
            parts: self.parts,
        }
    }

    /// The network with these parameters.
    pub(crate) fn network(&self, parameters: &[Vec<f32>]) -> SensorNetwork {
        SensorNetwork::from_parameters(self.config.network.clone(), parameters.to_vec())
    }
}
