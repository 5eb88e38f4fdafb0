//! The Jinja of transformers: its settings, filters, tests and functions.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, escape_formatter};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::ChatError;
use super::date::DateTime;
use super::generation;
use super::json::{float, tojson};

/// The name that the template has in its environment.
pub(super) const TEMPLATE: &str = "chat";
/// Fuel of one rendering: an instruction takes one, as do 64 bytes. It bounds the memory, too, at 256 MiB.
const FUEL: u64 = 1 << 22;
/// Depth of loops, macros and conditions inside of one another.
const RECURSION: usize = 200;

/// What `raise_exception` raises.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Raised(String);

/// The environment with the template of `source`, and whether that has generation blocks.
///
/// # Errors
/// When the template cannot be compiled.
pub(super) fn environment(source: &str) -> Result<(Environment<'static>, bool), ChatError> {
    let mut environment = Environment::new();
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true);
    // Its delimiters are Jinja's own, which do not clash.
    environment.set_syntax(syntax.build().map_err(|error| syntax_error(&error))?);
    environment.set_debug(false);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION);
    environment.set_unknown_method_callback(method);
    environment.add_filter("tojson", tojson);
    environment.set_formatter(format);
    environment.add_test("sequence", is_sequence);
    environment.add_test("iterable", is_iterable);
    environment.add_function("raise_exception", raise_exception);
    environment.remove_global("debug");

    let source = source.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let rewritten = generation::rewritten(&source);
    let has_blocks = rewritten.is_some();
    environment.add_template_owned(TEMPLATE, rewritten.unwrap_or(source)).map_err(|error| syntax_error(&error))?;
    Ok((environment, has_blocks))
}

/// The function `strftime_now` at a date.
pub(super) fn strftime_at(now: DateTime) -> Value {
    Value::from_function(move |format: &str| {
        let unknown = |directive| format!("`strftime_now` is given {directive}, which is no directive that is known");
        now.format(format).map_err(|directive| Error::new(ErrorKind::InvalidOperation, unknown(directive)))
    })
}

/// What the failure of a rendering says of the template or the chat.
pub(super) fn render_error(error: &Error) -> ChatError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut innermost = error;
    while let Some(current) = cause {
        if let Some(Raised(said)) = current.downcast_ref() {
            return ChatError::Raised { said: said.clone() };
        }
        innermost = current.downcast_ref().unwrap_or(innermost);
        cause = current.source();
    }
    let detail = innermost.detail().unwrap_or_default();
    match innermost.kind() {
        ErrorKind::OutOfFuel => ChatError::TooMuch { limit: "4 million steps" },
        ErrorKind::WriteFailure => ChatError::TooMuch { limit: "64 MiB of text" },
        ErrorKind::UnknownFunction if detail.contains("strftime_now") => ChatError::NoDate,
        _ => ChatError::Render { line: line(innermost), reason: reason(innermost) },
    }
}

fn syntax_error(error: &Error) -> ChatError {
    ChatError::Syntax { line: line(error), reason: reason(error) }
}

fn line(error: &Error) -> usize {
    error.line().unwrap_or(1)
}

fn reason(error: &Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

fn raise_exception(message: &Value) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, "raise_exception").with_source(Raised(message.to_string())))
}

/// As in Python, where a string and a dictionary have a length and items, too.
fn is_sequence(value: &Value) -> bool {
    value.is_undefined() || matches!(value.kind(), ValueKind::Seq | ValueKind::String | ValueKind::Map)
}

/// As in Python, where nothing can be iterated over in `None`.
fn is_iterable(value: &Value) -> bool {
    !value.is_none() && value.try_iter().is_ok()
}

/// Writes what an expression gives. The engine does as Python's `str`, but for the exponents of numbers.
fn format(output: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.kind() == ValueKind::Number && !value.is_integer() {
        return Ok(output.write_str(&float(value)?)?);
    }
    escape_formatter(output, state, value)
}

/// Python's methods: those of pycompat, and some that it lacks.
fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    match (value.as_str(), name, args) {
        (Some(text), "removeprefix", [affix]) => {
            Ok(Value::from(affix.as_str().and_then(|affix| text.strip_prefix(affix)).unwrap_or(text)))
        }
        (Some(text), "removesuffix", [affix]) => {
            Ok(Value::from(affix.as_str().and_then(|affix| text.strip_suffix(affix)).unwrap_or(text)))
        }
        _ => unknown_method_callback(state, value, name, args),
    }
}
