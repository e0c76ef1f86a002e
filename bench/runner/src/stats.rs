//! Median and quartiles.

/// The middle of some samples and the half of them around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// The quartiles of `samples`, interpolated between neighbours; `None` if there are none.
    pub(crate) fn of(samples: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let quantile = |quarters: usize| {
            let place = last * quarters;
            let (below, part) = (place / 4, place % 4);
            let above = (below + usize::from(part > 0)).min(last);
            sorted[below] + (sorted[above] - sorted[below]) * (part as f64 / 4.0)
        };
        Some(Self { low: quantile(1), median: quantile(2), high: quantile(3) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_of_a_few() {
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([7.0]), Some(Spread { low: 7.0, median: 7.0, high: 7.0 }));
        assert_eq!(Spread::of([2.0, 1.0]), Some(Spread { low: 1.25, median: 1.5, high: 1.75 }));
        assert_eq!(
            Spread::of([5.0, 3.0, 1.0, 2.0, 4.0]),
            Some(Spread { low: 2.0, median: 3.0, high: 4.0 })
        );
    }
}
