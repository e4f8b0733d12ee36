//! Names become addresses without a call ever waiting past its deadline.
//!
//! The system's resolver has no deadline: it can take many seconds. A literal address needs no resolver; a name is looked up in
//! a short-lived thread of its own, which is the only thread that this crate starts.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{self, Receiver, TryRecvError};

/// Addresses, now or soon.
#[derive(Debug)]
pub(crate) enum Resolution {
    Ready(Vec<SocketAddr>),
    Pending(Receiver<Result<Vec<SocketAddr>, String>>),
}

/// Begins to look a host up.
pub(crate) fn resolve(host: &str, port: u16) -> Resolution {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Resolution::Ready(vec![SocketAddr::new(ip, port)]);
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    let caller = std::thread::current();
    let name = host.to_owned();
    let look_up = move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect).map_err(|fault| fault.to_string());
        // The caller may have left.
        let _ = sender.send(found);
        caller.unpark();
    };
    // Without a thread the channel is closed at once, which reads as a failure.
    let _ = std::thread::Builder::new().name("cmemcache-resolve".into()).stack_size(256 * 1024).spawn(look_up);
    Resolution::Pending(receiver)
}

impl Resolution {
    /// The addresses, `None` while they are not known yet, or why there are none.
    pub(crate) fn poll(&mut self) -> Option<Result<Vec<SocketAddr>, String>> {
        match self {
            Self::Ready(addresses) => Some(Ok(std::mem::take(addresses))),
            Self::Pending(receiver) => match receiver.try_recv() {
                Ok(Ok(addresses)) if addresses.is_empty() => Some(Err("the name has no address".into())),
                Ok(outcome) => Some(outcome),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => Some(Err("the resolver's thread could not run".into())),
            },
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::time::Duration;

    use std::net::SocketAddr;

    use crate::support::{client, config, Asked, Blackhole, Peer};
    use crate::{Client, Config};

    /// A client of a name that is found no more, and was at these addresses.
    fn client_of(addresses: &[&str], connect_timeout: Duration) -> Client {
        let port = addresses[0].rsplit_once(':').unwrap().1;
        let named = config(&format!("cmemcache-test.invalid:{port}"));
        let client = client(Config { timeout: Duration::from_secs(20), connect_timeout, ..named });
        let known: Vec<SocketAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        client.cluster().unwrap().servers()[0].remember_addresses(&known);
        client
    }

    #[test]
    fn a_name_that_is_not_found_any_more_is_served_at_its_last_address() {
        let peer = Peer::answering(Asked::echo);
        let client = client_of(&[&peer.address()], Duration::from_secs(20));
        assert_eq!(client.get("k").unwrap().unwrap().value, "k");
    }

    #[test]
    fn an_address_that_does_not_answer_leaves_time_for_the_next() {
        let (hole, peer) = (Blackhole::start(), Peer::answering(Asked::echo));
        let client = client_of(&[&hole.address(), &peer.address()], Duration::from_secs(4));
        let begun = std::time::Instant::now();
        assert_eq!(client.get("k").unwrap().unwrap().value, "k");
        assert!(begun.elapsed() >= Duration::from_millis(1900), "half of it, {:?}", begun.elapsed());
    }
}
