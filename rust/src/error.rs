//! The one error type: a stable code, the subject at fault, and words for people.

use crate::json::Value;
use crate::tables;
use std::fmt;

/// A failure. `code` and `subject` are the contract of `spec/errors.json`; the words are not.
///
/// After an error the object that gave it is unchanged and can be used again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    code: &'static str,
    subject: String,
    expected: String,
    found: String,
}

/// The result of every fallible call of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(
        code: &'static str,
        subject: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Error { code, subject: subject.into(), expected: expected.into(), found: found.into() }
    }

    /// The code, as in `spec/errors.json`; stable for ever.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What is at fault: a JSON Pointer into the manifest, a path inside the bundle, an option, an input or
    /// an output; `.` where it is the whole.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What was expected, for people.
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// What was there instead, for people.
    pub fn found(&self) -> &str {
        &self.found
    }

    /// What to do about it, where the contract knows.
    pub fn hint(&self) -> Option<&'static str> {
        let rows = tables::errors().get("errors").and_then(Value::as_array)?;
        let row = rows.iter().find(|row| row.get("code").and_then(Value::as_text) == Some(self.code))?;
        row.get("hint")?.as_text()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`: expected {}, found {}", self.code, self.subject, self.expected, self.found)?;
        self.hint().map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
    }
}

impl std::error::Error for Error {}
