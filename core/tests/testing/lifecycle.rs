//! A server ends completely, whatever is under way, and a forked child has none of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cmemcache::testing::{Fault, Server};

use crate::support::{client, config, eventually, within, SLACK};

/// Servers of other tests would be counted too: each of these tests counts what bears its own mark.
fn sockets_on(port: u16) -> usize {
    let wanted = format!(":{port:04X} ");
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let local = |line: &&str| line.split_whitespace().nth(1).is_some_and(|address| format!("{address} ").ends_with(&wanted));
    // 06 is TIME_WAIT: the system's own.
    table.lines().skip(1).filter(local).filter(|line| line.split_whitespace().nth(3) != Some("06")).count()
}

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_dropped_server_leaves_no_socket() {
    let _alone = alone();
    let server = Server::start().unwrap();
    let port = server.port();
    let client = client(config(&server.address()));
    client.get("k").unwrap();
    let mut stalled = TcpStream::connect(server.address()).unwrap();
    stalled.write_all(b"set k 0 0 100\r\nhalf of it").unwrap();
    eventually(SLACK, || server.counts().open_connections == 2);
    assert!(sockets_on(port) >= 3);
    within(SLACK, move || drop(server));
    drop(client);
    drop(stalled);
    eventually(SLACK, || sockets_on(port) == 0);
}

#[test]
fn a_server_ends_at_once_whatever_its_connections_do() {
    let _alone = alone();
    let server = Server::start().unwrap();
    server.inject(Fault::Delay(Duration::from_secs(3600)), 1);
    let mut waiting = TcpStream::connect(server.address()).unwrap();
    waiting.write_all(b"get k\r\n").unwrap();
    let mut silent = TcpStream::connect(server.address()).unwrap();
    // Asks for more than it reads: the server is blocked while it writes.
    let mut greedy = TcpStream::connect(server.address()).unwrap();
    greedy.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    greedy.write_all(format!("set big 0 0 1000000\r\n{}\r\n", "x".repeat(1_000_000)).as_bytes()).unwrap();
    let _ = greedy.write_all("get big\r\n".repeat(100_000).as_bytes());
    eventually(SLACK, || server.counts().open_connections == 3);
    let begun = Instant::now();
    within(SLACK, move || drop(server));
    assert!(begun.elapsed() < SLACK);
    assert_eq!(silent.read(&mut [0; 10]).unwrap(), 0);
}

#[test]
fn servers_come_and_go_without_leaving_threads() {
    let _alone = alone();
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().filter_map(|task| task.ok()).filter(is_ours).count();
    fn is_ours(task: &std::fs::DirEntry) -> bool {
        // The system keeps 15 letters of a name.
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "cmemcache-testi")
    }
    let before = threads();
    let servers: Vec<_> = (0..50).map(|_| Server::start().unwrap()).collect();
    for server in &servers {
        assert!(client(config(&server.address())).get("k").unwrap().is_none());
        server.restart().unwrap();
    }
    drop(servers);
    // Other tests of this file wait; those of other files may have servers of their own for a while.
    eventually(Duration::from_secs(30), || threads() <= before);
}

#[test]
fn a_forked_child_has_no_part_of_the_server() {
    let _alone = alone();
    let server = Server::start().unwrap();
    let port = server.port();
    let client = client(config(&server.address()));
    client.get("k").unwrap();
    // The child lives until this closes.
    let (mut ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    // SAFETY: the child runs nothing of the test harness and ends with _exit.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        drop(ours);
        server.inject(Fault::Reset, 1);
        server.advance(Duration::from_secs(1));
        server.stop();
        let inert = server.restart().is_err() && server.counts() == cmemcache::testing::Counts::default();
        drop(server);
        let _ = theirs.write_all(&[u8::from(inert)]);
        let _ = theirs.read(&mut [0]);
        // SAFETY: ends this process and nothing else.
        unsafe { libc::_exit(0) };
    }
    drop(theirs);
    let mut inert = [0];
    ours.read_exact(&mut inert).unwrap();
    assert_eq!(inert[0], 1, "it does nothing in the child");
    assert!(client.get("k").unwrap().is_none(), "the parent's server is unharmed");
    // What the parent closes is closed, although the child lives.
    server.stop();
    assert_eq!(TcpStream::connect(("127.0.0.1", port)).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    server.restart().unwrap();
    assert!(client.get("k").is_ok());
    drop(server);
    drop(client);
    eventually(SLACK, || sockets_on(port) == 0);
    drop(ours);
    // SAFETY: waits for a child of this process.
    assert_eq!(unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) }, pid);
}

#[test]
fn nonsense_harms_nobody() {
    let server = Server::start().unwrap();
    let good = client(config(&server.address()));
    for nonsense in
        [&[0xff_u8; 100_000][..], &[b'\n'; 5000], &[0; 3000], b"get \r\n", &[b'g'; 10_000], b"set k 0 0 99999999\r\n"]
    {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        // It may be closed before all is written.
        let _ = stream.write_all(nonsense);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert!(good.get("k").unwrap().is_none());
}
