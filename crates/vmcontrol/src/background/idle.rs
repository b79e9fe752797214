//! Closing sessions that nobody uses, or whose client is gone.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::control::Inner;
use crate::session::registry::LiveSession;
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
    close_now(control, session.id).await;
}

/// Closes a session as soon as nobody has followed its event stream for `timeout`. What runs in it
/// then is cancelled: nobody is left who waits for it.
pub(crate) fn close_when_unwatched(control: &Control, session: &LiveSession, timeout: Duration) {
    let (inner, id) = (Arc::downgrade(control.inner()), session.id);
    // The session itself is not held here: its followers are gone with it.
    let mut followed = session.followed();
    tokio::spawn(async move {
        while followed.wait_for(|count| *count == 0).await.is_ok() {
            let resumed = followed.wait_for(|count| *count > 0);
            match tokio::time::timeout(timeout, resumed).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return,
                Err(_) => break,
            }
        }
        let Some(control) = Weak::<Inner>::upgrade(&inner).map(Control::from) else {
            return;
        };
        let Some(session) = control.inner().registry.get(id) else {
            return;
        };
        let reason = format!(
            "nobody followed its event stream for {} s (unwatched_timeout_ms)",
            timeout.as_secs_f64()
        );
        session.set_closing(&reason);
        tracing::info!(session_id = %id, reason, "closing a session");
        close_now(&control, id).await;
    });
}

/// Closes a session whose end has been decided and has its reason.
async fn close_now(control: &Control, id: Uuid) {
    match control.close_session(id).await {
        Ok(_) | Err(Error::SessionNotFound { .. }) => {}
        Err(error) => {
            tracing::warn!(session_id = %id, %error, "a session could not be closed");
        }
    }
}
