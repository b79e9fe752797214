//! Where a daemon listens: an address, or a socket in the file system.

use std::fmt;
use std::fs::{File, Metadata};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use nix::sys::stat::{Mode, fchmod};
use tokio::net::TcpListener;
use vmtransport_http::Listener;

/// How long to wait while another daemon makes or removes its socket.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);

/// How often to look whether it is done.
const LOCK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// What the name of a socket in the file system begins with.
const UNIX_PREFIX: &str = "unix:";

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `host:port`; port 0 means a free one.
    Tcp(String),
    /// The path of a socket, which only its owner can use.
    Unix(PathBuf),
}

impl From<String> for Listen {
    /// `unix:/path` is a path, and everything else an address.
    fn from(text: String) -> Self {
        match text.strip_prefix(UNIX_PREFIX) {
            Some(path) => Self::Unix(path.into()),
            None => Self::Tcp(text),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "{UNIX_PREFIX}{}", path.display()),
        }
    }
}

/// Where a daemon listens.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf, FileId),
}

/// What tells a file from all others: the numbers of its device and its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl From<&Metadata> for FileId {
    fn from(metadata: &Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}

impl Address {
    pub(crate) fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(..) => None,
        }
    }

    /// Whether others than this machine's, or this user, can connect.
    pub(crate) fn is_exposed(&self) -> bool {
        self.tcp()
            .is_some_and(|address| !address.ip().is_loopback())
    }

    /// Removes the socket from the file system, unless another has taken its place.
    pub(crate) fn clean_up(&self) {
        if let Self::Unix(path, own) = self
            && let Ok(_locked) = try_lock_directory_of(path)
            && std::fs::symlink_metadata(path).is_ok_and(|found| FileId::from(&found) == *own)
        {
            // Nobody needs it any more, and the next daemon removes what is left.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Unix(path, _) => write!(f, "{UNIX_PREFIX}{}", path.display()),
        }
    }
}

/// Takes the address.
pub(crate) async fn take(listen: &Listen) -> io::Result<(Listener, Address)> {
    match listen {
        Listen::Tcp(address) => {
            let listener = TcpListener::bind(address).await?;
            let address = Address::Tcp(listener.local_addr()?);
            Ok((Listener::Tcp(listener), address))
        }
        Listen::Unix(path) => {
            let _locked = lock_directory_of(path).await?;
            remove_stale(path)?;
            let listener = private_socket(path)?;
            listener.set_nonblocking(true)?;
            let listener = tokio::net::UnixListener::from_std(listener)?;
            let own = FileId::from(&std::fs::symlink_metadata(path)?);
            let path = std::path::absolute(path)?;
            Ok((Listener::Unix(listener), Address::Unix(path, own)))
        }
    }
}

/// Keeps other daemons from making and removing sockets beside this one for as long as the lock is held. Waits for a while
/// if one of them does that now.
async fn lock_directory_of(path: &Path) -> io::Result<Flock<File>> {
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        match try_lock_directory_of(path) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if Instant::now() >= deadline {
                    return Err(io::Error::other("another program has locked the directory"));
                }
                tokio::time::sleep(LOCK_AGAIN_AFTER).await;
            }
            locked => return locked,
        }
    }
}

fn try_lock_directory_of(path: &Path) -> io::Result<Flock<File>> {
    let path = std::path::absolute(path)?;
    let directory = File::open(path.parent().unwrap_or(&path))?;
    let locked = Flock::lock(directory, FlockArg::LockExclusiveNonblock);
    locked.map_err(|(_, error)| error.into())
}

/// Removes a socket that nobody listens on any more, and nothing else.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?.file_type().is_socket(),
    };
    if !is_socket {
        return Err(io::Error::other("there is a file of that name"));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Ok(_) => Err(io::Error::from(io::ErrorKind::AddrInUse)),
        Err(error) => Err(error),
    }
}

/// A socket that has mode 0600 from its first moment: on Linux it takes the mode of its descriptor.
fn private_socket(path: &Path) -> io::Result<UnixListener> {
    let socket = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&socket, Backlog::MAXCONN)?;
    Ok(UnixListener::from(socket))
}
