"""Makes tests/data/stats.json, the vectors that tests/pure/stats_golden.rs holds tickgate's statistics against.

usage: pip install scipy==1.17.1 (in an environment of its own); python tests/python/stats_golden.py > tests/data/stats.json
"""

import itertools
import json
import sys

import numpy as np
import scipy
from scipy import stats

ALPHA = 0.05


def exact_p(d, alternative="two-sided"):
    """The p of the signed-rank test by SciPy; ties by SciPy's own enumeration of all signs."""
    kept = d[d != 0]
    if len(kept) == 0:
        return 1.0
    ties = len(set(np.abs(kept))) < len(kept)
    method = stats.PermutationMethod(n_resamples=np.inf) if ties else "exact"
    return float(stats.wilcoxon(kept, zero_method="wilcox", method=method, alternative=alternative).pvalue)


def approximate_p(d, alternative="two-sided"):
    return float(
        stats.wilcoxon(d, zero_method="wilcox", method="asymptotic", correction=True, alternative=alternative).pvalue
    )


def interval(d, alpha):
    """The shifts that SciPy's test does not reject: it changes its mind only at a mean of two differences."""
    means = np.unique([(a + b) / 2 for a, b in itertools.combinations_with_replacement(d, 2)])
    inside = (means[:-1] + means[1:]) / 2
    kept = [i for i, at in enumerate(inside) if stats.wilcoxon(d - at, method="exact").pvalue > alpha]
    outside = stats.wilcoxon(d - (means[0] - 1), method="exact").pvalue > alpha
    return None if outside or not kept else [float(means[kept[0]]), float(means[kept[-1] + 1])]


def paired(d):
    t = stats.ttest_rel(d, np.zeros(len(d)))
    return {"t": float(t.statistic), "p": float(t.pvalue)}


def case(name, d, approximate=False):
    d = np.round(np.asarray(d, dtype=float), 9)
    out = {"name": name, "d": d.tolist(), "t": paired(d)}
    if approximate:
        out["p"], out["above"] = approximate_p(d), approximate_p(d, "greater")
    else:
        out["p"], out["above"] = exact_p(d), exact_p(d, "greater")
    means = [(a + b) / 2 for a, b in itertools.combinations_with_replacement(d, 2)]
    out["estimate"] = float(np.median(means))
    if not approximate and len(set(np.abs(d))) == len(d) and 0 not in d:
        out["interval_95"] = interval(d, ALPHA)
        out["interval_90"] = interval(d, 2 * ALPHA)
    return out


def trend(values):
    tau = stats.kendalltau(range(len(values)), values, method="asymptotic")
    return {"values": values, "p": float(tau.pvalue)}


def tails():
    for n in [1, 7, 299, 2995, 100_000, 36_000_000]:
        for p in [0.0001, 0.001, 0.01, 0.5, 0.99]:
            for share in [0, 0.5, 0.95, 1, 1.05, 2]:
                k = min(n, round(n * p * share))
                at_most, at_least = float(stats.binom.cdf(k, n, p)), float(stats.binom.sf(k - 1, n, p))
                yield {"k": k, "n": n, "p": p, "at_most": at_most, "at_least": at_least}


def quantiles():
    for tail in [0.5, 0.2, 0.1, 0.025, 0.001]:
        for df in [1, 2, 4, 9, 19, 60]:
            yield {"tail": tail, "df": df, "t": float(stats.t.isf(tail, df)), "z": float(stats.norm.isf(tail))}


def layout(random, sizes, between):
    """One-way layouts: F by SciPy, the components from the expected mean squares by their definition."""
    groups = [np.round(random.normal(random.normal(0, between), 1, size), 6) for size in sizes]
    n, k = sum(sizes), len(sizes)
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / (n - k)
    f = float(stats.f_oneway(*groups).statistic)
    typical = (n - sum(size**2 for size in sizes) / n) / (k - 1)
    return {
        "groups": [g.tolist() for g in groups],
        "f": f,
        "within": float(within),
        "between": float(max(0.0, (f - 1) * within / typical)),
    }


def energy(x, y):
    """The energy distance of two samples by its definition (Matteson and James 2014, 2.5), times their sizes."""
    n, m = len(x), len(y)
    across = 2 / (n * m) * np.abs(x[:, None] - y[None, :]).sum()
    own = lambda v: 2 / (len(v) * (len(v) - 1)) * sum(abs(a - b) for a, b in itertools.combinations(v, 2)) if len(v) > 1 else 0.0
    return n * m / (n + m) * (across - own(x) - own(y))


def change(random, length, at, step):
    """A series with one change: the best split by brute force, and the t test there by SciPy."""
    series = random.normal(0, 1, length)
    series[at:] += step
    series = np.round(series, 6)
    best = max(((tau, kappa) for tau in range(1, length) for kappa in range(tau + 1, length + 1)),
               key=lambda s: energy(series[: s[0]], series[s[0] : s[1]]))
    found = best[0]
    t = stats.ttest_ind(series[:found], series[found:])
    return {"series": series.tolist(), "at": found, "p": float(t.pvalue)}


def main():
    random = np.random.default_rng(20261124)
    cases = []
    for n in [2, 5, 6, 7, 8, 9, 12, 16, 20, 25]:
        cases.append(case(f"null of {n}", random.normal(0, 1, n)))
        cases.append(case(f"shifted, {n}", random.normal(0.8, 1, n)))
    for n in [8, 9, 12]:
        cases.append(case(f"ties of {n}", random.integers(-3, 5, n)))
        cases.append(case(f"zeros and ties of {n}", np.append(random.integers(-2, 4, n - 2), [0, 0])))
    for n in [26, 40, 120]:
        cases.append(case(f"large, {n}", random.normal(0.2, 1, n), approximate=True))
        cases.append(case(f"large with ties, {n + 12}", random.integers(-4, 6, n + 12), approximate=True))
    trends = [trend(np.round(random.normal(0, 1, n) + slope * np.arange(n), 3).tolist()) for n in [8, 15, 40] for slope in [0, 0.1]]
    trends.append(trend([1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 2.0, 5.0]))
    layouts = [layout(random, sizes, between) for sizes in [[3] * 5, [3] * 12, [3, 3, 2, 3, 5]] for between in [0, 0.8, 2]]
    changes = [change(random, *of) for of in [(20, 10, 4), (40, 12, 3), (45, 33, -3)]]
    json.dump(
        {
            "scipy": scipy.__version__,
            "cases": cases,
            "trends": trends,
            "tails": list(tails()),
            "quantiles": list(quantiles()),
            "layouts": layouts,
            "changes": changes,
        },
        sys.stdout,
        indent=1,
    )
    print()


main()
