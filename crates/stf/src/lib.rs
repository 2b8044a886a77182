//! stf
