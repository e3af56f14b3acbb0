//! The models of the server and their tokenizers.

use crate::operation::control;
use crate::{runtime, Error, Json, Result};

/// One model that the server has loaded.
#[derive(Clone, Debug)]
pub struct Model {
    pub name: String,
    pub architecture: String,
    pub vocab_size: u32,
    /// Tokens in one KV page.
    pub page_size: u32,
    pub max_context_tokens: u32,
    /// Tokens that end a turn.
    pub eos_tokens: Vec<u32>,
}

impl Model {
    /// The server's first model.
    #[track_caller]
    pub fn first() -> Result<Model> {
        match runtime::models()?.first() {
            Some(name) => Model::load(name),
            None => Err(Error::new("unknown_model", "the server has no model")),
        }
    }

    /// The model called `name`.
    ///
    /// # Errors
    /// "unknown_model" if there is none.
    #[track_caller]
    pub fn load(name: &str) -> Result<Model> {
        let info = control("model.info", [("model", name.into())])?;
        Ok(Model {
            name: info["name"].as_str()?.to_string(),
            architecture: info["architecture"].as_str()?.to_string(),
            vocab_size: info["vocab_size"].as_i64()? as u32,
            page_size: info["page_size_tokens"].as_i64()? as u32,
            max_context_tokens: info["max_context_tokens"].as_i64()? as u32,
            eos_tokens: info["eos_tokens"].as_tokens()?,
        })
    }

    /// Tokens of `text`; text that looks like a special token stays text.
    #[track_caller]
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let fields = [("model", self.name.as_str().into()), ("text", text.into())];
        control("tokenizer.encode", fields)?.as_tokens()
    }

    /// Text of `tokens`, without special tokens if `skip_special`.
    #[track_caller]
    pub fn decode(&self, tokens: &[u32], skip_special: bool) -> Result<String> {
        let fields = [
            ("model", self.name.as_str().into()),
            ("tokens", Json::from(tokens)),
            ("skip_special", skip_special.into()),
        ];
        Ok(control("tokenizer.decode", fields)?.as_str()?.to_string())
    }
}
