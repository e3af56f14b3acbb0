//! Best of n: sample several answers in one batch, return the one the model is surest of.

use inferlet::{join_all, Complete, Completion, Context, Json, Model, Result, Sampler};

inferlet::main!(run);

fn run(input: Json) -> Result<Json> {
    let model = match input["model"].as_str() {
        Ok(name) => Model::load(name)?,
        Err(_) => Model::first()?,
    };
    let temperature = input["temperature"].as_f64()?;
    let most = input["max_tokens"].as_i64()? as u32;
    let mut prompt = Context::new(&model)?;
    prompt.system(input["system"].as_str()?).user(input["prompt"].as_str()?);
    prompt.flush()?;
    let mut forks = Vec::new(); // a context is released when it is dropped
    let mut pending = Vec::new();
    for index in 0..input["n"].as_i64()? {
        let mut ctx = prompt.fork()?;
        let sampler = Sampler::multinomial(temperature).seed(input["seed"].as_i64()? + index);
        pending.push(ctx.start_complete(&sampler, Complete::tokens(most))?);
        forks.push(ctx);
    }
    let replies = join_all(pending)?;
    let mut best = &replies[0];
    for reply in &replies {
        if mean_logprob(reply) > mean_logprob(best) {
            best = reply;
        }
    }
    Ok(Json::object([
        ("text", best.text.as_str().into()),
        ("mean_logprob", mean_logprob(best).into()),
        ("candidates", Json::list(replies.iter().map(candidate))),
    ]))
}

fn mean_logprob(reply: &Completion) -> f64 {
    reply.logprob / reply.tokens.len().max(1) as f64
}

fn candidate(reply: &Completion) -> Json {
    Json::object([
        ("text", reply.text.as_str().into()),
        ("mean_logprob", mean_logprob(reply).into()),
    ])
}
