//! The work that is measured, and how: every client does the same calls on values of its own, checked before the clock runs.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;

use crate::peers::{Caller, Source};
use crate::Outcome;

/// One kind of work; bench/work.py says what each field means.
#[derive(Debug, Deserialize)]
pub(crate) struct Work {
    pub(crate) operation: String,
    pub(crate) batch: usize,
    pub(crate) size: usize,
    pub(crate) threads: usize,
}

/// Work to do on these servers for so long.
#[derive(Debug, Deserialize)]
pub(crate) struct Order {
    pub(crate) work: Work,
    pub(crate) ports: Vec<u16>,
    pub(crate) seconds: f64,
}

/// Keys and values that belong together, in the shapes that calls take.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    pub(crate) keys: Vec<String>,
    /// Key, value and flags.
    pub(crate) entries: Vec<(String, Vec<u8>, u32)>,
}

/// What one thread measured: the time of each call, and when it began and ended.
struct Times {
    began: Instant,
    ended: Instant,
    calls: Vec<Duration>,
}

/// A client that does work against some servers, with keys that are nobody else's.
pub(crate) struct Bench {
    client: String,
    tag: String,
    ports: Vec<u16>,
    source: Option<Source>,
    callers: Vec<Box<dyn Caller>>,
    stored: HashMap<(usize, usize), Pairs>,
}

impl Bench {
    pub(crate) fn new(client: &str, tag: &str, ports: &[u16]) -> Self {
        let (client, tag, ports) = (client.to_string(), tag.to_string(), ports.to_vec());
        Self { client, tag, ports, source: None, callers: Vec::new(), stored: HashMap::new() }
    }

    /// Does the work for about so long. Times are microseconds per call, throughput is calls per second.
    pub(crate) fn measure(&mut self, work: &Work, seconds: f64) -> Outcome<serde_json::Value> {
        let beside_large = work.operation == "get_beside_large";
        self.open(work.threads + usize::from(beside_large))?;
        let singles = if work.size <= 10_000 { 100 } else { 8 };
        let count = if work.operation.ends_with("_multi") { work.batch } else { singles };
        self.store(count, work.size)?;
        if beside_large {
            self.store(1, 1 << 20)?;
        }
        let pairs = &self.stored[&(count, work.size)];
        let (callers, rest) = self.callers.split_at_mut(work.threads);
        if !beside_large {
            return run(callers, work, pairs, seconds, None);
        }
        let large = Disturber { caller: &mut rest[0], pairs: &self.stored[&(1, 1 << 20)] };
        run(callers, work, pairs, seconds, Some(large))
    }

    fn open(&mut self, threads: usize) -> Outcome<()> {
        if self.source.is_none() {
            self.source = Some(Source::open(&self.client, &self.ports)?);
        }
        let source = self.source.as_ref().ok_or("no source")?;
        while self.callers.len() < threads {
            self.callers.push(source.caller()?);
        }
        Ok(())
    }

    /// Stores values when they are first needed, and checks that they come back.
    fn store(&mut self, count: usize, size: usize) -> Outcome<()> {
        if self.stored.contains_key(&(count, size)) {
            return Ok(());
        }
        let letter = char::from(b'a' + size.to_string().len() as u8);
        let mut pairs = Pairs::default();
        for number in 0..count {
            let key = format!("{}{letter}{number:04}", self.tag);
            let value: Vec<u8> = number.to_string().bytes().cycle().take(size).collect();
            pairs.keys.push(key.clone());
            pairs.entries.push((key, value, 0));
        }
        let caller = &mut self.callers[0];
        caller.set_multi(&pairs)?;
        for place in 0..count {
            if caller.get(&pairs, place)? != size {
                return Err("get does not return what was stored".into());
            }
        }
        if caller.get_multi(&pairs)? != count {
            return Err("get_multi does not find what was stored".into());
        }
        self.stored.insert((count, size), pairs);
        Ok(())
    }
}

/// A thread that gets one large value over and over, beside what is measured.
struct Disturber<'a> {
    caller: &'a mut Box<dyn Caller>,
    pairs: &'a Pairs,
}

/// Runs the work in as many threads as there are callers, all at once.
fn run(
    callers: &mut [Box<dyn Caller>],
    work: &Work,
    pairs: &Pairs,
    seconds: f64,
    disturber: Option<Disturber<'_>>,
) -> Outcome<serde_json::Value> {
    let barrier = Barrier::new(callers.len() + 1);
    let is_done = AtomicBool::new(false);
    let (times, cpu) = thread::scope(|scope| {
        let disturbing = disturber.map(|large| {
            scope.spawn(|| -> Outcome<()> {
                let large = large;
                while !is_done.load(Relaxed) {
                    large.caller.get(large.pairs, 0)?;
                }
                Ok(())
            })
        });
        let workers: Vec<_> = callers
            .iter_mut()
            .enumerate()
            .map(|(index, caller)| {
                let barrier = &barrier;
                scope.spawn(move || take_times(caller, &work.operation, pairs, seconds, index, barrier))
            })
            .collect();
        barrier.wait();
        let before = processor_time();
        let times: Vec<_> = workers.into_iter().map(|worker| worker.join().map_err(|_| "a thread panicked")).collect();
        let cpu = processor_time() - before;
        is_done.store(true, Relaxed);
        if let Some(thread) = disturbing {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        let times = times.into_iter().map(|each| each?).collect::<Outcome<Vec<Times>>>()?;
        Outcome::Ok((times, cpu))
    })?;
    summarize(&times, cpu)
}

/// Warms up, waits for the others, then calls until the time is over.
fn take_times(
    caller: &mut Box<dyn Caller>,
    operation: &str,
    pairs: &Pairs,
    seconds: f64,
    index: usize,
    barrier: &Barrier,
) -> Outcome<Times> {
    let mut place = index;
    let mut call = || {
        place = (place + 1) % pairs.keys.len();
        match operation {
            "get" | "get_beside_large" => caller.get(pairs, place),
            "set" => caller.set(pairs, place),
            "get_multi" => caller.get_multi(pairs),
            "set_multi" => caller.set_multi(pairs).map(|()| pairs.keys.len()),
            other => Err(format!("{other} is no operation").into()),
        }
    };
    let mut calls = Vec::with_capacity(1 << 16);
    let warm_until = Instant::now() + Duration::from_secs_f64(seconds / 5.0);
    let warmed = loop {
        let found = call();
        if found.is_err() || Instant::now() >= warm_until {
            break found;
        }
    };
    // Whoever failed waits too, or the others would wait for ever.
    barrier.wait();
    warmed?;
    let began = Instant::now();
    let until = began + Duration::from_secs_f64(seconds);
    let mut before = began;
    loop {
        call()?;
        let now = Instant::now();
        calls.push(now - before);
        before = now;
        if now >= until {
            return Ok(Times { began, ended: now, calls });
        }
    }
}

fn summarize(times: &[Times], cpu: Duration) -> Outcome<serde_json::Value> {
    let began = times.iter().map(|each| each.began).min().ok_or("no threads")?;
    let ended = times.iter().map(|each| each.ended).max().ok_or("no threads")?;
    let mut calls: Vec<Duration> = times.iter().flat_map(|each| each.calls.iter().copied()).collect();
    calls.sort_unstable();
    let (count, wall) = (calls.len(), (ended - began).as_secs_f64());
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    Ok(json!({
        "calls": count,
        "wall": wall / (count as f64 / times.len() as f64) * 1e6,
        "cpu": micros(cpu) / count as f64,
        "p50": micros(calls[count / 2]),
        "p99": micros(calls[(count * 99 / 100).min(count - 1)]),
        "throughput": count as f64 / wall,
    }))
}

/// User and kernel time of this process.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock writes one timespec, which outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
