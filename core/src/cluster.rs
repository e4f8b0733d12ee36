//! The servers of a client, and which of them serves a key.

use std::sync::Arc;

use crate::address::ServerSpec;
use crate::config::Config;
use crate::key::Key;
use crate::metrics::ServerMetrics;
use crate::placement::{Pick, Ring};
use crate::server::Server;
use crate::tls::Tls;

/// A set of servers under one placement. Never changes: another set is another cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) config: Config,
    pub(crate) tls: Option<Tls>,
    servers: Vec<Arc<Server>>,
    ring: Ring,
}

impl Cluster {
    /// A cluster of the servers of `config`. Those that `former` has too keep their connections, health and counters.
    pub(crate) fn new(config: Config, tls: Option<Tls>, former: Option<&Self>) -> Self {
        let adopt = |spec: &ServerSpec| {
            let same = former.and_then(|former| former.servers.iter().find(|server| server.is_at(&spec.address)));
            same.cloned().unwrap_or_else(|| Arc::new(Server::new(spec.clone(), &config, tls.clone())))
        };
        let servers = config.servers.iter().map(adopt).collect();
        let ring = Ring::new(config.placement, &config.servers);
        Self { config, tls, servers, ring }
    }

    /// The server of a key; `None` when there are no servers.
    pub(crate) fn pick(&self, key: &Key<'_>) -> Option<Pick> {
        self.ring.pick(key)
    }

    /// The server to try when that one is down; `None` when all candidates have been tried.
    pub(crate) fn after(&self, key: &Key<'_>, pick: Pick) -> Option<Pick> {
        self.ring.after(key, pick)
    }

    pub(crate) fn server(&self, pick: Pick) -> &Arc<Server> {
        &self.servers[pick.server]
    }

    pub(crate) fn servers(&self) -> &[Arc<Server>] {
        &self.servers
    }

    /// The server of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Server>> {
        self.servers.iter().find(|server| *server.name == *name)
    }

    pub(crate) fn metrics(&self) -> Vec<ServerMetrics> {
        let with_weights = self.servers.iter().zip(&self.config.servers);
        with_weights.map(|(server, spec)| server.metrics(spec.weight)).collect()
    }

    /// Closes the idle connections of servers that are not part of `successor`.
    pub(crate) fn retire(&self, successor: &Self) {
        for server in &self.servers {
            if !successor.servers.iter().any(|other| Arc::ptr_eq(other, server)) {
                server.disconnect();
            }
        }
    }
}
