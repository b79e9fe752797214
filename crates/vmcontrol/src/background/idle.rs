//! Closing sessions that have been idle for too long.

use std::time::{Duration, Instant};

use crate::Control;
use crate::session::registry::RegisteredSession;

/// The number of checks during one idle timeout.
const CHECKS_PER_TIMEOUT: u32 = 10;

/// The shortest time between two checks.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// Starts a task that closes sessions which have been idle for `timeout`. It ends with the service.
pub fn close_idle_sessions(control: &Control, timeout: Duration) {
    let control = control.downgrade();
    let pause = (timeout / CHECKS_PER_TIMEOUT).max(SHORTEST_PAUSE);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(pause).await;
            let Some(control) = control.upgrade() else {
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

fn is_idle(session: &RegisteredSession, timeout: Duration) -> bool {
    session
        .idle_since()
        .is_some_and(|since| since + timeout <= Instant::now())
}

async fn close(control: &Control, session: &RegisteredSession, timeout: Duration) {
    if session.closing().is_some() {
        // The store has refused the end of this session, so it is tried again.
        control.close_in_background(session.id).await;
        return;
    }
    // The session is taken first, so that no execution begins between the check and the end.
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
    control.close_in_background(session.id).await;
}
