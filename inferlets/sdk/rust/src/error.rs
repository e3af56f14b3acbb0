//! What goes wrong in an inferlet.

use std::fmt;
use std::panic::Location;

use crate::Json;

pub type Result<T> = std::result::Result<T, Error>;

/// A failed operation, or any other error; `?` turns every `std::error::Error` into one.
///
/// It remembers the line of the inferlet where it came up, which the client sees if it leaves
/// `main`.
#[derive(Clone, Debug)]
pub struct Error {
    /// Stable name for programs, such as "context_too_long".
    pub code: String,
    pub message: String,
    /// What to do about it, perhaps empty.
    pub hint: String,
    /// Facts for programs (positions, limits, ids).
    pub details: Json,
    /// Name of the operation that failed; empty for errors of the inferlet's own.
    pub operation: String,
    pub(crate) location: Option<(String, u32, u32)>,
}

impl Error {
    /// An error of the inferlet's own.
    #[track_caller]
    pub fn new(code: &str, message: &str) -> Error {
        let at = Location::caller();
        Error {
            code: code.to_string(),
            message: message.to_string(),
            hint: String::new(),
            details: Json::Null,
            operation: String::new(),
            location: Some((at.file().to_string(), at.line(), at.column())),
        }
    }

    /// Whether the server has refused the operation before it changed anything.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(
            self.code.as_str(),
            "context_too_long" | "invalid_arguments" | "invalid_request" | "message_too_large"
                | "operations_exceeded" | "pages_exceeded" | "template_error"
        )
    }

    #[track_caller]
    pub(crate) fn from_wire(error: &Json, operation: &str) -> Error {
        let text = |name: &str| error[name].as_str().unwrap_or("").to_string();
        Error {
            code: text("code"),
            hint: text("hint"),
            details: error["details"].clone(),
            operation: operation.to_string(),
            ..Error::new("", &text("message"))
        }
    }

    /// The wire form of an error that left the inferlet.
    pub(crate) fn describe(&self) -> Json {
        let operation = match self.operation.is_empty() {
            true => Json::Null,
            false => Json::object([
                ("code", self.code.as_str().into()),
                ("hint", self.hint.as_str().into()),
                ("operation", self.operation.as_str().into()),
            ]),
        };
        let (line, place) = match &self.location {
            Some((file, line, column)) => (Json::from(*line), format!("{file}:{line}:{column}")),
            None => (Json::Null, String::new()),
        };
        let name = if self.operation.is_empty() { self.code.as_str() } else { "OperationError" };
        Json::object([
            ("exception", name.into()),
            ("message", self.message.as_str().into()),
            ("traceback", format!("{self}\n    at {place}").into()),
            ("line", line),
            ("operation", operation),
        ])
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if !self.operation.is_empty() {
            write!(f, "{}: ", self.operation)?;
        }
        write!(f, "{} [{}]", self.message, self.code)
    }
}

// `Error` itself must not be a `std::error::Error`, or this would overlap with `From<T> for T`.
impl<E: std::error::Error> From<E> for Error {
    #[track_caller]
    fn from(error: E) -> Error {
        Error::new("error", &error.to_string())
    }
}
