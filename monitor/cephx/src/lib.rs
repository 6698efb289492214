//! cephx
