use std::fmt::Display;

use vmapi_types::{CreateSessionRequest, Session, SessionStatus};

use crate::{Call, Client};

impl Client {
    /// `GET /sessions`: the sessions of one status, or all; newest first.
    pub fn sessions(&self, status: Option<SessionStatus>) -> Call<Vec<Session>> {
        let query = status.map(|status| ("status", status.to_string()));
        self.get_with(&["sessions"], query.as_slice())
    }

    /// `POST /sessions`: starts a session; the answer comes when it is ready.
    pub fn create_session(&self, request: &CreateSessionRequest) -> Call<Session> {
        self.post(&["sessions"], request)
    }

    /// `GET /sessions/{session_id}`.
    pub fn session(&self, session_id: impl Display) -> Call<Session> {
        self.get(&["sessions", &session_id.to_string()])
    }

    /// `POST /sessions/{session_id}/close`; a session that is closed already is given as it is.
    pub fn close_session(&self, session_id: impl Display) -> Call<Session> {
        self.post_nothing(&["sessions", &session_id.to_string(), "close"])
    }
}
