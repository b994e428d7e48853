//! Memory is bounded in bytes, and a run beyond it is refused before its load.
