//! `userlist`. Manual 1.4, section 3.4.

use serde::Serialize;

use super::ByteString;

/// Users and groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Userlist {
    /// Its name.
    pub name: String,
    /// The users, in order.
    pub users: Vec<User>,
    /// The names of the groups, in order.
    pub groups: Vec<String>,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// The name.
    pub name: ByteString,
    /// The password.
    pub password: Password,
    /// Indexes of the groups that the user belongs to.
    pub groups: Vec<u32>,
}

/// How a password is compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Password {
    /// Nothing fits.
    None,
    /// Byte for byte.
    Plain(ByteString),
    /// By crypt(3).
    Crypt(ByteString),
}
