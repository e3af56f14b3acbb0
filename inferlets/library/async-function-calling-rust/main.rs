//! Asynchronous function calling: a tool starts as soon as its call is written.

use inferlet::tools::{self, ToolResult};
use inferlet::{join_all, Complete, Context, Error, Json, Model, Pending, Result, Sampler};

inferlet::main!(run);

const CALL_END: &str = "</tool_call>";

fn run(input: Json) -> Result<Json> {
    let model = match input["model"].as_str() {
        Ok(name) => Model::load(name)?,
        Err(_) => Model::first()?,
    };
    let mut ctx = Context::new(&model)?;
    match input["tools"].as_list() {
        Ok(names) => ctx.tools(names),
        Err(_) => ctx.tools(&tools::list()?),
    };
    ctx.system(input["system"].as_str()?).user(input["question"].as_str()?);
    for _ in 0..input["max_turns"].as_i64()? {
        let (said, running) = turn(&mut ctx, input["max_tokens"].as_i64()? as usize)?;
        if running.is_empty() {
            return Ok(said.trim().into());
        }
        for result in join_all(running)? {
            ctx.tool_result(&result.content);
        }
    }
    Err(Error::new("no_answer", "no answer within max_turns"))
}

/// One turn of the model: what it says, and the tools that run since it called them.
fn turn(ctx: &mut Context, most: usize) -> Result<(String, Vec<Pending<ToolResult>>)> {
    let (mut said, mut running, mut written) = (String::new(), Vec::new(), 0);
    while written < most {
        let how = Complete::tokens((most - written) as u32).stop(CALL_END);
        let how = if written == 0 { how } else { how.uncued() };
        let reply = ctx.complete(&Sampler::argmax(), how)?;
        written += reply.tokens.len();
        said += &reply.content;
        for call in &reply.tool_calls {
            let name = call["name"].as_str()?;
            running.push(tools::start_call(name, call["arguments"].clone(), &[])?);
        }
        if reply.tokens.last().map_or(true, |token| ctx.model().eos_tokens.contains(token)) {
            break;
        }
    }
    ctx.seal();
    Ok((said, running))
}
