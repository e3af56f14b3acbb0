//! Jacobi decoding: a row of guesses is corrected in parallel until its beginning holds.

use inferlet::{Context, Json, Model, Read, Result, Sampler};
use std::iter::repeat;

inferlet::main!(run);

fn run(input: Json) -> Result<Json> {
    let model = match input["model"].as_str() {
        Ok(name) => Model::load(name)?,
        Err(_) => Model::first()?,
    };
    let most = input["max_tokens"].as_i64()? as usize;
    let width = input["guesses"].as_i64()? as usize;
    let greedy = Sampler::argmax();
    let mut ctx = Context::new(&model)?;
    ctx.system(input["system"].as_str()?).user(input["prompt"].as_str()?).cue();
    let mut tokens: Vec<u32> = Vec::new();
    let mut guesses: Vec<u32> = Vec::new();
    let mut passes = 0;
    while tokens.len() < most {
        let first = -(guesses.len() as i64) - 1;
        let reads: Vec<Read> = (first..0).map(|at| Read::Sample(at, &greedy)).collect();
        let said = ctx.append(&guesses).forward(&reads)?.tokens;
        passes += 1;
        let pairs = guesses.iter().zip(&said);
        let right = pairs.take_while(|(guess, token)| guess == token).count();
        ctx.truncate(guesses.len() - right)?;
        let found = &said[..=right];
        let end = found.iter().position(|token| model.eos_tokens.contains(token));
        tokens.extend(&found[..end.unwrap_or(found.len())]);
        if end.is_some() {
            break;
        }
        ctx.append(&found[right..]);
        // Where there is no prediction yet, the last one is repeated.
        let repeated = repeat(&said[said.len() - 1]);
        let room = width.min(most.saturating_sub(tokens.len() + 1));
        guesses = said[right + 1..].iter().chain(repeated).take(room).copied().collect();
    }
    let rate = tokens.len() as f64 / passes as f64;
    Ok(Json::object([
        ("text", model.decode(&tokens, true)?.into()),
        ("tokens", (tokens.len() as i64).into()),
        ("passes", passes.into()),
        ("tokens_per_pass", ((rate * 1000.0).round() / 1000.0).into()),
    ]))
}
