//! LXD.
