//! Keras's description of a network.
//!
//! [`Description::parse`] puts the layers in the order in which they run; [`text`] and [`values`] say whether they
//! are a network of characters or one of values that runs here.

mod order;
mod text;
mod values;

use crate::interchange::context::Context;
use crate::interchange::names::numbered;
use crate::network::cell::Framework;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Models within models within models.
const MAX_DEPTH: usize = 8;
/// More layers than this are refused.
const MAX_LAYERS: usize = 1000;
/// Layers that do nothing when a network only runs.
const INERT: [&str; 8] = [
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
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
    /// That of its second axis.
    second_length: Option<u64>,
    /// What a person should know.
    notes: Vec<String>,
}

/// A layer of no model within the model.
#[derive(Clone, Debug)]
struct Layer {
    object: Object,
    /// Where its weights lie in a file of Keras 3.
    path: String,
    /// The group of the outermost model's layer that it is, or is within, in a `.h5` of a whole model.
    group: String,
    /// Whether what follows reads its hidden state, which is its output at the last step.
    gives_state: bool,
}

/// Where a layer or a model lies.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a str,
    group: &'a str,
    /// Models within each other that it may still hold.
    depth: usize,
    gives_state: bool,
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
        let outermost = Place {
            path: "",
            group: "",
            depth: MAX_DEPTH,
            gives_state: false,
        };
        description.model(&model, outermost)?;
        if description.has_embedding() {
            description.text()?;
        }
        Ok(description)
    }

    /// What a person should know.
    pub(in crate::interchange::formats) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether the network looks up characters.
    pub(in crate::interchange) fn has_embedding(&self) -> bool {
        let mut layers = self.layers.iter();
        layers
            .any(|layer| ["Embedding", "CategoryEncoding"].contains(&&layer.object.class_name[..]))
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

    /// Adds a model's layers in the order in which they run.
    fn model(&mut self, model: &Object, place: Place<'_>) -> Result<(), String> {
        let Place {
            path, group, depth, ..
        } = place;
        let is_model = ["Sequential", "Functional", "Model"].contains(&&model.class_name[..]);
        if !is_model {
            return Err(format!(
                "found a model of class {}, expected Sequential or Functional (model.save_weights(\"x.weights.h5\") \
                 writes a file that is read of any class)",
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
            "Sequential" => (0..layers.len()).map(|index| (index, 0)).collect(),
            _ => self.chain(&layers, &model.config["output_layers"], path.is_empty())?,
        };
        for (index, output) in order {
            let layer = &layers[index];
            let gives_state = layer.gives_state(output)?;
            let group = match group {
                "" => layer.name(),
                group => group,
            };
            let place = Place {
                path: &paths[index],
                group,
                depth,
                gives_state,
            };
            self.layer(layer, place)?;
        }
        self.length = self
            .length
            .or(model.config["build_input_shape"][1].as_u64());
        let second = model.config["build_input_shape"][2].as_u64();
        self.second_length = self.second_length.or(second);
        Ok(())
    }

    fn layer(&mut self, layer: &Object, place: Place<'_>) -> Result<(), String> {
        for key in ["batch_shape", "batch_input_shape"] {
            self.length = self.length.or(layer.config[key][1].as_u64());
            self.second_length = self.second_length.or(layer.config[key][2].as_u64());
        }
        if layer.config["dtype"]["class_name"] == "QuantizedDTypePolicy" {
            return Err(format!(
                "layer {} ({}) is quantized, expected the network as it was before it was quantized",
                layer.name(),
                layer.class_name
            ));
        }
        match layer.class_name.as_str() {
            "Sequential" | "Functional" | "Model" => {
                let depth = place.depth - 1;
                self.model(layer, Place { depth, ..place })
            }
            // What is within is applied at every step, as everything is here.
            "TimeDistributed" => {
                let before = self.layers.len();
                self.layer(&layer.inner("layer")?, place)?;
                let runs = |layer: &Layer| {
                    let class = &layer.object.class_name[..];
                    Framework::classes().contains(&class)
                        || ["RNN", "Bidirectional"].contains(&class)
                };
                match self.layers[before..].iter().any(runs) {
                    true => Err(format!(
                        "layer {} (TimeDistributed) runs a recurrent layer anew at each step, expected one that runs \
                         along the steps",
                        layer.name()
                    )),
                    false => Ok(()),
                }
            }
            _ => {
                if self.layers.len() == MAX_LAYERS {
                    return Err(format!(
                        "found more than {MAX_LAYERS} layers, expected fewer"
                    ));
                }
                self.layers.push(Layer {
                    object: layer.clone(),
                    path: place.path.to_owned(),
                    group: place.group.to_owned(),
                    gives_state: place.gives_state,
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

/// A setting for people: an object, or a function, by its class alone.
fn told(setting: &Value) -> String {
    match (setting, &setting["class_name"]) {
        (Value::Object(_), Value::String(class)) => format!("of class {class}"),
        (Value::Object(_), _) => "that is a function".to_owned(),
        _ => setting.to_string(),
    }
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
                "layer {} ({}) has {key} {}, expected {}",
                self.name(),
                self.class_name,
                told(found),
                expected[0]
            )),
        }
    }

    /// Whether it is the hidden state of a recurrent layer that is read, by the place of what is read among its outputs.
    ///
    /// # Errors
    /// It is neither the state nor the first output.
    fn gives_state(&self, output: u64) -> Result<bool, String> {
        let is_recurrent = Framework::classes().contains(&&self.class_name[..]);
        match output {
            0 => Ok(false),
            1 if is_recurrent => Ok(true),
            2 if is_recurrent => Err(format!(
                "the cell state of layer {} ({}) is read, expected its output or its hidden state",
                self.name(),
                self.class_name
            )),
            _ => Err(format!(
                "output {output} of layer {} ({}) is read, expected its output 0",
                self.name(),
                self.class_name
            )),
        }
    }

    /// Whether it is Keras's `x[:, -1]`, perhaps with more colons.
    fn takes_last_step(&self) -> bool {
        let whole = serde_json::json!({"start": null, "stop": null, "step": null});
        let is_whole = |part: &Value| part["class_name"] == "__slice__" && part["config"] == whole;
        let place = self.inbound_nodes[0]["args"][1].as_array();
        match place.map_or(&[][..], |place| place) {
            [series, step, rest @ ..] => {
                is_whole(series) && *step == -1 && rest.len() <= 1 && rest.iter().all(is_whole)
            }
            _ => false,
        }
    }

    /// An object within the settings.
    fn inner(&self, key: &str) -> Result<Self, String> {
        Self::deserialize(&self.config[key]).map_err(unreadable)
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
}
