//! Whether a network of characters runs here: an embedding, recurrent layers and a dense layer.

use super::{Description, INERT, Layer, Object, context, unreadable};
use crate::interchange::context::Context;
use crate::network::cell::Framework;
use crate::network::config::CellKind;
use serde::Deserialize;

const EXPECTED: &str =
    "an Embedding (or one-hot input), recurrent layers and a Dense layer, in this order";

impl Description {
    /// What a network of characters sees of a text at a time.
    ///
    /// # Errors
    /// A layer or a setting would compute something else here.
    pub(in crate::interchange) fn text(&self) -> Result<Context, String> {
        let mut walk = Walk::default();
        for layer in &self.layers {
            walk.layer(layer)?;
        }
        let is_complete = walk.last == Place::Dense || walk.last == Place::Softmax;
        if !is_complete {
            return Err(format!(
                "found no Dense layer at the end, expected {EXPECTED}"
            ));
        }
        context(walk.is_stateful, walk.every_step, self.length)
    }
}

/// How far the layers have led.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    #[default]
    Input,
    Embedding,
    Recurrent,
    Dense,
    Softmax,
}

#[derive(Default)]
struct Walk {
    last: Place,
    every_step: bool,
    /// Whether there is a layer that is not, and one that is.
    is_stateful: [bool; 2],
}

impl Walk {
    fn layer(&mut self, place: &Layer) -> Result<(), String> {
        let layer = &place.object;
        match layer.class_name.as_str() {
            class if INERT.contains(&class) => Ok(()),
            "Embedding" => {
                layer.expect("mask_zero", &[false.into()])?;
                self.step(layer, Place::Embedding)
            }
            "GetItem" if self.every_step && layer.takes_last_step() => {
                self.every_step = false;
                Ok(())
            }
            "CategoryEncoding" => {
                layer.expect("output_mode", &["one_hot".into()])?;
                self.step(layer, Place::Embedding)
            }
            class if Framework::classes().contains(&class) => {
                self.recurrence(place)?;
                self.cell(layer)
            }
            "RNN" => {
                self.recurrence(place)?;
                let cell = layer.inner("cell")?;
                match cell.class_name.as_str() {
                    "StackedRNNCells" => {
                        let cells = Vec::<Object>::deserialize(&cell.config["cells"]);
                        let cells = cells.map_err(unreadable)?;
                        cells.iter().try_for_each(|cell| self.cell(cell))
                    }
                    _ => self.cell(&cell),
                }
            }
            "Dense" | "Activation" => {
                layer.expect("activation", &["softmax".into(), "linear".into()])?;
                if layer.class_name == "Dense" {
                    self.step(layer, Place::Dense)?;
                }
                match layer.config["activation"] == "softmax" {
                    true => self.step(layer, Place::Softmax),
                    false => Ok(()),
                }
            }
            "Softmax" => {
                layer.expect("axis", &[(-1).into()])?;
                self.step(layer, Place::Softmax)
            }
            other => Err(format!(
                "found a layer {other} ({}), expected {EXPECTED}",
                layer.name()
            )),
        }
    }

    /// The settings of a layer that runs cells over the text.
    fn recurrence(&mut self, place: &Layer) -> Result<(), String> {
        let layer = &place.object;
        layer.expect("go_backwards", &[false.into()])?;
        layer.expect("time_major", &[false.into()])?;
        self.every_step = layer.config["return_sequences"] == true && !place.gives_state;
        self.is_stateful[usize::from(layer.config["stateful"] == true)] = true;
        Ok(())
    }

    fn cell(&mut self, cell: &Object) -> Result<(), String> {
        let class = cell.class_name.trim_end_matches("Cell");
        let mut known = CellKind::ALL.into_iter().filter_map(CellKind::framework);
        let Some(framework) = known.find(|framework| framework.class == class) else {
            return Err(format!(
                "found a cell {} ({}), expected {}s",
                cell.class_name,
                cell.name(),
                Framework::classes().join("s or ")
            ));
        };
        if let Some(setting) = framework.keras_setting {
            cell.expect(setting, &[true.into()])?;
        }
        cell.expect("activation", &["tanh".into()])?;
        cell.expect("recurrent_activation", &["sigmoid".into()])?;
        self.step(cell, Place::Recurrent)
    }

    /// Goes on to a place, which must come next.
    fn step(&mut self, layer: &Object, to: Place) -> Result<(), String> {
        let fits = match to {
            Place::Input => false,
            Place::Embedding => self.last == Place::Input,
            Place::Recurrent => self.last <= Place::Recurrent,
            Place::Dense => self.last == Place::Recurrent,
            Place::Softmax => self.last == Place::Dense,
        };
        self.last = to;
        match fits {
            true => Ok(()),
            false => Err(format!(
                "found layer {} ({}) at a place where it computes something else, expected {EXPECTED}",
                layer.name(),
                layer.class_name
            )),
        }
    }
}
