//! Operations of any number of tensors as nodes of a candle graph, on the processor.
//!
//! Candle's own custom operations take three tensors at most, a network has more. So an operation
//! becomes a chain of nodes: each link takes two of the tensors and the link before, and the last node
//! computes. Going back, the last node comes first: it computes all gradients, and each link hands on those of its
//! two tensors.

use crate::engine::slices::with_slices;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Device, Layout, Result, Shape, Tensor, bail,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An operation of any number of f32 tensors.
pub(crate) trait Operation: Send + Sync + 'static {
    /// Its name in errors.
    fn name(&self) -> &'static str;

    /// The result and its shape, from the numbers of the contiguous inputs.
    ///
    /// # Errors
    /// The inputs do not fit each other.
    fn forward(&self, inputs: &[&[f32]]) -> Result<(Vec<f32>, Shape)>;

    /// The gradient of each input, given that of the result; after `forward`, once.
    ///
    /// # Errors
    /// It was called before.
    fn backward(&self, inputs: &[&[f32]], gradient: &[f32]) -> Result<Vec<Vec<f32>>>;
}

/// Applies an operation: a node of the graph.
///
/// # Errors
/// An input is not a contiguous f32 tensor in the processor's memory, or the operation refuses.
pub(crate) fn apply(operation: impl Operation, inputs: &[&Tensor]) -> Result<Tensor> {
    let shared = Arc::new(Shared {
        operation,
        inputs: inputs.iter().map(|&input| input.clone()).collect(),
        gradients: Mutex::default(),
    });
    let mut chain = Tensor::zeros((), DType::F32, &Device::Cpu)?;
    for (index, pair) in inputs.chunks(2).enumerate() {
        let link = Link {
            shared: shared.clone(),
            first: 2 * index,
        };
        chain = match pair {
            [a, b] => chain.apply_op3(a, b, link)?,
            [a] => chain.apply_op2(a, link)?,
            _ => unreachable!("chunks of one or two"),
        };
    }
    chain.apply_op1(Last(shared))
}

/// What the nodes of a chain share.
struct Shared<O> {
    operation: O,
    inputs: Vec<Tensor>,
    /// Of the inputs, between the last node's turn and their links'.
    gradients: Mutex<Vec<Option<Tensor>>>,
}

impl<O> Shared<O> {
    fn lend<R>(&self, f: impl FnOnce(&[&[f32]]) -> R) -> Result<R> {
        let inputs: Vec<&Tensor> = self.inputs.iter().collect();
        with_slices(&inputs, f)
    }
}

/// Takes two of the inputs, or the only one that is left, into the chain.
struct Link<O> {
    shared: Arc<Shared<O>>,
    first: usize,
}

/// The value of a link, which means nothing.
fn nothing() -> Result<(CpuStorage, Shape)> {
    Ok((CpuStorage::F32(vec![0.0]), Shape::from(())))
}

impl<O: Operation> Link<O> {
    /// The gradients of the chain before, and of input `index`.
    fn gradient(&self, index: usize) -> Result<Option<Tensor>> {
        let mut gradients = lock(&self.shared.gradients);
        match gradients.get_mut(index).map(Option::take) {
            Some(Some(gradient)) => Ok(Some(gradient)),
            _ => bail!("{}: no gradient", self.shared.operation.name()),
        }
    }

    fn chain(&self) -> Result<Option<Tensor>> {
        Ok(Some(Tensor::zeros((), DType::F32, &Device::Cpu)?))
    }
}

impl<O: Operation> CustomOp2 for Link<O> {
    fn name(&self) -> &'static str {
        self.shared.operation.name()
    }

    fn cpu_fwd(
        &self,
        _chain: &CpuStorage,
        _: &Layout,
        _input: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        nothing()
    }

    fn bwd(
        &self,
        _chain: &Tensor,
        _input: &Tensor,
        _result: &Tensor,
        _gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((self.chain()?, self.gradient(self.first)?))
    }
}

impl<O: Operation> CustomOp3 for Link<O> {
    fn name(&self) -> &'static str {
        self.shared.operation.name()
    }

    fn cpu_fwd(
        &self,
        _chain: &CpuStorage,
        _: &Layout,
        _first: &CpuStorage,
        _: &Layout,
        _second: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        nothing()
    }

    fn bwd(
        &self,
        _chain: &Tensor,
        _first: &Tensor,
        _second: &Tensor,
        _result: &Tensor,
        _gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (first, second) = (self.gradient(self.first)?, self.gradient(self.first + 1)?);
        Ok((self.chain()?, first, second))
    }
}

/// Computes.
struct Last<O>(Arc<Shared<O>>);

impl<O: Operation> CustomOp1 for Last<O> {
    fn name(&self) -> &'static str {
        self.0.operation.name()
    }

    fn cpu_fwd(&self, _chain: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        let (values, shape) = self.0.lend(|inputs| self.0.operation.forward(inputs))??;
        Ok((CpuStorage::F32(values), shape))
    }

    fn bwd(&self, _chain: &Tensor, _result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let gradient = gradient.contiguous()?;
        let operation = &self.0.operation;
        let gradients = with_slices(&[&gradient], |gradient| {
            self.0
                .lend(|inputs| operation.backward(inputs, gradient[0]))
        })???;
        let tensors = gradients.into_iter().zip(&self.0.inputs);
        let tensors = tensors
            .map(|(values, input)| Tensor::from_vec(values, input.shape(), &Device::Cpu).map(Some));
        *lock(&self.0.gradients) = tensors.collect::<Result<_>>()?;
        Ok(Some(Tensor::zeros((), DType::F32, &Device::Cpu)?))
    }
}

/// Locks; what a panicking thread left is plain numbers and still fit for use.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;

    /// The sum of all inputs, each times its number from one.
    struct WeightedSum;

    impl Operation for WeightedSum {
        fn name(&self) -> &'static str {
            "weighted-sum"
        }

        fn forward(&self, inputs: &[&[f32]]) -> Result<(Vec<f32>, Shape)> {
            let mut sum = vec![0.0; inputs[0].len()];
            for (index, input) in inputs.iter().enumerate() {
                for (sum, x) in sum.iter_mut().zip(*input) {
                    *sum += (index + 1) as f32 * x;
                }
            }
            Ok((sum, Shape::from(inputs[0].len())))
        }

        fn backward(&self, inputs: &[&[f32]], gradient: &[f32]) -> Result<Vec<Vec<f32>>> {
            let weights = (1..=inputs.len()).map(|n| n as f32);
            Ok(weights
                .map(|w| gradient.iter().map(|g| w * g).collect())
                .collect())
        }
    }

    #[test]
    fn gradients_reach_every_input() {
        for count in 1..=7 {
            let vars: Vec<Var> = (0..count)
                .map(|i| Var::new(&[1f32, i as f32], &Device::Cpu).unwrap())
                .collect();
            // Some are variables, some are computed from them.
            let inputs: Vec<Tensor> = vars
                .iter()
                .enumerate()
                .map(|(i, var)| match i % 2 {
                    0 => var.as_tensor().clone(),
                    _ => (var.as_tensor() * 3.0).unwrap(),
                })
                .collect();
            let sum = apply(WeightedSum, &inputs.iter().collect::<Vec<_>>()).unwrap();
            let weight = |i: usize| (i + 1) as f32 * if i.is_multiple_of(2) { 1.0 } else { 3.0 };
            let expected: f32 = (0..count).map(weight).sum();
            assert_eq!(sum.to_vec1::<f32>().unwrap()[0], expected);
            let gradients = (sum * 2.0).unwrap().sum_all().unwrap().backward().unwrap();
            for (i, var) in vars.iter().enumerate() {
                let gradient = gradients.get(var).unwrap().to_vec1::<f32>().unwrap();
                assert_eq!(gradient, [2.0 * weight(i); 2]);
            }
        }
    }
}
