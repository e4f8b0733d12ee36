//! C's libmemcached, called as a C program calls it, with the two behaviors that its documentation recommends for speed. It
//! knows no batch of sets that tells what became of each: they are stored one by one.

use std::ffi::{c_char, c_int, c_uint, c_void, CStr, CString};
use std::ptr;

use super::Caller;
use crate::work::Pairs;
use crate::Outcome;

const SUCCESS: c_int = 0;
const NO_BLOCK: c_int = 0;
const TCP_NODELAY: c_int = 1;

extern "C" {
    fn memcached_lib_version() -> *const c_char;
    fn memcached_create(memory: *mut c_void) -> *mut c_void;
    fn memcached_free(client: *mut c_void);
    fn memcached_strerror(client: *mut c_void, code: c_int) -> *const c_char;
    fn memcached_server_add(client: *mut c_void, host: *const c_char, port: u16) -> c_int;
    fn memcached_behavior_set(client: *mut c_void, behavior: c_int, value: u64) -> c_int;
    fn memcached_get(
        client: *mut c_void,
        key: *const c_char,
        key_length: usize,
        value_length: *mut usize,
        flags: *mut u32,
        code: *mut c_int,
    ) -> *mut c_char;
    fn memcached_set(
        client: *mut c_void,
        key: *const c_char,
        key_length: usize,
        value: *const c_char,
        value_length: usize,
        exptime: i64,
        flags: u32,
    ) -> c_int;
    fn memcached_mget(client: *mut c_void, keys: *const *const c_char, lengths: *const usize, count: usize) -> c_int;
    fn memcached_fetch_result(client: *mut c_void, result: *mut c_void, code: *mut c_int) -> *mut c_void;
    fn memcached_result_create(client: *mut c_void, memory: *mut c_void) -> *mut c_void;
}

pub(super) fn version() -> String {
    // SAFETY: a constant of the library, with a zero at its end.
    unsafe { CStr::from_ptr(memcached_lib_version()) }.to_string_lossy().into_owned()
}

pub(super) struct Libmemcached {
    client: *mut c_void,
}

// SAFETY: a client may move between threads; it is used by one at a time, through `&mut self`.
unsafe impl Send for Libmemcached {}

impl Libmemcached {
    pub(super) fn open(ports: &[u16]) -> Outcome<Self> {
        let host = CString::new("127.0.0.1")?;
        // SAFETY: the library allocates it, and it is freed once, in `drop`; the host outlives the calls that read it.
        unsafe {
            let client = memcached_create(ptr::null_mut());
            let this = Self { client };
            this.check(memcached_behavior_set(client, TCP_NODELAY, 1))?;
            this.check(memcached_behavior_set(client, NO_BLOCK, 1))?;
            for port in ports {
                this.check(memcached_server_add(client, host.as_ptr(), *port))?;
            }
            Ok(this)
        }
    }

    fn check(&self, code: c_int) -> Outcome<()> {
        if code == SUCCESS {
            return Ok(());
        }
        // SAFETY: the library's own text, with a zero at its end.
        let text = unsafe { CStr::from_ptr(memcached_strerror(self.client, code)) };
        Err(text.to_string_lossy().into_owned().into())
    }
}

impl Drop for Libmemcached {
    fn drop(&mut self) {
        // SAFETY: made by `open`, and used by nobody any more.
        unsafe { memcached_free(self.client) };
    }
}

impl Caller for Libmemcached {
    fn get(&mut self, pairs: &Pairs, place: usize) -> Outcome<usize> {
        let key = &pairs.keys[place];
        let (mut length, mut flags, mut code) = (0_usize, 0 as c_uint, 0 as c_int);
        // SAFETY: the key outlives the call; the value is the library's malloc, freed here and nowhere else.
        unsafe {
            let value = memcached_get(self.client, key.as_ptr().cast(), key.len(), &mut length, &mut flags, &mut code);
            libc::free(value.cast());
        }
        self.check(code)?;
        Ok(length)
    }

    fn set(&mut self, pairs: &Pairs, place: usize) -> Outcome<usize> {
        let (key, value, flags) = &pairs.entries[place];
        // SAFETY: key and value outlive the call.
        let code = unsafe {
            memcached_set(self.client, key.as_ptr().cast(), key.len(), value.as_ptr().cast(), value.len(), 0, *flags)
        };
        self.check(code)?;
        Ok(value.len())
    }

    fn get_multi(&mut self, pairs: &Pairs) -> Outcome<usize> {
        let keys: Vec<*const c_char> = pairs.keys.iter().map(|key| key.as_ptr().cast()).collect();
        let lengths: Vec<usize> = pairs.keys.iter().map(String::len).collect();
        let (mut found, mut code) = (0, 0);
        // SAFETY: both lists have as many entries as is said and outlive the call, as the keys do.
        self.check(unsafe { memcached_mget(self.client, keys.as_ptr(), lengths.as_ptr(), keys.len()) })?;
        // SAFETY: made by the library for this client.
        let result = unsafe { memcached_result_create(self.client, ptr::null_mut()) };
        // SAFETY: each call fills the result anew, until there is none: then the library has freed it, and it is not used again.
        while !unsafe { memcached_fetch_result(self.client, result, &mut code) }.is_null() {
            found += 1;
        }
        Ok(found)
    }
}
