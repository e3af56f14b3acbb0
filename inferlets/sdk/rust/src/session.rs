//! Talk with the client that launched this inferlet.

use crate::operation::{control, start};
use crate::{Json, Pending, Result};

/// Send a message: a string arrives as text, anything else as JSON.
#[track_caller]
pub fn send(message: impl Into<Json>) -> Result<()> {
    control("session.send", [("message", message.into())]).map(|_| ())
}

/// Wait for the client's next input: a string if it sent text, else the JSON value.
#[track_caller]
pub fn receive() -> Result<Json> {
    start_receive()?.wait()
}

/// [`receive`], beside other things.
#[track_caller]
pub fn start_receive() -> Result<Pending<Json>> {
    start("session.receive", Json::object([]), |answer| {
        Ok(match answer? {
            Json::Object(mut fields) if fields.len() == 1 && fields[0].0 == "text" => {
                fields.remove(0).1
            }
            other => other,
        })
    })
}
