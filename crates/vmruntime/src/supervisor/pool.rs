//! The running zygotes: one for each engine without libraries, and one for each list of libraries
//! that sessions start with.
//!
//! Loading libraries takes much longer than a fork. So a zygote loads them once, and the processes
//! of every session with this list of libraries are forked from that zygote.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Mutex as AsyncMutex, watch};
use vmcontrol::MemoryBudget;
use vmcontrol::library::LoadedLibrary;
use vmcontrol::runtime::{OpenSessionError, RuntimeUnavailable};

use super::zygote::Zygote;
use crate::ipc::WorkerCommand;

/// How many zygotes with libraries are kept for future sessions. Each is a process of 10 to 30 MB.
const MAX_WITH_LIBRARIES: usize = 8;

/// The identity of a zygote: what it is warmed up with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    engine: String,
    /// The names and checksums of the libraries, in the order of loading.
    libraries: Vec<(String, String)>,
}

/// The slot of a zygote; `None` before the first start. The slot's lock is held while a zygote
/// starts, so that only callers that need this kind of zygote wait for the start.
type Slot = Arc<AsyncMutex<Option<Arc<Zygote>>>>;

/// The running zygotes.
#[derive(Debug)]
pub(super) struct Pool {
    /// The memory budget for messages from session processes.
    memory: MemoryBudget,
    command: WorkerCommand,
    state: Mutex<State>,
    closed: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    slots: HashMap<Kind, UsedSlot>,
    /// The number of uses of all slots so far.
    clock: u64,
    /// Every zygote, including those without a slot, which live until their last session ends.
    all: Vec<Weak<Zygote>>,
}

#[derive(Debug)]
struct UsedSlot {
    slot: Slot,
    /// The value of [`State::clock`] at the newest use.
    last_use: u64,
}

impl Pool {
    /// A pool without zygotes.
    pub(super) fn new(command: WorkerCommand, memory: MemoryBudget) -> Self {
        Self {
            memory,
            command,
            state: Mutex::default(),
            closed: watch::Sender::new(false),
        }
    }

    /// The zygote for sessions of that engine with these libraries. A new one is started if there
    /// is none, or if the last one has died.
    ///
    /// # Errors
    /// When the zygote can't be started, when a library fails, and when the pool is closed.
    pub(super) async fn get(
        &self,
        engine: &str,
        libraries: &[LoadedLibrary],
    ) -> Result<Arc<Zygote>, OpenSessionError> {
        let kind = Kind {
            engine: engine.to_owned(),
            libraries: libraries
                .iter()
                .map(|library| (library.name.clone(), library.integrity.clone()))
                .collect(),
        };
        let mut closed = self.closed.subscribe();
        let slot = self.slot(kind);
        tokio::select! {
            zygote = self.fill(&slot, engine, libraries) => zygote,
            _ = closed.wait_for(|closed| *closed) => Err(OpenSessionError::Unavailable(RuntimeUnavailable {
                reason: "the service is shutting down".into(),
            })),
        }
    }

    async fn fill(
        &self,
        slot: &Slot,
        engine: &str,
        libraries: &[LoadedLibrary],
    ) -> Result<Arc<Zygote>, OpenSessionError> {
        let mut zygote = slot.lock().await;
        if let Some(zygote) = zygote.as_ref().filter(|zygote| zygote.is_alive()) {
            return Ok(Arc::clone(zygote));
        }
        let started =
            Arc::new(Zygote::start(&self.command, engine, libraries, self.memory.clone()).await?);
        self.state().all.push(Arc::downgrade(&started));
        Ok(Arc::clone(zygote.insert(started)))
    }

    /// The slot for that kind of zygote. If there are too many slots, the least recently used one
    /// is removed.
    fn slot(&self, kind: Kind) -> Slot {
        let mut state = self.state();
        state.clock += 1;
        let clock = state.clock;
        let used = state.slots.entry(kind).or_insert_with(|| UsedSlot {
            slot: Slot::default(),
            last_use: clock,
        });
        used.last_use = clock;
        let slot = Arc::clone(&used.slot);
        state.forget_beyond(MAX_WITH_LIBRARIES);
        slot
    }

    /// Ends all zygotes with their sessions and waits until their processes have ended. No zygote
    /// is started from then on.
    pub(super) async fn close(&self) {
        self.closed.send_replace(true);
        let state = std::mem::take(&mut *self.state());
        let all: Vec<_> = state.all.iter().filter_map(Weak::upgrade).collect();
        for zygote in &all {
            zygote.stop();
        }
        for zygote in &all {
            zygote.gone().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Removes the slots of the least recently used zygotes with libraries until `most` are left. A
    /// zygote without a slot ends with its last session.
    fn forget_beyond(&mut self, most: usize) {
        self.all.retain(|zygote| zygote.strong_count() > 0);
        loop {
            let with_libraries = self
                .slots
                .iter()
                .filter(|(kind, _)| !kind.libraries.is_empty());
            if with_libraries.clone().count() <= most {
                return;
            }
            let oldest = with_libraries.min_by_key(|(_, used)| used.last_use);
            let Some(kind) = oldest.map(|(kind, _)| kind.clone()) else {
                return;
            };
            self.slots.remove(&kind);
        }
    }
}
