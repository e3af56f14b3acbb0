//! Tools: what there is, and running it beside the KV cache.

use crate::operation::{control, start};
use crate::{Context, Json, Pending, Result};

/// What a tool returned. A tool that failed is a result too: the model should see it.
#[derive(Clone, Debug)]
pub struct ToolResult {
    /// Text for the model.
    pub content: String,
    pub is_error: bool,
    pub seconds: f64,
}

/// OpenAI function schemas of the server's tools.
#[track_caller]
pub fn list() -> Result<Vec<Json>> {
    Ok(control("tools.list", [])?.as_list()?.to_vec())
}

/// Run a tool and wait for it.
///
/// `contexts` wait for the result: their pages can be moved away under pressure and are brought
/// back in time.
#[track_caller]
pub fn call(name: &str, arguments: Json, contexts: &[&Context]) -> Result<ToolResult> {
    start_call(name, arguments, contexts)?.wait()
}

/// [`call`], beside other things.
#[track_caller]
pub fn start_call(
    name: &str,
    arguments: Json,
    contexts: &[&Context],
) -> Result<Pending<ToolResult>> {
    let fields = Json::object([
        ("name", name.into()),
        ("arguments", arguments),
        ("contexts", Json::list(contexts.iter().map(|context| context.handle()))),
    ]);
    start("tools.call", fields, |answer| {
        let raw = answer?;
        Ok(ToolResult {
            content: raw["content"].as_str()?.to_string(),
            is_error: raw["is_error"].as_bool()?,
            seconds: raw["seconds"].as_f64()?,
        })
    })
}
