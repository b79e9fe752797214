//! Host calls: the calls of scripts to host modules.

use std::sync::Arc;

use tokio::sync::oneshot;
use vmcontrol::Lease;
use vmcontrol::runtime::RunUpdate;

use super::SessionActor;
use super::host_step::{HostProgress, HostStep};
use crate::host_modules::{Answering, busy};
use crate::ipc::{HostAnswer, HostCall, HostError, ToSession};

impl SessionActor {
    /// Starts a host call. The first call of a run waits until the run's record is on disk.
    pub(super) fn start_host_call(&mut self, call: HostCall, charge: Lease) {
        let Some(run) = &mut self.run else { return };
        if run.announced {
            self.carry_out(call, charge);
            return;
        }
        run.announced = true;
        run.pause_clock();
        let (updates, steps) = (run.updates.clone(), self.step_sender.clone());
        let (run_number, generation) = (run.number, self.process.generation);
        run.call = Some(tokio::spawn(async move {
            let (go_on, recorded) = oneshot::channel();
            let _ = updates.send(RunUpdate::BeforeHostCall(go_on)).await;
            let progress = match recorded.await {
                Ok(()) => HostProgress::Recorded(call, charge),
                Err(_) => HostProgress::Done(HostAnswer::End(Err(HostError::new(
                    "the execution can't be recorded, and so it may do nothing",
                )))),
            };
            let _ = steps.send(HostStep {
                run: run_number,
                generation,
                progress,
            });
        }));
    }

    /// Answers a call for whose arguments the daemon had no memory.
    pub(super) async fn refuse_host_call(&self) {
        let refusal = HostAnswer::End(Err(busy()));
        self.send(&ToSession::HostAnswer(refusal)).await;
    }

    /// Starts the task that carries a call out and sends the answer up to its end.
    fn carry_out(&mut self, call: HostCall, charge: Lease) {
        let Some(run) = &mut self.run else { return };
        let generation = self.process.generation;
        let answering = Answering::new(self.process.sender.clone(), generation);
        let (broker, steps) = (Arc::clone(&self.broker), self.step_sender.clone());
        let run_number = run.number;
        run.call = Some(tokio::spawn(async move {
            let answered = broker.call(call, &answering).await;
            drop(charge);
            // If the answer can't be sent, the process has ended, and no step is reported.
            if let Ok(end) = answered {
                let _ = steps.send(HostStep {
                    run: run_number,
                    generation,
                    progress: HostProgress::Done(end),
                });
            }
        }));
    }

    /// Handles a step of a host call, unless the process that waits for the answer is dead.
    pub(super) async fn on_host_step(&mut self, step: HostStep) {
        let is_current = step.generation == self.process.generation;
        let Some(run) = self.active(step.run).filter(|_| is_current) else {
            return;
        };
        run.resume_clock();
        if run.kill.is_some() {
            // The process of the run is about to die, and the run may do nothing more.
            return;
        }
        match step.progress {
            HostProgress::Recorded(call, charge) => self.carry_out(call, charge),
            HostProgress::Done(end) => self.send(&ToSession::HostAnswer(end)).await,
        }
    }
}
