//! What lives of a frontend.

use std::sync::Arc;

use super::{Gate, Rate};

/// A frontend across plans.
#[derive(Debug, Default)]
pub(crate) struct Frontend {
    /// Its client connections.
    pub(crate) sessions: Arc<Gate>,
    /// Its new connections.
    pub(crate) rate: Rate,
}
