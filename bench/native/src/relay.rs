//! A server that answers late: passes bytes on to a memcached, those of a client after a delay. Delays do not add up: whatever
//! arrives is passed on so long after it came, however much is already on its way.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;

/// Prints its port, then serves until it is killed.
pub(crate) fn run(server: u16, delay: Duration) -> Outcome<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?.port());
    for client in listener.incoming() {
        let client = client?;
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server))?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (replies, requests) = ((server.try_clone()?, client.try_clone()?), (client, server));
        thread::spawn(move || pass(replies.0, replies.1, Duration::ZERO));
        thread::spawn(move || pass(requests.0, requests.1, delay));
    }
    Ok(())
}

/// Passes bytes on until one side closes; an end is passed on too.
fn pass(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    let writer = thread::spawn(move || {
        for (due, bytes) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        // Already closed by the other side, or closed here.
        let _ = to.shutdown(Shutdown::Both);
    });
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if sender.send((Instant::now() + delay, buffer[..count].to_vec())).is_err() {
            break;
        }
    }
    drop(sender);
    // It ends by itself; a panic in there has been printed.
    let _ = writer.join();
}
