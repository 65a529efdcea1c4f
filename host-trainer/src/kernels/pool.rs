//! The threads that share out the work of a batch, and how its rows are split over them.

use crate::files::error::{Error, Result};
use crate::kernels::panels::ROW_BLOCK;
use std::num::NonZero;
use std::ops::Range;
use std::sync::Arc;

/// Threads that wait for work. What runs in [`Pool::run`] is shared out over them, candle's matrix products too.
/// Their number changes no bit of any result.
#[derive(Clone, Debug)]
pub struct Pool(Arc<rayon::ThreadPool>);

impl Pool {
    /// So many threads.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn new(threads: usize) -> Result<Self> {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = builder.build();
        let refused = |e| Error::failed(format!("cannot start {threads} thread(s): {e}"));
        pool.map(|pool| Self(Arc::new(pool))).map_err(refused)
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.0.current_num_threads()
    }

    /// Runs `work` in the pool. Much work in one call is quicker than many calls: each hands over to a thread that has
    /// to wake up.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.0.install(work)
    }
}

/// Runs `work` in the pool that this thread is of, or else in one with a thread for each core.
///
/// # Errors
/// The system gives no threads.
pub(crate) fn in_pool<R: Send>(work: impl FnOnce() -> R + Send) -> Result<R> {
    if rayon::current_thread_index().is_some() {
        return Ok(work());
    }
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    Ok(Pool::new(cores)?.run(work))
}

/// Cuts `0..rows` into parts of whole blocks, none empty: a few for each thread of this pool, so that a
/// thread that is slowed down leaves some to the others, but none so small that the weights are read
/// for too few rows.
pub(crate) fn row_parts(rows: usize) -> Vec<Range<usize>> {
    const ENOUGH: usize = 4;
    let blocks = rows.div_ceil(ROW_BLOCK);
    let parts = match rayon::current_num_threads() {
        1 => 1,
        threads => (blocks / ENOUGH).clamp(threads, 2 * threads).min(blocks),
    };
    let bound = |i: usize| rows.min(i * blocks / parts.max(1) * ROW_BLOCK);
    (0..parts).map(|i| bound(i)..bound(i + 1)).collect()
}

/// For each part of the rows, its share of every step's slab of a `[T, B, width]` array; nothing of an
/// empty one.
pub(crate) fn split_rows<'a>(
    data: &'a mut [f32],
    steps: usize,
    width: usize,
    parts: &[Range<usize>],
) -> Vec<Vec<&'a mut [f32]>> {
    let mut split: Vec<Vec<&mut [f32]>> = parts.iter().map(|_| Vec::new()).collect();
    if data.is_empty() {
        return split;
    }
    for slab in data.chunks_exact_mut(data.len() / steps) {
        let mut rest = slab;
        for (rows, out) in parts.iter().zip(&mut split) {
            let (part, after) = rest.split_at_mut(rows.len() * width);
            out.push(part);
            rest = after;
        }
    }
    split
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_all_rows_in_whole_blocks() {
        for threads in [1, 2, 3, 7] {
            let pool = Pool::new(threads).unwrap();
            for rows in [1, 7, 8, 9, 31, 32, 64, 127, 128, 1000] {
                let parts = pool.run(|| row_parts(rows));
                assert!(parts.len() <= 2 * threads && parts.len() >= threads.min(rows.div_ceil(8)));
                let mut next = 0;
                for part in parts {
                    assert!(part.start == next && part.end > next);
                    assert!(part.end == rows || part.end.is_multiple_of(ROW_BLOCK));
                    next = part.end;
                }
                assert_eq!(next, rows);
            }
        }
    }
}
