//! Arrays of numbers, and what may be done to constants.

use crate::interchange::shape::count;
use std::cell::Cell;

/// More axes than this are refused.
const MAX_RANK: usize = 8;

/// Names of more characters together are not told.
const MAX_NAMES: usize = 300;
/// What is said of an array that nodes have put together.
const TOGETHER: &str = ", gates put together";

/// Numbers that may still be made of the file's.
pub(super) struct Budget(Cell<u64>);

impl Budget {
    pub(super) fn new(numbers: u64) -> Self {
        Self(Cell::new(numbers))
    }

    /// Takes the numbers of a shape; `None` where they are too many.
    pub(super) fn take(&self, shape: &[usize]) -> Option<usize> {
        let n = count(shape).filter(|_| shape.len() <= MAX_RANK)?;
        // An empty array is an array too.
        self.0.set(self.0.get().checked_sub(n as u64 + 1)?);
        Some(n)
    }
}

/// Constant numbers in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
    /// The tensors of the file that it is made of.
    pub(super) from: String,
}

impl Array {
    /// As long an array with these axes.
    pub(super) fn reshape(&self, shape: Vec<usize>, budget: &Budget) -> Option<Self> {
        (budget.take(&shape)? == self.values.len()).then(|| Self {
            shape,
            ..self.clone()
        })
    }

    /// The numbers at the places that `at` gives for those of the new shape.
    fn gather(
        &self,
        shape: Vec<usize>,
        budget: &Budget,
        at: impl Fn(&[usize]) -> usize,
    ) -> Option<Self> {
        let n = budget.take(&shape)?;
        let mut index = vec![0; shape.len()];
        let mut values = Vec::with_capacity(n);
        for _ in 0..n {
            values.push(*self.values.get(at(&index))?);
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                if index[axis] < shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        Some(Self {
            shape,
            values,
            from: self.from.clone(),
        })
    }

    /// How far apart the numbers of each axis are.
    fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.shape.len()];
        for axis in (1..self.shape.len()).rev() {
            strides[axis - 1] = strides[axis] * self.shape[axis];
        }
        strides
    }

    /// Axis i becomes what was axis `order[i]`.
    pub(super) fn transpose(&self, order: &[usize], budget: &Budget) -> Option<Self> {
        let shape: Option<Vec<_>> = order.iter().map(|&a| self.shape.get(a).copied()).collect();
        let strides = self.strides();
        let is_order = (0..self.shape.len()).all(|axis| order.contains(&axis));
        let at = |index: &[usize]| {
            let pairs = index.iter().zip(order);
            pairs.map(|(i, &axis)| i * strides[axis]).sum()
        };
        let fits = is_order && order.len() == self.shape.len();
        fits.then(|| self.gather(shape?, budget, at)).flatten()
    }

    /// A part of an axis.
    pub(super) fn slice(
        &self,
        axis: usize,
        range: std::ops::Range<usize>,
        budget: &Budget,
    ) -> Option<Self> {
        let mut shape = self.shape.clone();
        let length = shape.get_mut(axis)?;
        if range.start > range.end || range.end > *length {
            return None;
        }
        *length = range.len();
        let strides = self.strides();
        let at = |index: &[usize]| {
            let pairs = index.iter().zip(&strides);
            pairs.map(|(i, stride)| i * stride).sum::<usize>() + range.start * strides[axis]
        };
        self.gather(shape, budget, at)
    }

    /// Arrays after each other along an axis.
    pub(super) fn concat(arrays: &[&Self], axis: usize, budget: &Budget) -> Option<Self> {
        let first = arrays.first()?;
        let mut shape = first.shape.clone();
        shape.get(axis)?;
        let fits = |array: &&Self| {
            let pairs = array.shape.iter().zip(&shape).enumerate();
            array.shape.len() == shape.len()
                && pairs.into_iter().all(|(at, (a, b))| at == axis || a == b)
        };
        if !arrays.iter().all(fits) {
            return None;
        }
        let mut lengths = arrays.iter().map(|array| array.shape[axis]);
        shape[axis] = lengths.try_fold(0usize, |sum, n| sum.checked_add(n))?;
        let n = budget.take(&shape)?;
        let outer = count(&shape[..axis])?;
        let mut values = Vec::with_capacity(n);
        for row in 0..outer {
            for array in arrays {
                let block = array.values.len().checked_div(outer)?;
                values.extend_from_slice(array.values.get(row * block..(row + 1) * block)?);
            }
        }
        let mut from: Vec<&str> = arrays.iter().map(|array| &array.from[..]).collect();
        from.dedup();
        let length: usize = from.iter().map(|name| name.len()).sum();
        let from = match from[..] {
            [one] if one.ends_with(TOGETHER) => one.to_owned(),
            [one] => format!("{one}{TOGETHER}"),
            // The names of arrays of arrays would grow without end.
            _ if length > MAX_NAMES => format!("{} arrays{TOGETHER}", from.len()),
            _ => from.join(", "),
        };
        Some(Self {
            shape,
            values,
            from,
        })
    }

    /// One number of two, with axes of one number repeated as ONNX does it.
    pub(super) fn pairs(
        &self,
        other: &Self,
        budget: &Budget,
        of: impl Fn(f32, f32) -> f32,
    ) -> Option<Self> {
        let rank = self.shape.len().max(other.shape.len());
        let padded = |array: &Self| {
            let mut shape = vec![1; rank - array.shape.len()];
            shape.extend(&array.shape);
            array.reshape(shape, budget)
        };
        let (a, b) = (padded(self)?, padded(other)?);
        let lengths = a.shape.iter().zip(&b.shape);
        let shape: Option<Vec<usize>> = lengths
            .map(|(&a, &b)| match (a, b) {
                (a, b) if a == b => Some(a),
                (1, n) | (n, 1) => Some(n),
                _ => None,
            })
            .collect();
        let shape = shape?;
        let spread = |array: &Self| {
            let strides = array.strides();
            let at = |index: &[usize]| {
                let axes = index.iter().zip(&strides).zip(&array.shape);
                axes.map(|((i, stride), &n)| if n == 1 { 0 } else { i * stride })
                    .sum()
            };
            array.gather(shape.clone(), budget, at)
        };
        let (mut a, b) = (spread(&a)?, spread(&b)?);
        let numbers = a.values.iter_mut().zip(&b.values);
        numbers.for_each(|(a, &b)| *a = of(*a, b));
        Some(a)
    }

    /// One number of each.
    pub(super) fn each(&self, budget: &Budget, of: impl Fn(f32) -> f32) -> Option<Self> {
        budget.take(&self.shape)?;
        let mut array = self.clone();
        array.values.iter_mut().for_each(|x| *x = of(*x));
        Some(array)
    }

    /// A matrix `[in, out]`, perhaps after axes of one number, of `[out, in]` if it is turned.
    pub(super) fn matrix(&self, is_turned: bool, budget: &Budget) -> Option<Self> {
        let (outer, inner) = self
            .shape
            .split_at_checked(self.shape.len().checked_sub(2)?)?;
        outer.iter().all(|&n| n == 1).then_some(())?;
        let matrix = self.reshape(inner.to_vec(), budget)?;
        match is_turned {
            false => Some(matrix),
            true => {
                let mut turned = matrix.transpose(&[1, 0], budget)?;
                turned.from = format!("{}, transposed", self.from);
                Some(turned)
            }
        }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.values.iter().all(|&x| x == 0.0)
    }

    /// Whether it is a matrix of ones on the diagonal, and zeros.
    pub(super) fn is_identity(&self) -> bool {
        let &[rows, columns] = &self.shape[..] else {
            return false;
        };
        let is_one = |at: usize| at.is_multiple_of(columns + 1);
        let mut values = self.values.iter().enumerate();
        rows == columns && values.all(|(at, &x)| x == f32::from(u8::from(is_one(at))))
    }

    /// The numbers of a vector, whatever axes of one number it has.
    pub(super) fn vector(&self) -> Option<&[f32]> {
        let longer = self.shape.iter().filter(|&&n| n != 1).count();
        (longer <= 1).then_some(&self.values[..])
    }
}

/// A whole number of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    Known(i64),
    /// The length of an axis of the graph's input.
    Input(usize),
    Unknown,
}

/// Constant whole numbers: one, or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wholes {
    pub(super) is_list: bool,
    pub(super) values: Vec<Whole>,
}

impl Wholes {
    pub(super) fn list(values: Vec<Whole>) -> Self {
        Self {
            is_list: true,
            values,
        }
    }

    /// The numbers, if all are known.
    pub(super) fn known(&self) -> Option<Vec<i64>> {
        let known = |whole: &Whole| match whole {
            Whole::Known(n) => Some(*n),
            _ => None,
        };
        self.values.iter().map(known).collect()
    }
}

/// An axis that may be counted from the end.
pub(super) fn axis(index: i64, rank: usize) -> Option<usize> {
    let index = match index < 0 {
        true => index.checked_add(i64::try_from(rank).ok()?)?,
        false => index,
    };
    usize::try_from(index).ok().filter(|&axis| axis < rank)
}

/// A range of an axis of so many numbers, as ONNX and Python clip it.
pub(super) fn clip(start: i64, end: i64, length: usize) -> std::ops::Range<usize> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let place = |at: i64| match at < 0 {
        true => at.saturating_add(length).max(0),
        false => at.min(length),
    };
    let (start, end) = (place(start), place(end));
    start as usize..end.max(start) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(shape: &[usize]) -> Array {
        let n = shape.iter().product::<usize>();
        Array {
            shape: shape.to_vec(),
            values: (0..n).map(|i| i as f32).collect(),
            from: "a".to_owned(),
        }
    }

    #[test]
    fn arrays_are_turned_cut_and_put_together() {
        let budget = &Budget::new(1000);
        let a = array(&[2, 3]);
        let turned = a.transpose(&[1, 0], budget).unwrap();
        assert_eq!(turned.shape, [3, 2]);
        assert_eq!(turned.values, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        let cut = a.slice(1, 1..3, budget).unwrap();
        assert_eq!(cut.values, [1.0, 2.0, 4.0, 5.0]);
        let left = a.slice(1, 0..1, budget).unwrap();
        let again = Array::concat(&[&left, &cut], 1, budget).unwrap();
        assert_eq!(again.values, a.values);
        let row = array(&[3]);
        let sum = a.pairs(&row, budget, |a, b| a + b).unwrap();
        assert_eq!(sum.values, [0.0, 2.0, 4.0, 3.0, 5.0, 7.0]);
        assert_eq!(a.transpose(&[0, 0], budget), None);
        assert_eq!(a.slice(1, 2..4, budget), None);
        assert_eq!(a.pairs(&array(&[2]), budget, |a, _| a), None);
    }

    #[test]
    fn no_more_is_made_than_the_budget_allows() {
        let budget = &Budget::new(10);
        assert!(array(&[2, 3]).each(budget, |x| x).is_some());
        assert!(array(&[2, 3]).each(budget, |x| x).is_none());
        assert_eq!(Budget::new(10).take(&[usize::MAX, 2]), None);
    }

    #[test]
    fn places_are_counted_from_either_end() {
        assert_eq!(
            (axis(-1, 3), axis(3, 3), axis(-4, 3)),
            (Some(2), None, None)
        );
        assert_eq!(clip(-1, i64::MAX, 5), 4..5);
        assert_eq!(clip(i64::MIN, 2, 5), 0..2);
        assert_eq!(clip(3, 1, 5), 3..3);
    }
}
