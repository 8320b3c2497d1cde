//! Users, passwords and groups. Manual 1.4, section 3.4.

use yescrypt::{PasswordVerifier as _, Yescrypt};

use crate::plan::{Password, User, Userlist};

/// The user of that name.
pub fn find<'a>(list: &'a Userlist, name: &[u8]) -> Option<(usize, &'a User)> {
    list.users
        .iter()
        .enumerate()
        .find(|(_, user)| user.name.as_bytes() == name)
}

/// Whether a password is a user's. Takes as long as the hash takes: some of them are slow on
/// purpose.
pub fn fits(password: &Password, given: &[u8]) -> bool {
    match password {
        Password::None => false,
        Password::Plain(expected) => same(expected, given),
        Password::Crypt(expected) => {
            std::str::from_utf8(expected).is_ok_and(|expected| fits_hash(expected, given))
        }
    }
}

/// Whether a password has that hash, in one of the forms of crypt(3): DES, `$1$` MD5, `$2b$` bcrypt,
/// `$5$` SHA-256, `$6$` SHA-512, `$y$` yescrypt. In any other form nothing has.
fn fits_hash(expected: &str, given: &[u8]) -> bool {
    if expected.starts_with("$y$") {
        return Yescrypt::default().verify_password(given, expected).is_ok();
    }
    pwhash::unix::verify(given, expected)
}

/// Whether a user belongs to a group of which the name satisfies a test.
pub fn in_group(list: &Userlist, user: &User, wanted: &dyn Fn(&str) -> bool) -> bool {
    user.groups
        .iter()
        .filter_map(|index| list.groups.get(*index as usize))
        .any(|group| wanted(group))
}

/// Compares in a time that depends on the lengths alone.
fn same(expected: &[u8], given: &[u8]) -> bool {
    let mut difference = u8::from(expected.len() != given.len());
    for (n, byte) in given.iter().enumerate() {
        difference |= byte ^ expected.get(n).copied().unwrap_or(!byte);
    }
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords() {
        for (password, given, expected) in [
            (Password::Plain("in-clear".into()), "in-clear", true),
            (Password::Plain("in-clear".into()), "in-clea", false),
            (Password::Plain("in-clear".into()), "in-clearx", false),
            (Password::None, "", false),
            (Password::Crypt("abHVJvUOCU7Cs".into()), "secret-des", true),
            (Password::Crypt("abHVJvUOCU7Cs".into()), "secret", false),
            (Password::Crypt("$9$nothing".into()), "secret", false),
            (Password::Crypt(BCRYPT.into()), "open-sesame", true),
            (Password::Crypt(BCRYPT.into()), "open-sesamf", false),
            (Password::Crypt(YESCRYPT.into()), "open-sesame", true),
            (Password::Crypt(YESCRYPT.into()), "open-sesamf", false),
            (
                Password::Crypt("$y$j9T$abcdefghijklmnop$".into()),
                "",
                false,
            ),
            (Password::Crypt("$y$j9T$abcdefghijklmnop".into()), "", false),
            (Password::Crypt("$y$".into()), "", false),
        ] {
            assert_eq!(fits(&password, given.as_bytes()), expected, "{password:?}");
        }
    }

    const BCRYPT: &str = "$2b$05$abcdefghijklmnopqrstuutXu9KzOt.1yBoZUeFWoT/914/JfszCO";
    const YESCRYPT: &str = "$y$j9T$abcdefghijklmnop$6S9Q1k6fvwNqMXok6b6Grr6htOkfOdZhxJhjBsKUuBB";
}
