//! Whether a network of values runs here: perhaps a Normalization, recurrent layers, dense layers.

mod normalization;

use super::{Description, INERT, Layer, Object, context, told, unreadable};
use crate::interchange::context::Context;
use crate::interchange::names::numbered;
use crate::interchange::network::{Groups, Recurrent as Group, Tensors, layers};
use crate::interchange::plan::{Dense, End, Input, Normalization, Plan};
use crate::interchange::stack::Stack;
use crate::network::cell::Framework;
use crate::network::sensor::Activation;
use serde::Deserialize;
use serde_json::Value;

const EXPECTED: &str =
    "perhaps a Normalization, then LSTMs or GRUs, then Dense layers, in this order";
/// What a file of a whole model in HDF5 has before its groups.
const MODEL: &str = "model_weights/";

impl Description {
    /// The layers of a network of values, with their numbers.
    ///
    /// # Errors
    /// A layer or a setting would compute something else here, or its numbers are not there.
    pub(in crate::interchange::formats) fn values(
        &self,
        tensors: &Tensors,
    ) -> Result<Plan, String> {
        let mut walk = Walk {
            description: self,
            tensors,
            affine: None,
            stack: Stack::default(),
            every_step: true,
            channels_first: false,
            backwards: false,
            is_stateful: [false; 2],
            notes: Vec::new(),
        };
        for layer in &self.layers {
            walk.layer(layer)?;
        }
        if !walk.stack.has_recurrent() {
            return Err(format!("found no recurrent layer, expected {EXPECTED}"));
        }
        let (layers, dense) = walk.stack.finish(&mut walk.notes)?;
        let length = match walk.channels_first {
            true => self.second_length,
            false => self.length,
        };
        let context = context(walk.is_stateful, walk.every_step, length)?;
        if walk.channels_first {
            walk.notes.push(
                "the model's input has its channels before its steps: here each step is given, with the values of all \
                 channels"
                    .into(),
            );
        }
        if walk.backwards && context == Context::Carried {
            return Err(
                "found go_backwards in a network that answers each step or is stateful, expected it of windows alone: a \
                 chip reads values in the order in which they come"
                    .into(),
            );
        }
        Ok(Plan {
            input: Input::Values(walk.affine),
            layers,
            dense,
            context,
            backwards: walk.backwards,
            notes: walk.notes,
        })
    }

    /// The names of a layer's tensors.
    fn tensors_of<'t>(&self, layer: &Layer, tensors: &'t Tensors) -> Vec<&'t String> {
        let of = |prefix: &str| -> Vec<&'t String> {
            let names = tensors.keys();
            names.filter(|name| name.starts_with(prefix)).collect()
        };
        let named = of(&layer.path);
        if !named.is_empty() {
            return named;
        }
        let mut named = of(&format!("{MODEL}{}/", layer.group));
        let is_alone = |other: &&Layer| other.group == layer.group;
        if self.layers.iter().filter(is_alone).count() > 1 {
            named.retain(|name| name.split('/').any(|part| part == layer.object.name()));
        }
        named
    }
}

struct Walk<'a> {
    description: &'a Description,
    tensors: &'a Tensors,
    affine: Option<Normalization>,
    stack: Stack,
    every_step: bool,
    /// Whether the channels come before the steps in what the model reads.
    channels_first: bool,
    /// Whether the first layer reads the window from its end; those above read what it gives in that order.
    backwards: bool,
    /// Whether there is a layer that is not, and one that is.
    is_stateful: [bool; 2],
    notes: Vec<String>,
}

impl Walk<'_> {
    fn layer(&mut self, layer: &Layer) -> Result<(), String> {
        let object = &layer.object;
        match object.class_name.as_str() {
            class if INERT.contains(&class) => Ok(()),
            "Masking" if !self.stack.has_recurrent() => {
                self.notes.push(format!(
                    "layer {} (Masking) skips steps of {} alone, with which short sequences were filled up: give the \
                     network no such steps",
                    object.name(),
                    object.config["mask_value"]
                ));
                Ok(())
            }
            "Normalization" => self.normalization(layer),
            "Rescaling" => self.rescaling(object),
            "BatchNormalization" => self.batch_normalization(layer),
            class if Framework::classes().contains(&class) => {
                self.recurrence(layer)?;
                self.cells(layer, &[object])
            }
            "RNN" => {
                self.recurrence(layer)?;
                let cell = object.inner("cell")?;
                let cells = match cell.class_name.as_str() {
                    "StackedRNNCells" => Vec::<Object>::deserialize(&cell.config["cells"]),
                    _ => Ok(vec![cell]),
                };
                let cells = cells.map_err(unreadable)?;
                self.cells(layer, &cells.iter().collect::<Vec<_>>())
            }
            "Bidirectional" => Err(format!(
                "found layer {} (Bidirectional), expected LSTMs and GRUs that read forwards alone: a chip has not \
                 the values that are still to come",
                object.name()
            )),
            "Dense" => self.dense(layer),
            "Activation" => {
                let end = end(object)?;
                self.end(object, end)
            }
            "ReLU" => {
                object.expect("max_value", &[Value::Null])?;
                object.expect("negative_slope", &[0.0.into(), 0.into()])?;
                object.expect("threshold", &[0.0.into(), 0.into()])?;
                self.end(object, End::Of(Activation::Relu))
            }
            "Softmax" => {
                object.expect("axis", &[(-1).into()])?;
                self.end(object, End::Softmax)
            }
            // Channels before steps, as they are given: here they are given a step at a time.
            "Permute"
                if self.stack.is_empty() && object.config["dims"] == serde_json::json!([2, 1]) =>
            {
                self.channels_first = !self.channels_first;
                Ok(())
            }
            "GetItem"
                if self.every_step && self.stack.has_recurrent() && object.takes_last_step() =>
            {
                self.every_step = false;
                Ok(())
            }
            // Of a vector: nothing.
            "Flatten" if !self.every_step => Ok(()),
            other => Err(format!(
                "found a layer {other} ({}), expected {EXPECTED}",
                object.name()
            )),
        }
    }

    /// The settings of a layer that runs cells over the series.
    fn recurrence(&mut self, place: &Layer) -> Result<(), String> {
        let layer = &place.object;
        layer.expect("time_major", &[false.into()])?;
        if layer.config["go_backwards"] == true {
            if self.stack.has_recurrent() {
                return Err(format!(
                    "layer {} ({}) has go_backwards true, expected it of the first recurrent layer alone",
                    layer.name(),
                    layer.class_name
                ));
            }
            self.backwards = true;
        }
        if !self.every_step {
            return Err(misplaced(layer));
        }
        self.every_step = layer.config["return_sequences"] == true && !place.gives_state;
        self.is_stateful[usize::from(layer.config["stateful"] == true)] = true;
        Ok(())
    }

    /// The cells that one layer runs, the lowest first.
    fn cells(&mut self, layer: &Layer, cells: &[&Object]) -> Result<(), String> {
        let class = |cell: &Object| cell.class_name.trim_end_matches("Cell").to_owned();
        for &cell in cells {
            if !Framework::classes().contains(&&class(cell)[..]) {
                return Err(format!(
                    "found a cell {} ({}), expected {}s",
                    cell.class_name,
                    cell.name(),
                    Framework::classes().join("s or ")
                ));
            }
            cell.expect("activation", &["tanh".into()])?;
            cell.expect("recurrent_activation", &["sigmoid".into()])?;
        }
        let groups = self.groups(layer)?;
        let mut found = groups.layers;
        found.sort_by_key(|group| numbered(&group.name));
        if found.len() != cells.len() || !groups.linears.is_empty() {
            return Err(self.not_its_tensors(layer, cells.len()));
        }
        for &cell in cells {
            let class = class(cell);
            // Groups of several kinds of cells are sorted by kind, and count within it.
            let is_of_class = |group: &Group| {
                let [_, columns] = self.tensors[&group.w_hh].shape[..] else {
                    return false;
                };
                let gates = columns / group.widths(self.tensors)[1].max(1);
                (gates == 4) == (class == "LSTM")
            };
            let at = found.iter().position(is_of_class).unwrap_or(0);
            let found = found.remove(at);
            let reset_after = cell.config["reset_after"].as_bool();
            let mut read = layers::recurrent(&found, self.tensors, reset_after, &mut self.notes)?;
            let gates = read.cell.gates();
            let units = cell.config["units"].as_u64();
            if (gates == 4) != (class == "LSTM") || units != Some(read.hidden as u64) {
                return Err(format!(
                    "layer {} ({class}) has units {}, and its tensor {} is that of {gates} gates of {}, expected those \
                     of the layer",
                    cell.name(),
                    cell.config["units"],
                    found.w_hh,
                    read.hidden
                ));
            }
            read.name = format!("{} ({class})", cell.name());
            self.stack.recurrent(read)?;
        }
        Ok(())
    }

    fn dense(&mut self, layer: &Layer) -> Result<(), String> {
        let object = &layer.object;
        let groups = self.groups(layer)?;
        let ([linear], []) = (&groups.linears[..], &groups.layers[..]) else {
            return Err(self.not_its_tensors(layer, 1));
        };
        let mut dense = layers::dense(linear, self.tensors, end(object)?)?;
        dense.name = object.name().to_owned();
        self.stack.dense(dense);
        Ok(())
    }

    /// A layer that is an activation alone.
    fn end(&mut self, object: &Object, end: End) -> Result<(), String> {
        if end != End::Of(Activation::Linear) {
            self.linear(object)?.end = end;
        }
        Ok(())
    }

    /// The last dense layer, for a layer that follows it.
    fn linear(&mut self, object: &Object) -> Result<&mut Dense, String> {
        if self.stack.is_empty() {
            return Err(misplaced(object));
        }
        let name = format!("{} ({})", object.name(), object.class_name);
        self.stack.linear(&name, None)
    }

    fn groups(&self, layer: &Layer) -> Result<Groups, String> {
        let names = self.description.tensors_of(layer, self.tensors);
        let tensors = names
            .into_iter()
            .map(|name| (name.clone(), self.tensors[name].clone()));
        Groups::collect(&tensors.collect())
    }

    fn not_its_tensors(&self, layer: &Layer, expected: usize) -> String {
        let names = self.description.tensors_of(layer, self.tensors);
        let names: Vec<&str> = names.into_iter().map(|name| &name[..]).collect();
        let found = match names[..] {
            [] => "no tensor".to_owned(),
            _ => names.join(", "),
        };
        format!(
            "found {found} for layer {} ({}), expected the weights of {expected}",
            layer.object.name(),
            layer.object.class_name
        )
    }
}

fn misplaced(object: &Object) -> String {
    format!(
        "found layer {} ({}) at a place where it computes something else, expected {EXPECTED}",
        object.name(),
        object.class_name
    )
}

/// The activation of a layer.
fn end(object: &Object) -> Result<End, String> {
    let mut found = &object.config["activation"];
    // A layer in the place of a function.
    if found["class_name"] == "Activation" {
        found = &found["config"]["activation"];
    }
    Ok(match found.as_str() {
        _ if found.is_null() => End::Of(Activation::Linear),
        Some("linear") => End::Of(Activation::Linear),
        Some("relu") => End::Of(Activation::Relu),
        Some("tanh") => End::Of(Activation::Tanh),
        Some("sigmoid") => End::Of(Activation::Sigmoid),
        Some("softmax") => End::Softmax,
        _ => {
            return Err(format!(
                "layer {} ({}) has activation {}, expected linear, relu, tanh, sigmoid or softmax",
                object.name(),
                object.class_name,
                told(found)
            ));
        }
    })
}

#[cfg(test)]
mod tests;
