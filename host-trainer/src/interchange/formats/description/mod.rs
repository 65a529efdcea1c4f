//! Keras's description of a network, which must be of one that runs here.

use crate::interchange::contents::Context;
use crate::interchange::names::numbered;
use crate::network::cell::Framework;
use crate::network::config::CellKind;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Models within models within models.
const MAX_DEPTH: usize = 8;
/// Layers that do nothing when a network only runs.
const INERT: [&str; 7] = [
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "InputLayer",
    "SpatialDropout1D",
];
const EXPECTED: &str =
    "an Embedding (or one-hot input), recurrent layers and a Dense layer, in this order";

/// What a description tells, once everything in it runs here.
#[derive(Debug)]
pub(super) struct Description {
    /// What the network sees of a text at a time.
    pub(super) context: Context,
    /// Where the layers' weights lie in a file of Keras 3, in the order in which the layers run.
    paths: Vec<String>,
}

impl Description {
    /// Reads a description.
    ///
    /// # Errors
    /// A layer or a setting would compute something else here.
    pub(super) fn parse(json: &[u8]) -> Result<Self, String> {
        let model: Object = serde_json::from_slice(json).map_err(unreadable)?;
        let mut walk = Walk::default();
        walk.model(&model, "", MAX_DEPTH)?;
        let is_complete = walk.last == Place::Dense || walk.last == Place::Softmax;
        if !is_complete {
            return Err(format!(
                "found no Dense layer at the end, expected {EXPECTED}"
            ));
        }
        if walk.is_stateful == [true, true] {
            return Err(
                "found layers of which some are stateful and some are not, expected all or none"
                    .into(),
            );
        }
        let [_, is_stateful] = walk.is_stateful;
        let context = match (is_stateful, walk.every_step, walk.length) {
            (true, ..) | (false, true, _) => Context::Carried,
            (false, false, Some(length)) => {
                Context::Window(usize::try_from(length).unwrap_or(usize::MAX))
            }
            (false, false, None) => Context::WindowOfUntoldLength,
        };
        let paths = walk.paths;
        Ok(Self { context, paths })
    }

    /// The names of tensors in the order in which their layers run; none where a tensor is of no layer
    /// of this description.
    pub(super) fn order(&self, names: &[String]) -> Vec<String> {
        let mut ranked = Vec::new();
        for name in names {
            let rank = self.paths.iter().position(|path| name.starts_with(path));
            let Some(rank) = rank else { return Vec::new() };
            ranked.push((rank, numbered(name), name));
        }
        ranked.sort();
        ranked.into_iter().map(|(.., name)| name.clone()).collect()
    }
}

fn unreadable(e: serde_json::Error) -> String {
    format!("the description of the network does not parse ({e}), expected Keras's")
}

#[derive(Debug, Deserialize)]
struct Object {
    class_name: String,
    #[serde(default)]
    config: Value,
    /// Its name in a Functional model.
    name: Option<String>,
    /// What it is given there.
    #[serde(default)]
    inbound_nodes: Value,
}

impl Object {
    fn name(&self) -> &str {
        let own = self.config["name"].as_str().or(self.name.as_deref());
        own.unwrap_or("of no name")
    }

    /// Refuses a setting that is there and is none of `expected`.
    fn expect(&self, key: &str, expected: &[Value]) -> Result<(), String> {
        match &self.config[key] {
            Value::Null => Ok(()),
            found if expected.contains(found) => Ok(()),
            found => Err(format!(
                "layer {} ({}) has {key} {found}, expected {}",
                self.name(),
                self.class_name,
                expected[0]
            )),
        }
    }

    /// An object within the settings.
    fn inner(&self, key: &str) -> Result<Self, String> {
        Self::deserialize(&self.config[key]).map_err(unreadable)
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
    paths: Vec<String>,
    /// The length of the input, where it is given.
    length: Option<u64>,
    every_step: bool,
    /// Whether there is a layer that is not, and one that is.
    is_stateful: [bool; 2],
}

impl Walk {
    /// A model's layers in the order in which they run; `path` is where its weights lie.
    fn model(&mut self, model: &Object, path: &str, depth: usize) -> Result<(), String> {
        let is_model = ["Sequential", "Functional", "Model"].contains(&&model.class_name[..]);
        if !is_model {
            return Err(format!(
                "found a model of class {}, expected Sequential or Functional",
                model.class_name
            ));
        }
        if depth == 0 {
            return Err(format!(
                "found more than {MAX_DEPTH} models within each other, expected {EXPECTED}"
            ));
        }
        // The first Keras had no name for the list.
        let layers = match &model.config {
            list @ Value::Array(_) => list,
            config => &config["layers"],
        };
        let layers = Vec::<Object>::deserialize(layers).map_err(unreadable)?;
        let mut used = BTreeMap::new();
        let paths: Vec<String> = layers
            .iter()
            .map(|layer| {
                let name = snake_case(&layer.class_name);
                let count = used.entry(name.clone()).or_insert(0usize);
                *count += 1;
                match *count - 1 {
                    0 => format!("{path}layers/{name}/"),
                    n => format!("{path}layers/{name}_{n}/"),
                }
            })
            .collect();
        let order = match model.class_name.as_str() {
            "Sequential" => (0..layers.len()).collect(),
            _ => chain(&layers)?,
        };
        for index in order {
            self.layer(&layers[index], &paths[index], depth)?;
        }
        self.length = self
            .length
            .or(model.config["build_input_shape"][1].as_u64());
        Ok(())
    }

    fn layer(&mut self, layer: &Object, path: &str, depth: usize) -> Result<(), String> {
        self.paths.push(path.to_owned());
        for key in ["batch_shape", "batch_input_shape"] {
            self.length = self.length.or(layer.config[key][1].as_u64());
        }
        if layer.config["dtype"]["class_name"] == "QuantizedDTypePolicy" {
            return Err(format!(
                "layer {} ({}) is quantized, expected the network as it was before it was quantized",
                layer.name(),
                layer.class_name
            ));
        }
        match layer.class_name.as_str() {
            class if INERT.contains(&class) => Ok(()),
            "Sequential" | "Functional" | "Model" => {
                self.paths.pop();
                self.model(layer, path, depth - 1)
            }
            // What is within is applied at every step, as everything is here.
            "TimeDistributed" => {
                self.paths.pop();
                self.layer(&layer.inner("layer")?, path, depth)
            }
            "Embedding" => {
                layer.expect("mask_zero", &[false.into()])?;
                self.step(layer, Place::Embedding)
            }
            class if Framework::classes().contains(&class) => {
                self.recurrence(layer)?;
                self.cell(layer)
            }
            "RNN" => {
                self.recurrence(layer)?;
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
            "Softmax" => self.step(layer, Place::Softmax),
            other => Err(format!(
                "found a layer {other} ({}), expected {EXPECTED}",
                layer.name()
            )),
        }
    }

    /// The settings of a layer that runs cells over the text.
    fn recurrence(&mut self, layer: &Object) -> Result<(), String> {
        layer.expect("go_backwards", &[false.into()])?;
        layer.expect("time_major", &[false.into()])?;
        self.every_step = layer.config["return_sequences"] == true;
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

/// The order in which the layers of a Functional model run; each must be given what the one before it
/// gives, and nothing else.
fn chain(layers: &[Object]) -> Result<Vec<usize>, String> {
    let expected = "expected layers that follow each other in one line";
    let mut next = BTreeMap::new();
    let mut first = None;
    for (index, layer) in layers.iter().enumerate() {
        let mut sources = Vec::new();
        sources_of(&layer.inbound_nodes, MAX_DEPTH, &mut sources);
        let is_new = match &sources[..] {
            [] => first.replace(index).is_none(),
            [source] => next.insert(*source, index).is_none(),
            _ => false,
        };
        if !is_new {
            return Err(format!(
                "found layer {} beside or between others, {expected}",
                layer.name()
            ));
        }
    }
    let mut order = Vec::new();
    let mut at = first;
    while let Some(index) = at {
        order.push(index);
        // Each source is taken once, so the chain ends.
        at = next.remove(layers[index].name());
    }
    match order.len() == layers.len() {
        true => Ok(order),
        false => Err(format!("found layers that nothing leads to, {expected}")),
    }
}

/// The layers that a layer is given: `["name", node, tensor, ...]` in Keras 2, and the same under
/// `keras_history` in Keras 3.
fn sources_of<'v>(value: &'v Value, depth: usize, sources: &mut Vec<&'v str>) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    match value {
        Value::Array(values) => match &values[..] {
            [
                Value::String(name),
                Value::Number(_),
                Value::Number(_),
                rest @ ..,
            ] => {
                sources.push(name);
                rest.iter().for_each(|v| sources_of(v, depth, sources));
            }
            values => values.iter().for_each(|v| sources_of(v, depth, sources)),
        },
        Value::Object(fields) => fields.values().for_each(|v| sources_of(v, depth, sources)),
        _ => {}
    }
}

/// A class's name as Keras 3 names groups: `InputLayer` is `input_layer`, `LSTM` is `lstm`.
fn snake_case(class: &str) -> String {
    let letters: Vec<char> = class.chars().collect();
    let mut name = String::new();
    for (index, &letter) in letters.iter().enumerate() {
        let is_upper = |at: usize| letters.get(at).is_some_and(|c| c.is_ascii_uppercase());
        let is_lower = |at: usize| letters.get(at).is_some_and(|c| c.is_ascii_lowercase());
        let begins = index > 0 && is_upper(index) && (is_lower(index - 1) || is_lower(index + 1));
        if begins {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A network of 40 characters with these layers between its ends.
    fn model(layers: &str, end: &str) -> Result<Context, String> {
        let json = format!(
            r#"{{"class_name": "Sequential", "config": {{"layers": [
                {{"class_name": "InputLayer", "config": {{"batch_shape": [null, 40]}}}},
                {layers},
                {{"class_name": "Dense", "config": {{"name": "d", "activation": "softmax"}}}}{end}]}}}}"#
        );
        Description::parse(json.as_bytes()).map(|description| description.context)
    }

    fn lstm(settings: &str) -> String {
        format!(
            r#"{{"class_name": "LSTM", "config": {{"name": "a", "activation": "tanh",
                "recurrent_activation": "sigmoid", {settings}}}}}"#
        )
    }

    #[test]
    fn what_a_network_sees_at_a_time() {
        let every = r#""return_sequences": true"#;
        let last = r#""return_sequences": false"#;
        let stateful = r#""stateful": true, "return_sequences": false"#;
        assert_eq!(model(&lstm(every), ""), Ok(Context::Carried));
        assert_eq!(model(&lstm(last), ""), Ok(Context::Window(40)));
        assert_eq!(model(&lstm(stateful), ""), Ok(Context::Carried));
        let mixed = format!("{}, {}", lstm(every), lstm(stateful));
        assert!(model(&mixed, "").unwrap_err().contains("some are stateful"));
    }

    #[test]
    fn what_computes_otherwise_is_refused() {
        let softmax = r#", {"class_name": "Softmax", "config": {"name": "s"}}"#;
        let two = format!("{0}, {0}", lstm(r#""return_sequences": true"#));
        assert_eq!(model(&two, ""), Ok(Context::Carried));
        for (layers, end, expected) in [
            (
                r#"{"class_name": "LSTM", "config": {"name": "a", "recurrent_activation": "hard_sigmoid"}}"#,
                "",
                "layer a (LSTM) has recurrent_activation \"hard_sigmoid\", expected \"sigmoid\"",
            ),
            (
                r#"{"class_name": "LSTM", "config": {"name": "a", "activation": "relu"}}"#,
                "",
                "layer a (LSTM) has activation \"relu\", expected \"tanh\"",
            ),
            (
                &lstm(r#""go_backwards": true"#),
                "",
                "has go_backwards true, expected false",
            ),
            (
                r#"{"class_name": "Embedding", "config": {"name": "e", "mask_zero": true}}"#,
                "",
                "has mask_zero true, expected false",
            ),
            (
                r#"{"class_name": "TimeDistributed", "config": {"layer": {"class_name": "Dense",
                    "config": {"name": "t", "activation": "relu"}}}}"#,
                "",
                "layer t (Dense) has activation \"relu\", expected \"softmax\"",
            ),
            (
                r#"{"class_name": "Dense", "config": {"name": "t", "activation": "linear"}}"#,
                "",
                "found layer t (Dense) at a place where it computes something else",
            ),
            (&two, softmax, "found layer s (Softmax) at a place"),
            (
                r#"{"class_name": "SimpleRNN"}"#,
                "",
                "found a layer SimpleRNN (of no name), expected an Embedding",
            ),
            (
                r#"{"class_name": "RNN", "config": {"cell": {"class_name": "SimpleRNNCell", "config": {}}}}"#,
                "",
                "found a cell SimpleRNNCell (of no name), expected LSTMs or GRUs",
            ),
            (
                r#"{"class_name": "GRU", "config": {"name": "a", "reset_after": false}}"#,
                "",
                "layer a (GRU) has reset_after false, expected true",
            ),
            (r#"{"class": "LSTM"}"#, "", "does not parse"),
        ] {
            let error = model(layers, end).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn layers_that_do_not_follow_each_other_are_refused() {
        let layer = |name: &str, sources: &str| {
            let json = format!(
                r#"{{"class_name": "LSTM", "config": {{"name": "{name}"}}, "inbound_nodes": [{sources}]}}"#
            );
            serde_json::from_str::<Object>(&json).unwrap()
        };
        // As in Keras 2, and as in Keras 3.
        let (a, b) = (
            r#"[["a", 0, 0, {}]]"#,
            r#"{"args": [{"config": {"keras_history": ["b", 0, 0]}}]}"#,
        );
        let order = chain(&[layer("c", b), layer("a", ""), layer("b", a)]);
        assert_eq!(order, Ok(vec![1, 2, 0]));
        let both = format!("{a}, {b}");
        for layers in [
            vec![layer("a", ""), layer("b", a), layer("c", a)],
            vec![layer("a", ""), layer("b", a), layer("c", &both)],
            vec![layer("a", ""), layer("b", "")],
            vec![layer("a", ""), layer("b", b)],
            vec![layer("b", b)],
        ] {
            assert!(chain(&layers).unwrap_err().contains("in one line"));
        }
    }
}
