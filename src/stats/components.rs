//! Components of variance: how much of the spread lies between groups, and how much within them.

use crate::num;

/// The components of a one-way layout with random groups, by the method of moments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Components {
    /// Variance within groups.
    pub within: f64,
    /// Variance between groups; 0 where the groups differ no more than their own spread explains.
    pub between: f64,
    /// Degrees of freedom within groups.
    pub df_within: f64,
    /// Degrees of freedom between groups.
    pub df_between: f64,
    /// Mean square between over mean square within.
    pub f: f64,
}

/// Estimates the components from the expected mean squares (Searle and others, Variance Components 1992, 3.6);
/// groups may differ in size. `None` for fewer than two groups, or where no group has a second value.
#[must_use]
pub fn components(groups: &[Vec<f64>]) -> Option<Components> {
    let groups: Vec<&Vec<f64>> = groups.iter().filter(|group| !group.is_empty()).collect();
    let size = |group: &[f64]| num::f64_of(num::count(group.len()));
    let mean = |group: &[f64]| group.iter().sum::<f64>() / size(group);
    let count = num::f64_of(num::count(groups.len()));
    let all: f64 = groups.iter().map(|group| size(group)).sum();
    let (df_between, df_within) = (count - 1.0, all - count);
    if df_between < 1.0 || df_within < 1.0 {
        return None;
    }
    let grand = groups.iter().map(|group| group.iter().sum::<f64>()).sum::<f64>() / all;
    let squares = |values: &[f64], at: f64| values.iter().map(|value| (value - at).powi(2)).sum::<f64>();
    let within = groups.iter().map(|group| squares(group, mean(group))).sum::<f64>() / df_within;
    let between =
        groups.iter().map(|group| size(group) * (mean(group) - grand).powi(2)).sum::<f64>() / df_between;
    let typical = (all - groups.iter().map(|group| size(group).powi(2)).sum::<f64>() / all) / df_between;
    Some(Components {
        within,
        between: ((between - within) / typical).max(0.0),
        df_within,
        df_between,
        f: between / within,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_groups_have_nothing_between_and_equal_values_nothing_within() {
        let same = components(&[vec![1.0, 3.0], vec![3.0, 1.0], vec![1.0, 3.0]]).unwrap();
        assert!((same.within - 2.0).abs() < 1e-12 && same.between.abs() < 1e-12, "{same:?}");
        let apart = components(&[vec![1.0, 1.0], vec![3.0, 3.0]]).unwrap();
        // The mean square between is 2 · 2 = 4 with two values each: half of it.
        assert!(apart.within.abs() < 1e-12 && (apart.between - 2.0).abs() < 1e-12, "{apart:?}");
        assert!(components(&[vec![1.0, 2.0]]).is_none() && components(&[vec![1.0], vec![2.0]]).is_none());
        assert!(components(&[vec![1.0, 2.0], vec![]]).is_none());
    }
}
