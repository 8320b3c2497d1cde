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

/// Whether a password has that hash, in one of the forms of crypt(3): DES, `_` BSDi's DES, `$1$` MD5,
/// `$2a$`, `$2b$` and `$2y$` bcrypt (`$2x$` for passwords in ASCII), `$5$` SHA-256, `$6$` SHA-512, `$sha1$`, `$y$` yescrypt. In any
/// other form nothing has.
fn fits_hash(expected: &str, given: &[u8]) -> bool {
    if expected.starts_with("$y$") {
        return Yescrypt::default().verify_password(given, expected).is_ok();
    }
    if let Some(rest) = expected.strip_prefix("$2x$") {
        // An old mistake with bytes above 127, and right for all other passwords.
        return given.is_ascii() && pwhash::unix::verify(given, &format!("$2b${rest}"));
    }
    pwhash::unix::verify(given, expected)
}

/// Whether it takes a while to compare with: there is a hash, of a form that can be made slow.
pub fn is_slow(password: &Password) -> bool {
    matches!(password, Password::Crypt(hash)
        if matches!(**hash, [b'_', ..] | [b'$', ..]) && !hash.starts_with(b"$1$"))
}

/// Whether a hash is in one of the forms that [`fits`] knows.
pub fn is_known_form(hash: &[u8]) -> bool {
    match hash {
        [b'$', rest @ ..] => {
            let form = rest.split(|byte| *byte == b'$').next().unwrap_or_default();
            rest.contains(&b'$')
                && matches!(
                    form,
                    b"1" | b"2a" | b"2b" | b"2x" | b"2y" | b"5" | b"6" | b"sha1" | b"y"
                )
        }
        [b'_', ..] => hash.len() == 20,
        _ => hash.len() == 13,
    }
}

/// Whether a user belongs to a group of which the name satisfies a test.
pub fn in_group(list: &Userlist, user: &User, wanted: &dyn Fn(&str) -> bool) -> bool {
    user.groups
        .iter()
        .filter_map(|index| list.groups.get(*index as usize))
        .any(|group| wanted(group))
}

/// Compares in a time that depends on the lengths alone.
pub fn same(expected: &[u8], given: &[u8]) -> bool {
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
            (Password::Crypt(OLD_BCRYPT.into()), "open-sesame", true),
            (Password::Crypt(OLD_BCRYPT.into()), "open-sesamf", false),
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

    #[test]
    fn hashes_are_those_of_the_system() {
        for (password, hash) in HASHES {
            let stored = Password::Crypt((*hash).into());
            assert!(fits(&stored, password.as_bytes()), "{password} {hash}");
            assert!(!fits(&stored, b"Open-sesame"), "{hash}");
            assert!(is_known_form(hash.as_bytes()), "{hash}");
        }
        for other in ["$9$nothing", "$7$CU..../....abcdefgh$Mv.9", "x", "$1", ""] {
            assert!(!is_known_form(other.as_bytes()), "{other}");
        }
    }

    const BCRYPT: &str = "$2b$05$abcdefghijklmnopqrstuutXu9KzOt.1yBoZUeFWoT/914/JfszCO";
    const OLD_BCRYPT: &str = "$2x$05$abcdefghijklmnopqrstuutXu9KzOt.1yBoZUeFWoT/914/JfszCO";
    const YESCRYPT: &str = "$y$j9T$abcdefghijklmnop$6S9Q1k6fvwNqMXok6b6Grr6htOkfOdZhxJhjBsKUuBB";
    const LONG: &str =
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    /// Passwords, and what the system's own crypt(3) makes of them.
    const HASHES: &[(&str, &str)] = &[
        ("open-sesame", r"abDO0cOSWsT.g"),
        ("open-sesame", r"_J9..rasml6/eiDrF9Qg"),
        ("open-sesame", r"$1$abcdefgh$VnVc6xT2EctUKSPCOpYjX1"),
        ("open-sesame", r"$1$a$73NT0L6gb/80KOChyGpxA/"),
        (
            "open-sesame",
            r"$5$saltstring$YMEFb732kZl0jCjPG5sl3fA/cc3yVEA9XjUgdVtTwUD",
        ),
        (
            "open-sesame",
            r"$5$rounds=1000$saltsaltsaltsalt$tTq80kzRpO3H1WiwsnTlVpWbA5rkJENIC4f8XgScn.B",
        ),
        (
            "open-sesame",
            r"$6$saltstring$W5umj01Px6Sa6a5RBrDBZa62w9BLKXptWXO07RCAgb1pn7MTi1oEqjBrcBGbSQkgvfVjlyeqiplrfibUzudsX0",
        ),
        (
            "open-sesame",
            r"$6$rounds=1400$short$hGT3JQinNdf3b9BcyqVwo36OGVpetOzXE1/caEyFpyQ36ervyFq9q6Aw3KqfNR1/o2d.Y/V7hJ520dGjIhi5k.",
        ),
        (
            "open-sesame",
            r"$6$$znt.zYpNVOuoiuO4/ySpj3VvoGiO3LG31kIWD1Di3Un2QcUUIViIwmuyJ2lxKWR2m3a8JwNewiuYZJoPrPIfC0",
        ),
        (
            "open-sesame",
            r"$2a$04$abcdefghijklmnopqrstuuXcjcm5avyCiJoD2uS24xa2lb6fjMB3G",
        ),
        (
            "open-sesame",
            r"$2b$04$abcdefghijklmnopqrstuuXcjcm5avyCiJoD2uS24xa2lb6fjMB3G",
        ),
        (
            "open-sesame",
            r"$2y$04$abcdefghijklmnopqrstuuXcjcm5avyCiJoD2uS24xa2lb6fjMB3G",
        ),
        (
            "open-sesame",
            r"$y$j75$abcdefghijklmnop$B3WLBLuBDpMHTou888DpCioDN73gZOy03sMXPQD0rH.",
        ),
        (
            "open-sesame",
            r"$y$j9T$abcdefghijklmnop$6S9Q1k6fvwNqMXok6b6Grr6htOkfOdZhxJhjBsKUuBB",
        ),
        (LONG, r"abzDJoqKYZJww"),
        (LONG, r"$1$abcdefgh$06aFAnVfqM7H4kDMwscRI1"),
        (
            LONG,
            r"$5$saltstring$jZdy2gGq0OUSP01AhBb7yOgBitgAZa7g8axx/wgsXj5",
        ),
        (
            LONG,
            r"$6$saltstring$eKlwYdh2DQgzGVZNTRbDdwNSIU.yzEhS/nALlBafFhL/T/Kf8GRhO5otN52zAGQKa229QbUXUyFPbCMzMf2HX0",
        ),
        (
            LONG,
            r"$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i",
        ),
        (
            LONG,
            r"$y$j75$abcdefghijklmnop$itrYBeqCISlrdAexSKZViSAwnzkcBzegcx3zZBD9PeB",
        ),
        ("päss", r"abxNd6oRGYP9Q"),
        ("päss", r"$1$abcdefgh$QLc60jVoQ2PaFW/QsiK900"),
        (
            "päss",
            r"$5$saltstring$6G3HI990O.FtcpzpgeQzNXoeB9pWn9YU.gVTtFgbMz/",
        ),
        (
            "päss",
            r"$6$saltstring$CoxdaS6Tm7cKJz.0a7sfzA1BgPrkxcckeT9l5tpg6fYMO1ZCS2yugTAnv7yXZAoWpDhDjauR6rdy1PhJ/807W.",
        ),
        (
            "päss",
            r"$2b$04$abcdefghijklmnopqrstuuF7KK/SfP9IRGj0pPJMr8GdtCS8xpmpC",
        ),
        (
            "päss",
            r"$y$j75$abcdefghijklmnop$WAlsn3FePL36OYFuGuzu6OUszPCFYGbWYV7US0HrNt6",
        ),
        ("", r"abmF1QH4PEr.E"),
        ("", r"$1$abcdefgh$M55TzYaaccxVGbptZWaxX/"),
        (
            "",
            r"$5$saltstring$FdNfA4gXqvCeO6iZs7G/.wwwoywYZqo0l1pwmfWaBA7",
        ),
        (
            "",
            r"$6$saltstring$kyGrqt6gmjAdtFLPrflEFifSYLCWWq1pyx95SvqinLDy2UHmj0sTF0MSLMwxPFZc3tu5kQckI8fks0zOPda3n1",
        ),
        (
            "",
            r"$2b$04$abcdefghijklmnopqrstuubyCG3zY1GIXMyxfivm.ClDiInHzxjiq",
        ),
        (
            "",
            r"$y$j75$abcdefghijklmnop$W3jLI.KDs1Jg0xC2FrQ1TMiJW.pH0hPvINobN2Hlvw9",
        ),
    ];
}
