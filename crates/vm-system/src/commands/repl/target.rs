//! The session of the console, and the daemon that the session belongs to.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinHandle;
use uuid::Uuid;
use vmapi_types::{CreateSessionRequest, CreateTemplateRequest, ErrorCode, Template};
use vmclient::{Client, Error};

use crate::cli::ReplArgs;
use crate::commands::private_daemon::PrivateDaemon;
use crate::failure::{Failure, print_note};

/// The name of the default template, and of the workspace of new sessions.
const NAME: &str = "repl";

/// The pause before a session is followed again after its stream could not be resumed.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The session of the console, with what was created for this command.
pub(crate) struct Target {
    /// A client of the session's daemon.
    pub client: Client,
    /// The session's id.
    pub session: Uuid,
    /// The task that follows a session that was created for this command, so that the daemon does
    /// not close it as unwatched; `None` for an existing session.
    follower: Option<JoinHandle<()>>,
    /// The private daemon; `None` if a running daemon is used.
    daemon: Option<PrivateDaemon>,
}

impl Target {
    /// Finds the session that is named, or creates one, in a private daemon if none is reachable.
    ///
    /// # Errors
    /// When the named session or template does not exist, and when no session can be created.
    pub(crate) async fn find(args: ReplArgs, client: Client) -> Result<Self, Failure> {
        if let Some(id) = args.session {
            let session = client.session(&id).await?.id;
            return Ok(Self {
                client,
                session,
                follower: None,
                daemon: None,
            });
        }
        let daemon = match client.health().await {
            Ok(_) => None,
            Err(Error::Unreachable { url, .. }) => {
                print_note(&format!(
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
        match create_session_for(&client, args.template, args.worktree, args.linger).await {
            Ok(session) => Ok(Self {
                follower: Some(tokio::spawn(follow_status(client.clone(), session))),
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

    /// Closes the session and stops the daemon, if they were created for this command.
    ///
    /// # Errors
    /// When the session can't be closed.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        let closed = match self.follower {
            Some(follower) => {
                follower.abort();
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

/// Follows a session's status until the session ends, so that the daemon counts the console as a
/// follower.
async fn follow_status(client: Client, session: Uuid) {
    loop {
        let mut stream = client.follow_session_status(session);
        loop {
            match stream.next().await {
                Ok(Some(_)) => {}
                // The session has ended, or this daemon does not know it: the next input reports
                // that.
                Ok(None) | Err(Error::Api { status: 404, .. }) => return,
                // The daemon can't be reached for now.
                Err(_) => break,
            }
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

async fn create_session_for(
    client: &Client,
    template: Option<String>,
    worktree: PathBuf,
    linger: Duration,
) -> Result<Uuid, Failure> {
    let template = find_template(client, template.as_deref()).await?;
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

/// Finds a template by its name or by the beginning of its id; `None` means the default template,
/// which is created if it is missing.
async fn find_template(client: &Client, named: Option<&str>) -> Result<Uuid, Failure> {
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
            // Another client has just created it.
            Err(Error::Api { code, .. }) if code == "TEMPLATE_EXISTS" => {
                let templates = client.templates().await?;
                let found = templates.iter().find(|template| template.name == name);
                let gone = || Failure::Argument {
                    code: ErrorCode::TemplateNotFound,
                    message: format!(
                        "the template {name} was created and deleted at the same time"
                    ),
                };
                found.map(|template| template.id).ok_or_else(gone)
            }
            Err(error) => Err(error.into()),
        };
    };
    let has_prefix = |template: &&Template| template.id.to_string().starts_with(named);
    let mut found = templates.iter().filter(has_prefix);
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
