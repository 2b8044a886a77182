//! Nothing but the test `span`.
