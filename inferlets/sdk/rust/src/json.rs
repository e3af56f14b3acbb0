//! JSON: values, a reader that survives any input, and a writer.

use std::fmt;
use std::ops::Index;

use crate::{Error, Result};

/// Deeper input is refused, so that reading cannot exhaust the stack.
const DEEPEST: usize = 128;

/// A JSON value. `value["name"]` and `value[3]` are `Json::Null` where there is nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Read a text.
    ///
    /// # Errors
    /// "invalid_json", with the position.
    #[track_caller]
    pub fn parse(text: &str) -> Result<Json> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.skip_space();
        match reader.at == text.len() {
            true => Ok(value),
            false => Err(reader.error("something follows the value")),
        }
    }

    /// An object of these fields.
    pub fn object<const N: usize>(fields: [(&str, Json); N]) -> Json {
        Json::Object(fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
    }

    /// A list of these values.
    pub fn list<T: Into<Json>>(values: impl IntoIterator<Item = T>) -> Json {
        Json::List(values.into_iter().map(Into::into).collect())
    }

    pub fn is_null(&self) -> bool {
        *self == Json::Null
    }

    #[track_caller]
    pub fn as_str(&self) -> Result<&str> {
        match self {
            Json::Text(text) => Ok(text),
            _ => Err(self.mismatch("a string")),
        }
    }

    #[track_caller]
    pub fn as_bool(&self) -> Result<bool> {
        match self {
            Json::Bool(value) => Ok(*value),
            _ => Err(self.mismatch("a boolean")),
        }
    }

    #[track_caller]
    pub fn as_i64(&self) -> Result<i64> {
        match self {
            Json::Int(value) => Ok(*value),
            _ => Err(self.mismatch("an integer")),
        }
    }

    #[track_caller]
    pub fn as_f64(&self) -> Result<f64> {
        match self {
            Json::Int(value) => Ok(*value as f64),
            Json::Float(value) => Ok(*value),
            _ => Err(self.mismatch("a number")),
        }
    }

    #[track_caller]
    pub fn as_list(&self) -> Result<&[Json]> {
        match self {
            Json::List(values) => Ok(values),
            _ => Err(self.mismatch("a list")),
        }
    }

    /// A list of tokens.
    #[track_caller]
    pub fn as_tokens(&self) -> Result<Vec<u32>> {
        let mut tokens = Vec::new();
        for value in self.as_list()? {
            tokens.push(value.as_i64()? as u32);
        }
        Ok(tokens)
    }

    #[track_caller]
    fn mismatch(&self, wanted: &str) -> Error {
        let shown: String = self.to_string().chars().take(80).collect();
        Error::new("type_error", &format!("{shown} is not {wanted}"))
    }
}

static NULL: Json = Json::Null;

impl Index<&str> for Json {
    type Output = Json;

    fn index(&self, name: &str) -> &Json {
        match self {
            Json::Object(fields) => {
                fields.iter().find(|(key, _)| key == name).map_or(&NULL, |(_, value)| value)
            }
            _ => &NULL,
        }
    }
}

impl Index<usize> for Json {
    type Output = Json;

    fn index(&self, place: usize) -> &Json {
        match self {
            Json::List(values) => values.get(place).unwrap_or(&NULL),
            _ => &NULL,
        }
    }
}

macro_rules! from {
    ($($kind:ty => $make:expr),*) => {
        $(impl From<$kind> for Json { fn from(value: $kind) -> Json { $make(value) } })*
    };
}
from!(
    bool => Json::Bool,
    i64 => Json::Int,
    i32 => |n| Json::Int(i64::from(n)),
    u32 => |n| Json::Int(i64::from(n)),
    usize => |n| Json::Int(n as i64),
    f64 => Json::Float,
    String => Json::Text,
    &str => |s: &str| Json::Text(s.to_string()),
    Vec<Json> => Json::List
);

impl From<&[u32]> for Json {
    fn from(tokens: &[u32]) -> Json {
        Json::list(tokens.iter().copied())
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Json {
        value.map_or(Json::Null, Into::into)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mut text = String::new();
        write_text(self, &mut text);
        f.write_str(&text)
    }
}

/// Append a value as JSON text. What is no number in JSON (NaN, infinity) is written as null.
pub fn write_text(value: &Json, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Int(number) => out.push_str(&number.to_string()),
        Json::Float(number) if number.is_finite() => out.push_str(&format!("{number:?}")),
        Json::Float(_) => out.push_str("null"),
        Json::Text(text) => write_string(text, out),
        Json::List(values) => {
            out.push('[');
            for (place, value) in values.iter().enumerate() {
                out.push_str(if place > 0 { "," } else { "" });
                write_text(value, out);
            }
            out.push(']');
        }
        Json::Object(fields) => {
            out.push('{');
            write_fields(fields, out);
            out.push('}');
        }
    }
}

pub fn write_fields(fields: &[(String, Json)], out: &mut String) {
    for (place, (name, value)) in fields.iter().enumerate() {
        out.push_str(if place > 0 { "," } else { "" });
        write_string(name, out);
        out.push(':');
        write_text(value, out);
    }
}

pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            control if (control as u32) < 0x20 => {
                out.push_str(&format!("\\u{:04x}", control as u32))
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Json> {
        if depth > DEEPEST {
            return Err(self.error("it is nested too deeply"));
        }
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => Ok(Json::Text(self.string()?)),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json> {
        let mut fields = Vec::new();
        self.at += 1;
        self.skip_space();
        while self.peek() != Some(b'}') {
            if !fields.is_empty() {
                self.expect(b',')?;
                self.skip_space();
            }
            let name = self.string()?;
            self.skip_space();
            self.expect(b':')?;
            fields.push((name, self.value(depth + 1)?));
            self.skip_space();
        }
        self.at += 1;
        Ok(Json::Object(fields))
    }

    fn list(&mut self, depth: usize) -> Result<Json> {
        let mut values = Vec::new();
        self.at += 1;
        self.skip_space();
        while self.peek() != Some(b']') {
            if !values.is_empty() {
                self.expect(b',')?;
            }
            values.push(self.value(depth + 1)?);
            self.skip_space();
        }
        self.at += 1;
        Ok(Json::List(values))
    }

    fn string(&mut self) -> Result<String> {
        self.expect(b'"')?;
        let mut out = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            out.push_str(&self.text[start..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => return Err(self.error("a string does not end")),
            }
        }
    }

    fn escape(&mut self) -> Result<char> {
        self.at += 2;
        let letter = self.text.as_bytes().get(self.at - 1).copied();
        Ok(match letter {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(letter @ (b'"' | b'\\' | b'/')) => letter as char,
            Some(b'u') => self.unicode()?,
            _ => return Err(self.error("an escape is unknown")),
        })
    }

    /// Four hexadecimal digits, or two times four for a surrogate pair; half a pair is U+FFFD.
    fn unicode(&mut self) -> Result<char> {
        let first = self.hexadecimal()?;
        if (0xd800..0xdc00).contains(&first) && self.text[self.at..].starts_with("\\u") {
            let before = self.at;
            self.at += 2;
            let second = self.hexadecimal()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = before;
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hexadecimal(&mut self) -> Result<u32> {
        let digits = self.text.get(self.at..self.at + 4).unwrap_or("");
        if digits.len() != 4 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(self.error("an escape lacks digits"));
        }
        self.at += 4;
        Ok(u32::from_str_radix(digits, 16).unwrap_or(0))
    }

    fn number(&mut self) -> Result<Json> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        if let Ok(number) = text.parse::<i64>() {
            return Ok(Json::Int(number));
        }
        match text.parse::<f64>() {
            Ok(number) if !text.is_empty() => Ok(Json::Float(number)),
            _ => Err(self.error("a value is expected")),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json> {
        match self.text[self.at..].starts_with(word) {
            true => {
                self.at += word.len();
                Ok(value)
            }
            false => Err(self.error("a value is expected")),
        }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        match self.peek() == Some(byte) {
            true => {
                self.at += 1;
                Ok(())
            }
            false => Err(self.error(&format!("{:?} is expected", byte as char))),
        }
    }

    fn error(&self, problem: &str) -> Error {
        Error::new("invalid_json", &format!("{problem}, at byte {}", self.at))
    }
}
