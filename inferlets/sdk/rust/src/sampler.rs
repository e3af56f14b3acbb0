//! How the next token is picked.

use crate::Json;

/// Build one with the functions; `seed` makes its draws repeatable.
#[derive(Clone, Debug, Default)]
pub struct Sampler {
    temperature: f64,
    top_p: Option<f64>,
    top_k: i64,
    min_p: f64,
    seed: Option<i64>,
}

impl Sampler {
    /// Always the most probable token.
    pub fn argmax() -> Sampler {
        Sampler::default()
    }

    /// Nucleus: the most probable tokens that together have probability `p`.
    pub fn top_p(temperature: f64, p: f64) -> Sampler {
        Sampler { temperature, top_p: Some(p), ..Sampler::default() }
    }

    /// The `k` most probable tokens.
    pub fn top_k(temperature: f64, k: u32) -> Sampler {
        Sampler { temperature, top_k: i64::from(k), ..Sampler::default() }
    }

    /// Tokens with at least `p` times the probability of the best one.
    pub fn min_p(temperature: f64, p: f64) -> Sampler {
        Sampler { temperature, min_p: p, ..Sampler::default() }
    }

    /// The whole distribution at a temperature.
    pub fn multinomial(temperature: f64) -> Sampler {
        Sampler { temperature, ..Sampler::default() }
    }

    /// The same with repeatable draws.
    pub fn seed(mut self, seed: i64) -> Sampler {
        self.seed = Some(seed);
        self
    }

    pub(crate) fn to_json(&self) -> Json {
        Json::object([
            ("temperature", self.temperature.into()),
            ("top_p", self.top_p.unwrap_or(1.0).into()),
            ("top_k", self.top_k.into()),
            ("min_p", self.min_p.into()),
            ("seed", self.seed.into()),
        ])
    }
}
