//! Keras's description of a network.
//!
//! [`Description::parse`] puts the layers in the order in which they run; [`text`] and [`values`] say whether they
//! are a network of characters or one of values that runs here.

mod text;
mod values;

use crate::interchange::context::Context;
use crate::interchange::names::numbered;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Models within models within models.
const MAX_DEPTH: usize = 8;
/// More layers than this are refused.
const MAX_LAYERS: usize = 1000;
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

/// A network's layers.
#[derive(Clone, Debug, Default)]
pub(in crate::interchange) struct Description {
    /// In the order in which they run.
    layers: Vec<Layer>,
    /// The length of the input, where it is given.
    length: Option<u64>,
}

/// A layer of no model within the model.
#[derive(Clone, Debug)]
struct Layer {
    object: Object,
    /// Where its weights lie in a file of Keras 3.
    path: String,
    /// The group of the outermost model's layer that it is, or is within, in a `.h5` of a whole model.
    group: String,
}

impl Description {
    /// Reads a description.
    ///
    /// # Errors
    /// It is none, its layers do not follow each other in one line, or it is of a network of characters that would
    /// compute something else here.
    pub(in crate::interchange::formats) fn parse(json: &[u8]) -> Result<Self, String> {
        let model: Object = serde_json::from_slice(json).map_err(unreadable)?;
        let mut description = Self::default();
        description.model(&model, "", "", MAX_DEPTH)?;
        if description.has_embedding() {
            description.text()?;
        }
        Ok(description)
    }

    /// Whether the network looks up characters.
    pub(in crate::interchange) fn has_embedding(&self) -> bool {
        let mut layers = self.layers.iter();
        layers.any(|layer| layer.object.class_name == "Embedding")
    }

    /// The names of tensors in the order in which their layers run; none where a tensor is of no layer
    /// of this description.
    pub(in crate::interchange::formats) fn order(&self, names: &[String]) -> Vec<String> {
        let mut ranked = Vec::new();
        for name in names {
            let is_of = |layer: &Layer| name.starts_with(&layer.path);
            let Some(rank) = self.layers.iter().position(is_of) else {
                return Vec::new();
            };
            ranked.push((rank, numbered(name), name));
        }
        ranked.sort();
        ranked.into_iter().map(|(.., name)| name.clone()).collect()
    }

    /// Adds a model's layers in the order in which they run; `path` is where its weights lie.
    fn model(
        &mut self,
        model: &Object,
        path: &str,
        group: &str,
        depth: usize,
    ) -> Result<(), String> {
        let is_model = ["Sequential", "Functional", "Model"].contains(&&model.class_name[..]);
        if !is_model {
            return Err(format!(
                "found a model of class {}, expected Sequential or Functional",
                model.class_name
            ));
        }
        if depth == 0 {
            return Err(format!(
                "found more than {MAX_DEPTH} models within each other, expected fewer"
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
            let layer = &layers[index];
            let group = match group {
                "" => layer.name(),
                group => group,
            };
            self.layer(layer, &paths[index], group, depth)?;
        }
        self.length = self
            .length
            .or(model.config["build_input_shape"][1].as_u64());
        Ok(())
    }

    fn layer(
        &mut self,
        layer: &Object,
        path: &str,
        group: &str,
        depth: usize,
    ) -> Result<(), String> {
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
            "Sequential" | "Functional" | "Model" => self.model(layer, path, group, depth - 1),
            // What is within is applied at every step, as everything is here.
            "TimeDistributed" => self.layer(&layer.inner("layer")?, path, group, depth),
            _ => {
                if self.layers.len() == MAX_LAYERS {
                    return Err(format!(
                        "found more than {MAX_LAYERS} layers, expected fewer"
                    ));
                }
                self.layers.push(Layer {
                    object: layer.clone(),
                    path: path.to_owned(),
                    group: group.to_owned(),
                });
                Ok(())
            }
        }
    }
}

/// What a network sees at a time: by whether there is a layer that is not stateful, and one that is; whether the last
/// one answers at every step; and the length of the input.
fn context(
    is_stateful: [bool; 2],
    every_step: bool,
    length: Option<u64>,
) -> Result<Context, String> {
    if is_stateful == [true, true] {
        return Err(
            "found layers of which some are stateful and some are not, expected all or none".into(),
        );
    }
    let [_, is_stateful] = is_stateful;
    Ok(match (is_stateful, every_step, length) {
        (true, ..) | (false, true, _) => Context::Carried,
        (false, false, Some(length)) => {
            Context::Window(usize::try_from(length).unwrap_or(usize::MAX))
        }
        (false, false, None) => Context::WindowOfUntoldLength,
    })
}

fn unreadable(e: serde_json::Error) -> String {
    format!("the description of the network does not parse ({e}), expected Keras's")
}

/// A layer or a model as the description has it.
#[derive(Clone, Debug, Deserialize)]
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
        Description::parse(json.as_bytes())?.text()
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
                &two,
                r#", {"class_name": "Softmax", "config": {"name": "s", "axis": 1}}"#,
                "layer s (Softmax) has axis 1, expected -1",
            ),
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
