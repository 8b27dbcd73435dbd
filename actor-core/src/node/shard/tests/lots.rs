//! A lot is whole or not at all, ends what it ends, and is not larger than it may be.
