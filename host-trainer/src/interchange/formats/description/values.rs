//! Whether a network of values runs here: perhaps a Normalization, recurrent layers, dense layers.

use super::{Description, INERT, Layer, Object, context, unreadable};
use crate::interchange::context::Context;
use crate::interchange::names::numbered;
use crate::interchange::network::{Groups, Recurrent as Group, Tensors, layers};
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
            backwards: false,
            is_stateful: [false; 2],
            notes: Vec::new(),
        };
        for layer in &self.layers {
            walk.layer(layer)?;
        }
        let Some(last) = walk.layers.last() else {
            return Err(format!("found no recurrent layer, expected {EXPECTED}"));
        };
        if walk.dense.is_empty() {
            let linear = End::Of(Activation::Linear);
            walk.dense
                .push(Dense::behind(last, linear, &mut walk.notes)?);
        }
        let context = context(walk.is_stateful, walk.every_step, self.length)?;
        if walk.backwards && context == Context::Carried {
            return Err(
                "found go_backwards in a network that answers each step or is stateful, expected it of windows alone: a \
                 chip reads values in the order in which they come"
                    .into(),
            );
        }
        Ok(Plan {
            input: Input::Values(walk.affine),
            layers: walk.layers,
            dense: walk.dense,
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
    layers: Vec<Recurrent>,
    dense: Vec<Dense>,
    every_step: bool,
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
        let last = [
            serde_json::json!([-1]),
            serde_json::json!(-1),
            serde_json::json!([2]),
            serde_json::json!(2),
            // One number of all.
            serde_json::json!([]),
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
        let deviation = variance.iter().map(|v| v.sqrt().max(EPSILON));
        let n = mean.len().max(variance.len());
        let scale: Vec<f32> = match object.config["invert"] == true {
            true => {
                // x s + m = (x + m / s) s.
                let scale: Vec<f32> = deviation.collect();
                let mean = (0..n).map(|i| -mean[i % mean.len()] / scale[i % scale.len()]);
                return self.affine(object, mean.collect(), scale);
            }
            false => deviation.map(|s| 1.0 / s).collect(),
        };
        self.affine(object, mean, scale)
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
        if !self.layers.is_empty() {
            let n = mean.len().max(scale.len());
            let shift = (0..n).map(|i| -mean[i % mean.len()] * scale[i % scale.len()]);
            let shift: Vec<f32> = shift.collect();
            let dense = self.linear(object)?;
            let outputs = dense.bias.values.len();
            if let Some(n) = [scale.len(), n]
                .into_iter()
                .find(|n| *n != 1 && *n != outputs)
            {
                return Err(format!(
                    "layer {} ({}) has {n} numbers, expected {outputs}, one of each value",
                    object.name(),
                    object.class_name
                ));
            }
            dense.affine(&scale, &shift);
            return Ok(());
        }
        if self.affine.is_some() {
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
        if end != End::Of(Activation::Linear) {
            self.linear(object)?.end = end;
        }
        Ok(())
    }

    /// The last dense layer, for a layer that follows it; the identity where that one has an activation already, or
    /// where there is none.
    fn linear(&mut self, object: &Object) -> Result<&mut Dense, String> {
        let linear = End::Of(Activation::Linear);
        let width = match (self.dense.last(), self.layers.last()) {
            (Some(dense), _) if dense.end == linear => None,
            (Some(dense), _) => Some(dense.bias.values.len()),
            (None, Some(layer)) => Some(layer.output()),
            (None, None) => return Err(misplaced(object)),
        };
        if let Some(width) = width {
            self.notes.push(format!(
                "layer {} ({}) follows no dense layer of its own: the identity is one",
                object.name(),
                object.class_name
            ));
            (self.dense).push(Dense::identity(object.name(), width, linear)?);
        }
        self.dense.last_mut().ok_or_else(|| misplaced(object))
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
    use crate::files::tensors::NamedTensor;

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

    /// The network of these layers, whose weights are the places in their tensors.
    fn plan(layers: &str, shapes: &[(&str, &[usize])]) -> Plan {
        let json = format!(
            r#"{{"class_name": "Sequential", "config": {{"layers": [
                {{"class_name": "InputLayer", "config": {{"batch_shape": [null, 40, 3]}}}}, {layers}]}}}}"#
        );
        let tensor = |&(name, shape): &(&str, &[usize])| {
            let values = (0..shape.iter().product::<usize>()).map(|at| at as f32);
            let (shape, values) = (shape.to_vec(), values.collect());
            (name.to_owned(), NamedTensor { shape, values })
        };
        let tensors = shapes.iter().map(tensor).collect();
        let description = Description::parse(json.as_bytes()).unwrap();
        description.values(&tensors).unwrap()
    }

    const LSTM: &str = r#"{"class_name": "LSTM", "config": {"name": "a", "units": 2}}"#;
    const LSTM_SHAPES: [(&str, &[usize]); 2] = [
        ("layers/lstm/cell/vars/0", &[3, 8]),
        ("layers/lstm/cell/vars/1", &[2, 8]),
    ];

    #[test]
    fn the_identity_follows_a_recurrent_layer_without_a_dense_one() {
        for (behind, end) in [
            ("", End::Of(Activation::Linear)),
            (
                r#", {"class_name": "ReLU", "config": {"name": "r"}}"#,
                End::Of(Activation::Relu),
            ),
            (
                r#", {"class_name": "Softmax", "config": {"name": "s"}}"#,
                End::Softmax,
            ),
        ] {
            let plan = plan(&format!("{LSTM}{behind}"), &LSTM_SHAPES);
            assert_eq!(plan.dense.len(), 1);
            assert_eq!(plan.dense[0].weight.values, [1.0, 0.0, 0.0, 1.0]);
            assert_eq!(plan.dense[0].end, end);
            assert!(plan.notes[0].contains("the identity is one"));
        }
    }

    #[test]
    fn what_scales_the_answer_is_folded_into_the_dense_layer() {
        let dense = r#"{"class_name": "Dense", "config": {"name": "d", "units": 2}}"#;
        let shapes: [(&str, &[usize]); 2] = [
            ("layers/dense/vars/0", &[2, 2]),
            ("layers/dense/vars/1", &[2]),
        ];
        let shapes = [&LSTM_SHAPES[..], &shapes].concat();
        for (behind, weight, bias) in [
            (
                r#""Rescaling", "config": {"name": "r", "scale": 2.0, "offset": 1.0}"#,
                [0.0, 2.0, 4.0, 6.0],
                [1.0, 3.0],
            ),
            (
                r#""Normalization", "config": {"name": "n", "invert": true, "mean": [[1.0, 2.0]], "variance": [[4.0, 9.0]]}"#,
                [0.0, 3.0, 4.0, 9.0],
                [1.0, 5.0],
            ),
        ] {
            let layers = format!(r#"{LSTM}, {dense}, {{"class_name": {behind}}}"#);
            let plan = plan(&layers, &shapes);
            assert_eq!(plan.dense.len(), 1);
            assert_eq!(plan.dense[0].weight.values, weight);
            assert_eq!(plan.dense[0].bias.values, bias);
        }
    }

    #[test]
    fn one_mean_and_one_variance_of_all_channels() {
        let layer = r#"{"class_name": "Normalization", "config": {"name": "n", "axis": [], "mean": 1.0, "variance": 4.0}}"#;
        let plan = plan(&format!("{layer}, {LSTM}"), &LSTM_SHAPES);
        let Input::Values(Some(found)) = plan.input else {
            panic!("no normalization");
        };
        assert_eq!(found.mean, Numbers::Given(vec![1.0]));
        assert_eq!(found.scale, Numbers::Given(vec![0.5]));
    }

    #[test]
    fn each_cell_of_a_stack_finds_its_tensors() {
        let cell = |class: &str, units: usize| {
            format!(
                r#"{{"class_name": "{class}", "config": {{"name": "{class}", "units": {units}}}}}"#
            )
        };
        let cells = [cell("LSTMCell", 2), cell("GRUCell", 4), cell("GRUCell", 5)].join(", ");
        let layer = format!(
            r#"{{"class_name": "RNN", "config": {{"name": "r", "cell": {{"class_name": "StackedRNNCells",
                "config": {{"cells": [{cells}]}}}}}}}}"#
        );
        let plan = plan(
            &layer,
            &[
                ("layers/rnn/cell/cells/gru_cell/vars/0", &[2, 12]),
                ("layers/rnn/cell/cells/gru_cell/vars/1", &[4, 12]),
                ("layers/rnn/cell/cells/gru_cell_1/vars/0", &[4, 15]),
                ("layers/rnn/cell/cells/gru_cell_1/vars/1", &[5, 15]),
                ("layers/rnn/cell/cells/lstm_cell/vars/0", &[3, 8]),
                ("layers/rnn/cell/cells/lstm_cell/vars/1", &[2, 8]),
            ],
        );
        let hidden = plan.layers.iter().map(|layer| layer.hidden);
        assert_eq!(hidden.collect::<Vec<_>>(), [2, 4, 5]);
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
