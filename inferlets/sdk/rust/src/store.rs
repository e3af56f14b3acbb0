//! The tenant's key-value store: survives this inferlet, its session and the server.

use crate::operation::start;
use crate::{Json, Result};

/// What a key holds and its version, if it exists.
#[track_caller]
pub fn entry(key: &str) -> Result<Option<(Json, i64)>> {
    match start("store.get", Json::object([("key", key.into())]), |answer| answer)?.wait()? {
        Json::Null => Ok(None),
        found => Ok(Some((found["value"].clone(), found["version"].as_i64()?))),
    }
}

/// What a key holds; null if it does not exist.
#[track_caller]
pub fn get(key: &str) -> Result<Json> {
    Ok(entry(key)?.map_or(Json::Null, |(value, _)| value))
}

/// Set a key, whatever it holds; its new version.
#[track_caller]
pub fn put(key: &str, value: impl Into<Json>) -> Result<i64> {
    let fields = Json::object([("key", key.into()), ("value", value.into())]);
    start("store.put", fields, |answer| answer?["version"].as_i64())?.wait()
}

/// Set a key only if it still has `version` (0: does not exist); whether it was set.
#[track_caller]
pub fn swap(key: &str, value: impl Into<Json>, version: i64) -> Result<bool> {
    let fields = Json::object([
        ("key", key.into()),
        ("value", value.into()),
        ("version", version.into()),
    ]);
    start("store.put", fields, |answer| answer?["done"].as_bool())?.wait()
}

/// Forget a key; whether it existed.
#[track_caller]
pub fn delete(key: &str) -> Result<bool> {
    let fields = Json::object([("key", key.into())]);
    start("store.delete", fields, |answer| answer?["existed"].as_bool())?.wait()
}
