//! The cases of tests/inferlets/test_conformance.py in Rust.

use inferlet::{
    first_of, join_all, messaging, raw, runtime, session, store, tools, Complete, Context, Error,
    Json, Model, Read, Result, Sampler,
};

inferlet::main!(run);

#[link(wasm_import_module = "pie:inferlet/host@1.0.0")]
extern "C" {
    fn submit(data: *const u8, size: usize);
    fn wait(result: *mut [usize; 2]);
}

fn raw_submit(text: &str) {
    unsafe { submit(text.as_ptr(), text.len()) }
}

fn raw_wait() {
    unsafe { wait(&mut [0; 2]) }
}

fn list<const N: usize>(values: [Json; N]) -> Result<Json> {
    Ok(Json::List(values.into()))
}

fn run(input: Json) -> Result<Json> {
    match input["case"].as_str()? {
        "echo" => Ok(input["value"].clone()),
        "parse" => {
            let texts = input["texts"].as_list()?.iter();
            let parsed = texts.map(|text| match Json::parse(text.as_str()?) {
                Ok(value) => list([value]),
                Err(error) => Ok(error.code.into()),
            });
            Ok(Json::List(parsed.collect::<Result<_>>()?))
        }
        "model" => model(),
        "context" => context(),
        "steps" => steps(),
        "generates" => {
            let mut ctx = Context::new(&Model::load("fake")?)?;
            let mut last = 65;
            ctx.append(&[last]);
            for _ in 0..input["count"].as_i64()? {
                last = ctx.step(&Sampler::argmax())?;
            }
            Ok(last.into())
        }
        "stops" => {
            let mut ctx = Context::new(&Model::load("fake")?)?;
            ctx.user("U").complete(&Sampler::argmax(), Complete::tokens(8).stop("END"))?;
            Ok(Json::Null)
        }
        "tool" => tool(),
        "talk" => talk(),
        "shares" => shares(),
        "about" => about(),
        "printing" => {
            runtime::log("info", "one\ntwo")?;
            Ok(Json::Null)
        }
        "concurrent" => concurrent(),
        "many" => many(),
        "timed" => match session::start_receive()?.wait_for(0.01) {
            Err(error) => Ok(error.code.into()),
            Ok(_) => Ok("received".into()),
        },
        "cancelled" => {
            let message = session::start_receive()?;
            runtime::sleep(0.0)?;
            message.cancel();
            runtime::sleep(0.0)?;
            Ok("cancelled".into())
        }
        "first" => first(),
        "caught" => caught(),
        "unknown_operation" => {
            let answer = raw("no.such", Json::object([("x", 1.into())]))?.wait();
            Ok(answer.unwrap_err().code.into())
        }
        "bad_handle" => {
            let fields = Json::object([("context", 77.into()), ("fill", Json::List(vec![]))]);
            Ok(raw("context.flush", fields)?.wait().unwrap_err().code.into())
        }
        "too_large" => Ok(session::send("x".repeat(100_000)).unwrap_err().code.into()),
        "raises" => Err(Error::new("value_error", "no such luck")),
        "uncaught" => {
            Model::load("none")?;
            Ok(Json::Null)
        }
        "panics" => Ok(input["missing"].as_i64().unwrap().into()),
        "spins" => loop {
            unsafe { std::ptr::read_volatile(&0) };
        },
        "allocates" => {
            let mut keep = Vec::new();
            loop {
                keep.push(vec![1u8; 1 << 20]);
            }
        }
        "recurses" => Ok(recurses(&input, 0).into()),
        "floods" => {
            for n in 1.. {
                raw_submit(&format!("[{{\"id\":{n},\"op\":\"runtime.time\"}}]"));
            }
            Ok(Json::Null)
        }
        "waits" => {
            raw_wait();
            Ok(Json::Null)
        }
        "repeats" => {
            for _ in 0..2 {
                raw_submit("[{\"id\":900,\"op\":\"runtime.sleep\",\"seconds\":9}]");
            }
            raw_wait();
            Ok(Json::Null)
        }
        "talks_nonsense" => {
            raw_submit("hello");
            raw_wait();
            Ok(Json::Null)
        }
        "large_result" => Ok("x".repeat(input["size"].as_i64()? as usize).into()),
        "leaves" => leaves(),
        other => Err(Error::new("unknown_case", other)),
    }
}

fn model() -> Result<Json> {
    let loaded = Model::load(&runtime::models()?[0])?;
    list([
        loaded.name.as_str().into(),
        loaded.vocab_size.into(),
        loaded.page_size.into(),
        loaded.max_context_tokens.into(),
        Json::from(&loaded.eos_tokens[..]),
        Json::from(&loaded.encode("aü")?[..]),
        loaded.decode(&[104, 105], false)?.into(),
    ])
}

fn context() -> Result<Json> {
    let loaded = Model::load("fake")?;
    let mut ctx = Context::new(&loaded)?;
    ctx.system("S").user("U").assistant("A").flush()?;
    let mut branch = ctx.fork()?;
    let grown = branch.append(&[65]).append(&[66]).flush()?;
    branch.truncate(3)?;
    let how = Complete::tokens(8).streamed();
    let reply = branch.text("T").complete(&Sampler::argmax(), how)?;
    branch.save("x")?;
    let again = Context::open(&loaded, "x")?;
    list([
        ctx.len()?.into(),
        grown.into(),
        branch.len()?.into(),
        again.map_or(Ok(0), |context| context.len())?.into(),
        Context::open(&loaded, "y")?.is_none().into(),
        reply.text.into(),
        Json::from(&reply.tokens[..]),
        reply.finish_reason.into(),
        reply.length.into(),
    ])
}

fn steps() -> Result<Json> {
    let loaded = Model::first()?;
    let mut ctx = Context::new(&loaded)?;
    ctx.append(&[65]);
    let mut tokens = Vec::new();
    for _ in 0..4 {
        tokens.push(ctx.step(&Sampler::argmax())?);
    }
    let mut other = Context::new(&loaded)?;
    let out = other.append(&[80, 81]).forward(&[Read::TopK(-1, 2)])?;
    let top = &out.distributions[0];
    list([
        Json::from(&tokens[..]),
        Json::from(&top.tokens[..]),
        Json::list(top.probabilities.iter().copied()),
    ])
}

fn calculate(expression: &str) -> Result<tools::ToolResult> {
    tools::call("calculator", Json::object([("expression", expression.into())]), &[])
}

fn tool() -> Result<Json> {
    let (result, failed) = (calculate("2+2")?, calculate("1/0")?);
    list([
        tools::list()?.len().into(),
        result.content.into(),
        result.is_error.into(),
        failed.content.into(),
        failed.is_error.into(),
    ])
}

fn talk() -> Result<Json> {
    session::send("hello")?;
    session::send(Json::object([("n", 1.into())]))?;
    list([session::receive()?, session::receive()?])
}

fn shares() -> Result<Json> {
    messaging::push("jobs", Json::object([("n", 1.into())]))?;
    let pulled = messaging::pull("jobs")?;
    let version = store::put("k", Json::List(vec![1.into()]))?;
    let child = runtime::launch("echo", Json::object([("x", 2.into())]))?;
    list([pulled, version.into(), store::get("k")?, child.join()?])
}

fn about() -> Result<Json> {
    runtime::log("warning", "note")?;
    list([
        runtime::time()?.into(),
        runtime::random_seed()?.into(),
        runtime::version()?.into(),
        runtime::instance_id()?.into(),
    ])
}

fn concurrent() -> Result<Json> {
    let names = ["calculator", "python"];
    let calls = names.map(|name| tools::start_call(name, Json::object([]), &[]));
    let results = join_all(calls.into_iter().collect::<Result<_>>()?)?;
    Ok(Json::list(results.into_iter().map(|result| result.content)))
}

fn many() -> Result<Json> {
    let mut calls = Vec::new();
    for n in 0..500 {
        calls.push(tools::start_call("python", Json::object([("n", n.into())]), &[])?);
    }
    let results = join_all(calls)?;
    Ok(results.iter().enumerate().all(|(n, result)| result.content == n.to_string()).into())
}

fn first() -> Result<Json> {
    let slow = raw("session.receive", Json::object([]))?;
    let arguments = [("name", "python".into()), ("arguments", Json::object([]))];
    let quick = raw("tools.call", Json::object(arguments))?;
    let mut both = vec![slow, quick];
    let place = first_of(&both);
    Ok(both.remove(place).wait()?["content"].clone())
}

fn caught() -> Result<Json> {
    let error = Model::load("none").unwrap_err();
    list([error.code.into(), error.message.into(), error.hint.into(), error.operation.into()])
}

#[inline(never)]
fn recurses(input: &Json, depth: usize) -> usize {
    let deeper = [depth; 64];
    recurses(input, depth + 1) + unsafe { std::ptr::read_volatile(&deeper[depth % 64]) }
}

fn leaves() -> Result<Json> {
    let sleepers: Result<Vec<_>> = (0..5).map(|_| runtime::start_sleep(3600.0)).collect();
    runtime::sleep(0.0)?;
    std::mem::forget(sleepers?);
    Ok("left".into())
}
