//! The clock and the random numbers of the engine, by the inputs of the [`HostLink`].

use std::rc::Rc;

use boa_engine::context::time::{Clock, JsInstant};
use boa_engine::property::PropertyDescriptor;
use boa_engine::{Context, JsResult, JsValue, js_string};

use super::define::function;
use super::host::Host;
use crate::engine::{HostLink, inputs};

/// How many nanoseconds a second has.
const SECOND: u64 = 1_000_000_000;

/// The clock of the engine.
pub(super) struct LinkedClock(Rc<dyn HostLink>);

impl LinkedClock {
    pub(super) fn new(link: Rc<dyn HostLink>) -> Self {
        Self(link)
    }
}

impl Clock for LinkedClock {
    fn now(&self) -> JsInstant {
        let nanoseconds = inputs::monotonic_nanoseconds(&*self.0);
        let rest = u32::try_from(nanoseconds % SECOND).unwrap_or_default();
        JsInstant::new(nanoseconds / SECOND, rest)
    }

    fn system_time_millis(&self) -> i64 {
        inputs::epoch_milliseconds(&*self.0)
    }
}

/// The link of the context; `None` while the engine is built.
pub(super) fn link(context: &Context) -> Option<&dyn HostLink> {
    context.get_data::<Host>().map(|host| &*host.link)
}

/// Replaces `Math.random`: the engine lets its host give no random numbers.
pub(super) fn define_random(context: &mut Context) -> JsResult<()> {
    let random = |_: &JsValue, _: &[JsValue], context: &mut Context| {
        Ok(inputs::random_fraction(link(context)).into())
    };
    let random = function("random", 0, random, context);
    let property = PropertyDescriptor::builder()
        .value(random)
        .writable(true)
        .enumerable(false)
        .configurable(true);
    let math = context.global_object().get(js_string!("Math"), context)?;
    let math = math.to_object(context)?;
    math.define_property_or_throw(js_string!("random"), property, context)?;
    Ok(())
}
