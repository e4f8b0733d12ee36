//! A memcached process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::{eventually, Port};

/// A memcached that ends with this guard.
pub struct Memcached {
    child: Child,
    listen: Listen,
    arguments: Vec<String>,
    /// Where it says that it listens.
    port_file: PathBuf,
}

enum Listen {
    Tcp { ip: &'static str, port: Port },
    Unix(PathBuf),
}

impl Memcached {
    /// On 127.0.0.1, with every default.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// On 127.0.0.1, with further arguments.
    pub fn with(arguments: &[&str]) -> Self {
        Self::on("127.0.0.1", arguments)
    }

    /// On an address of this machine.
    pub fn on(ip: &'static str, arguments: &[&str]) -> Self {
        Self::launch(Listen::Tcp { ip, port: Port::reserve() }, arguments)
    }

    /// On a unix socket.
    pub fn unix() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("cmemcache-{}-{}.sock", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        Self::launch(Listen::Unix(std::env::temp_dir().join(name)), &[])
    }

    fn launch(listen: Listen, arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("cmemcache-{}-{}.ports", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        let port_file = std::env::temp_dir().join(name);
        let child = spawn(&listen, &arguments, &port_file);
        let mut server = Self { child, listen, arguments, port_file };
        assert!(server.is_ready(), "memcached does not start");
        server
    }

    /// The address as the client takes it.
    pub fn address(&self) -> String {
        match &self.listen {
            Listen::Tcp { ip, port } if ip.contains(':') => format!("[{ip}]:{}", port.number()),
            Listen::Tcp { ip, port } => format!("{ip}:{}", port.number()),
            Listen::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        match &self.listen {
            Listen::Tcp { port, .. } => port.number(),
            Listen::Unix(_) => panic!("a unix socket has no port"),
        }
    }

    /// Ends the process as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Ends the process and starts another, empty one at the same address.
    pub fn restart(&mut self) {
        self.kill();
        self.revive();
    }

    /// Starts a process again after [`Memcached::kill`].
    pub fn revive(&mut self) {
        self.child = spawn(&self.listen, &self.arguments, &self.port_file);
        assert!(self.is_ready(), "memcached does not come back");
    }

    /// Stops the process: connections stay open, nothing is answered.
    pub fn freeze(&self) {
        self.signal(libc::SIGSTOP);
        // The signal reaches each thread in its own time.
        eventually(Duration::from_secs(10), || self.states().iter().all(|state| *state == 'T'));
    }

    /// The states of the process's threads, one letter each.
    fn states(&self) -> Vec<char> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("a process");
        let state = |task: std::io::Result<std::fs::DirEntry>| {
            let stat = std::fs::read_to_string(task.ok()?.path().join("stat")).ok()?;
            stat.rsplit(") ").next()?.chars().next()
        };
        tasks.filter_map(state).collect()
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) {
        self.signal(libc::SIGCONT);
    }

    fn signal(&self, signal: i32) {
        // SAFETY: a signal to a child of this process that has not been waited for, so that its id is still its own.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    /// A number of the server's own statistics, asked for on another connection.
    pub fn stat(&self, name: &str) -> u64 {
        let stats = self.stats().expect("statistics");
        let value = stats.iter().find_map(|line| line.strip_prefix(&format!("STAT {name} ")));
        value.expect("the statistic").parse().expect("a number")
    }

    fn stats(&self) -> std::io::Result<Vec<String>> {
        let mut lines = Vec::new();
        for line in BufReader::new(self.ask(b"stats\r\n")?).lines() {
            let line = line?;
            if line == "END" {
                break;
            }
            lines.push(line);
        }
        Ok(lines)
    }

    fn ask(&self, command: &[u8]) -> std::io::Result<Box<dyn Read>> {
        let limit = Some(Duration::from_secs(5));
        Ok(match &self.listen {
            Listen::Tcp { ip, port } => {
                let mut stream = TcpStream::connect((*ip, port.number()))?;
                stream.set_read_timeout(limit)?;
                stream.write_all(command)?;
                Box::new(stream)
            }
            Listen::Unix(path) => {
                let mut stream = UnixStream::connect(path)?;
                stream.set_read_timeout(limit)?;
                stream.write_all(command)?;
                Box::new(stream)
            }
        })
    }

    /// Whether it answers nobody who just asks: TLS or credentials are needed.
    fn is_guarded(&self) -> bool {
        self.arguments.iter().any(|argument| matches!(argument.as_str(), "-Z" | "-Y"))
    }

    /// Waits until this very process answers; false if it has ended instead.
    fn is_ready(&mut self) -> bool {
        let begun = Instant::now();
        let own = format!("STAT pid {}", self.child.id());
        while begun.elapsed() < Duration::from_secs(30) {
            if self.child.try_wait().expect("a child").is_some() {
                return false;
            }
            if self.is_guarded() {
                if self.port_file.exists() {
                    return true;
                }
            } else if self.stats().is_ok_and(|stats| stats.contains(&own)) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        false
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_file(&self.port_file);
        if let Listen::Unix(path) = &self.listen {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn spawn(listen: &Listen, arguments: &[String], port_file: &Path) -> Child {
    let _ = std::fs::remove_file(port_file);
    let mut command = Command::new("memcached");
    command.env("MEMCACHED_PORT_FILENAME", port_file);
    match listen {
        Listen::Tcp { ip, port } => command.args(["-l", ip, "-p", &port.number().to_string(), "-U", "0"]),
        Listen::Unix(path) => command.args(["-s", &path.display().to_string()]),
    };
    // SAFETY: no more than a question.
    if unsafe { libc::geteuid() } == 0 {
        command.args(["-u", "root"]);
    }
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    end_with_the_test(&mut command);
    command.spawn().expect("memcached is installed")
}

/// Has the system end the process when the thread of the test ends without doing so, because it was killed.
#[cfg(target_os = "linux")]
fn end_with_the_test(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    let ask = || {
        // SAFETY: a system call that takes numbers only.
        match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: between fork and exec nothing is allocated or locked.
    unsafe { command.pre_exec(ask) };
}

#[cfg(not(target_os = "linux"))]
fn end_with_the_test(_: &mut Command) {}
