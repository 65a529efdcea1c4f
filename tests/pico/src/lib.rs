//! There is nothing but a test here, and `emulate.js`, which it runs.
