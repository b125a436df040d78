//! Supervised child processes: none outlives the engine, however the engine ends.
//!
//! A child and all its descendants live in a process group that a *warden* leads: a shell that
//! waits on a pipe only the engine holds. Closing the pipe makes the warden kill the group, and the
//! kernel closes it when the engine dies, by `SIGKILL` too. This holds where the usual
//! parent-death signal does not: it reaches only the direct child, which may be a wrapper script,
//! and it is tied to the thread that spawned it. The group is apart from the engine's, so that
//! Ctrl-C reaches the engine alone, which then stops its children in order.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, setrlimit};
use tokio::{
    io::AsyncReadExt,
    process::{Child, ChildStderr, ChildStdout},
    sync::watch,
    time::timeout,
};

/// A program to start, with its arguments and what is added to its environment.
#[derive(Clone, Debug)]
pub struct Launch {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
}

impl Launch {
    /// This program without arguments.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            folder: None,
        }
    }

    /// With these arguments after those it has.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// With this environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// In this working folder rather than the engine's own.
    #[must_use]
    pub fn within(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// The command, in the process group of this leader; 0 makes it lead its own.
    fn command(&self, group: i32) -> Command {
        let mut command = command(&self.program);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .process_group(group)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

#[allow(clippy::disallowed_methods, reason = "this module is the one owner")]
fn command(program: &Path) -> Command {
    Command::new(program)
}

/// The bytes of an answer at most.
const OUTPUT_LIMIT: u64 = 64 << 20;

/// Runs a program to its end and returns what it wrote to its standard output. Blocks, and may be
/// called within a tokio runtime or without: it waits on a thread of its own.
///
/// # Errors
/// When it cannot be started, ends badly (the end of its standard error is part of the message),
/// writes more than 64 MiB or takes longer than `limit`. It
/// and its descendants are killed then.
pub fn output(launch: &Launch, limit: Duration) -> io::Result<Vec<u8>> {
    let wait = || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime
            .enable_all()
            .build()?
            .block_on(answer(launch, limit))
    };
    let waited = thread::scope(|scope| scope.spawn(wait).join());
    waited.unwrap_or_else(|_| Err(io::Error::other("the thread that waits for it panicked")))
}

async fn answer(launch: &Launch, limit: Duration) -> io::Result<Vec<u8>> {
    let (child, stdout) = Supervised::start(launch, Stdio::piped())?;
    let answered = async {
        let mut bytes = Vec::new();
        if let Some(stdout) = stdout {
            let mut capped = stdout.take(OUTPUT_LIMIT + 1);
            capped.read_to_end(&mut bytes).await?;
        }
        if bytes.len() as u64 > OUTPUT_LIMIT {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        match child.status().await {
            Some(status) if status.success() => Ok(bytes),
            Some(status) => {
                let said = child.stderr();
                Err(io::Error::other(
                    format!("it ended with {status}\n{said}").trim_end(),
                ))
            }
            None => Err(io::Error::other("its end was not seen")),
        }
    };
    timeout(limit, answered).await?
}

/// Limits this very process, for good: a child that is about to touch what may mean harm. What it does
/// beyond them fails or ends it.
///
/// # Errors
/// When the limits are above those it has.
pub fn restrain(memory: u64, time: Duration) -> io::Result<()> {
    let limits = [
        (Resource::As, memory),
        (Resource::Cpu, time.as_secs().max(1)),
        (Resource::Core, 0),
    ];
    for (resource, most) in limits {
        let both = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, both)?;
    }
    Ok(())
}

/// A running child. Dropping it kills its whole process group.
#[derive(Debug)]
pub struct Supervised {
    group: Arc<Group>,
    stderr: watch::Receiver<String>,
    exited: watch::Receiver<Option<ExitStatus>>,
}

impl Supervised {
    /// Starts a child. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the program or the shell that guards it cannot be started.
    pub fn spawn(launch: &Launch) -> io::Result<Self> {
        let (child, _) = Self::start(launch, Stdio::null())?;
        Ok(child)
    }

    fn start(launch: &Launch, stdout: Stdio) -> io::Result<(Self, Option<ChildStdout>)> {
        let group = Arc::new(Group::new()?);
        let mut command = launch.command(group.leader.as_raw_nonzero().get());
        command.stdout(stdout).stderr(Stdio::piped());
        let mut child = tokio::process::Command::from(command).spawn()?;
        let stdout = child.stdout.take();
        let (tail, stderr) = watch::channel(String::new());
        if let Some(pipe) = child.stderr.take() {
            tokio::spawn(keep_tail(pipe, tail));
        }
        let (exit, exited) = watch::channel(None);
        tokio::spawn(watch_over(child, group.clone(), exit));
        let supervised = Self {
            group,
            stderr,
            exited,
        };
        Ok((supervised, stdout))
    }

    /// Kills the child and all its descendants. Returns at once; [`Self::exited`] tells when it is
    /// done.
    pub fn kill(&self) {
        self.group.kill();
    }

    /// Waits until the child has exited, by itself or killed. Its descendants are killed then.
    pub async fn exited(&self) {
        self.status().await;
    }

    /// As [`Self::exited`], with how it ended; `None` where that cannot be told.
    async fn status(&self) -> Option<ExitStatus> {
        let mut exited = self.exited.clone();
        // An error means that waiting for the child has failed, or that the runtime is gone.
        let status = exited.wait_for(Option::is_some).await.ok()?;
        *status
    }

    /// The end of what the child has written to its standard error.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.borrow().clone()
    }

    /// Waits for a line on the child's standard error that starts with `prefix`, and returns the
    /// rest of it; `None` where standard error is closed without one.
    pub async fn stderr_line(&self, prefix: &str) -> Option<String> {
        let found = |text: &str| {
            let (complete, _) = text.rsplit_once('\n')?;
            complete
                .lines()
                .find_map(|line| line.strip_prefix(prefix))
                .map(str::to_owned)
        };
        let mut stderr = self.stderr.clone();
        let tail = stderr.wait_for(|text| found(text).is_some()).await.ok()?;
        found(&tail)
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.group.kill();
    }
}

/// A process group and the warden that leads it. As long as the warden has not been waited for, its
/// number belongs to no other process, so that signals reach this group and nothing else.
#[derive(Debug)]
struct Group {
    leader: Pid,
    _warden: Child,
}

impl Group {
    fn new() -> io::Result<Self> {
        let mut warden = command(Path::new("/bin/sh"));
        warden
            .args(["-c", "read _; kill -s KILL 0"])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let warden = tokio::process::Command::from(warden).spawn()?;
        let id = warden.id().and_then(|id| i32::try_from(id).ok());
        let leader = id.and_then(Pid::from_raw);
        let leader = leader.ok_or_else(|| io::Error::other("the warden has no process number"))?;
        Ok(Self {
            leader,
            _warden: warden,
        })
    }

    fn kill(&self) {
        // The only error there can be is that the group is already empty.
        let _ = kill_process_group(self.leader, Signal::KILL);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn watch_over(mut child: Child, group: Arc<Group>, exit: watch::Sender<Option<ExitStatus>>) {
    let status = child.wait().await;
    group.kill();
    exit.send_replace(status.ok());
}

/// How much of a child's standard error is kept, in bytes.
const STDERR_TAIL: usize = 16 * 1024;

async fn keep_tail(mut pipe: ChildStderr, tail: watch::Sender<String>) {
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = pipe.read(&mut chunk).await {
        tail.send_modify(|text| {
            text.push_str(&String::from_utf8_lossy(&chunk[..length]));
            let excess = text.len().saturating_sub(STDERR_TAIL);
            text.drain(..text.ceil_char_boundary(excess));
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::time::sleep;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    fn shell(script: &str) -> Launch {
        Launch::new("/bin/sh").args(["-c", script])
    }

    /// Waits until this process is gone, as a zombie too: whoever inherits it may not reap it.
    async fn gone(id: &str) -> bool {
        let ended = async {
            let path = format!("/proc/{id}/stat");
            while std::fs::read_to_string(&path).is_ok_and(|stat| !stat.contains(") Z ")) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, ended).await.is_ok()
    }

    #[tokio::test]
    async fn descendants_end_with_the_child() {
        let script = "sh -c 'echo grandchild $$ >&2; exec sleep 1000' & wait";
        for killed in [true, false] {
            let child = Supervised::spawn(&shell(script)).unwrap();
            let grandchild = child.stderr_line("grandchild ").await.unwrap();
            if killed {
                child.kill();
                timeout(SOON, child.exited()).await.unwrap();
            } else {
                drop(child);
            }
            assert!(gone(&grandchild).await, "killed: {killed}");
        }
    }

    #[tokio::test]
    async fn descendants_end_when_the_child_exits_by_itself() {
        let script = "sh -c 'echo grandchild $$ >&2; exec sleep 1000' & sleep 0.1; exit 3";
        let child = Supervised::spawn(&shell(script)).unwrap();
        let grandchild = child.stderr_line("grandchild ").await.unwrap();
        timeout(SOON, child.exited()).await.unwrap();
        assert!(gone(&grandchild).await);
    }

    #[tokio::test]
    async fn lines_are_found_and_the_end_is_kept() {
        let script = "echo one >&2; printf 'found' >&2; sleep 0.1; echo ' it' >&2";
        let child = Supervised::spawn(&shell(script)).unwrap();
        assert_eq!(child.stderr_line("found ").await.as_deref(), Some("it"));
        assert_eq!(child.stderr_line("missing").await, None);
        let long = Supervised::spawn(&shell("seq 100000 >&2; echo last >&2")).unwrap();
        assert_eq!(long.stderr_line("last").await.as_deref(), Some(""));
        assert!(long.stderr().len() <= STDERR_TAIL && long.stderr().ends_with("100000\nlast\n"));
    }

    #[tokio::test]
    async fn what_is_not_there_does_not_start() {
        let missing = Supervised::spawn(&Launch::new("/no/such/program"));
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn answers_are_awaited_for_a_limited_time() {
        let check = |script: &str, expected: Result<&str, io::ErrorKind>| {
            let answer = output(&shell(script), Duration::from_millis(500));
            let answer = answer.map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(answer.as_deref().map_err(io::Error::kind), expected);
        };
        let start = Instant::now();
        check("echo answer; echo aside >&2", Ok("answer\n"));
        check("exit 3", Err(io::ErrorKind::Other));
        check("sleep 1000 & sleep 1000", Err(io::ErrorKind::TimedOut));
        let closed = "echo answer; exec >&-; sleep 1000";
        check(closed, Err(io::ErrorKind::TimedOut));
        assert!(start.elapsed() < SOON);
    }

    #[tokio::test]
    async fn an_endless_answer_is_cut_off() {
        let endless = output(&shell("while :; do cat /bin/sh; done"), 12 * SOON);
        assert_eq!(endless.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
