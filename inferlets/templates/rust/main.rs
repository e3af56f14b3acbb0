//! Answers one prompt and streams the text.

use inferlet::{Complete, Context, Json, Model, Result, Sampler};

inferlet::main!(run);

fn run(input: Json) -> Result<Json> {
    let most = input["max_tokens"].as_i64()? as u32;
    let mut ctx = Context::new(&Model::first()?)?;
    ctx.system("You are a helpful assistant.").user(input["prompt"].as_str()?);
    let reply = ctx.complete(&Sampler::argmax(), Complete::tokens(most).streamed())?;
    Ok(reply.text.into())
}
