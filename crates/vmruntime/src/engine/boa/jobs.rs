//! The queues behind promises and timers, and the rejected promises that no handler has taken.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, Instant};

use boa_engine::builtins::promise::{OperationType, Promise, PromiseState};
use boa_engine::context::time::JsDuration;
use boa_engine::context::{DefaultHooks, HostHooks};
use boa_engine::job::{
    GenericJob, IntervalJob, Job, JobExecutor, NativeAsyncJob, PromiseJob, TimeoutJob,
};
use boa_engine::object::JsObject;
use boa_engine::object::builtins::JsPromise;
use boa_engine::{Context, JsError, JsResult, JsValue};

use super::HostLink;

/// How often a future of the engine (`Atomics.waitAsync`) is polled while nothing else can run: no
/// other thread could wake this one.
const POLL_EVERY: Duration = Duration::from_millis(1);

/// Runs jobs in the order of browsers and Node: all promise jobs before the next timer. It sleeps
/// until a timer is due.
pub(super) struct Jobs {
    link: Rc<dyn HostLink>,
    promise: RefCell<VecDeque<PromiseJob>>,
    generic: RefCell<VecDeque<GenericJob>>,
    asynchronous: RefCell<VecDeque<NativeAsyncJob>>,
    /// By the time when they are due, and by number in the order in which they were added.
    timers: RefCell<BTreeMap<(Instant, u64), Timer>>,
    next_timer: Cell<u64>,
}

/// A job that can run at once.
enum Ready {
    Promise(PromiseJob),
    Generic(GenericJob),
}

/// A timer that is not due yet.
enum Timer {
    Once(TimeoutJob),
    Repeating(IntervalJob),
    /// A timer that does not keep an execution going.
    Aside(TimeoutJob),
}

impl Timer {
    fn is_cancelled(&self) -> bool {
        match self {
            Self::Once(job) | Self::Aside(job) => job.cancelled(),
            Self::Repeating(job) => job.cancelled(),
        }
    }

    fn keeps_going(&self) -> bool {
        !matches!(self, Self::Aside(_)) && !self.is_cancelled()
    }
}

impl Jobs {
    pub(super) fn new(link: Rc<dyn HostLink>) -> Self {
        Self {
            link,
            promise: RefCell::default(),
            generic: RefCell::default(),
            asynchronous: RefCell::default(),
            timers: RefCell::default(),
            next_timer: Cell::default(),
        }
    }

    /// Drops all jobs and timers.
    pub(super) fn clear(&self) {
        self.promise.take();
        self.generic.take();
        self.asynchronous.take();
        self.timers.take();
    }

    /// Adds a timer that does not keep an execution going: it runs if the execution still waits for
    /// something else when it is due.
    pub(super) fn add_aside(&self, job: TimeoutJob) {
        self.add_timer(delay_of(job.timeout()), Timer::Aside(job));
    }

    /// Waits for the next timer and runs it; gives whether there was one. It is called while the
    /// script waits for a promise and no job is left, so only timers that keep no execution going
    /// are there.
    pub(super) fn run_aside(&self, context: &mut Context) -> JsResult<bool> {
        match self.wait_for_timer(None) {
            Some(timer) => self.run_timer(timer, context).map(|()| true),
            None => Ok(false),
        }
    }

    fn add_timer(&self, delay: Duration, timer: Timer) {
        self.link.mark_nondeterministic();
        let number = self.next_timer.get();
        self.next_timer.set(number + 1);
        // A delay beyond the range of the clock never ends.
        let due = Instant::now()
            .checked_add(delay)
            .unwrap_or_else(|| Instant::now() + Duration::from_secs(u32::MAX.into()));
        self.timers.borrow_mut().insert((due, number), timer);
    }

    /// Waits for the next timer, but no longer than `at_most`; gives the timer if it is due.
    /// Without a timer and without a limit it does not wait.
    fn wait_for_timer(&self, at_most: Option<Duration>) -> Option<Timer> {
        let mut timers = self.timers.borrow_mut();
        while timers
            .first_key_value()
            .is_some_and(|(_, timer)| timer.is_cancelled())
        {
            timers.pop_first();
        }
        let until_due = timers
            .first_key_value()
            .map(|((due, _), _)| due.saturating_duration_since(Instant::now()));
        let wait = until_due.into_iter().chain(at_most).min()?;
        std::thread::sleep(wait);
        if until_due? > wait {
            return None;
        }
        timers.pop_first().map(|(_, timer)| timer)
    }

    /// Whether there is a timer that keeps the execution going.
    fn is_kept_going(&self) -> bool {
        self.timers.borrow().values().any(Timer::keeps_going)
    }

    /// The next job that can run now, promise jobs first.
    fn pop(&self) -> Option<Ready> {
        if let Some(job) = self.promise.borrow_mut().pop_front() {
            return Some(Ready::Promise(job));
        }
        let job = self.generic.borrow_mut().pop_front();
        job.map(Ready::Generic)
    }

    fn run_timer(&self, timer: Timer, context: &mut Context) -> JsResult<()> {
        match timer {
            Timer::Once(job) | Timer::Aside(job) => job.call(context).map(drop),
            Timer::Repeating(job) => {
                job.call(context)?;
                if !job.cancelled() {
                    self.add_timer(delay_of(job.interval()), Timer::Repeating(job));
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
            Job::AsyncJob(job) => {
                // What it gives depends on the time.
                self.link.mark_nondeterministic();
                self.asynchronous.borrow_mut().push_back(job);
            }
            Job::TimeoutJob(job) => self.add_timer(delay_of(job.timeout()), Timer::Once(job)),
            Job::IntervalJob(job) => {
                self.add_timer(delay_of(job.interval()), Timer::Repeating(job));
            }
            // The language allows a host not to run the other kinds (cleanup of finalization
            // registries).
            _ => {}
        }
    }

    fn run_jobs(self: Rc<Self>, context: &mut Context) -> JsResult<()> {
        let context = RefCell::new(context);
        let mut pending = Vec::new();
        loop {
            self.link.collect_if_due(boa_gc::force_collect);
            pending.extend(
                self.asynchronous
                    .take()
                    .into_iter()
                    .map(|job| job.call(&context)),
            );
            poll_all(&mut pending)?;
            match self.pop() {
                Some(Ready::Promise(job)) => job.call(&mut context.borrow_mut()).map(drop)?,
                Some(Ready::Generic(job)) => job.call(&mut context.borrow_mut()).map(drop)?,
                None if !self.asynchronous.borrow().is_empty() => {}
                None if pending.is_empty() && !self.is_kept_going() => return Ok(()),
                None => {
                    let at_most = (!pending.is_empty()).then_some(POLL_EVERY);
                    if let Some(timer) = self.wait_for_timer(at_most) {
                        self.run_timer(timer, &mut context.borrow_mut())?;
                    }
                }
            }
        }
    }
}

/// The delay of a timer: as in Node, at least a millisecond.
fn delay_of(asked: JsDuration) -> Duration {
    Duration::from_millis(asked.as_millis().max(1))
}

/// Polls the futures of the engine, and drops those that are ready.
///
/// # Errors
/// The exception of the first that failed.
fn poll_all(pending: &mut Vec<impl Future<Output = JsResult<JsValue>> + Unpin>) -> JsResult<()> {
    let mut task = TaskContext::from_waker(Waker::noop());
    let mut failed = Ok(());
    pending.retain_mut(|future| match Pin::new(future).poll(&mut task) {
        Poll::Pending => true,
        Poll::Ready(outcome) => {
            failed = std::mem::replace(&mut failed, Ok(())).and(outcome.map(drop));
            false
        }
    });
    failed
}

/// The hooks of the engine. They keep the rejected promises of the current execution that have no
/// handler yet.
pub(super) struct Rejections {
    link: Rc<dyn HostLink>,
    unhandled: RefCell<Vec<JsObject<Promise>>>,
}

impl Rejections {
    pub(super) fn new(link: Rc<dyn HostLink>) -> Self {
        Self {
            link,
            unhandled: RefCell::default(),
        }
    }

    /// Checks that no rejection is left.
    ///
    /// # Errors
    /// The reason of the first rejection without a handler.
    pub(super) fn check(&self) -> JsResult<()> {
        let Some(promise) = self.unhandled.borrow().first().cloned() else {
            return Ok(());
        };
        match JsPromise::from_object(promise.upcast())?.state() {
            PromiseState::Rejected(reason) => Err(JsError::from_opaque(reason)),
            PromiseState::Pending | PromiseState::Fulfilled(_) => Ok(()),
        }
    }

    /// Forgets the rejections of an execution that has ended.
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

    /// The engine asks for this before it makes a buffer. When it decides whether to collect
    /// garbage it counts the object and not its bytes, so a thousand unreachable buffers would
    /// exceed the memory limit: garbage is collected here. That is as safe as with the object that
    /// the engine makes next, because objects that native code holds are roots, by their count of
    /// references.
    fn max_buffer_size(&self, context: &mut Context) -> u64 {
        self.link.collect_if_due(boa_gc::force_collect);
        DefaultHooks.max_buffer_size(context)
    }
}
