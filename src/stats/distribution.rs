//! Tails of the normal and of Student's distribution, to about twelve digits.

/// Largest number of terms of a series or a continued fraction; both need far fewer where they are used.
const TERMS: u32 = 500;
const PRECISION: f64 = 1e-15;
const TINY: f64 = 1e-300;

/// The probability that a standard normal is at least as far from 0: `erfc(|z| / √2)`.
#[must_use]
pub fn normal_two_sided(z: f64) -> f64 {
    upper_gamma_half(z * z / 2.0)
}

/// The probability that Student's t with `df` degrees of freedom is at least as far from 0: `I_x(df/2, 1/2)` at
/// `x = df / (df + t²)` (Abramowitz and Stegun, 26.5.27 and 26.7.1).
#[must_use]
pub fn student_two_sided(t: f64, df: f64) -> f64 {
    if t.is_infinite() {
        return 0.0;
    }
    beta(df / 2.0, 0.5, df / (df + t * t))
}

/// The probability that a standard normal is at least `z`.
#[must_use]
pub fn normal_above(z: f64) -> f64 {
    above(z, normal_two_sided(z))
}

/// The probability that Student's t with `df` degrees of freedom is at least `t`.
#[must_use]
pub fn student_above(t: f64, df: f64) -> f64 {
    above(t, student_two_sided(t, df))
}

/// The upper tail of a symmetric distribution at `x`, from the probability of both tails.
fn above(x: f64, two_sided: f64) -> f64 {
    if x >= 0.0 { two_sided / 2.0 } else { 1.0 - two_sided / 2.0 }
}

/// The z that a standard normal exceeds with probability `tail`, in (0, 0.5].
#[must_use]
pub fn normal_quantile(tail: f64) -> f64 {
    quantile(tail, 40.0, normal_two_sided)
}

/// The t that Student's t with `df` degrees of freedom exceeds with probability `tail`, in (0, 0.5].
#[must_use]
pub fn student_quantile(tail: f64, df: f64) -> f64 {
    quantile(tail, 1e9, |t| student_two_sided(t, df))
}

/// Where a symmetric distribution has this probability above, by halving up to `most`.
fn quantile(tail: f64, most: f64, two_sided: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, most);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if two_sided(middle) > 2.0 * tail { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// `ln Γ(x)` for x > 0 (Lanczos, with g = 7 and nine terms).
pub(super) fn ln_gamma(x: f64) -> f64 {
    const G: f64 = 7.0;
    const FIRST: f64 = 0.999_999_999_999_809_9;
    const C: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let (sum, _) = C.iter().fold((FIRST, 1.0), |(sum, k), c| (sum + c / (x + k), k + 1.0));
    let t = x + G + 0.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

/// The upper incomplete gamma function `Q(1/2, x)`, which is `erfc(√x)`: by its series below 1.5, by Lentz's continued
/// fraction above.
#[expect(clippy::many_single_char_names, reason = "the names of the formula")]
fn upper_gamma_half(x: f64) -> f64 {
    const A: f64 = 0.5;
    if x <= 0.0 {
        return 1.0;
    }
    let scale = (A * x.ln() - x - ln_gamma(A)).exp();
    if x < A + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / A, 1.0 / A, A);
        while term > sum * PRECISION {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        return 1.0 - sum * scale;
    }
    let mut b = x + 1.0 - A;
    let (mut c, mut d) = (1.0 / TINY, 1.0 / b);
    let mut h = d;
    for i in 1..TERMS {
        let i = f64::from(i);
        let an = -i * (i - A);
        b += 2.0;
        d = 1.0 / (an * d + b);
        c = b + an / c;
        let step = c * d;
        h *= step;
        if (step - 1.0).abs() < PRECISION {
            break;
        }
    }
    h * scale
}

/// The regularised incomplete beta function `I_x(a, b)`, by Lentz's continued fraction (Press and others, Numerical
/// Recipes, 6.4).
#[expect(clippy::many_single_char_names, reason = "the names of the formula")]
fn beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta(b, a, 1.0 - x);
    }
    let scale = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln()).exp();
    let safe = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / safe(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    for m in 1..TERMS {
        let m = f64::from(m);
        let mut step = 1.0;
        for numerator in [
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        ] {
            d = 1.0 / safe(1.0 + numerator * d);
            c = safe(1.0 + numerator / c);
            step = c * d;
            h *= step;
        }
        if (step - 1.0).abs() < PRECISION {
            break;
        }
    }
    scale * h / a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_the_tables() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        close(normal_two_sided(0.0), 1.0);
        close(normal_two_sided(1.959_963_984_540_054), 0.05);
        close(normal_two_sided(-1.0), 0.317_310_507_862_914_1);
        close(normal_quantile(0.025), 1.959_963_984_540_054);
        close(normal_above(1.0), 0.158_655_253_931_457_05);
        close(normal_above(-1.0), 1.0 - 0.158_655_253_931_457_05);
        close(student_above(0.0, 3.0), 0.5);
        close(student_above(-1.0, 1.0), 0.75);
        close(student_quantile(0.025, 7.0), 2.364_624_251_592_784);
        close(student_quantile(0.5, 7.0), 0.0);
        // With one degree of freedom t has the Cauchy distribution.
        close(student_two_sided(1.0, 1.0), 0.5);
        close(student_two_sided(2.364_624_251_592_784, 7.0), 0.05);
        close(student_two_sided(0.0, 7.0), 1.0);
        close(student_two_sided(f64::INFINITY, 7.0), 0.0);
    }
}
