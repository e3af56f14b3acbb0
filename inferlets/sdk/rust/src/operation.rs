//! Operations in flight: what is started since the last wait leaves in one submit.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use crate::json::{write_fields, write_string};
use crate::{abi, Error, Json, Result};

/// Control operations, cancellations and timeouts may go beyond what other operations may take.
const RESERVED: usize = 32;

struct Mailroom {
    last_id: u64,
    capacity: usize,
    operation_bytes: usize,
    outgoing: Vec<String>,
    in_flight: HashMap<u64, &'static str>,
    forgotten: HashSet<u64>,
    answers: HashMap<u64, (&'static str, Json)>,
}

thread_local! {
    static MAILROOM: RefCell<Mailroom> = RefCell::new(Mailroom {
        last_id: 0,
        capacity: 1,
        operation_bytes: 0,
        outgoing: Vec::new(),
        in_flight: HashMap::new(),
        forgotten: HashSet::new(),
        answers: HashMap::new(),
    });
}

fn with<T>(body: impl FnOnce(&mut Mailroom) -> T) -> T {
    MAILROOM.with(|mailroom| body(&mut mailroom.borrow_mut()))
}

pub fn configure(limits: &Json) -> Result<()> {
    let in_flight = limits["operations_in_flight"].as_i64()? as usize;
    let operation_bytes = limits["operation_bytes"].as_i64()? as usize;
    with(|room| {
        room.capacity = in_flight.saturating_sub(RESERVED).max(1);
        room.operation_bytes = operation_bytes;
    });
    Ok(())
}

/// Run a control operation and return its value.
#[track_caller]
pub fn control<const N: usize>(name: &'static str, fields: [(&str, Json); N]) -> Result<Json> {
    let id = send(name, &Json::object(fields))?;
    take(id)
}

/// Start an operation; it leaves with the next wait.
#[track_caller]
pub fn start<T: 'static>(
    name: &'static str,
    fields: Json,
    convert: impl FnOnce(Result<Json>) -> Result<T> + 'static,
) -> Result<Pending<T>> {
    while with(|room| room.in_flight.len() >= room.capacity) {
        collect();
    }
    Ok(Pending { id: send(name, &fields)?, convert: Some(Box::new(convert)) })
}

/// Any operation of docs/operations.md by its name, for what the SDK has no function for.
///
/// # Errors
/// Whatever the server answers.
#[track_caller]
pub fn raw(name: &'static str, fields: Json) -> Result<Pending<Json>> {
    start(name, fields, |answer| answer)
}

/// An operation in flight. Dropping it cancels it.
pub struct Pending<T> {
    id: u64,
    convert: Option<Box<dyn FnOnce(Result<Json>) -> Result<T>>>,
}

impl<T> Pending<T> {
    /// Wait for its value.
    #[track_caller]
    pub fn wait(mut self) -> Result<T> {
        let answer = take(self.id);
        match self.convert.take() {
            Some(convert) => convert(answer),
            None => Err(Error::new("cancelled", "the operation was cancelled")),
        }
    }

    /// Wait at most so many seconds; then it is cancelled and the error "timeout" returned.
    #[track_caller]
    pub fn wait_for(self, seconds: f64) -> Result<T> {
        let alarm = send("runtime.sleep", &Json::object([("seconds", seconds.max(0.0).into())]))?;
        while !self.is_ready() && !is_answered(alarm) {
            collect();
        }
        if self.is_ready() {
            cancel(alarm);
            return self.wait();
        }
        cancel(alarm);
        Err(Error::new("timeout", &format!("it took longer than {seconds} s")))
    }

    /// Whether `wait` would return at once.
    pub fn is_ready(&self) -> bool {
        is_answered(self.id)
    }

    /// Cancel it; what it did so far stays done.
    pub fn cancel(self) {}
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        if self.convert.is_some() {
            cancel(self.id);
        }
    }
}

/// Wait for all; results in their order. The first error cancels the others.
#[track_caller]
pub fn join_all<T>(all: Vec<Pending<T>>) -> Result<Vec<T>> {
    let mut waiting: Vec<Option<Pending<T>>> = all.into_iter().map(Some).collect();
    let mut values: Vec<Option<T>> = waiting.iter().map(|_| None).collect();
    while waiting.iter().any(Option::is_some) {
        let mut found = false;
        for (place, slot) in waiting.iter_mut().enumerate() {
            if slot.as_ref().map_or(false, Pending::is_ready) {
                found = true;
                if let Some(pending) = slot.take() {
                    values[place] = Some(pending.wait()?);
                }
            }
        }
        if !found {
            collect();
        }
    }
    Ok(values.into_iter().flatten().collect())
}

/// Wait until one of them is ready; its place in the list, which must not be empty.
pub fn first_of<T>(all: &[Pending<T>]) -> usize {
    loop {
        if let Some(place) = all.iter().position(Pending::is_ready) {
            return place;
        }
        collect();
    }
}

/// Hand over what was started.
pub fn flush() {
    let (outgoing, limit) = with(|room| (std::mem::take(&mut room.outgoing), room.operation_bytes));
    let mut batch = String::new();
    for text in outgoing {
        if !batch.is_empty() && batch.len() + text.len() + 3 > limit {
            abi::submit(&format!("[{batch}]"));
            batch.clear();
        }
        batch.push_str(if batch.is_empty() { "" } else { "," });
        batch.push_str(&text);
    }
    if !batch.is_empty() {
        abi::submit(&format!("[{batch}]"));
    }
}

#[track_caller]
fn send(name: &'static str, fields: &Json) -> Result<u64> {
    let (id, limit) = with(|room| {
        room.last_id += 1;
        (room.last_id, room.operation_bytes)
    });
    let mut text = format!("{{\"id\":{id},\"op\":");
    write_string(name, &mut text);
    if let Json::Object(fields) = fields {
        text.push_str(if fields.is_empty() { "" } else { "," });
        write_fields(fields, &mut text);
    }
    text.push('}');
    if text.len() + 2 > limit {
        let size = text.len();
        return Err(Error::new(
            "message_too_large",
            &format!("the operation {name} has {size} bytes of JSON; {limit} are allowed"),
        ));
    }
    with(|room| {
        room.outgoing.push(text);
        room.in_flight.insert(id, name);
    });
    Ok(id)
}

#[track_caller]
fn take(id: u64) -> Result<Json> {
    let (name, completion) = loop {
        if let Some(found) = with(|room| room.answers.remove(&id)) {
            break found;
        }
        collect();
    };
    match completion["ok"] {
        Json::Bool(true) => Ok(completion["val"].clone()),
        _ => Err(Error::from_wire(&completion["error"], name)),
    }
}

fn is_answered(id: u64) -> bool {
    with(|room| room.answers.contains_key(&id))
}

fn cancel(id: u64) {
    let in_flight = with(|room| {
        room.answers.remove(&id);
        room.in_flight.contains_key(&id) && room.forgotten.insert(id)
    });
    if in_flight {
        if let Ok(note) = send("cancel", &Json::object([("target", (id as i64).into())])) {
            with(|room| room.forgotten.insert(note));
        }
    }
}

/// Submit, wait, and file the answers.
fn collect() {
    flush();
    let mail = match Json::parse(&abi::wait()) {
        Ok(Json::List(mail)) => mail,
        _ => panic!("the server's answer is no list"),
    };
    with(|room| {
        for completion in mail {
            let id = completion["id"].as_i64().unwrap_or(0) as u64;
            let name = room.in_flight.remove(&id).unwrap_or("");
            if !room.forgotten.remove(&id) {
                room.answers.insert(id, (name, completion));
            }
        }
    });
}
