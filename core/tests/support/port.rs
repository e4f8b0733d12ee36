//! Ports that stay a test's own.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// A port that the system gives to nobody while this lives, whether anybody listens on it or not: tests that run at the same
/// time would else get it while its server is away. It is bound on every address and never listens, so that whoever connects
/// is refused, and a server that asks to share it, as memcached does, may listen.
pub struct Port(Socket);

impl Port {
    pub fn reserve() -> Self {
        let bound = Self::bind(Domain::IPV6, (Ipv6Addr::UNSPECIFIED, 0).into());
        Self(bound.or_else(|_| Self::bind(Domain::IPV4, (Ipv4Addr::UNSPECIFIED, 0).into())).expect("a free port"))
    }

    fn bind(domain: Domain, address: SocketAddr) -> std::io::Result<Socket> {
        let socket = Socket::new(domain, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        if domain == Domain::IPV6 {
            socket.set_only_v6(false)?;
        }
        socket.bind(&address.into())?;
        Ok(socket)
    }

    pub fn number(&self) -> u16 {
        self.0.local_addr().expect("an address").as_socket().expect("an internet address").port()
    }

    /// The address as the client takes it, on 127.0.0.1.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number())
    }
}
