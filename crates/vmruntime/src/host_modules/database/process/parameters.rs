//! The parameters of a statement: by position or by name.

use rusqlite::Statement;
use rusqlite::types::Value as Sql;
use serde_json::Value;

use super::errors::error;
use crate::ipc::HostError;
use crate::ipc::value::{self, Wire};

/// The parameters of one statement.
#[derive(Debug, PartialEq)]
pub(super) enum Parameters {
    /// Values for `?`, and for named parameters by their position.
    Positional(Vec<Sql>),
    /// Values for `:id`, `@id` and `$id`, by `id` or by the name with its prefix.
    Named(Vec<(String, Sql)>),
}

impl Parameters {
    /// Whether there are no parameters.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Positional(values) => values.is_empty(),
            Self::Named(values) => values.is_empty(),
        }
    }

    /// Binds each parameter of a statement.
    ///
    /// # Errors
    /// When a parameter of the statement has no value, or a value has no parameter.
    pub(super) fn bind(&self, statement: &mut Statement<'_>) -> rusqlite::Result<()> {
        let count = statement.parameter_count();
        match self {
            Self::Positional(values) => {
                if values.len() != count {
                    return Err(rusqlite::Error::InvalidParameterCount(values.len(), count));
                }
                for (index, value) in values.iter().enumerate() {
                    statement.raw_bind_parameter(index + 1, value)?;
                }
            }
            Self::Named(values) => {
                let mut used = vec![false; values.len()];
                for index in 1..=count {
                    let name = statement.parameter_name(index).unwrap_or("?").to_owned();
                    let found = values.iter().position(|(given, _)| {
                        *given == name || name.get(1..) == Some(given.as_str())
                    });
                    let found = found.ok_or_else(|| invalid(format!("{name} has no value")))?;
                    used[found] = true;
                    statement.raw_bind_parameter(index, &values[found].1)?;
                }
                if let Some(unused) = used.iter().position(|used| !used) {
                    let name = &values[unused].0;
                    return Err(invalid(format!("the statement has no {name:?}")));
                }
            }
        }
        Ok(())
    }
}

fn invalid(reason: String) -> rusqlite::Error {
    rusqlite::Error::InvalidParameterName(reason)
}

/// The SQL text and the parameters of a call. The parameters are one array, one object or all the
/// arguments after the text.
///
/// # Errors
/// When an argument has another type.
pub(super) fn statement_of<'a>(
    given: &'a [Value],
    body: &'a [u8],
) -> Result<(&'a str, Parameters), HostError> {
    let sql = given
        .first()
        .and_then(|sql| value::decode(sql, body).text());
    let sql = sql.ok_or_else(|| error("the SQL text must be a string"))?;
    let positional = |values: &[Value]| -> Result<_, HostError> {
        let values = values.iter().map(|value| sql_of(value, body));
        Ok(Parameters::Positional(values.collect::<Result<_, _>>()?))
    };
    let parameters = match &given[1..] {
        [Value::Array(values)] => positional(values)?,
        [value] if let Wire::Object(values) = value::decode(value, body) => {
            let values = values
                .iter()
                .map(|(name, value)| Ok((name.clone(), sql_of(value, body)?)))
                .collect::<Result<_, HostError>>()?;
            Parameters::Named(values)
        }
        values => positional(values)?,
    };
    Ok((sql, parameters))
}

/// A value of a script as a value of SQLite.
///
/// # Errors
/// When SQLite has no such value.
fn sql_of(value: &Value, body: &[u8]) -> Result<Sql, HostError> {
    Ok(match value::decode(value, body) {
        Wire::Plain(Value::Null) => Sql::Null,
        Wire::Plain(Value::Bool(flag)) => Sql::Integer(i64::from(*flag)),
        Wire::Plain(Value::Number(number)) => match number.as_i64() {
            Some(integer) => Sql::Integer(integer),
            None => Sql::Real(number.as_f64().unwrap_or(f64::NAN)),
        },
        Wire::Plain(Value::String(text)) => Sql::Text(text.clone()),
        Wire::Text(text) => Sql::Text(text.to_owned()),
        Wire::Bytes(bytes) => Sql::Blob(bytes.to_vec()),
        Wire::Bigint(digits) => Sql::Integer(digits.parse().map_err(|_| {
            error(format!(
                "the bigint {digits} is out of the range of an INTEGER, which has 64 bits"
            ))
        })?),
        Wire::Plain(_) | Wire::Object(_) | Wire::Malformed => {
            return Err(error(
                "a parameter must be null, a boolean, a number, a bigint, a string or bytes",
            ));
        }
    })
}
