//! What scripts ask host modules for.

use std::sync::Arc;

use tokio::sync::oneshot;
use vmcontrol::Lease;
use vmcontrol::runtime::RunUpdate;

use super::Actor;
use crate::host_modules::{Answering, busy};
use crate::ipc::{HostAnswer, HostCall, HostError, ToSession};

/// How far a host call is.
pub(super) enum HostStep {
    /// The record of its execution is on disk: it may be carried out.
    Recorded(HostCall, Lease),
    /// It has been answered, up to the end of the answer.
    Done(HostAnswer),
}

/// The answer to a call for whose arguments there was no room.
pub(super) fn refusal() -> ToSession {
    ToSession::HostAnswer(HostAnswer::End(Err(busy())))
}

impl Actor {
    /// Takes a host call. The first of a run waits until the run's record is on disk.
    pub(super) fn start_host_call(&mut self, call: HostCall, charge: Lease) {
        let Some(run) = &mut self.run else { return };
        if run.announced {
            self.carry_out(call, charge);
            return;
        }
        run.announced = true;
        run.pause_clock();
        let (updates, steps) = (run.updates.clone(), self.step_sender.clone());
        let (number, generation) = (run.id, self.generation);
        run.call = Some(tokio::spawn(async move {
            let (go_on, recorded) = oneshot::channel();
            let _ = updates.send(RunUpdate::BeforeHostCall(go_on)).await;
            let step = match recorded.await {
                Ok(()) => HostStep::Recorded(call, charge),
                Err(_) => HostStep::Done(HostAnswer::End(Err(HostError::new(
                    "the execution can't be recorded, and so it may do nothing",
                )))),
            };
            let _ = steps.send((number, generation, step));
        }));
    }

    fn carry_out(&mut self, call: HostCall, charge: Lease) {
        let Some(run) = &mut self.run else { return };
        let answering = Answering::new(self.sender.clone(), self.generation);
        let (broker, steps) = (Arc::clone(&self.broker), self.step_sender.clone());
        let (number, generation) = (run.id, self.generation);
        run.call = Some(tokio::spawn(async move {
            let answered = broker.call(call, &answering).await;
            drop(charge);
            // If the process is gone, nobody waits for the answer.
            if let Ok(end) = answered {
                let _ = steps.send((number, generation, HostStep::Done(end)));
            }
        }));
    }

    pub(super) async fn go_on_with_call(&mut self, step: HostStep) {
        if let Some(run) = &mut self.run {
            run.resume_clock();
            if run.stopped.is_some() {
                // Its process is about to be dead, and it may do nothing more.
                return;
            }
        }
        match step {
            HostStep::Recorded(call, charge) => self.carry_out(call, charge),
            HostStep::Done(end) => self.send(&ToSession::HostAnswer(end)).await,
        }
    }
}
