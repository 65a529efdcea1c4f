//! Layers as a file gives them, one after the other: what is linear before a recurrent layer becomes part of its input
//! weights.

use super::plan::{Dense, End, Piece, Recurrent};
use crate::network::config::MAX_LAYERS;
use crate::network::sensor::Activation;
use lstm_core::{MAX_DENSE_LAYERS, MAX_DENSE_WIDTH};

/// What has no activation.
const LINEAR: End = End::Of(Activation::Linear);

/// Layers so far.
#[derive(Default)]
pub(super) struct Stack {
    layers: Vec<Recurrent>,
    /// Behind the last recurrent layer.
    dense: Vec<Dense>,
    notes: Vec<String>,
}

impl Stack {
    pub(super) fn is_empty(&self) -> bool {
        self.layers.is_empty() && self.dense.is_empty()
    }

    pub(super) fn has_recurrent(&self) -> bool {
        !self.layers.is_empty()
    }

    /// A recurrent layer.
    ///
    /// # Errors
    /// The layer before it has an activation, or gives more or fewer numbers than it reads.
    pub(super) fn recurrent(&mut self, mut layer: Recurrent) -> Result<(), String> {
        if let Some(dense) = self.dense.iter().find(|dense| dense.end != LINEAR) {
            return Err(format!(
                "layer {} reads what an activation behind layer {} gives, expected recurrent layers before the first \
                 activation",
                layer.name, dense.name
            ));
        }
        let linear = std::mem::take(&mut self.dense);
        if linear.len() > MAX_DENSE_LAYERS + 1 {
            return Err(format!(
                "found {} dense layers before layer {}, expected at most {}",
                linear.len(),
                layer.name,
                MAX_DENSE_LAYERS + 1
            ));
        }
        // More layers are refused when all are counted.
        let is_counted = self.layers.len() < MAX_LAYERS;
        for before in linear.into_iter().rev().filter(|_| is_counted) {
            let [inputs, outputs] = [before.weight.shape[0], before.weight.shape[1]];
            let read = layer.w_ih.shape[0];
            if outputs != read {
                return Err(format!(
                    "layer {} reads {read} numbers, expected the {outputs} that layer {} gives",
                    layer.name, before.name
                ));
            }
            if inputs > outputs.max(MAX_DENSE_WIDTH) {
                return Err(format!(
                    "layer {} is of {inputs} inputs, expected at most {MAX_DENSE_WIDTH}",
                    before.name
                ));
            }
            if !before.is_identity {
                self.notes.push(format!(
                    "layer {} has no activation: it is part of the input weights of layer {}",
                    before.name, layer.name
                ));
            }
            (layer.w_ih, layer.bias) = before.then(&layer.w_ih, &layer.bias);
        }
        self.layers.push(layer);
        Ok(())
    }

    /// A dense layer. One that only scales what a recurrent layer gives becomes part of it.
    pub(super) fn dense(&mut self, mut dense: Dense) {
        let scales = |before: &mut Dense| {
            let fits = before.weight.shape[1] == dense.weight.shape[0];
            before.is_identity && before.end == LINEAR && fits
        };
        if let Some(before) = self.dense.pop_if(scales) {
            (dense.weight, dense.bias) = before.then(&dense.weight, &dense.bias);
        }
        self.dense.push(dense);
    }

    /// The last dense layer, for something of this name that follows it; the identity where that one has an activation
    /// already, or where there is none. `input` is the width of what the first layer reads.
    ///
    /// # Errors
    /// The identity would be too large, or one of too many.
    pub(super) fn linear(
        &mut self,
        name: &str,
        input: Option<usize>,
    ) -> Result<&mut Dense, String> {
        let width = match (self.dense.last(), self.layers.last()) {
            (Some(dense), _) if dense.end == LINEAR => None,
            (Some(dense), _) => Some(dense.bias.values.len()),
            (None, Some(layer)) => Some(layer.output()),
            (None, None) => input,
        };
        if let Some(width) = width {
            if self.dense.len() > MAX_DENSE_LAYERS {
                return Err(format!(
                    "found more than {MAX_DENSE_LAYERS} dense layers before {name}, expected at most so many"
                ));
            }
            self.dense.push(Dense::identity(name, width, LINEAR)?);
        }
        self.dense
            .last_mut()
            .ok_or_else(|| format!("{name} follows no layer, expected one"))
    }

    /// All layers, at least one of them dense behind a recurrent one, with notes.
    ///
    /// # Errors
    /// There is no dense layer, and the identity would be too large.
    pub(super) fn finish(
        mut self,
        notes: &mut Vec<String>,
    ) -> Result<(Vec<Recurrent>, Vec<Dense>), String> {
        notes.append(&mut self.notes);
        let identities = self.dense.iter().filter(|dense| dense.is_identity);
        notes.extend(identities.map(|dense| {
            let name = &dense.name;
            format!("layer {name} follows no dense layer of its own: the identity is one")
        }));
        if let ([], Some(last)) = (&self.dense[..], self.layers.last()) {
            self.dense.push(Dense::behind(last, LINEAR, notes)?);
        }
        Ok((self.layers, self.dense))
    }
}

impl Dense {
    /// The weights `[in, out]` and the bias of a layer that reads this one, as those of one that reads what this one
    /// reads.
    fn then(&self, weight: &Piece, bias: &Piece) -> (Piece, Piece) {
        let columns = weight.shape[1];
        // A row of numbers, in the place of the ones that this layer makes of it.
        let row = |factors: &[f32]| {
            let mut sums = vec![0f64; columns];
            for (&factor, row) in factors.iter().zip(weight.values.chunks_exact(columns)) {
                if factor != 0.0 {
                    let pairs = sums.iter_mut().zip(row);
                    pairs.for_each(|(sum, &x)| *sum += f64::from(factor) * f64::from(x));
                }
            }
            sums
        };
        let outputs = self.weight.shape[1];
        let rows = self.weight.values.chunks_exact(outputs);
        let values = rows.flat_map(|factors| row(factors).into_iter().map(|x| x as f32));
        let from = |own: &str, of: &str| match self.is_identity {
            true => format!("{of}, scaled by layer {}", self.name),
            false => format!("{own} and {of}"),
        };
        let folded = Piece {
            shape: vec![self.weight.shape[0], columns],
            values: values.collect(),
            from: from(&self.weight.from, &weight.from),
        };
        let shift = row(&self.bias.values);
        let sums = bias.values.iter().zip(&shift);
        let bias = Piece {
            shape: bias.shape.clone(),
            values: sums.map(|(&b, &s)| (f64::from(b) + s) as f32).collect(),
            from: from(&self.bias.from, &bias.from),
        };
        (folded, bias)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::sensor::Cell;

    fn piece(shape: &[usize], values: &[f32]) -> Piece {
        Piece {
            shape: shape.to_vec(),
            values: values.to_vec(),
            from: "p".to_owned(),
        }
    }

    fn dense(shape: &[usize], weight: &[f32], bias: &[f32], end: End) -> Dense {
        Dense {
            name: "d".to_owned(),
            weight: piece(shape, weight),
            bias: piece(&[bias.len()], bias),
            end,
            is_identity: false,
        }
    }

    fn gru() -> Recurrent {
        Recurrent {
            name: "r".to_owned(),
            cell: Cell::Gru,
            hidden: 1,
            w_ih: piece(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
            w_hh: Piece::zeros(3),
            bias: piece(&[3], &[0.5, 0.5, 0.5]),
            recurrent_bias: Some(Piece::zeros(3)),
            projection: None,
        }
    }

    #[test]
    fn what_is_linear_before_a_recurrent_layer_is_part_of_it() {
        let mut stack = Stack::default();
        stack.dense(dense(&[1, 2], &[2.0, -1.0], &[1.0, 0.0], LINEAR));
        stack
            .linear("n", None)
            .unwrap()
            .affine(&[1.0, 3.0], &[0.0, 1.0]);
        stack.recurrent(gru()).unwrap();
        let mut notes = Vec::new();
        let (layers, dense) = stack.finish(&mut notes).unwrap();
        // x becomes [2 x + 1, -3 x + 1].
        assert_eq!(layers[0].w_ih.shape, [1, 3]);
        assert_eq!(layers[0].w_ih.values, [-10.0, -11.0, -12.0]);
        assert_eq!(layers[0].bias.values, [5.5, 7.5, 9.5]);
        assert_eq!(layers[0].recurrent_bias.as_ref().unwrap().values, [0.0; 3]);
        assert!(dense[0].is_identity);
        assert!(notes[0].contains("layer d has no activation"), "{notes:?}");
    }

    #[test]
    fn what_only_scales_is_part_of_the_next_dense_layer() {
        let mut stack = Stack::default();
        stack.recurrent(gru()).unwrap();
        stack.linear("n", None).unwrap().affine(&[2.0], &[1.0]);
        let end = End::Of(Activation::Relu);
        stack.dense(dense(&[1, 2], &[3.0, 4.0], &[0.0, 1.0], end));
        let refused = stack.recurrent(gru()).unwrap_err();
        assert!(
            refused.contains("an activation behind layer d"),
            "{refused}"
        );
        let mut notes = Vec::new();
        let (_, dense) = stack.finish(&mut notes).unwrap();
        assert_eq!(dense.len(), 1);
        assert_eq!(dense[0].weight.values, [6.0, 8.0]);
        assert_eq!(dense[0].bias.values, [3.0, 5.0]);
        assert_eq!((dense[0].end, notes.len()), (end, 0));
    }

    #[test]
    fn widths_that_do_not_fit_are_refused() {
        let mut stack = Stack::default();
        stack.dense(dense(&[2, 1], &[1.0, 1.0], &[0.0], LINEAR));
        let error = stack.recurrent(gru()).unwrap_err();
        assert!(error.contains("reads 2 numbers, expected the 1"), "{error}");
        assert!(Stack::default().linear("n", None).is_err());
    }
}
