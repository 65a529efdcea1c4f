//! The layers of a network as candle's own operations, on any device that candle runs on: a few dozen nodes for
//! each time step, where the kernels of the processor make one of a whole network. They are here for graphics
//! processors (cargo features `cuda` and `metal`), and as the reference of the kernels.

use crate::engine::layer::Layer;
use crate::files::error::Result;
use crate::kernels::stack::State;
use crate::text::batches::Batch;
use candle_core::{Result as CandleResult, Tensor};
use candle_nn::{Embedding, Module};

/// The outputs of the top layer, `[T B, R]`. The context of the first layer is `[T B, R]`.
pub(super) fn run(
    embedding: &Embedding,
    layers: &[Layer],
    context: Option<Tensor>,
    batch: &Batch,
    states: &mut [State],
) -> Result<Tensor> {
    let rows = batch.rows;
    let device = layers[0].w_hh.device();
    let mut carried = Vec::new();
    for (layer, state) in layers.iter().zip(&*states) {
        let h = Tensor::from_slice(&state.h, (rows, layer.config.output()), device)?;
        let c = Tensor::from_slice(&state.c, (rows, layer.config.hidden), device)?;
        carried.push((h, c));
    }
    let mut hs = Vec::with_capacity(batch.steps);
    for (t, tokens) in batch.inputs.chunks(rows).enumerate() {
        let context = context
            .as_ref()
            .map(|context| context.narrow(0, t * rows, rows));
        let context = context.transpose()?;
        hs.push(step(
            embedding,
            layers,
            tokens,
            context.as_ref(),
            &mut carried,
        )?);
    }
    for (state, (h, c)) in states.iter_mut().zip(&carried) {
        (state.h, state.c) = (numbers(h)?, numbers(c)?);
    }
    Ok(Tensor::cat(&hs, 0)?)
}

/// One time step of all layers: the last one's output `[B, R]` after the tokens `[B]`. `states` has `h` `[B, R]` and
/// `c` `[B, H]` of each layer, and goes forward; the first layer's recurrent product reads its `h` and the context
/// `[B, R]`.
pub(super) fn step(
    embedding: &Embedding,
    layers: &[Layer],
    tokens: &[u8],
    context: Option<&Tensor>,
    states: &mut [(Tensor, Tensor)],
) -> CandleResult<Tensor> {
    let ids: Vec<u32> = tokens.iter().map(|&t| u32::from(t)).collect();
    let ids = Tensor::new(ids, layers[0].w_hh.device())?;
    step_from(embedding.forward(&ids)?, layers, context, states)
}

/// As [`step`], from the input of the first layer `[B, in]`.
pub(super) fn step_from(
    input: Tensor,
    layers: &[Layer],
    context: Option<&Tensor>,
    states: &mut [(Tensor, Tensor)],
) -> CandleResult<Tensor> {
    let mut x = input;
    let mut context = context;
    for (layer, (h, c)) in layers.iter().zip(states) {
        let cell = layer.config.cell.definition();
        let gates = cell.gates().len();
        let input = x.matmul(&layer.w_ih)?.broadcast_add(&layer.bias)?;
        let mut recurrent = match context.take() {
            None => h.matmul(&layer.w_hh)?,
            Some(context) => (&*h + context)?.matmul(&layer.w_hh)?,
        };
        if let Some(bias) = &layer.recurrent_bias {
            recurrent = recurrent.broadcast_add(bias)?;
        }
        let (input, recurrent) = (input.chunk(gates, 1)?, recurrent.chunk(gates, 1)?);
        let (output, after) = cell.step(&input, &recurrent, c)?;
        x = match &layer.projection {
            Some(projection) => output.matmul(projection)?,
            None => output,
        };
        (*h, *c) = (x.clone(), after);
    }
    Ok(x)
}

/// In plain memory.
pub(super) fn numbers(tensor: &Tensor) -> CandleResult<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}
