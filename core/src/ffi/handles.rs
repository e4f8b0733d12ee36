//! Clients by number, for the packed call.
//!
//! A handle is a place in a table and the generation of its use: a client that has ended is never mistaken for one that took
//! its place. The table is replaced as a whole, never locked, so that a fork at any moment leaves it usable in the child.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::client::Client;

#[derive(Clone, Debug, Default)]
struct Place {
    generation: u32,
    client: Option<Client>,
}

static TABLE: ArcSwapOption<Vec<Place>> = ArcSwapOption::const_empty();

/// Enters a client. O(clients): they are few and live long.
pub(crate) fn enter(client: &Client) -> u64 {
    let mut handle = 0;
    TABLE.rcu(|table| {
        let mut places = copy(table.as_ref());
        let free = places.iter().position(|place| place.client.is_none());
        let index = free.unwrap_or_else(|| {
            places.push(Place::default());
            places.len() - 1
        });
        let place = &mut places[index];
        place.client = Some(client.clone());
        handle = (u64::from(place.generation) << 32) | index as u64;
        Some(Arc::new(places))
    });
    handle
}

/// The client of a handle, while it is entered.
pub(crate) fn find(handle: u64) -> Option<Client> {
    let table = TABLE.load();
    let place = table.as_ref()?.get(handle as u32 as usize)?;
    if place.generation == (handle >> 32) as u32 {
        place.client.clone()
    } else {
        None
    }
}

/// Takes a client out of the table; its handle is never given out again.
pub(crate) fn leave(handle: u64) {
    TABLE.rcu(|table| {
        let mut places = copy(table.as_ref());
        if let Some(place) = places.get_mut(handle as u32 as usize) {
            if place.generation == (handle >> 32) as u32 && place.client.is_some() {
                place.generation = place.generation.wrapping_add(1);
                place.client = None;
            }
        }
        Some(Arc::new(places))
    });
}

fn copy(table: Option<&Arc<Vec<Place>>>) -> Vec<Place> {
    table.map(|places| places.to_vec()).unwrap_or_default()
}
