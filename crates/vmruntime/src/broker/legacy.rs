//! Calls in the form that an engine without the newer functions makes.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::to_raw_value;

use super::{args, unknown_function};
use crate::protocol::{HostCall, HostError};

/// `readFileSync(path)` and `writeFileSync(path, data)`, in terms of the functions that there are now.
pub(super) fn fs_call(call: &HostCall) -> Result<Cow<'_, HostCall>, HostError> {
    let (function, extra, arity) = match call.function.as_str() {
        "readFileSync" => ("readFile", Value::Bool(true), 1),
        "writeFileSync" => ("writeFile", Value::String("w".into()), 2),
        _ => return Ok(Cow::Borrowed(call)),
    };
    let mut given: Vec<Value> = args(call, &call.function)?;
    given.resize(arity, Value::Null);
    given.push(extra);
    Ok(Cow::Owned(HostCall {
        module: call.module.clone(),
        function: function.into(),
        args: to_raw_value(&given).map_err(|_| unknown_function(call))?,
    }))
}

/// What `exec.run` without options answers: the output, or an error for a command that failed.
pub(super) fn exec_answer(program: &str, ran: &super::exec::Ran) -> Result<Value, HostError> {
    if ran.status == Some(0) {
        return Ok(Value::String(ran.output.clone()));
    }
    let how = match (&ran.signal, ran.status) {
        (Some(signal), _) => format!("signal: {signal}"),
        (None, status) => format!("exit status: {}", status.unwrap_or(-1)),
    };
    let message = format!("exec.run({program:?}): {how}\n{}", ran.output);
    Err(HostError::new(message.trim_end()))
}
