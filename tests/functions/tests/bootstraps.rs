//! The real bootstraps under the emulator of `sam local`.
