//! What an engine must be built with to run a model.

use crate::{CellKind, Format, LayerShape, Model, SENSOR_VERSION};

/// A feature of this crate without which some models do not run.
///
/// ```
/// # use lstm_core::{Aligned, Model, export::Feature};
/// # static FILE: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny.lstm")));
/// let model = Model::from_bytes(&FILE.0)?;
/// assert!(Feature::of(&model).eq([Feature::Int8]));
/// # Ok::<(), lstm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// `f32`
    F32,
    /// `int8`
    Int8,
    /// `int4`
    Int4,
    /// `gru`
    Gru,
    /// `ngram`
    Ngram,
    /// `sensor`
    Sensor,
}

impl Feature {
    /// As `Cargo.toml` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Feature::F32 => "f32",
            Feature::Int8 => "int8",
            Feature::Int4 => "int4",
            Feature::Gru => "gru",
            Feature::Ngram => "ngram",
            Feature::Sensor => "sensor",
        }
    }

    /// What an engine needs to run this model.
    pub fn of(model: &Model<'_>) -> impl Iterator<Item = Feature> {
        Self::of_network(
            model.format(),
            model.layers(),
            model.has_ngrams(),
            model.format_version() == SENSOR_VERSION,
        )
    }

    /// What an engine needs to run a network of this shape; `is_sensor` where it reads values or has dense
    /// layers.
    pub fn of_network(
        format: Format,
        layers: &[LayerShape],
        has_ngrams: bool,
        is_sensor: bool,
    ) -> impl Iterator<Item = Feature> {
        let format = match format {
            Format::F32 => Feature::F32,
            Format::Int8 => Feature::Int8,
            Format::Int4 => Feature::Int4,
        };
        let is_gru =
            |layer: &LayerShape| matches!(layer.cell, CellKind::Gru | CellKind::GruResetBefore);
        let others = [
            (layers.iter().any(is_gru), Feature::Gru),
            (has_ngrams, Feature::Ngram),
            (is_sensor, Feature::Sensor),
        ];
        let others = others.into_iter().filter(|(is_needed, _)| *is_needed);
        [format]
            .into_iter()
            .chain(others.map(|(_, feature)| feature))
    }
}
