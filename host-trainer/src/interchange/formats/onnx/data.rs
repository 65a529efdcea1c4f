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
        let mut rest = old.iter().copied().filter(is_longer);
        let mut axes = Vec::new();
        let open = |whole: &Whole| matches!(whole, Whole::Known(-1));
        // What -1 stands for: a longer axis, unless all of them have another place.
        let longer = old.iter().filter(|axis| is_longer(axis)).count();
        let told = shape.iter().enumerate().filter(|(at, whole)| match whole {
            Whole::Known(0) if copies_zeros => old.get(*at).is_some_and(is_longer),
            Whole::Known(n) => *n > 1,
            _ => true,
        });
        let told = told.count();
        for (at, whole) in shape.iter().enumerate() {
            axes.push(match whole {
                Whole::Known(0) if copies_zeros => {
                    let axis = *old.get(at)?;
                    match is_longer(&axis) {
                        true => rest.next().filter(|next| *next == axis)?,
                        false => axis,
                    }
                }
                Whole::Known(1) => Axis::One,
                whole if open(whole) => match told < longer {
                    true => rest.next()?,
                    false => Axis::One,
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
                            Axis::One => next,
                        },
                    }
                }
                Whole::Input(place) => {
                    let fits = |next: &Axis| matches!(next, Axis::Input(p, _) if p == place);
                    rest.next().filter(fits)?
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
        let unknown = [Whole::Input(1), Whole::Known(1), Whole::Known(6)];
        assert!(axes.reshaped(&unknown, true).is_some());
        assert!(
            axes.reshaped(&[Whole::Input(0), Whole::Known(6)], true)
                .is_none()
        );
    }
}
