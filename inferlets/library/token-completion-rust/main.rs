//! Tokens in, tokens out: at once, or token by token.

use inferlet::{Complete, Context, Json, Model, Result, Sampler};

inferlet::main!(run);

fn run(input: Json) -> Result<Json> {
    let model = match input["model"].as_str() {
        Ok(name) => Model::load(name)?,
        Err(_) => Model::first()?,
    };
    let mut ctx = Context::with_prefix_reuse(&model, input["prefix_reuse"].as_bool()?)?;
    ctx.append(&input["tokens"].as_tokens()?);
    let sampler = Sampler::multinomial(input["temperature"].as_f64()?);
    let most = input["max_tokens"].as_i64()? as usize;
    let ignore_eos = input["ignore_eos"].as_bool()?;
    if input["stepwise"].as_bool()? {
        return stepwise(&model, &mut ctx, &sampler, most, ignore_eos);
    }
    let how = Complete::tokens(most as u32).uncued().ignoring_eos(ignore_eos);
    let reply = ctx.complete(&sampler, how)?;
    Ok(result(&reply.tokens, &reply.text, &reply.finish_reason))
}

fn stepwise(
    model: &Model,
    ctx: &mut Context,
    sampler: &Sampler,
    most: usize,
    ignore_eos: bool,
) -> Result<Json> {
    let mut tokens = Vec::new();
    while tokens.len() < most {
        let token = ctx.step(sampler)?;
        if !ignore_eos && model.eos_tokens.contains(&token) {
            break;
        }
        tokens.push(token);
    }
    let reason = if tokens.len() < most { "stop" } else { "length" };
    Ok(result(&tokens, &model.decode(&tokens, true)?, reason))
}

fn result(tokens: &[u32], text: &str, finish_reason: &str) -> Json {
    Json::object([
        ("tokens", Json::from(tokens)),
        ("text", text.into()),
        ("finish_reason", finish_reason.into()),
    ])
}
