//! Storing, reading and deleting one item.

use cmemcache::{Client, ErrorKind, Exptime, Item, StoreOutcome, WireProtocol};

use crate::every_way;
use crate::support::failure;

const NEVER: Exptime = Exptime::Never;

fn value(client: &Client, key: &str) -> Option<String> {
    client.get(key).unwrap().map(|item| String::from_utf8(item.value.to_vec()).unwrap())
}

#[test]
fn what_is_set_is_read_with_its_flags_and_a_miss_is_none() {
    every_way(|client, _| {
        assert_eq!(client.get("k").unwrap(), None);
        for flags in [0, 1, 98304, u32::MAX] {
            assert_eq!(client.set("k", "value", flags, NEVER).unwrap(), StoreOutcome::Stored);
            let Item { value, flags: read, cas, .. } = client.get("k").unwrap().unwrap();
            assert_eq!((&value[..], read, cas), (&b"value"[..], flags, None));
        }
    });
}

#[test]
fn add_and_replace_heed_what_is_there() {
    every_way(|client, _| {
        assert_eq!(client.replace("k", "0", 0, NEVER).unwrap(), StoreOutcome::NotStored);
        assert_eq!(client.add("k", "1", 7, NEVER).unwrap(), StoreOutcome::Stored);
        assert_eq!(client.add("k", "2", 0, NEVER).unwrap(), StoreOutcome::NotStored);
        assert_eq!(value(client, "k").as_deref(), Some("1"));
        assert_eq!(client.replace("k", "3", 8, NEVER).unwrap(), StoreOutcome::Stored);
        assert_eq!(client.get("k").unwrap().unwrap().flags, 8);
        assert_eq!(value(client, "k").as_deref(), Some("3"));
    });
}

#[test]
fn append_and_prepend_keep_the_flags_and_need_an_item() {
    every_way(|client, _| {
        assert_eq!(client.append("k", "x").unwrap(), StoreOutcome::NotStored);
        assert_eq!(client.prepend("k", "x").unwrap(), StoreOutcome::NotStored);
        client.set("k", "b", 5, NEVER).unwrap();
        assert_eq!(client.append("k", "c").unwrap(), StoreOutcome::Stored);
        assert_eq!(client.prepend("k", "a").unwrap(), StoreOutcome::Stored);
        assert_eq!(client.append("k", "").unwrap(), StoreOutcome::Stored);
        assert_eq!(value(client, "k").as_deref(), Some("abc"));
        assert_eq!(client.get("k").unwrap().unwrap().flags, 5);
    });
}

#[test]
fn cas_stores_only_what_nobody_has_changed() {
    every_way(|client, _| {
        assert_eq!(client.cas("k", "x", 1, 0, NEVER).unwrap(), StoreOutcome::NotFound);
        client.set("k", "1", 0, NEVER).unwrap();
        let token = client.gets("k").unwrap().unwrap().cas.unwrap();
        assert_eq!(client.cas("k", "2", token, 3, NEVER).unwrap(), StoreOutcome::Stored);
        assert_eq!(client.cas("k", "3", token, 0, NEVER).unwrap(), StoreOutcome::Exists);
        assert_eq!(value(client, "k").as_deref(), Some("2"));
        assert_eq!(client.get("k").unwrap().unwrap().flags, 3);
        let next = client.gats("k", NEVER).unwrap().unwrap().cas.unwrap();
        assert_ne!(next, token);
        assert_eq!(client.cas("k", "4", next, 0, NEVER).unwrap(), StoreOutcome::Stored);
        assert_eq!(client.cas("k", "5", u64::MAX, 0, NEVER).unwrap(), StoreOutcome::Exists);
    });
}

#[test]
fn delete_tells_whether_there_was_an_item() {
    every_way(|client, _| {
        assert!(!client.delete("k").unwrap());
        client.set("k", "x", 0, NEVER).unwrap();
        assert!(client.delete("k").unwrap());
        assert!(!client.delete("k").unwrap());
        assert_eq!(value(client, "k"), None);
    });
}

#[test]
fn metadata_tells_of_an_item_and_needs_the_meta_protocol() {
    every_way(|client, protocol| {
        if protocol == WireProtocol::Classic {
            failure(client.metadata("k"), ErrorKind::Unsupported);
            assert_eq!(client.get("k").unwrap(), None);
            assert_eq!(client.metrics()[0].connects, 1, "the connection was kept");
            return;
        }
        assert_eq!(client.metadata("k").unwrap(), None);
        client.set("k", "value", 0, NEVER).unwrap();
        let before = client.metadata("k").unwrap().unwrap();
        assert!(!before.fetched && before.ttl.is_none() && before.size > 5 && before.idle <= 30);
        let token = client.gets("k").unwrap().unwrap().cas;
        let after = client.metadata("k").unwrap().unwrap();
        assert!(after.fetched);
        assert_eq!(Some(after.cas), token);
    });
}
