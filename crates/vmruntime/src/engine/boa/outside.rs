//! What the engine itself tells scripts from outside their session: the time, and chance.

use std::rc::Rc;

use boa_engine::context::time::{Clock, JsInstant, StdClock};
use boa_engine::property::PropertyDescriptor;
use boa_engine::{Context, JsResult, JsValue, js_string};

use super::HostLink;
use super::globals;
use super::host::note_unrepeatable;

/// The engine's clock. Whoever asks it runs a script that would go another way at another time.
pub(super) struct WatchedClock {
    clock: StdClock,
    link: Rc<dyn HostLink>,
}

impl WatchedClock {
    pub(super) fn new(link: Rc<dyn HostLink>) -> Self {
        let clock = StdClock::new();
        Self { clock, link }
    }
}

impl Clock for WatchedClock {
    fn now(&self) -> JsInstant {
        self.link.note_unrepeatable();
        self.clock.now()
    }

    fn system_time_millis(&self) -> i64 {
        self.link.note_unrepeatable();
        self.clock.system_time_millis()
    }
}

/// Has it noted when a script calls `Math.random`, in which the engine leaves its host no part.
pub(super) fn watch_random(context: &mut Context) -> JsResult<()> {
    let random = |_: &JsValue, _: &[JsValue], context: &mut Context| {
        note_unrepeatable(context);
        Ok(rand::random::<f64>().into())
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
