//! What a process holds.

use std::fmt;

/// What this process has: resident memory in KiB, descriptors, threads.
#[derive(Clone, Copy, Debug)]
pub struct Holdings {
    pub memory: usize,
    pub descriptors: usize,
    pub threads: usize,
}

impl fmt::Display for Holdings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory, descriptors, threads } = self;
        write!(f, "{memory} KiB resident, {descriptors} descriptors, {threads} threads")
    }
}

impl Holdings {
    pub fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of each");
            line.split_whitespace().next().expect("a number").parse().expect("a number")
        };
        let descriptors = std::fs::read_dir("/proc/self/fd").expect("Linux").count();
        Self { memory: number("VmRSS:"), descriptors, threads: number("Threads:") }
    }
}
