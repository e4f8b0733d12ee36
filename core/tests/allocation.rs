//! A warm connection allocates nothing per operation but the value that it hands out.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use cmemcache::{Config, Create, Exptime, Spin, StoreOutcome, WireProtocol};
use support::{client, config, keys, Memcached};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // A thread that ends frees what it had after its counter is gone.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: everything is passed on to the system's allocator as it is; counting touches no memory of its own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many allocations a call makes, on average over many, once everything is warm.
fn allocations(mut call: impl FnMut()) -> f64 {
    const CALLS: usize = 200;
    (0..20).for_each(|_| call());
    let before = ALLOCATIONS.get();
    (0..CALLS).for_each(|_| call());
    (ALLOCATIONS.get() - before) as f64 / CALLS as f64
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![0u8; 100]))), 1.0);
    assert_eq!(allocations(|| ()), 0.0);
}

#[test]
fn a_warm_operation_allocates_its_value_and_nothing_else() {
    let server = Memcached::start();
    for protocol in [WireProtocol::Auto, WireProtocol::Classic] {
        for spin in [Spin::Auto, Spin::Off] {
            let client = client(Config { protocol, spin, ..config(&server.address()) });
            let value = [b'v'; 100];
            client.set("n", "1", 0, Exptime::Never).unwrap();
            let create = Some(Create { initial: 1, exptime: Exptime::After(60) });
            let set = |value: &[u8]| assert_eq!(client.set("k", value, 0, Exptime::After(60)).unwrap(), StoreOutcome::Stored);
            assert_eq!(allocations(|| set(&value)), 0.0, "set");
            assert_eq!(allocations(|| assert!(client.get("k").unwrap().is_some())), 1.0, "get");
            assert_eq!(allocations(|| assert!(client.gets("k").unwrap().is_some())), 1.0, "gets");
            assert_eq!(allocations(|| assert!(client.get("none").unwrap().is_none())), 0.0, "a miss");
            assert_eq!(allocations(|| assert!(client.touch("k", Exptime::Never).unwrap())), 0.0, "touch");
            assert_eq!(allocations(|| assert!(client.incr("n", 1, None).unwrap().is_some())), 0.0, "incr");
            assert_eq!(allocations(|| assert!(!client.delete("none").unwrap())), 0.0, "delete");
            if protocol == WireProtocol::Auto {
                assert_eq!(allocations(|| assert!(client.incr("n", 1, create).unwrap().is_some())), 0.0, "incr or create");
            }
            let large = vec![b'v'; 500_000];
            assert_eq!(allocations(|| set(&large)), 1.0, "a set that writes the value from where it stands notes that place");
        }
    }
}

#[test]
fn a_batch_allocates_its_values_and_a_few_lists_whatever_its_size() {
    let server = Memcached::start();
    for protocol in [WireProtocol::Auto, WireProtocol::Classic] {
        let client = client(Config { protocol, ..config(&server.address()) });
        for count in [10, 100, 500] {
            let all = keys("k", count);
            let entries: Vec<_> = all.iter().map(|key| (key, [b'v'; 100], 0)).collect();
            let stored = allocations(|| assert!(client.set_multi(&entries, Exptime::Never).unwrap().len() == count));
            let read = allocations(|| assert!(client.get_multi(&all).unwrap().len() == count));
            println!("{protocol:?}: {stored} allocations for {count} stores, {read} for {count} reads");
            assert!(stored <= 20.0, "{stored} for {count} stores");
            assert!(read <= count as f64 + 20.0, "{read} for {count} reads");
        }
    }
}
