//! Inferlets that this one launches: [`crate::runtime::launch`] returns a [`Child`].

use crate::operation::{control, start};
use crate::{Json, Pending, Result};

/// A launched inferlet. It ends with this one, unless it is detached. To the child this inferlet
/// is the client: what it sends with `session::send` is received here.
pub struct Child {
    handle: i64,
}

/// See [`crate::runtime::launch`].
#[track_caller]
pub fn launch(program: &str, arguments: Json) -> Result<Child> {
    let fields = [("program", program.into()), ("arguments", arguments)];
    Ok(Child { handle: control("runtime.launch", fields)?["child"].as_i64()? })
}

impl Child {
    /// Wait until it has ended: its result, or the error "child_failed" or "cancelled".
    #[track_caller]
    pub fn join(&self) -> Result<Json> {
        self.start_join()?.wait()
    }

    /// [`Child::join`], beside other things.
    #[track_caller]
    pub fn start_join(&self) -> Result<Pending<Json>> {
        start("child.join", self.fields(), |answer| answer)
    }

    /// End it now, with all it runs; whether it was running.
    #[track_caller]
    pub fn cancel(&self) -> Result<bool> {
        control("child.cancel", [("child", self.handle.into())])?.as_bool()
    }

    /// Let it go on when this inferlet ends, until the session ends.
    #[track_caller]
    pub fn detach(self) -> Result<()> {
        control("child.detach", [("child", self.handle.into())]).map(|_| ())
    }

    /// Send it a message, which its `session::receive` returns.
    #[track_caller]
    pub fn send(&self, message: impl Into<Json>) -> Result<()> {
        let fields = [("child", self.handle.into()), ("message", message.into())];
        control("child.send", fields).map(|_| ())
    }

    /// What it sends next; none once it has ended and all is received.
    #[track_caller]
    pub fn receive(&self) -> Result<Option<Json>> {
        start("child.receive", self.fields(), |answer| match answer? {
            Json::Null => Ok(None),
            found => Ok(Some(found["message"].clone())),
        })?
        .wait()
    }

    fn fields(&self) -> Json {
        Json::object([("child", self.handle.into())])
    }
}
