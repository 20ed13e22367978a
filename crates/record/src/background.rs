//! Threads that fold: what they do can be a moment later, so that on a busy machine what is acknowledged goes first.

/// How much less of a busy processor a thread gets that folds, as `nice` counts: 5 is a third. More would starve whoever waits for
/// a fold when something else on the machine takes all of it.
const NICENESS: i32 = 5;

/// Makes the calling thread, and those that it starts from now on, give way to the others of this machine. Without leave
/// to do so it goes on as before.
pub fn give_way() {
    // On Linux the priority "of this process" is that of the calling thread.
    let now = rustix::process::getpriority_process(None);
    let lowered = now.and_then(|now| match now < NICENESS {
        true => rustix::process::setpriority_process(None, NICENESS),
        false => Ok(()),
    });
    if let Err(why) = lowered {
        tracing::debug!(%why, "a thread that folds cannot give way");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_thread_that_asks_and_those_it_starts_give_way() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        let folding = std::thread::spawn(move || {
            give_way();
            let started = std::thread::spawn(niceness).join().unwrap();
            (niceness(), started)
        });
        let wanted = before.max(NICENESS);
        assert_eq!(folding.join().unwrap(), (wanted, wanted));
        assert_eq!(niceness(), before);
    }
}
