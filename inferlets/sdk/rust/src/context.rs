//! A context: one sequence of tokens with its KV cache, kept by the server.
//!
//! The fillers only note what to append; the next `flush`, `complete`, `step` or `forward` sends
//! it. Pages stay where they are between calls, however long the inferlet waits for a tool.

use std::cell::RefCell;
use std::rc::Rc;

use crate::operation::{control, start};
use crate::{Error, Json, Model, Pending, Result, Sampler};

/// What is noted and not yet sent; shared with operations in flight, which put it back if the
/// server refuses them.
type Notes = Rc<RefCell<Vec<Json>>>;

/// A conversation of the model. Its pages are freed when it is dropped.
pub struct Context {
    handle: i64,
    model: Model,
    notes: Notes,
}

/// How `complete` goes on and when it ends.
#[derive(Clone, Debug)]
pub struct Complete {
    max_tokens: u32,
    stop: Vec<Json>,
    stop_tokens: Vec<u32>,
    stream: bool,
    cue: bool,
    ignore_eos: bool,
}

impl Complete {
    /// At most so many tokens.
    pub fn tokens(max_tokens: u32) -> Complete {
        Complete {
            max_tokens,
            stop: Vec::new(),
            stop_tokens: Vec::new(),
            stream: false,
            cue: true,
            ignore_eos: false,
        }
    }

    /// The client sees the text while it is generated.
    pub fn streamed(mut self) -> Complete {
        self.stream = true;
        self
    }

    /// End at this text too.
    pub fn stop(mut self, text: &str) -> Complete {
        self.stop.push(text.into());
        self
    }

    /// End at these tokens too.
    pub fn stop_tokens(mut self, tokens: &[u32]) -> Complete {
        self.stop_tokens.extend(tokens);
        self
    }

    /// Do not begin an assistant's turn first: raw continuation.
    pub fn uncued(mut self) -> Complete {
        self.cue = false;
        self
    }

    /// Go on behind the end-of-turn token, for exact token counts.
    pub fn ignoring_eos(mut self, ignore: bool) -> Complete {
        self.ignore_eos = ignore;
        self
    }
}

/// A turn of the model.
#[derive(Clone, Debug)]
pub struct Completion {
    pub text: String,
    /// The text without tool-call markup.
    pub content: String,
    pub tokens: Vec<u32>,
    /// Calls with "name", "arguments" and "id".
    pub tool_calls: Vec<Json>,
    /// "stop" or "length".
    pub finish_reason: String,
    pub logprob: f64,
    /// Tokens in the context now.
    pub length: usize,
}

/// What a forward pass reads out, each at an offset into what is noted, negative from its end.
#[derive(Clone, Debug)]
pub enum Read<'a> {
    Sample(i64, &'a Sampler),
    /// The most probable tokens; 0 for the whole vocabulary.
    TopK(i64, u32),
}

/// What a forward pass gave.
#[derive(Clone, Debug)]
pub struct Forward {
    /// One for each `Read::Sample`.
    pub tokens: Vec<u32>,
    /// One for each `Read::TopK`.
    pub distributions: Vec<Distribution>,
    /// Tokens in the context now.
    pub length: usize,
}

/// Tokens with their probabilities, most probable first.
#[derive(Clone, Debug)]
pub struct Distribution {
    pub tokens: Vec<u32>,
    pub probabilities: Vec<f64>,
}

impl Context {
    /// An empty context.
    #[track_caller]
    pub fn new(model: &Model) -> Result<Context> {
        Context::with_prefix_reuse(model, true)
    }

    /// An empty context; without reuse, equal beginnings of earlier ones are computed again.
    #[track_caller]
    pub fn with_prefix_reuse(model: &Model, reuse: bool) -> Result<Context> {
        let name = model.name.as_str();
        let fields = [("model", name.into()), ("prefix_reuse", reuse.into())];
        Ok(Context::adopt(model, control("context.create", fields)?["context"].as_i64()?))
    }

    fn adopt(model: &Model, handle: i64) -> Context {
        Context { handle, model: model.clone(), notes: Notes::default() }
    }

    /// A fork of the context that was saved under `name`, if there is one.
    #[track_caller]
    pub fn open(model: &Model, name: &str) -> Result<Option<Context>> {
        let fields = [("model", model.name.as_str().into()), ("name", name.into())];
        match control("context.open", fields)? {
            Json::Null => Ok(None),
            found => Ok(Some(Context::adopt(model, found["context"].as_i64()?))),
        }
    }

    pub fn handle(&self) -> i64 {
        self.handle
    }

    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Tokens in the KV cache; what is noted does not count.
    #[track_caller]
    pub fn len(&self) -> Result<usize> {
        let info = control("context.info", [("context", self.handle.into())])?;
        Ok(info["tokens"].as_i64()? as usize)
    }

    fn note(&mut self, kind: &str, value: Json) -> &mut Context {
        self.notes.borrow_mut().push(Json::object([(kind, value)]));
        self
    }

    /// Note the system message.
    pub fn system(&mut self, text: &str) -> &mut Context {
        self.note("system", text.into())
    }

    /// Note a message of the user.
    pub fn user(&mut self, text: &str) -> &mut Context {
        self.note("user", text.into())
    }

    /// Note an earlier reply of the model.
    pub fn assistant(&mut self, text: &str) -> &mut Context {
        self.note("assistant", text.into())
    }

    /// Note what a tool returned.
    pub fn tool_result(&mut self, content: &str) -> &mut Context {
        let message = Json::object([("role", "tool".into()), ("content", content.into())]);
        self.note("message", message)
    }

    /// Tell the model which tools it has: names or schemas. Before the system message.
    pub fn tools(&mut self, tools: &[Json]) -> &mut Context {
        self.note("tools", Json::List(tools.to_vec()))
    }

    /// Note the beginning of the model's turn, once; `complete` does it itself.
    pub fn cue(&mut self) -> &mut Context {
        let cued = self.notes.borrow().last().map_or(false, |last| !last["cue"].is_null());
        if cued {
            return self;
        }
        self.note("cue", true.into())
    }

    /// End the turn.
    pub fn seal(&mut self) -> &mut Context {
        self.note("seal", true.into())
    }

    /// Note raw tokens.
    pub fn append(&mut self, tokens: &[u32]) -> &mut Context {
        match tokens.is_empty() {
            true => self,
            false => self.note("tokens", Json::from(tokens)),
        }
    }

    /// Note raw text, without any chat template.
    pub fn text(&mut self, text: &str) -> &mut Context {
        self.note("text", text.into())
    }

    /// A copy over the same pages, with the same notes.
    #[track_caller]
    pub fn fork(&self) -> Result<Context> {
        let made = control("context.fork", [("context", self.handle.into())])?;
        let copy = Context::adopt(&self.model, made["context"].as_i64()?);
        *copy.notes.borrow_mut() = self.notes.borrow().clone();
        Ok(copy)
    }

    /// Drop the last `count` tokens of the cache; what is noted stays noted.
    #[track_caller]
    pub fn truncate(&mut self, count: usize) -> Result<()> {
        let length = self.len()?;
        if count > length {
            let problem = format!("cannot drop {count} of {length} tokens");
            return Err(Error::new("value_error", &problem));
        }
        let fields = [("context", self.handle.into()), ("length", (length - count).into())];
        control("context.truncate", fields).map(|_| ())
    }

    /// Keep a copy under a name of the tenant, beyond this inferlet.
    #[track_caller]
    pub fn save(&self, name: &str) -> Result<()> {
        control("context.save", [("context", self.handle.into()), ("name", name.into())])?;
        Ok(())
    }

    /// Prefill what is noted; the number of tokens now in the context.
    #[track_caller]
    pub fn flush(&mut self) -> Result<usize> {
        let fields = Json::object([]);
        let pending = self.run("context.flush", fields, |raw| Ok(raw["tokens"].as_i64()? as usize));
        pending?.wait()
    }

    /// The model's whole turn as one operation.
    #[track_caller]
    pub fn complete(&mut self, sampler: &Sampler, how: Complete) -> Result<Completion> {
        self.start_complete(sampler, how)?.wait()
    }

    /// [`complete`](Context::complete), beside other things.
    #[track_caller]
    pub fn start_complete(
        &mut self,
        sampler: &Sampler,
        how: Complete,
    ) -> Result<Pending<Completion>> {
        if how.cue {
            self.cue();
        }
        let mut fields = vec![
            ("max_tokens".to_string(), how.max_tokens.into()),
            ("sampler".to_string(), sampler.to_json()),
            ("ignore_eos".to_string(), how.ignore_eos.into()),
            ("stop".to_string(), Json::List(how.stop)),
        ];
        if !how.stop_tokens.is_empty() {
            let tokens = [&self.model.eos_tokens[..], &how.stop_tokens].concat();
            fields.push(("stop_tokens".to_string(), Json::from(&tokens[..])));
        }
        if how.stream {
            fields.push(("stream".to_string(), "text".into()));
        }
        self.run("context.generate", Json::Object(fields), |raw| {
            Ok(Completion {
                text: raw["text"].as_str()?.to_string(),
                content: raw["content"].as_str()?.to_string(),
                tokens: raw["tokens"].as_tokens()?,
                tool_calls: raw["tool_calls"].as_list()?.to_vec(),
                finish_reason: raw["finish_reason"].as_str()?.to_string(),
                logprob: raw["logprob"].as_f64()?,
                length: raw["length"].as_i64()? as usize,
            })
        })
    }

    /// One forward pass over what is noted, and the token that follows it, which is noted for the
    /// next. A loop of these generates token by token.
    #[track_caller]
    pub fn step(&mut self, sampler: &Sampler) -> Result<u32> {
        let token = self.forward(&[Read::Sample(-1, sampler)])?.tokens[0];
        self.append(&[token]);
        Ok(token)
    }

    /// One forward pass over what is noted, which is in the cache afterwards.
    #[track_caller]
    pub fn forward(&mut self, reads: &[Read]) -> Result<Forward> {
        if self.notes.borrow().is_empty() {
            return Err(Error::new("value_error", "a forward pass needs input"));
        }
        let mut samplers = Vec::new();
        let mut distributions = Vec::new();
        for read in reads {
            match read {
                Read::Sample(index, sampler) => samplers.push(Json::object([
                    ("index", (*index).into()),
                    ("sampler", sampler.to_json()),
                ])),
                Read::TopK(index, width) => distributions.push(Json::object([
                    ("index", (*index).into()),
                    ("top_k", (*width).into()),
                ])),
            }
        }
        let fields = Json::object([
            ("samplers", samplers.into()),
            ("distributions", distributions.into()),
        ]);
        self.run("context.forward", fields, forward_of)?.wait()
    }

    #[track_caller]
    fn run<T: 'static>(
        &mut self,
        name: &'static str,
        fields: Json,
        convert: fn(Json) -> Result<T>,
    ) -> Result<Pending<T>> {
        let fill = std::mem::take(&mut *self.notes.borrow_mut());
        let mut all = vec![
            ("context".to_string(), self.handle.into()),
            ("fill".to_string(), Json::List(fill.clone())),
        ];
        if let Json::Object(fields) = fields {
            all.extend(fields);
        }
        let notes = Rc::clone(&self.notes);
        let unsent = fill.clone();
        let started = start(name, Json::Object(all), move |answer| match answer {
            Ok(raw) => convert(raw),
            Err(error) => {
                if error.is_refusal() {
                    put_back(&notes, fill);
                }
                Err(error)
            }
        });
        if started.is_err() {
            put_back(&self.notes, unsent);
        }
        started
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // It may have gone with the server's side already; then there is nothing to free.
        let _ = control("context.release", [("context", self.handle.into())]);
    }
}

fn put_back(notes: &Notes, fill: Vec<Json>) {
    let mut notes = notes.borrow_mut();
    let later = std::mem::replace(&mut *notes, fill);
    notes.extend(later);
}

fn forward_of(raw: Json) -> Result<Forward> {
    let mut distributions = Vec::new();
    for item in raw["distributions"].as_list()? {
        let mut probabilities = Vec::new();
        for probability in item["probabilities"].as_list()? {
            probabilities.push(probability.as_f64()?);
        }
        distributions.push(Distribution { tokens: item["tokens"].as_tokens()?, probabilities });
    }
    Ok(Forward {
        tokens: raw["tokens"].as_tokens()?,
        distributions,
        length: raw["length"].as_i64()? as usize,
    })
}
