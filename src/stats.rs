//! Statistics as a table: what is shown of every frontend, listener, server and backend.
//!
//! [`Row`] is one line of it, indexed by [`Field`]; whoever collects fills it in, and [`csv`],
//! the page and the metrics print it. [`Info`] is about the process. Nothing here asks anybody.

mod asked;
pub mod captured;
pub mod csv;
mod field;
mod form;
mod health;
pub mod info;
pub mod metrics;
mod page;
mod row;
mod session;
pub mod typed;

pub use asked::{Asked, Form, Outcome};

pub use captured::{Captured, Direction, Named};
pub use field::{FIELDS, Field};
pub use form::{Action, TooLong};
pub use health::{Check, Health, State};
pub use info::Info;
pub use page::{Page, Section as SectionOfPage, actions};
pub use row::{Filter, Kind, More, Row, Value};
pub use session::{Party, SessionReport};
