//! Closing sessions that nobody uses.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::control::Inner;
use crate::registry::LiveSession;
use crate::{Control, Error};

/// How often in the time that a session may be idle the sessions are looked at.
const LOOKS: u32 = 10;

/// How often at most.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// Closes sessions that have been idle for `timeout`, for as long as the service is there.
pub(crate) fn close_idle_sessions(control: &Control, timeout: Duration) {
    let inner = Arc::downgrade(control.inner());
    let pause = (timeout / LOOKS).max(SHORTEST_PAUSE);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(pause).await;
            let Some(control) = Weak::<Inner>::upgrade(&inner).map(Control::from) else {
                return;
            };
            for session in control.inner().registry.all() {
                if is_idle(&session, timeout) {
                    close(&control, &session, timeout).await;
                }
            }
        }
    });
}

fn is_idle(session: &LiveSession, timeout: Duration) -> bool {
    session
        .idle_since()
        .is_some_and(|since| since + timeout <= Instant::now())
}

async fn close(control: &Control, session: &LiveSession, timeout: Duration) {
    // One that is being closed already is one whose record the store did not take: it is tried again.
    if session.closing().is_none() {
        // Nothing begins in it between the question and the end: it is taken first.
        let Ok(taken) = session.try_take() else {
            return;
        };
        if !is_idle(session, timeout) {
            return;
        }
        let reason = format!(
            "it was idle for {} s (--session-idle-timeout)",
            timeout.as_secs_f64()
        );
        session.set_closing(&reason);
        drop(taken);
        tracing::info!(session_id = %session.id, reason, "closing a session");
    }
    match control.close_session(session.id).await {
        Ok(_) | Err(Error::SessionNotFound { .. }) => {}
        Err(error) => {
            tracing::warn!(session_id = %session.id, %error, "an idle session could not be closed");
        }
    }
}
