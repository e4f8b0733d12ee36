//! Many keys in one call: grouped by server, answered in any order, reported by the place of each key.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use crate::client::outlook;
use crate::cluster::Cluster;
use crate::config::Failover;
use crate::conn::wait::{Deadline, Wait};
use crate::drive::drive;
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::placement::Pick;
use crate::proto::{Reply, Request};
use crate::server::{Lane, Work};

/// Where the replies of a batch go, by the place of their keys.
pub(crate) trait Sink {
    /// The server's reply to the key at this place.
    fn reply(&mut self, index: usize, reply: Reply<'_>, server: &Arc<str>);
    /// What cost the key at this place its answer.
    fn fail(&mut self, index: usize, error: &Error);
}

/// A batch: its keys, and the request that each of them makes.
pub(crate) struct Batch<'b, 'r> {
    pub(crate) keys: &'b [Key<'r>],
    pub(crate) request: &'b dyn Fn(usize) -> Request<'r>,
    pub(crate) is_read: bool,
}

/// The lanes of one round: `order` holds the places of the keys, each lane has a range of it.
struct Round<'b, 'r, 's> {
    batch: &'b Batch<'b, 'r>,
    order: &'b [u32],
    ranges: &'b [Range<usize>],
    sink: &'s mut dyn Sink,
}

impl Round<'_, '_, '_> {
    fn place(&self, lane: usize, index: usize) -> usize {
        self.order[self.ranges[lane].start + index] as usize
    }
}

impl<'r> Work<'r> for Round<'_, 'r, '_> {
    fn request(&self, lane: usize, index: usize) -> Request<'r> {
        (self.batch.request)(self.place(lane, index))
    }

    fn reply(&mut self, lane: usize, index: usize, reply: Reply<'_>, server: &Arc<str>) {
        self.sink.reply(self.place(lane, index), reply, server);
    }

    fn is_read(&self) -> bool {
        self.batch.is_read
    }
}

/// Runs the requests at these places of a batch. Every one of them ends in the sink exactly once.
pub(crate) fn run(
    cluster: &Cluster,
    batch: &Batch<'_, '_>,
    places: Vec<u32>,
    sink: &mut dyn Sink,
    deadline: &Deadline,
) -> Result<()> {
    if cluster.servers().is_empty() {
        return Err(Error::new(ErrorKind::NoServers, "the client has no servers"));
    }
    let mut wait = Wait::new(cluster.config.spin);
    let mut now = deadline.begun();
    let mut todo: Vec<(Pick, u32)> = Vec::with_capacity(places.len());
    todo.extend(places.iter().filter_map(|place| Some((cluster.pick(&batch.keys[*place as usize])?, *place))));
    while !todo.is_empty() {
        todo = round(cluster, batch, &todo, sink, deadline, &mut wait, now);
        now = Instant::now();
    }
    Ok(())
}

/// Runs one request at each of these places; returns those that have to go to another server.
fn round(
    cluster: &Cluster,
    batch: &Batch<'_, '_>,
    todo: &[(Pick, u32)],
    sink: &mut dyn Sink,
    deadline: &Deadline,
    wait: &mut Wait,
    now: Instant,
) -> Vec<(Pick, u32)> {
    let (order, picks, ranges) = group(cluster.servers().len(), todo);
    let mut work = Round { batch, order: &order, ranges: &ranges, sink };
    let lane = |(number, range): (usize, &Range<usize>)| {
        Lane::new(cluster.server(picks[range.start]).clone(), number, range.len(), &work, now)
    };
    let mut lanes: Vec<Lane<'_>> = ranges.iter().enumerate().map(lane).collect();
    drive(&mut lanes, &mut work, deadline, wait, now);
    let sink = work.sink;
    let fails_over = cluster.config.failover == Failover::Rehash && Instant::now() < deadline.at;
    let mut again = Vec::new();
    for (lane, range) in lanes.iter().zip(&ranges) {
        let Some(ended) = lane.ended() else { continue };
        for at in range.start + lane.answered()..range.end {
            let place = order[at];
            match outlook(cluster, ended, &batch.keys[place as usize], picks[at]) {
                Some(pick) if fails_over => again.push((pick, place)),
                _ => sink.fail(place as usize, &ended.error),
            }
        }
    }
    again
}

/// Sorts places by their server, keeping their order: one counting pass, whatever the number of servers.
fn group(servers: usize, todo: &[(Pick, u32)]) -> (Vec<u32>, Vec<Pick>, Vec<Range<usize>>) {
    let mut starts = vec![0usize; servers + 1];
    for (pick, _) in todo {
        starts[pick.server + 1] += 1;
    }
    for server in 0..servers {
        starts[server + 1] += starts[server];
    }
    let ranges = starts.windows(2).map(|pair| pair[0]..pair[1]).filter(|range| !range.is_empty()).collect();
    let mut order = vec![0; todo.len()];
    let mut picks: Vec<Pick> = todo.iter().map(|(pick, _)| *pick).collect();
    for (pick, place) in todo {
        let at = starts[pick.server];
        order[at] = *place;
        picks[at] = *pick;
        starts[pick.server] += 1;
    }
    (order, picks, ranges)
}
