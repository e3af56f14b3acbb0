//! The inferlet SDK for Rust.
//!
//! An inferlet is a file with a function from its arguments to its result, named in `main!`:
//!
//! ```
//! use inferlet::{Complete, Context, Json, Model, Result, Sampler};
//!
//! inferlet::main!(run);
//!
//! fn run(input: Json) -> Result<Json> {
//!     let mut ctx = Context::new(&Model::first()?)?;
//!     ctx.system("You are a helpful assistant.").user(input["prompt"].as_str()?);
//!     let reply = ctx.complete(&Sampler::argmax(), Complete::tokens(64).streamed())?;
//!     Ok(reply.text.into())
//! }
//! ```
//!
//! Calls block the inferlet, never the server. What may run beside other things has a `start_*`
//! form too: it returns a [`Pending`], and all that is pending runs at the same time. A `Pending`
//! that is dropped is cancelled.

mod abi;
mod child;
mod context;
mod error;
mod json;
pub mod messaging;
mod model;
mod operation;
pub mod runtime;
mod sampler;
pub mod session;
pub mod store;
pub mod tools;

#[doc(hidden)]
pub use abi::{allocate, run};
pub use child::Child;
pub use context::{Complete, Completion, Context, Distribution, Forward, Read};
pub use error::{Error, Result};
pub use json::Json;
pub use model::Model;
pub use operation::{first_of, join_all, raw, Pending};
pub use sampler::Sampler;

/// Makes a function `fn(Json) -> Result<Json>` the inferlet's entry point.
#[macro_export]
macro_rules! main {
    ($run:path) => {
        #[export_name = "run"]
        extern "C" fn __inferlet_run(s: u32, sn: u32, given: *mut u8, size: usize) -> *const u8 {
            let _ = (s, sn); // the source: compiled programs have none
            $crate::run($run, given, size)
        }

        #[export_name = "cabi_realloc"]
        extern "C" fn __inferlet_realloc(old: *mut u8, n: usize, align: usize, to: usize) -> *mut u8 {
            $crate::allocate(old, n, align, to)
        }
    };
}
