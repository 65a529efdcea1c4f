//! Layers that scale the input, or the answer: Normalization and Rescaling.

use super::super::{Layer, Object};
use super::{Walk, misplaced};
use crate::interchange::plan::{Normalization, Numbers};
use serde_json::Value;

/// The least deviation that Keras divides by.
const EPSILON: f32 = 1e-7;

impl Walk<'_> {
    /// A Normalization, before the recurrent layers or behind the last layer.
    pub(super) fn normalization(&mut self, layer: &Layer) -> Result<(), String> {
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
            let values = self.tensors[*found?].values.clone();
            (!values.is_empty()).then_some(values)
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

    /// A BatchNormalization, which does not learn any more.
    pub(super) fn batch_normalization(&mut self, layer: &Layer) -> Result<(), String> {
        let object = &layer.object;
        let last = if self.every_step { 2 } else { 1 };
        let axes = [(-1).into(), serde_json::json!([-1]), last.into()];
        object.expect("axis", &[&axes[..], &[serde_json::json!([last])]].concat())?;
        let names = self.description.tensors_of(layer, self.tensors);
        let is_there = |setting: &str| object.config[setting] != false;
        let parts = [
            ("gamma", is_there("scale")),
            ("beta", is_there("center")),
            ("moving_mean", true),
            ("moving_variance", true),
        ];
        let mut index = 0;
        let mut found = Vec::new();
        for (part, is_there) in parts {
            if !is_there {
                found.push(None);
                continue;
            }
            let ends = [
                format!("/{part}"),
                format!("/{part}:0"),
                format!("/vars/{index}"),
            ];
            index += 1;
            let name = names.iter().find(|n| ends.iter().any(|e| n.ends_with(e)));
            let values = name.map(|name| self.tensors[*name].values.clone());
            let values = values.filter(|values| !values.is_empty());
            let missing = || {
                format!(
                    "layer {} (BatchNormalization) has no {part} in the file, expected it",
                    object.name()
                )
            };
            found.push(Some(values.ok_or_else(missing)?));
        }
        let [gamma, beta, Some(mean), Some(variance)] = &found[..] else {
            return Err(misplaced(object));
        };
        let epsilon = object.config["epsilon"].as_f64().unwrap_or(1e-3);
        let n = variance.len();
        let of = |values: &Option<Vec<f32>>, i: usize, otherwise: f32| match values {
            Some(values) => values[i % values.len()],
            None => otherwise,
        };
        let scale = (0..n).map(|i| {
            let deviation = (f64::from(variance[i]) + epsilon).sqrt();
            (f64::from(of(gamma, i, 1.0)) / deviation) as f32
        });
        let scale: Vec<f32> = scale.collect();
        if !self.stack.is_empty() {
            let shift = (0..n).map(|i| of(beta, i, 0.0) - mean[i % mean.len()] * scale[i]);
            return self.fold(object, &scale, &shift.collect::<Vec<_>>());
        }
        // (x - m) s + b = (x - (m - b / s)) s.
        let mean = (0..n).map(|i| mean[i % mean.len()] - of(beta, i, 0.0) / scale[i]);
        self.affine(object, mean.collect(), scale)
    }

    pub(super) fn rescaling(&mut self, object: &Object) -> Result<(), String> {
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
        if !self.stack.is_empty() {
            let n = mean.len().max(scale.len());
            let shift = (0..n).map(|i| -mean[i % mean.len()] * scale[i % scale.len()]);
            return self.fold(object, &scale, &shift.collect::<Vec<_>>());
        }
        let from = format!("layer {}", object.name());
        let (mean, scale, from) = match self.affine.take() {
            Some(Normalization {
                mean: Numbers::Given(first_mean),
                scale: Numbers::Given(first_scale),
                from: first,
            }) => {
                // ((x - m) s - n) t = (x - (m + n / s)) s t.
                let all = [&first_mean, &first_scale, &mean, &scale];
                let n = all.into_iter().map(Vec::len).max().unwrap_or(1);
                let of = |values: &[f32], i: usize| values[i % values.len()];
                let moved = |i| of(&first_mean, i) + of(&mean, i) / of(&first_scale, i);
                let scaled = |i| of(&first_scale, i) * of(&scale, i);
                let (mean, scale) = (0..n).map(|i| (moved(i), scaled(i))).unzip();
                (mean, scale, format!("{first} and {from}"))
            }
            _ => (mean, scale, from),
        };
        self.affine = Some(Normalization {
            mean: Numbers::Given(mean),
            scale: Numbers::Given(scale),
            from,
        });
        Ok(())
    }

    /// What scales and shifts the numbers of the layer before it: one number of all, or one each.
    fn fold(&mut self, object: &Object, scale: &[f32], shift: &[f32]) -> Result<(), String> {
        let dense = self.linear(object)?;
        let outputs = dense.bias.values.len();
        let mut lengths = [scale.len(), shift.len()].into_iter();
        if let Some(n) = lengths.find(|n| *n != 1 && *n != outputs) {
            return Err(format!(
                "layer {} ({}) has {n} numbers, expected {outputs}, one of each value",
                object.name(),
                object.class_name
            ));
        }
        dense.affine(scale, shift);
        Ok(())
    }
}

/// A number, or those of lists within each other.
pub(super) fn numbers(value: &Value) -> Option<Vec<f32>> {
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
