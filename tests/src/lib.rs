//! dacapo-tests
