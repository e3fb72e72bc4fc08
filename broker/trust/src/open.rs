//! The order of it all, for one message: unseal, verify, judge, verify, and tell what was found.
