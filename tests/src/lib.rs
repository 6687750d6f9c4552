//! What the tests share. Never published.
