//! dacapo-platform
