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

    use crate::support::{client, config, Asked, Peer};
    use crate::Config;

    #[test]
    fn a_name_that_is_not_found_any_more_is_served_at_its_last_address() {
        let peer = Peer::answering(Asked::echo);
        let port = peer.address().rsplit_once(':').unwrap().1.to_owned();
        let patient = Duration::from_secs(20);
        let named = config(&format!("cmemcache-test.invalid:{port}"));
        let client = client(Config { timeout: patient, connect_timeout: patient, ..named });
        let server = client.cluster().unwrap().servers()[0].clone();
        server.remember_addresses(&[peer.address().parse().unwrap()]);
        assert_eq!(client.get("k").unwrap().unwrap().value, "k");
    }
}
