//! There is nothing but a test here: it builds the wheel, and runs what is in `python/tests` with it.
