//! The one driver loop: all lanes of a call go as far as they can, then the call waits for any of them.

use std::time::Instant;

use crate::conn::wait::{Deadline, Interests, Wait};
use crate::server::{Lane, Step, Work};

/// How often lanes may move before the time is looked at: bytes that keep coming carry no call past its deadline.
const MOVES: u32 = 16;

/// Runs all lanes to their end, which comes at the latest with the deadline. `now`: the time of the call.
pub(crate) fn drive<'r>(
    lanes: &mut [Lane<'r>],
    work: &mut dyn Work<'r>,
    deadline: &Deadline,
    wait: &mut Wait,
    mut now: Instant,
) {
    let mut interests = Interests::default();
    let mut moves = 0;
    loop {
        let (mut moved, mut sent, mut open) = (false, false, false);
        interests.clear();
        for lane in lanes.iter_mut().filter(|lane| !lane.is_done()) {
            let step = lane.step(work, now, deadline, &mut interests);
            moved |= step == Step::Moved;
            sent |= step == Step::Sent;
            open |= !lane.is_done();
        }
        if !open {
            return;
        }
        if moved || sent {
            wait.moved();
        }
        if !moved {
            now = wait.pause(&mut interests);
            moves = 0;
        } else if moves == MOVES {
            now = Instant::now();
            moves = 0;
        } else {
            moves += 1;
        }
    }
}
