//! The server this inferlet runs in: models, identity, time, randomness, log.

use crate::operation::{control, start};
use crate::{abi, child, Child, Json, Pending, Result};

/// Version of the server.
#[track_caller]
pub fn version() -> Result<String> {
    Ok(control("runtime.version", [])?.as_str()?.to_string())
}

/// Names of the models that are loaded, the default first.
#[track_caller]
pub fn models() -> Result<Vec<String>> {
    let names = control("models.list", [])?;
    names.as_list()?.iter().map(|name| Ok(name.as_str()?.to_string())).collect()
}

/// Identity of the session this inferlet runs for.
#[track_caller]
pub fn instance_id() -> Result<String> {
    Ok(control("session.info", [])?["id"].as_str()?.to_string())
}

/// The tenant on whose behalf it runs.
#[track_caller]
pub fn username() -> Result<String> {
    Ok(control("session.info", [])?["tenant"].as_str()?.to_string())
}

/// Seconds since 1970 by the server's clock.
#[track_caller]
pub fn time() -> Result<f64> {
    control("runtime.time", [])?.as_f64()
}

/// Seconds by a clock that only goes forward; costs no operation.
pub fn monotonic() -> f64 {
    abi::monotonic()
}

/// A seed that the server records, so that a session can be replayed.
#[track_caller]
pub fn random_seed() -> Result<i64> {
    control("runtime.random_seed", [])?.as_i64()
}

/// Wait, while the server goes on.
#[track_caller]
pub fn sleep(seconds: f64) -> Result<()> {
    start_sleep(seconds)?.wait()
}

/// [`sleep`], beside other things.
#[track_caller]
pub fn start_sleep(seconds: f64) -> Result<Pending<()>> {
    let fields = Json::object([("seconds", seconds.max(0.0).into())]);
    start("runtime.sleep", fields, |answer| answer.map(|_| ()))
}

/// Launch another inferlet of the server beside this one; `arguments` are its input.
#[track_caller]
pub fn launch(program: &str, arguments: Json) -> Result<Child> {
    child::launch(program, arguments)
}

/// Write to the server's log ("debug", "info", "warning" or "error"), for its operator.
#[track_caller]
pub fn log(level: &str, message: &str) -> Result<()> {
    control("log", [("level", level.into()), ("message", message.into())]).map(|_| ())
}
