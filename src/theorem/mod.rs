//! What follows from a claim: how far (stochastic) gradient descent `w_{t+1} = w_t - eta s_t` brings `g` down.
//!
//! `s_t` is `grad f(w_t)`, or the gradient on a random batch, whose expectation given `w_t` it is. The
//! derivation stands at each [`Theorem`]; [`Bound`] is its conclusion in numbers. With random batches every
//! `g(w_t)`, `h(w_t, v)` and `f(w_T)` of a conclusion stands for its expectation, `w_0` being given.

use dashu_ratio::RBig;

/// A guarantee for the iterates, after Frei and Gu 2021.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theorem {
    /// Proxy convexity and `||grad f(w_t)|| <= G` at the iterates.
    ///
    /// ```text
    /// ||w_{t+1} - v||^2 = ||w_t - v||^2 - 2 eta <grad f(w_t), w_t - v> + eta^2 ||grad f(w_t)||^2
    ///                  <= ||w_t - v||^2 - 2 eta (g(w_t) - h(w_t, v)) + eta^2 G^2.
    /// ```
    /// Summed over t < T, with `||w_T - v||^2 >= 0` and `D = ||w_0 - v||`, and divided by `2 eta T`: the mean of
    /// `g(w_t) - h(w_t, v)` is at most `D^2/(2 eta T) + eta G^2/2`, and so is the least. With batches the
    /// middle term has the expectation `-2 eta <grad f(w_t), w_t - v>` and the last needs
    /// `E ||s_t||^2 <= G^2`, for which it suffices that the mean of `||grad f_i||^2` over the examples is at most
    /// `G^2`; the least of the expectations is at least the expectation of the least.
    BoundedGradient,
    /// Proxy convexity, `||grad f(w)||^2 <= L g(w)` and `eta L < 2`.
    ///
    /// The last term above is at most `eta^2 L g(w_t)`: the mean of `(1 - eta L/2) g(w_t) - h(w_t, v)` is at most
    /// `D^2/(2 eta T)`. Where `h` does not depend on `w`, divide by `1 - eta L/2 > 0`. Batches need
    /// `E ||s_t||^2 <= L g(w_t)`; again the mean of `||grad f_i||^2` suffices.
    ProxySmooth,
    /// Proxy PL, `f(v) <= f(w) + <grad f(w), v - w> + (L/2) ||v - w||^2` (an `L`-Lipschitz gradient on a convex set
    /// gives it), `f >= f_inf`, `eta L < 2`, `mu > 0`.
    ///
    /// With `v = w_{t+1}` the descent lemma is
    /// `f(w_{t+1}) <= f(w_t) - eta (1 - eta L/2) ||grad f(w_t)||^2`; summed over t < T: the least of
    /// `||grad f(w_t)||^2` is at most `R = (f(w_0) - f_inf)/(eta (1 - eta L/2) T)`. At that iterate
    /// `(mu/2)(g - xi) <= ||grad f||^alpha <= R^(alpha/2)`. With batches of variance
    /// `E ||s_t - grad f(w_t)||^2 <= sigma^2` the lemma reads
    /// `E f(w_{t+1}) <= f(w_t) - eta (1 - eta L/2) ||grad f(w_t)||^2 + L eta^2 sigma^2/2`, which adds
    /// `L eta sigma^2/(2 - eta L)` to R; `E ||grad f||^alpha <= (E ||grad f||^2)^(alpha/2)` needs `alpha <= 2`.
    ProxyPl,
    /// The same with `g = f` and `alpha = 2`: a linear rate.
    ///
    /// With `r = 1 - eta (1 - eta L/2) mu/2` the lemma and the claim give
    /// `f(w_{t+1}) - xi <= r (f(w_t) - xi)`, so that `f(w_T) - xi <= r^T (f(w_0) - xi)` where `r >= 0`. The claim
    /// `pl` with its `mu` is proxy PL with `4 mu`. Batches add `L eta^2 sigma^2/2` at each step:
    /// `(1 - r^T)/(1 - r)` times that in all.
    LinearRate,
}

impl Theorem {
    /// Every theorem: name in the case, constants that it needs.
    pub const TABLE: [(Theorem, &'static str, &'static [&'static str]); 4] = [
        (Theorem::BoundedGradient, "bounded_gradient", &["G"]),
        (Theorem::ProxySmooth, "proxy_smooth", &["L"]),
        (Theorem::ProxyPl, "proxy_pl", &["L", "f_inf"]),
        (Theorem::LinearRate, "linear_rate", &["L"]),
    ];

    /// The constant that batches need besides, with these theorems.
    pub const SIGMA: &'static str = "sigma";

    /// Name in the case.
    pub fn name(self) -> &'static str {
        Self::TABLE[self as usize].1
    }

    /// The constants that the case gives with it.
    pub fn constants(self, batches: bool) -> Vec<&'static str> {
        let mut names = Self::TABLE[self as usize].2.to_vec();
        if batches && self.needs_smoothness() {
            names.push(Self::SIGMA);
        }
        names
    }

    /// Whether it rests on the descent lemma: on the smoothness of `f`, and on proxy PL.
    pub fn needs_smoothness(self) -> bool {
        match self {
            Theorem::BoundedGradient | Theorem::ProxySmooth => false,
            Theorem::ProxyPl | Theorem::LinearRate => true,
        }
    }

    /// The conclusion: Unicode and LaTeX. `moving` where `h` depends on `w`.
    pub fn conclusion(self, batches: bool, moving: bool) -> (String, String) {
        let (expected, expected_latex) = if batches {
            ("E ", r"\mathbb{E}\,")
        } else {
            ("", "")
        };
        let (noise, noise_latex, sum, sum_latex) = if batches && self.needs_smoothness() {
            (
                " + Lησ²/(2 − ηL)",
                r"+\frac{L\eta\sigma^2}{2-\eta L}",
                " + (Lη²σ²/2)·(1 − rᵀ)/(1 − r)",
                r"+\frac{L\eta^2\sigma^2}{2}\cdot\frac{1-r^T}{1-r}",
            )
        } else {
            ("", "", "", "")
        };
        let (words, latex) = match (self, moving) {
            (Theorem::BoundedGradient, false) => (
                format!("min over t < T of {expected}g(w_t) ≤ h(v) + D²/(2ηT) + ηG²/2, D = ‖w₀ − v‖"),
                format!(
                    r"\min_{{t<T}}{expected_latex}g(w_t)\le h(v)+\frac{{\|w_0-v\|^2}}{{2\eta T}}+\frac{{\eta G^2}}{{2}}"
                ),
            ),
            (Theorem::BoundedGradient, true) => (
                format!("min over t < T of {expected}(g(w_t) − h(w_t, v)) ≤ D²/(2ηT) + ηG²/2, D = ‖w₀ − v‖"),
                format!(
                    r"\min_{{t<T}}{expected_latex}\bigl(g(w_t)-h(w_t,v)\bigr)\le \frac{{\|w_0-v\|^2}}{{2\eta T}}+\frac{{\eta G^2}}{{2}}"
                ),
            ),
            (Theorem::ProxySmooth, false) => (
                format!("min over t < T of {expected}g(w_t) ≤ (h(v) + D²/(2ηT))/(1 − ηL/2), D = ‖w₀ − v‖"),
                format!(
                    r"\min_{{t<T}}{expected_latex}g(w_t)\le \frac{{1}}{{1-\eta L/2}}\Bigl(h(v)+\frac{{\|w_0-v\|^2}}{{2\eta T}}\Bigr)"
                ),
            ),
            (Theorem::ProxySmooth, true) => (
                format!(
                    "min over t < T of {expected}((1 − ηL/2)·g(w_t) − h(w_t, v)) ≤ D²/(2ηT), D = ‖w₀ − v‖"
                ),
                format!(
                    r"\min_{{t<T}}{expected_latex}\bigl((1-\eta L/2)g(w_t)-h(w_t,v)\bigr)\le \frac{{\|w_0-v\|^2}}{{2\eta T}}"
                ),
            ),
            (Theorem::ProxyPl, _) => (
                format!(
                    "min over t < T of {expected}g(w_t) ≤ ξ + (2/μ)·((f(w₀) − f_inf)/(η(1 − ηL/2)T){noise})^(α/2)"
                ),
                format!(
                    r"\min_{{t<T}}{expected_latex}g(w_t)\le \xi+\frac{{2}}{{\mu}}\Bigl(\frac{{f(w_0)-f_{{\inf}}}}{{\eta(1-\eta L/2)T}}{noise_latex}\Bigr)^{{\alpha/2}}"
                ),
            ),
            (Theorem::LinearRate, _) => (
                format!("{expected}f(w_T) − ξ ≤ rᵀ·(f(w₀) − ξ){sum}, r = 1 − η(1 − ηL/2)μ/2"),
                format!(
                    r"{expected_latex}f(w_T)-\xi\le r^T(f(w_0)-\xi){sum_latex},\quad r=1-\eta(1-\eta L/2)\tfrac{{\mu}}{{2}}"
                ),
            ),
        };
        (words, latex)
    }

    /// How a tolerance `d` enters the conclusion, without batches, where claim and hypotheses are shown with `d` on
    /// their larger side only. It is the same derivation with `||grad f|| <= G + d`, `||grad f||^2 <= L g + d`, `d`
    /// more at each step of the descent lemma, `f >= f_inf - d` and `(mu/2)(g - xi) <= ||grad f||^alpha + d`.
    pub fn with_tolerance(self, moving: bool) -> &'static str {
        match (self, moving) {
            (Theorem::BoundedGradient, _) => "η(G + d)²/2 + d stands for ηG²/2",
            (Theorem::ProxySmooth, false) => "(1 + η/2)·d is added to h(v)",
            (Theorem::ProxySmooth, true) => "(1 + η/2)·d is added to the right side",
            (Theorem::ProxyPl, _) => "(T + 1)·d is added to f(w₀) − f_inf, and 2d/μ to the right side",
            (Theorem::LinearRate, _) => "(1 + η(1 − ηL/2))·d·(1 − rᵀ)/(1 − r) is added to the right side",
        }
    }
}

/// What a theorem says of a number that lies in an interval: both ends, equal where it is exact.
pub type Range = [RBig; 2];

/// The conditions on the constants: what is wrong, where something is. `constants` are those of the case, and
/// `mu`, `alpha` of the claim where the theorem needs them; a condition counts as met only for the whole range.
///
/// # Errors
/// A sentence.
pub fn conditions(
    theorem: Theorem,
    batches: bool,
    eta: &RBig,
    constant: impl Fn(&str) -> Option<Range>,
) -> Result<(), String> {
    let zero = RBig::ZERO;
    let two = RBig::from(2);
    if *eta <= zero {
        return Err("the step is not above 0".to_owned());
    }
    let of = |name: &str| constant(name).ok_or_else(|| format!("the theorem needs `{name}`"));
    if theorem == Theorem::BoundedGradient {
        return match of("G")? {
            [low, _] if low >= zero => Ok(()),
            _ => Err("`G` is negative".to_owned()),
        };
    }
    let [low, high] = of("L")?;
    if low <= zero {
        return Err("`L` is not above 0".to_owned());
    }
    let product = eta * &high;
    if product >= two {
        return Err(format!(
            "step * L is {}, and the theorem needs it below 2",
            product.to_f64().value()
        ));
    }
    if !theorem.needs_smoothness() {
        return Ok(());
    }
    let [mu, mu_high] = of("mu")?;
    if mu <= zero {
        return Err("`mu` of the claim is not above 0".to_owned());
    }
    let [alpha, alpha_high] = of("alpha")?;
    if alpha <= zero {
        return Err("`alpha` of the claim is not above 0".to_owned());
    }
    if batches {
        if alpha_high > two {
            return Err("with batches the theorem needs an `alpha` of at most 2".to_owned());
        }
        if of(Theorem::SIGMA)?[0] < zero {
            return Err("`sigma` is negative".to_owned());
        }
    }
    if theorem == Theorem::LinearRate {
        if alpha != two || alpha_high != two {
            return Err("the linear rate needs `alpha` = 2".to_owned());
        }
        let gain = eta * (RBig::ONE - eta * low / &two) * mu_high / &two;
        if gain > RBig::ONE {
            return Err(format!(
                "step * (1 - step L/2) * mu/2 is {}, and the theorem needs it at most 1",
                gain.to_f64().value()
            ));
        }
    }
    Ok(())
}

/// The conclusion of a theorem in binary64.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// which theorem
    pub theorem: Theorem,
    /// step size
    pub eta: f64,
    /// `G` or `L`
    pub constant: f64,
    /// lower bound of `f`; `proxy_pl` only
    pub f_inf: f64,
    /// `xi`, `alpha` and `mu` of proxy PL
    pub pl: [f64; 3],
    /// bound on the standard deviation of a batch's gradient; 0 for the whole gradient
    pub sigma: f64,
}

/// Where a trajectory starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Start {
    /// `||w_0 - v||`; 0 where there is no `v`
    pub distance: f64,
    /// `f(w_0)`
    pub f: f64,
    /// `h(v)`; 0 where it depends on `w`, or there is none
    pub h: f64,
}

impl Bound {
    /// What the conclusion says after `horizon` steps: of the least `g` for all but the linear rate, of `f(w_T)`
    /// for that. With a `moving` h: of the least `g - h` or `(1 - eta L/2) g - h`.
    pub fn at(&self, horizon: f64, start: &Start, moving: bool) -> f64 {
        let Bound {
            eta, constant, sigma, ..
        } = *self;
        let [xi, alpha, mu] = self.pl;
        let travelled = start.distance * start.distance / (2.0 * eta * horizon);
        let damping = 1.0 - eta * constant / 2.0;
        match self.theorem {
            Theorem::BoundedGradient => start.h + travelled + eta * constant * constant / 2.0,
            Theorem::ProxySmooth if moving => travelled,
            Theorem::ProxySmooth => (start.h + travelled) / damping,
            Theorem::ProxyPl => {
                let descended = (start.f - self.f_inf) / (eta * damping * horizon);
                let noise = constant * eta * sigma * sigma / (2.0 * damping);
                // an f below f_inf is caught as a hypothesis, not as a root of a negative number
                xi + 2.0 / mu * libm::pow((descended + noise).max(0.0), alpha / 2.0)
            }
            Theorem::LinearRate => {
                let gain = eta * damping * mu / 2.0;
                let rate = libm::pow(1.0 - gain, horizon);
                let noise = constant * eta * eta * sigma * sigma / 2.0;
                xi + rate * (start.f - xi) + noise * (1.0 - rate) / gain
            }
        }
    }

    /// What the bound is about, at one iterate, from `g` and `h` there.
    pub fn quantity(&self, g: f64, h: f64, moving: bool) -> f64 {
        match self.theorem {
            Theorem::BoundedGradient if moving => g - h,
            Theorem::ProxySmooth if moving => (1.0 - self.eta * self.constant / 2.0) * g - h,
            Theorem::BoundedGradient | Theorem::ProxySmooth | Theorem::ProxyPl | Theorem::LinearRate => g,
        }
    }
}
