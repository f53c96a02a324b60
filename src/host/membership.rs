//! A way to a socket for a user who has become a member of its group since the login: a membership counts for
//! processes that are started later. `sg` starts one at once; it takes our connections and hands their bytes on.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader, copy_bidirectional},
    net::{UnixListener, UnixStream},
    process::{Child, ChildStdin},
    time::timeout,
};

use super::{Root, command::quote, user};

/// The hidden verb that [`relay`] is behind.
pub const VERB: &str = "relay";

/// How long `sg` may take to start us.
const PATIENCE: Duration = Duration::from_secs(5);

/// A relay at work; it ends, and its socket goes, when this is dropped.
#[derive(Debug)]
pub struct Relay {
    of: PathBuf,
    folder: PathBuf,
    // The relay reads its end: it ends with us, however we end.
    _leash: ChildStdin,
    _child: Child,
}

impl Relay {
    /// The socket to connect to instead.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("unix.socket")
    }

    /// The socket that it leads to.
    pub fn of(&self) -> &Path {
        &self.of
    }

    /// A relay to a socket of this group; none where the user is not a member of it, or already counts as one.
    pub async fn open(socket: &Path, group: &str) -> Option<Arc<Self>> {
        let root = Root::new(Path::new("/"));
        let uid = rustix::process::geteuid().as_raw();
        if uid == 0 || !is_listed(&root.read("/etc/group")?, group, &user::name(&root, uid)) {
            return None;
        }
        let folder = private_folder()?;
        let own = std::env::current_exe().ok()?;
        let words = [&own, Path::new(VERB), socket, &folder.join("unix.socket")]
            .map(|word| quote(&word.display().to_string()));
        #[expect(
            clippy::disallowed_methods,
            reason = "it lives as long as we do, and host::command ends what it starts at a deadline"
        )]
        let child = tokio::process::Command::new("sg")
            .args([group, "-c", &format!("exec {}", words.join(" "))])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            // Ctrl-C is for us: what we do then needs the daemon.
            .process_group(0)
            .spawn();
        let ready = async {
            let mut child = child.ok()?;
            let (leash, out) = (child.stdin.take()?, child.stdout.take()?);
            let mut line = String::new();
            timeout(PATIENCE, BufReader::new(out).read_line(&mut line))
                .await
                .ok()?
                .ok()?;
            (line == READY).then_some((child, leash))
        };
        if let Some((child, leash)) = ready.await {
            return Some(Arc::new(Self {
                of: socket.to_owned(),
                folder,
                _leash: leash,
                _child: child,
            }));
        }
        let _ = fs::remove_dir_all(&folder);
        None
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What the relay says when it listens.
const READY: &str = "ready\n";

/// The verb [`VERB`]: relays until standard input ends.
///
/// # Errors
/// It cannot listen.
pub async fn relay(from: &Path, to: &Path) -> io::Result<()> {
    let listener = UnixListener::bind(to)?;
    io::stdout().write_all(READY.as_bytes())?;
    io::stdout().flush()?;
    let ended = serve(listener, from, tokio::io::stdin()).await;
    // We are still here where halolab was killed and could not do it.
    let _ = to.parent().map(fs::remove_dir_all);
    ended
}

/// Takes connections and hands their bytes on to `from`, until the leash ends.
async fn serve(listener: UnixListener, from: &Path, mut leash: impl AsyncRead + Unpin) -> io::Result<()> {
    let mut nothing = [0_u8; 1];
    loop {
        tokio::select! {
            _ = leash.read(&mut nothing) => return Ok(()),
            taken = listener.accept() => {
                let (mut ours, _) = taken?;
                let from = from.to_owned();
                tokio::spawn(async move {
                    let mut theirs = UnixStream::connect(from).await?;
                    copy_bidirectional(&mut ours, &mut theirs).await
                });
            }
        }
    }
}

/// A new folder that only we may enter.
fn private_folder() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|folder| folder.is_dir())
        .unwrap_or_else(std::env::temp_dir);
    (0..100).find_map(|number| {
        let folder = base.join(format!("halolab-group-{}-{number}", std::process::id()));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .ok()
            .map(|()| folder)
    })
}

/// Whether `/etc/group` lists a user as a member of a group.
fn is_listed(text: &str, group: &str, user: &str) -> bool {
    text.lines().any(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        matches!(fields.as_slice(), [name, _, _, members]
            if *name == group && members.split(',').any(|member| member == user))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_from_the_groups_file() {
        let text = "root:x:0:\nlxd:x:101:ada,me\nlxd2:x:102:you\n";
        assert!(is_listed(text, "lxd", "me"));
        assert!(!is_listed(text, "lxd", "you"));
        assert!(!is_listed(text, "lxd", ""));
        assert!(!is_listed(text, "root", "me"));
    }

    #[tokio::test]
    async fn bytes_go_both_ways() {
        use tokio::io::AsyncWriteExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let daemon = UnixListener::bind(&from).unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = daemon.accept().await.unwrap();
            let mut asked = [0_u8; 4];
            stream.read_exact(&mut asked).await.unwrap();
            stream
                .write_all(&asked.map(|byte| byte.to_ascii_uppercase()))
                .await
                .unwrap();
        });
        let (leash, held) = tokio::io::duplex(1);
        let listener = UnixListener::bind(&to).unwrap();
        let relay = tokio::spawn(async move { serve(listener, &from, held).await });
        let mut stream = UnixStream::connect(&to).await.unwrap();
        stream.write_all(b"ping").await.unwrap();
        let mut answer = [0_u8; 4];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"PING");
        drop(leash);
        relay.await.unwrap().unwrap();
    }
}
