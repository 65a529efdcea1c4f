//! Splitting work over threads.

use std::ops::Range;
use std::sync::Mutex;

/// Splits `0..count` into at most `parts` ranges of nearly equal length, none empty.
pub(crate) fn row_ranges(count: usize, parts: usize) -> Vec<Range<usize>> {
    let parts = parts.clamp(1, count.max(1));
    let bound = |i: usize| i * count / parts;
    (0..parts).map(|i| bound(i)..bound(i + 1)).collect()
}

/// Runs `f` on every item, the first one on this thread and each other one on a thread of its own.
pub(crate) fn on_threads<W: Send, R: Send>(work: Vec<W>, f: impl Fn(W) -> R + Sync) -> Vec<R> {
    let mut work = work.into_iter();
    let Some(first) = work.next() else {
        return Vec::new();
    };
    std::thread::scope(|scope| {
        let f = &f;
        let others: Vec<_> = work.map(|item| scope.spawn(move || f(item))).collect();
        let mut results = vec![f(first)];
        for other in others {
            match other.join() {
                Ok(result) => results.push(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    })
}

/// Runs `f` on every item; each of some threads takes the next item as soon as it is free.
pub(crate) fn share_out<W: Send>(threads: usize, work: Vec<W>, f: impl Fn(W) + Sync) {
    let threads = threads.min(work.len());
    let queue = Mutex::new(work.into_iter());
    let next = || queue.lock().expect("no thread has panicked").next();
    on_threads(vec![(); threads], |()| {
        while let Some(item) = next() {
            f(item);
        }
    });
}
