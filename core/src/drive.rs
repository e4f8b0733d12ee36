//! The one driver loop: all lanes of a call go as far as they can, then the call waits for any of them.

use crate::conn::wait::{Deadline, Interests, Wait};
use crate::server::{Lane, Work};

/// Runs all lanes to their end, which comes at the latest with the deadline.
pub(crate) fn drive<'r>(lanes: &mut [Lane<'r>], work: &mut dyn Work<'r>, deadline: &Deadline, wait: &mut Wait) {
    let mut interests = Interests::default();
    let mut now = deadline.at - deadline.total;
    loop {
        let (mut moved, mut open) = (false, false);
        interests.clear();
        for lane in lanes.iter_mut().filter(|lane| !lane.is_done()) {
            moved |= lane.step(work, now, deadline, &mut interests);
            open |= !lane.is_done();
        }
        if !open {
            return;
        }
        if moved {
            wait.moved();
        } else {
            now = wait.pause(&mut interests);
        }
    }
}
