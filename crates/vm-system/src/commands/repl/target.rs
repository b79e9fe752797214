//! The session that is typed at, and the daemon that it lives in.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinHandle;
use uuid::Uuid;
use vmapi_types::{CreateSessionRequest, CreateTemplateRequest, ErrorCode, Template};
use vmclient::{Client, Error};

use crate::cli::ReplArgs;
use crate::commands::private_daemon::PrivateDaemon;
use crate::failure::{Failure, say_note};

/// The name of the template that sessions are made from when none is named, and of their workspace.
const NAME: &str = "repl";

/// How long to wait before a session is followed again whose stream could not be resumed.
const BETWEEN_STREAMS: Duration = Duration::from_secs(1);

/// A session, and what of it is only here for this command.
pub(crate) struct Target {
    /// The client of its daemon.
    pub client: Client,
    /// Its id.
    pub session: Uuid,
    /// Keeps the session from being closed, if it was made for this command.
    kept: Option<JoinHandle<()>>,
    /// The daemon, if it was started for this command.
    daemon: Option<PrivateDaemon>,
}

impl Target {
    /// Finds the session, or makes one; in a daemon of its own if none is there.
    ///
    /// # Errors
    /// When the session or the template that is named is not there, and when none can be made.
    pub(crate) async fn find(args: ReplArgs, client: Client) -> Result<Self, Failure> {
        if let Some(id) = args.session {
            let session = client.session(&id).await?.id;
            return Ok(Self {
                client,
                session,
                kept: None,
                daemon: None,
            });
        }
        let daemon = match client.health().await {
            Ok(_) => None,
            Err(Error::Unreachable { url, .. }) => {
                say_note(&format!(
                    "There is no daemon at {url}: this console has one of its own."
                ));
                Some(PrivateDaemon::start().await?)
            }
            Err(error) => return Err(error.into()),
        };
        let client = match &daemon {
            Some(daemon) => daemon.client.clone(),
            None => client,
        };
        match make_session(&client, args.template, args.worktree, args.linger).await {
            Ok(session) => Ok(Self {
                kept: Some(tokio::spawn(keep(client.clone(), session))),
                client,
                session,
                daemon,
            }),
            Err(failure) => {
                if let Some(daemon) = daemon {
                    daemon.stop().await;
                }
                Err(failure)
            }
        }
    }

    /// Closes what was made for this command.
    ///
    /// # Errors
    /// When the session can't be closed.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        let closed = match self.kept {
            Some(kept) => {
                kept.abort();
                self.client.close_session(self.session).await.map(drop)
            }
            None => Ok(()),
        };
        if let Some(daemon) = self.daemon {
            daemon.stop().await;
        }
        Ok(closed?)
    }
}

/// Follows a session, so that the daemon sees that its console is there. Ends with the session.
async fn keep(client: Client, session: Uuid) {
    loop {
        let mut stream = client.follow_session_status(session);
        loop {
            match stream.next().await {
                Ok(Some(_)) => {}
                // The session has ended, or this daemon does not know it: the next line that is
                // typed says so.
                Ok(None) | Err(Error::Api { status: 404, .. }) => return,
                // The daemon can't be reached now.
                Err(_) => break,
            }
        }
        tokio::time::sleep(BETWEEN_STREAMS).await;
    }
}

async fn make_session(
    client: &Client,
    template: Option<String>,
    worktree: PathBuf,
    linger: Duration,
) -> Result<Uuid, Failure> {
    let template = template_of(client, template.as_deref()).await?;
    let worktree = std::path::absolute(&worktree)
        .ok()
        .and_then(|path| path.into_os_string().into_string().ok())
        .with_context(|| format!("{}: it is no path", worktree.display()))?;
    let session = client
        .create_session(&CreateSessionRequest {
            template_id: Some(template.to_string()),
            workspace_id: Some(NAME.into()),
            base_commit_oid: Some(NAME.into()),
            worktree_path: Some(worktree),
            unwatched_timeout_ms: Some(u64::try_from(linger.as_millis()).unwrap_or(u64::MAX)),
        })
        .await?;
    Ok(session.id)
}

/// The id of a template that is named, by its name or the start of its id; of the default one if none is.
async fn template_of(client: &Client, named: Option<&str>) -> Result<Uuid, Failure> {
    let templates = client.templates().await?;
    let name = named.unwrap_or(NAME);
    let with_name = templates.iter().find(|template| template.name == name);
    if let Some(template) = with_name {
        return Ok(template.id);
    }
    let Some(named) = named else {
        let request = CreateTemplateRequest {
            name: Some(NAME.into()),
            engine: None,
        };
        return match client.create_template(&request).await {
            Ok(template) => Ok(template.id),
            // Somebody else makes it now.
            Err(Error::Api { code, .. }) if code == "TEMPLATE_EXISTS" => {
                let templates = client.templates().await?;
                let found = templates.iter().find(|template| template.name == name);
                let gone = || Failure::Argument {
                    code: ErrorCode::TemplateNotFound,
                    message: format!("the template {name} comes and goes"),
                };
                found.map(|template| template.id).ok_or_else(gone)
            }
            Err(error) => Err(error.into()),
        };
    };
    let begins_so = |template: &&Template| template.id.to_string().starts_with(named);
    let mut found = templates.iter().filter(begins_so);
    match (found.next(), found.next()) {
        (Some(template), None) => Ok(template.id),
        (Some(_), Some(_)) => Err(Failure::Argument {
            code: ErrorCode::ValidationError,
            message: format!("several templates have an id that begins with {named}"),
        }),
        (None, _) => Err(Failure::Argument {
            code: ErrorCode::TemplateNotFound,
            message: format!(
                "there is no template whose name is {named} or whose id begins so: see vm-system template list"
            ),
        }),
    }
}
