//! The queues behind promises and timers, and the watch over rejections that nobody handles.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, Instant};

use boa_engine::builtins::promise::{OperationType, Promise, PromiseState};
use boa_engine::context::HostHooks;
use boa_engine::job::{
    GenericJob, IntervalJob, Job, JobExecutor, NativeAsyncJob, PromiseJob, TimeoutJob,
};
use boa_engine::object::JsObject;
use boa_engine::object::builtins::JsPromise;
use boa_engine::{Context, JsError, JsResult};

/// Runs jobs in the order that browsers and Node do: all promise jobs before the next timer. It sleeps until a timer is
/// due, instead of asking again and again.
#[derive(Default)]
pub(super) struct Jobs {
    promise: RefCell<VecDeque<PromiseJob>>,
    generic: RefCell<VecDeque<GenericJob>>,
    asynchronous: RefCell<VecDeque<NativeAsyncJob>>,
    timers: RefCell<BTreeMap<(Instant, u64), Timer>>,
    next_timer: Cell<u64>,
}

enum Timer {
    Once(TimeoutJob),
    Repeating(IntervalJob),
}

impl Timer {
    fn is_cancelled(&self) -> bool {
        match self {
            Self::Once(job) => job.cancelled(),
            Self::Repeating(job) => job.cancelled(),
        }
    }
}

impl Jobs {
    /// Drops what is queued.
    pub(super) fn clear(&self) {
        self.promise.take();
        self.generic.take();
        self.asynchronous.take();
        self.timers.take();
    }

    fn add_timer(&self, delay: Duration, timer: Timer) {
        let number = self.next_timer.get();
        self.next_timer.set(number + 1);
        // A delay past the end of the clock is one that never ends.
        let due = Instant::now()
            .checked_add(delay)
            .unwrap_or_else(|| Instant::now() + Duration::from_secs(u32::MAX.into()));
        self.timers.borrow_mut().insert((due, number), timer);
    }

    /// The next timer, once it is due.
    fn wait_for_timer(&self) -> Option<Timer> {
        loop {
            let ((due, _), timer) = self.timers.borrow_mut().pop_first()?;
            if timer.is_cancelled() {
                continue;
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            return Some(timer);
        }
    }

    fn run_timer(&self, timer: Timer, context: &mut Context) -> JsResult<()> {
        match timer {
            Timer::Once(job) => job.call(context).map(drop),
            Timer::Repeating(job) => {
                job.call(context)?;
                if !job.cancelled() {
                    let delay = Duration::from_millis(job.interval().as_millis().max(1));
                    self.add_timer(delay, Timer::Repeating(job));
                }
                Ok(())
            }
        }
    }
}

impl JobExecutor for Jobs {
    fn enqueue_job(self: Rc<Self>, job: Job, _: &mut Context) {
        match job {
            Job::PromiseJob(job) => self.promise.borrow_mut().push_back(job),
            Job::GenericJob(job) => self.generic.borrow_mut().push_back(job),
            Job::AsyncJob(job) => self.asynchronous.borrow_mut().push_back(job),
            Job::TimeoutJob(job) => {
                let delay = Duration::from_millis(job.timeout().as_millis().max(1));
                self.add_timer(delay, Timer::Once(job));
            }
            Job::IntervalJob(job) => {
                let delay = Duration::from_millis(job.interval().as_millis().max(1));
                self.add_timer(delay, Timer::Repeating(job));
            }
            // The language lets a host never call these, and nothing here outlives the process.
            _ => {}
        }
    }

    fn run_jobs(self: Rc<Self>, context: &mut Context) -> JsResult<()> {
        loop {
            let job = self.promise.borrow_mut().pop_front();
            if let Some(job) = job {
                job.call(context)?;
                continue;
            }
            let job = self.generic.borrow_mut().pop_front();
            if let Some(job) = job {
                job.call(context)?;
                continue;
            }
            let job = self.asynchronous.borrow_mut().pop_front();
            if let Some(job) = job {
                run_to_end(job, context)?;
                continue;
            }
            let Some(timer) = self.wait_for_timer() else {
                return Ok(());
            };
            self.run_timer(timer, context)?;
        }
    }
}

/// Nothing in a session process waits for anything but timers and host calls, which block: an async job of the engine is
/// ready whenever it is asked.
fn run_to_end(job: NativeAsyncJob, context: &mut Context) -> JsResult<()> {
    let context = RefCell::new(context);
    let mut future = pin!(job.call(&context));
    let mut task = TaskContext::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(outcome) = future.as_mut().poll(&mut task) {
            return outcome.map(drop);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The rejected promises of this execution that nobody has handled yet.
#[derive(Default)]
pub(super) struct Rejections {
    unhandled: RefCell<Vec<JsObject<Promise>>>,
}

impl Rejections {
    /// Fails with the reason of the first rejection that nobody handles.
    pub(super) fn check(&self) -> JsResult<()> {
        let Some(promise) = self.unhandled.borrow().first().cloned() else {
            return Ok(());
        };
        match JsPromise::from_object(promise.upcast())?.state() {
            PromiseState::Rejected(reason) => Err(JsError::from_opaque(reason)),
            PromiseState::Pending | PromiseState::Fulfilled(_) => Ok(()),
        }
    }

    /// Forgets them.
    pub(super) fn clear(&self) {
        self.unhandled.take();
    }
}

impl HostHooks for Rejections {
    fn promise_rejection_tracker(
        &self,
        promise: &JsObject<Promise>,
        operation: OperationType,
        _: &mut Context,
    ) {
        let mut unhandled = self.unhandled.borrow_mut();
        match operation {
            OperationType::Reject => unhandled.push(promise.clone()),
            OperationType::Handle => unhandled.retain(|known| !JsObject::equals(known, promise)),
        }
    }
}
