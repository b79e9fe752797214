//! What the engine itself tells scripts from outside their session: the time, and chance.

use std::rc::Rc;

use boa_engine::context::time::{Clock, JsInstant};
use boa_engine::property::PropertyDescriptor;
use boa_engine::{Context, JsResult, JsValue, js_string};

use super::HostLink;
use super::globals;
use super::host::Host;
use crate::clock::{monotonic, since_epoch};

/// How many nanoseconds a second has.
const SECOND: u64 = 1_000_000_000;

/// The engine's clock.
pub(super) struct LinkedClock(Rc<dyn HostLink>);

impl LinkedClock {
    pub(super) fn new(link: Rc<dyn HostLink>) -> Self {
        Self(link)
    }
}

impl Clock for LinkedClock {
    fn now(&self) -> JsInstant {
        let nanoseconds = nanoseconds(&*self.0);
        let rest = u32::try_from(nanoseconds % SECOND).unwrap_or_default();
        JsInstant::new(nanoseconds / SECOND, rest)
    }

    fn system_time_millis(&self) -> i64 {
        let now = || since_epoch().as_millis().try_into().unwrap_or(u64::MAX);
        self.0.record_input(&now).try_into().unwrap_or(i64::MAX)
    }
}

/// The time of the steady clock, as a script is told it.
pub(super) fn nanoseconds(link: &dyn HostLink) -> u64 {
    link.record_input(&|| monotonic().as_nanos().try_into().unwrap_or(u64::MAX))
}

/// Fills bytes by chance, as a script is told it.
pub(super) fn fill_by_chance(bytes: &mut [u8], context: &Context) {
    for part in bytes.chunks_mut(size_of::<u64>()) {
        let chance = chance(context, &rand::random).to_le_bytes();
        part.copy_from_slice(&chance[..part.len()]);
    }
}

fn chance(context: &Context, ask: &dyn Fn() -> u64) -> u64 {
    // There is no host before there are scripts.
    match context.get_data::<Host>() {
        Some(host) => host.link.record_input(ask),
        None => ask(),
    }
}

/// Replaces `Math.random`, in which the engine leaves its host no part.
pub(super) fn define_random(context: &mut Context) -> JsResult<()> {
    let random = |_: &JsValue, _: &[JsValue], context: &mut Context| {
        let bits = chance(context, &|| rand::random::<f64>().to_bits());
        Ok(f64::from_bits(bits).into())
    };
    let random = globals::function("random", 0, random, context);
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
