//! Closing sessions whose event stream has no follower any more. A client asks for this when it
//! creates a session that it follows.

use std::time::Duration;

use uuid::Uuid;

use crate::session::registry::RegisteredSession;
use crate::{Control, Error};

impl Control {
    /// Starts a task that closes a session once its event stream has had no follower for `timeout`.
    /// An execution that runs in it then is cancelled: no client waits for it any more.
    pub(crate) fn close_when_unwatched(&self, session: &RegisteredSession, timeout: Duration) {
        let (control, id) = (self.downgrade(), session.id);
        // The task does not hold the session: the number of its followers ends with it.
        let mut followers = session.followers();
        tokio::spawn(async move {
            while followers.wait_for(|count| *count == 0).await.is_ok() {
                let resumed = followers.wait_for(|count| *count > 0);
                match tokio::time::timeout(timeout, resumed).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(_)) => return,
                    Err(_) => break,
                }
            }
            let Some(control) = control.upgrade() else {
                return;
            };
            let Some(session) = control.inner().registry.get(id) else {
                return;
            };
            let reason = format!(
                "no client followed its event stream for {} s (unwatched_timeout_ms)",
                timeout.as_secs_f64()
            );
            session.set_closing(&reason);
            drop(session);
            tracing::info!(session_id = %id, reason, "closing a session");
            control.close_in_background(id).await;
        });
    }

    /// Closes a session that the service has decided to close, after
    /// [`set_closing`](RegisteredSession::set_closing). A failure is logged: no client waits for
    /// the outcome.
    pub(crate) async fn close_in_background(&self, id: Uuid) {
        match self.close_session(id).await {
            Ok(_) | Err(Error::SessionNotFound { .. }) => {}
            Err(error) => {
                tracing::warn!(session_id = %id, %error, "a session could not be closed");
            }
        }
    }
}
