//! In place of `tls`, in a build without it: nothing can be secured, and nothing of it is left in the code.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;

use socket2::Socket as RawSocket;

use crate::address::{Address, ServerSpec};
use crate::config::Config;
use crate::error::Result;

#[derive(Clone, Debug)]
pub(crate) enum Tls {}

#[derive(Debug)]
pub(crate) enum Session {}

#[allow(clippy::unnecessary_wraps, reason = "as in a build with TLS")]
impl Tls {
    pub(crate) fn of(_: &Config) -> Result<Option<Self>> {
        Ok(None)
    }

    pub(crate) fn check(&self, _: &[ServerSpec]) -> Result<()> {
        match *self {}
    }

    pub(crate) fn renewed(&self) -> Self {
        match *self {}
    }

    pub(crate) fn begin(&self, _: &Address) -> Result<Session> {
        match *self {}
    }
}

impl Session {
    pub(crate) fn explain(&self, _: &io::Error) -> Option<String> {
        match *self {}
    }

    pub(crate) fn shake_hands(&mut self, _: &RawSocket) -> io::Result<bool> {
        match *self {}
    }

    pub(crate) fn wants_write(&self) -> bool {
        match *self {}
    }

    pub(crate) fn flush(&mut self, _: &RawSocket) -> io::Result<bool> {
        match *self {}
    }

    pub(crate) fn read(&mut self, _: &RawSocket, _: &mut [MaybeUninit<u8>]) -> io::Result<Option<usize>> {
        match *self {}
    }

    pub(crate) fn has_unread(&mut self) -> bool {
        match *self {}
    }

    pub(crate) fn is_readable(&mut self, _: &RawSocket) -> bool {
        match *self {}
    }

    pub(crate) fn write_vectored(&mut self, _: &RawSocket, _: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
        match *self {}
    }
}
