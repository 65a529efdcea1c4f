//! Whether a network of values runs here: perhaps a Normalization, recurrent layers, dense layers.

use super::{Description, INERT, Layer, Object, context, unreadable};
use crate::interchange::names::numbered;
use crate::interchange::network::{Groups, Tensors, layers};
use crate::interchange::plan::{Dense, End, Input, Normalization, Numbers, Plan, Recurrent};
use crate::network::cell::Framework;
use crate::network::sensor::Activation;
use serde::Deserialize;
use serde_json::Value;

const EXPECTED: &str =
    "perhaps a Normalization, then LSTMs or GRUs, then Dense layers, in this order";
/// The least deviation that Keras divides by.
const EPSILON: f32 = 1e-7;
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
            layers: Vec::new(),
            dense: Vec::new(),
            every_step: true,
            is_stateful: [false; 2],
            backwards: false,
            notes: Vec::new(),
        };
        for layer in &self.layers {
            walk.layer(layer)?;
        }
        if walk.layers.is_empty() || walk.dense.is_empty() {
            let missing = match walk.layers.is_empty() {
                true => "recurrent layer",
                false => "Dense layer at the end",
            };
            return Err(format!("found no {missing}, expected {EXPECTED}"));
        }
        Ok(Plan {
            input: Input::Values(walk.affine),
            layers: walk.layers,
            dense: walk.dense,
            context: context(walk.is_stateful, walk.every_step, self.length)?,
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
    layers: Vec<Recurrent>,
    dense: Vec<Dense>,
    every_step: bool,
    /// Whether there is a layer that is not, and one that is.
    is_stateful: [bool; 2],
    /// Whether the first layer reads its window backwards, and so all above it.
    backwards: bool,
    notes: Vec<String>,
}

impl Walk<'_> {
    fn layer(&mut self, layer: &Layer) -> Result<(), String> {
        let object = &layer.object;
        match object.class_name.as_str() {
            class if INERT.contains(&class) => Ok(()),
            "Masking" if self.layers.is_empty() => {
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
            class if Framework::classes().contains(&class) => {
                self.recurrence(object)?;
                self.cells(layer, &[object])
            }
            "RNN" => {
                self.recurrence(object)?;
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
            // Of a vector: nothing.
            "Flatten" if !self.every_step => Ok(()),
            other => Err(format!(
                "found a layer {other} ({}), expected {EXPECTED}",
                object.name()
            )),
        }
    }

    fn normalization(&mut self, layer: &Layer) -> Result<(), String> {
        let object = &layer.object;
        object.expect("invert", &[false.into()])?;
        let last = [
            serde_json::json!([-1]),
            serde_json::json!(-1),
            serde_json::json!([2]),
            serde_json::json!(2),
        ];
        object.expect("axis", &last)?;
        let names = self.description.tensors_of(layer, self.tensors);
        let number = |which: &str, index: usize| {
            let told = &object.config[which];
            if !told.is_null() {
                return numbers(told);
            }
            let ends = [
                format!("/{which}"),
                format!("/{which}:0"),
                format!("/vars/{index}"),
            ];
            let found = names.iter().find(|n| ends.iter().any(|e| n.ends_with(e)));
            Some(self.tensors[*found?].values.clone())
        };
        let (Some(mean), Some(variance)) = (number("mean", 0), number("variance", 1)) else {
            return Err(format!(
                "layer {} (Normalization) has no mean and variance in the file, expected both: adapt() it before \
                 the model is saved",
                object.name()
            ));
        };
        let scale = variance.iter().map(|v| 1.0 / v.sqrt().max(EPSILON));
        self.affine(object, mean, scale.collect())
    }

    fn rescaling(&mut self, object: &Object) -> Result<(), String> {
        let number = |key: &str, otherwise: f32| match &object.config[key] {
            Value::Null => Some(vec![otherwise]),
            found => numbers(found),
        };
        let (Some(scale), Some(offset)) = (number("scale", 1.0), number("offset", 0.0)) else {
            return Err(format!(
                "layer {} (Rescaling) has no numbers for its scale and offset, expected them",
                object.name()
            ));
        };
        // x scale + offset = (x - mean) scale.
        let n = scale.len().max(offset.len());
        let mean = (0..n).map(|i| -offset[i % offset.len()] / scale[i % scale.len()]);
        self.affine(object, mean.collect(), scale)
    }

    fn affine(&mut self, object: &Object, mean: Vec<f32>, scale: Vec<f32>) -> Result<(), String> {
        if self.affine.is_some() || !self.layers.is_empty() || !self.dense.is_empty() {
            return Err(misplaced(object));
        }
        self.affine = Some(Normalization {
            mean: Numbers::Given(mean),
            scale: Numbers::Given(scale),
            from: format!("layer {}", object.name()),
        });
        Ok(())
    }

    /// The settings of a layer that runs cells over the series.
    fn recurrence(&mut self, layer: &Object) -> Result<(), String> {
        layer.expect("time_major", &[false.into()])?;
        layer.expect("return_state", &[false.into()])?;
        if layer.config["go_backwards"] == true {
            // What the first one gives goes on in the order in which it read.
            if !self.layers.is_empty() {
                return Err(format!(
                    "layer {} ({}) has go_backwards true, expected it of the first recurrent layer alone",
                    layer.name(),
                    layer.class_name
                ));
            }
            self.backwards = true;
        }
        if !self.dense.is_empty() || !self.every_step {
            return Err(misplaced(layer));
        }
        self.every_step = layer.config["return_sequences"] == true;
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
        for (&cell, found) in cells.iter().zip(found) {
            let class = class(cell);
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
            read.name = cell.name().to_owned();
            self.layers.push(read);
        }
        Ok(())
    }

    fn dense(&mut self, layer: &Layer) -> Result<(), String> {
        let object = &layer.object;
        if self.layers.is_empty() {
            return Err(misplaced(object));
        }
        let groups = self.groups(layer)?;
        let ([linear], []) = (&groups.linears[..], &groups.layers[..]) else {
            return Err(self.not_its_tensors(layer, 1));
        };
        let mut dense = layers::dense(linear, self.tensors, end(object)?)?;
        dense.name = object.name().to_owned();
        self.dense.push(dense);
        Ok(())
    }

    /// A layer that is an activation alone.
    fn end(&mut self, object: &Object, end: End) -> Result<(), String> {
        let linear = End::Of(Activation::Linear);
        match self.dense.last_mut() {
            _ if end == linear => Ok(()),
            Some(dense) if dense.end == linear => {
                dense.end = end;
                Ok(())
            }
            _ => Err(misplaced(object)),
        }
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
    let found = &object.config["activation"];
    Ok(match found.as_str() {
        _ if found.is_null() => End::Of(Activation::Linear),
        Some("linear") => End::Of(Activation::Linear),
        Some("relu") => End::Of(Activation::Relu),
        Some("tanh") => End::Of(Activation::Tanh),
        Some("sigmoid") => End::Of(Activation::Sigmoid),
        Some("softmax") => End::Softmax,
        _ => {
            return Err(format!(
                "layer {} ({}) has activation {found}, expected linear, relu, tanh, sigmoid or softmax",
                object.name(),
                object.class_name
            ));
        }
    })
}

/// A number, or those of lists within each other.
fn numbers(value: &Value) -> Option<Vec<f32>> {
    match value {
        Value::Number(number) => Some(vec![number.as_f64()? as f32]),
        Value::Array(values) => {
            let numbers: Option<Vec<_>> = values.iter().map(numbers).collect();
            let numbers = numbers?.concat();
            (!numbers.is_empty()).then_some(numbers)
        }
        // Keras 3 may write an array as an object of its own.
        Value::Object(object) => numbers(object.get("config")?.get("value")?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why a network of these layers is refused.
    fn refusal(layers: &str) -> String {
        let json = format!(
            r#"{{"class_name": "Sequential", "config": {{"layers": [
                {{"class_name": "InputLayer", "config": {{"batch_shape": [null, 40, 3]}}}}, {layers}]}}}}"#
        );
        let description = Description::parse(json.as_bytes()).unwrap();
        description.values(&Tensors::new()).unwrap_err()
    }

    #[test]
    fn what_computes_otherwise_is_refused_by_name() {
        let lstm = |settings: &str| {
            format!(
                r#"{{"class_name": "LSTM", "config": {{"name": "a", "units": 2, {settings}}}}}"#
            )
        };
        for (layers, expected) in [
            (
                lstm(r#""go_backwards": true"#),
                "layer a (LSTM) has go_backwards true, expected false: a chip reads",
            ),
            (
                lstm(r#""recurrent_activation": "hard_sigmoid""#),
                "layer a (LSTM) has recurrent_activation \"hard_sigmoid\", expected \"sigmoid\"",
            ),
            (
                lstm(r#""activation": "relu""#),
                "layer a (LSTM) has activation \"relu\", expected \"tanh\"",
            ),
            (
                lstm(r#""return_state": true"#),
                "has return_state true, expected false",
            ),
            (
                lstm(r#""unroll": true"#),
                "found no tensor for layer a (LSTM), expected",
            ),
            (
                r#"{"class_name": "Bidirectional", "config": {"name": "b"}}"#.to_owned(),
                "found layer b (Bidirectional), expected LSTMs and GRUs that read forwards alone",
            ),
            (
                r#"{"class_name": "SimpleRNN", "config": {"name": "s"}}"#.to_owned(),
                "found a layer SimpleRNN (s), expected perhaps a Normalization",
            ),
            (
                r#"{"class_name": "Dense", "config": {"name": "d"}}"#.to_owned(),
                "found layer d (Dense) at a place where it computes something else",
            ),
            (
                r#"{"class_name": "Normalization", "config": {"name": "n", "axis": [1]}}"#
                    .to_owned(),
                "layer n (Normalization) has axis [1], expected [-1]",
            ),
            (
                r#"{"class_name": "Normalization", "config": {"name": "n", "axis": [-1]}}"#
                    .to_owned(),
                "layer n (Normalization) has no mean and variance in the file",
            ),
            (
                r#"{"class_name": "Dropout", "config": {"name": "n"}}"#.to_owned(),
                "found no recurrent layer",
            ),
        ] {
            let error = refusal(&layers);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn numbers_are_taken_from_lists_within_lists() {
        let value = |json: &str| numbers(&serde_json::from_str(json).unwrap());
        assert_eq!(value("2.5"), Some(vec![2.5]));
        assert_eq!(value("[[[1.0, 2]]]"), Some(vec![1.0, 2.0]));
        let wrapped = r#"{"class_name": "__numpy__", "config": {"value": [3.0]}}"#;
        assert_eq!(value(wrapped), Some(vec![3.0]));
        assert_eq!((value("[]"), value("\"x\"")), (None, None));
    }
}
