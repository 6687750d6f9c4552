//! Rules about the client: its address, and the names in its certificate.

pub(crate) mod client_names;
pub(crate) mod networks;
