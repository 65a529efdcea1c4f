//! What a graph's values are on their way from the input to the answer: which axis is what, and how shapes change
//! without a change of numbers.

use super::array::{Whole, Wholes};

/// An axis of what is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    /// Of one number. All these are alike.
    One,
    /// An axis of the graph's input before the last, by its place there: the series, or their steps.
    Input(usize, Option<usize>),
    /// Two of these axes after each other: every step of every series.
    Both([(usize, Option<usize>); 2]),
    /// The numbers of a step.
    Features(Option<usize>),
}

impl Axis {
    pub(super) fn features(n: usize) -> Self {
        match n {
            1 => Self::One,
            n => Self::Features(Some(n)),
        }
    }

    /// Its length, if it is known.
    pub(super) fn length(self) -> Option<usize> {
        match self {
            Self::One => Some(1),
            Self::Input(_, length) | Self::Features(length) => length,
            Self::Both([(_, a), (_, b)]) => a?.checked_mul(b?),
        }
    }

    /// As a shape has it.
    pub(super) fn whole(self) -> Whole {
        match (self.length(), self) {
            (Some(n), _) => i64::try_from(n).map_or(Whole::Unknown, Whole::Known),
            (None, Self::Input(place, _)) => Whole::Input(place),
            (None, _) => Whole::Unknown,
        }
    }
}

/// The axes of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Axes(pub(super) Vec<Axis>);

impl Axes {
    /// For people; what is not known is a question mark.
    pub(super) fn told(&self) -> String {
        let length = |axis: &Axis| axis.length().map_or("?".to_owned(), |n| n.to_string());
        let lengths: Vec<String> = self.0.iter().map(length).collect();
        format!("[{}]", lengths.join(", "))
    }

    /// The place of the numbers of a step; the last axis of one number where a step has one.
    pub(super) fn features(&self) -> Option<usize> {
        let features = |axis: &Axis| matches!(axis, Axis::Features(_));
        let longer = self.0.iter().position(features);
        longer.or(self.0.iter().rposition(|axis| *axis == Axis::One))
    }

    pub(super) fn shape(&self) -> Wholes {
        Wholes::list(self.0.iter().map(|axis| axis.whole()).collect())
    }

    /// Axis i becomes what was axis `order[i]`.
    pub(super) fn transposed(&self, order: &[usize]) -> Option<Self> {
        let is_order = (0..self.0.len()).all(|axis| order.contains(&axis));
        let axes = order.iter().map(|&at| self.0.get(at).copied());
        let fits = is_order && order.len() == self.0.len();
        fits.then(|| axes.collect::<Option<_>>().map(Self))
            .flatten()
    }

    /// The axes that a Reshape to `shape` gives, if it moves no number from one axis to another: all longer axes are
    /// there in their order.
    pub(super) fn reshaped(&self, shape: &[Whole], copies_zeros: bool) -> Option<Self> {
        let old: Vec<Axis> = self.0.clone();
        let is_longer = |axis: &Axis| *axis != Axis::One;
        // Two axes that an earlier one put after each other may become two again.
        let parts = old.iter().flat_map(|axis| match *axis {
            Axis::Both(both) => both
                .map(|(place, length)| Axis::Input(place, length))
                .to_vec(),
            axis => vec![axis],
        });
        let parts: Vec<Axis> = parts.filter(is_longer).collect();
        let longer = parts.len();
        let mut rest = parts.into_iter();
        let mut axes = Vec::new();
        let open = |whole: &Whole| matches!(whole, Whole::Known(-1));
        // What -1 stands for: a longer axis, unless all of them have another place.
        let told = shape.iter().enumerate().filter(|(at, whole)| match whole {
            Whole::Known(0) if copies_zeros => old.get(*at).is_some_and(is_longer),
            Whole::Known(n) => *n > 1,
            _ => true,
        });
        let told = told.count();
        let both = |a: Axis, b: Option<Axis>| match (a, b) {
            (Axis::Input(a, n), Some(Axis::Input(b, m))) => Some(Axis::Both([(a, n), (b, m)])),
            _ => None,
        };
        for (at, whole) in shape.iter().enumerate() {
            axes.push(match whole {
                Whole::Known(0) if copies_zeros => {
                    let axis = *old.get(at)?;
                    match axis {
                        Axis::One => axis,
                        Axis::Both(_) => {
                            let first = rest.next()?;
                            both(first, rest.next()).filter(|both| *both == axis)?
                        }
                        _ => rest.next().filter(|next| *next == axis)?,
                    }
                }
                Whole::Known(1) => Axis::One,
                whole if open(whole) => match longer.checked_sub(told) {
                    None | Some(0) => Axis::One,
                    Some(1) => rest.next()?,
                    Some(_) => {
                        let first = rest.next()?;
                        both(first, rest.next())?
                    }
                },
                Whole::Known(n) => {
                    let next = rest.next()?;
                    let n = usize::try_from(*n).ok()?;
                    match next.length() {
                        Some(length) if length != n => return None,
                        Some(_) => next,
                        None => match next {
                            Axis::Features(_) => Axis::Features(Some(n)),
                            Axis::Input(place, _) => Axis::Input(place, Some(n)),
                            Axis::One | Axis::Both(_) => next,
                        },
                    }
                }
                Whole::Input(place) => {
                    let fits = |next: &Axis| matches!(next, Axis::Input(p, _) if p == place);
                    rest.next().filter(fits)?
                }
                // The product of two lengths, where there is one axis more than the shape has.
                Whole::Unknown if longer == told + 1 && !shape.iter().any(open) => {
                    let first = rest.next()?;
                    both(first, rest.next())?
                }
                Whole::Unknown => rest.next()?,
            });
        }
        rest.next().is_none().then_some(Self(axes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reshape_moves_no_number() {
        let (batch, steps, features) = (Axis::One, Axis::Input(1, Some(100)), Axis::features(6));
        let axes = Axes(vec![batch, steps, features]);
        let shape = |shape: &[i64]| shape.iter().copied().map(Whole::Known).collect::<Vec<_>>();
        let to = |to: &[i64]| axes.reshaped(&shape(to), true);
        assert_eq!(to(&[100, 1, 6]), Some(Axes(vec![steps, batch, features])));
        assert_eq!(to(&[-1, 6]), Some(Axes(vec![steps, features])));
        assert_eq!(to(&[0, 0, 6]), Some(axes.clone()));
        assert_eq!(to(&[6, 100]), None);
        assert_eq!(to(&[600]), None);
        assert_eq!(to(&[50, 2, 6]), None);
        assert_eq!(axes.told(), "[1, 100, 6]");
        let unknown = [Whole::Input(1), Whole::Known(1), Whole::Known(6)];
        assert!(axes.reshaped(&unknown, true).is_some());
        assert!(
            axes.reshaped(&[Whole::Input(0), Whole::Known(6)], true)
                .is_none()
        );
    }

    /// As Keras exports a Dense at each step.
    #[test]
    fn series_and_steps_stand_behind_each_other_and_become_two_again() {
        let axes = |features| {
            let [series, steps] = [Axis::Input(0, None), Axis::Input(1, None)];
            Axes(vec![series, steps, Axis::features(features)])
        };
        let both = Axis::Both([(0, None), (1, None)]);
        for flat in [Whole::Known(-1), Whole::Unknown] {
            let flat = axes(5).reshaped(&[flat, Whole::Known(5)], true);
            assert_eq!(flat, Some(Axes(vec![both, Axis::features(5)])));
        }
        let flat = Axes(vec![both, Axis::features(2)]);
        let to = |shape: &[Whole]| flat.reshaped(shape, true);
        let [series, steps] = [Whole::Input(0), Whole::Input(1)];
        assert_eq!(to(&[series, steps, Whole::Known(2)]), Some(axes(2)));
        assert_eq!(
            to(&[series, Whole::Known(-1), Whole::Known(2)]),
            Some(axes(2))
        );
        assert_eq!(to(&[Whole::Known(0), Whole::Known(2)]), Some(flat.clone()));
        // The series are not the steps.
        assert_eq!(to(&[steps, series, Whole::Known(2)]), None);
        assert_eq!(axes(5).reshaped(&[Whole::Known(-1)], true), None);
        assert_eq!(flat.told(), "[?, 2]");
    }
}
