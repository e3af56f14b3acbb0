//! Messages between inferlets of one tenant: topics that reach all, work queues that reach one.

use crate::operation::{control, start};
use crate::{Json, Pending, Result};

/// Append a message to a work queue, where it stays until somebody pulls it.
#[track_caller]
pub fn push(topic: &str, message: impl Into<Json>) -> Result<()> {
    control("messaging.push", [("topic", topic.into()), ("message", message.into())]).map(|_| ())
}

/// The next message of a work queue; each goes to one inferlet only.
#[track_caller]
pub fn pull(topic: &str) -> Result<Json> {
    start_pull(topic)?.wait()
}

/// [`pull`], beside other things.
#[track_caller]
pub fn start_pull(topic: &str) -> Result<Pending<Json>> {
    start("messaging.pull", Json::object([("topic", topic.into())]), |answer| {
        Ok(answer?["message"].clone())
    })
}

/// Send a message to all who are subscribed now; how many got it.
#[track_caller]
pub fn broadcast(topic: &str, message: impl Into<Json>) -> Result<i64> {
    let fields = [("topic", topic.into()), ("message", message.into())];
    control("messaging.broadcast", fields)?["delivered"].as_i64()
}

/// Join a topic: messages that are broadcast from now on.
#[track_caller]
pub fn subscribe(topic: &str) -> Result<Subscription> {
    let answer = control("messaging.subscribe", [("topic", topic.into())])?;
    Ok(Subscription { handle: answer["subscription"].as_i64()? })
}

/// A place at a topic; dropping it leaves the topic.
pub struct Subscription {
    handle: i64,
}

impl Subscription {
    /// Wait for the next message.
    #[track_caller]
    pub fn next(&self) -> Result<Json> {
        self.start_next()?.wait()
    }

    /// [`Subscription::next`], beside other things.
    #[track_caller]
    pub fn start_next(&self) -> Result<Pending<Json>> {
        start("messaging.receive", Json::object([("subscription", self.handle.into())]), |answer| {
            Ok(answer?["message"].clone())
        })
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let _ = control("messaging.unsubscribe", [("subscription", self.handle.into())]);
    }
}
