//! Answers one prompt and streams the text.

use inferlet::{Complete, Context, Json, Model, Result, Sampler};

inferlet::main!(run);

fn run(input: Json) -> Result<Json> {
    let model = match input["model"].as_str() {
        Ok(name) => Model::load(name)?,
        Err(_) => Model::first()?,
    };
    let sampler = Sampler::top_p(input["temperature"].as_f64()?, input["top_p"].as_f64()?);
    let most = input["max_tokens"].as_i64()? as u32;
    let mut ctx = Context::new(&model)?;
    ctx.system(input["system"].as_str()?).user(input["prompt"].as_str()?);
    let reply = ctx.complete(&sampler, Complete::tokens(most).streamed())?;
    Ok(reply.text.into())
}
