//! `console.time`, `timeEnd` and `timeLog`.

use std::time::Duration;

use boa_engine::{Context, JsResult, JsValue};

use super::{Console, ConsoleLevel, check_room, label};

impl Console {
    pub(super) fn time(&self, args: &[JsValue], context: &mut Context) -> JsResult<()> {
        let label = label(args, context)?;
        let now = context.clock().now();
        let repeated = {
            let timers = &mut self.state.borrow_mut().timers;
            check_room(timers, &label)?;
            let repeated = timers.contains_key(&label);
            timers.entry(label.clone()).or_insert(now);
            repeated
        };
        if repeated {
            let message = format!("Label '{label}' already exists for console.time()");
            return self.warn(&message, context);
        }
        Ok(())
    }

    pub(super) fn time_end(&self, args: &[JsValue], context: &mut Context) -> JsResult<()> {
        let label = label(args, context)?;
        self.report_time("timeEnd", &label, &[], context)?;
        self.state.borrow_mut().timers.remove(&label);
        Ok(())
    }

    pub(super) fn time_log(&self, args: &[JsValue], context: &mut Context) -> JsResult<()> {
        let label = label(args, context)?;
        let data = args.get(1..).unwrap_or_default();
        self.report_time("timeLog", &label, data, context)
    }

    fn report_time(
        &self,
        method: &str,
        label: &str,
        data: &[JsValue],
        context: &mut Context,
    ) -> JsResult<()> {
        let started = self.state.borrow().timers.get(label).copied();
        let Some(started) = started else {
            let message = format!("No such label '{label}' for console.{method}()");
            return self.warn(&message, context);
        };
        let mut text = format!(
            "{label}: {}",
            duration_text((context.clock().now() - started).into())
        );
        for value in data {
            text.push(' ');
            text.push_str(
                &self
                    .inspector
                    .format(std::slice::from_ref(value), context)?,
            );
        }
        self.write(ConsoleLevel::Log, text, context)
    }
}

/// A duration as Node writes it: `1.234ms`, `1.234s`, `1:02.345 (m:ss.mmm)`.
pub(super) fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 1.0 {
        let milliseconds = (seconds * 1e6).round() / 1e3;
        return format!("{milliseconds}ms");
    }
    if seconds < 60.0 {
        return format!("{seconds:.3}s");
    }
    let hours = duration.as_secs() / 3600;
    let minutes = duration.as_secs() / 60 % 60;
    let rest = seconds % 60.0;
    if hours == 0 {
        format!("{minutes}:{rest:06.3} (m:ss.mmm)")
    } else {
        format!("{hours}:{minutes:02}:{rest:06.3} (h:mm:ss.mmm)")
    }
}
