//! The form of the statistics page: what to do with which servers. Manual 1.4, section 4.2
//! "stats admin".

/// A form that was posted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// `b`: the backend, by name or as `#` and its number.
    pub backend: Option<String>,
    /// `action`.
    pub action: Option<String>,
    /// `s`: the servers, the last one first.
    pub servers: Vec<String>,
}

/// A field is longer than HAProxy reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Longest field, name and value together, in bytes.
const LONGEST: usize = 2047;

impl Action {
    /// Reads a body of `application/x-www-form-urlencoded`.
    ///
    /// HAProxy reads it from its end, and no further than to a field that cannot be decoded: so the
    /// last `b` and `action` hold, and what stands before such a field is not asked for.
    ///
    /// # Errors
    /// A field that is too long.
    pub fn read(body: &[u8]) -> Result<Self, TooLong> {
        let mut action = Self::default();
        // What separates fields does not stand before the first: there it belongs to its name.
        let first = body.first().map_or(0, |_| 1);
        let mut rest = body;
        loop {
            let separator = rest[first.min(rest.len())..]
                .iter()
                .rposition(|b| *b == b'&');
            let separator = separator.map(|at| at + first);
            let field = &rest[separator.map_or(0, |at| at + 1)..];
            if field.len() > LONGEST {
                return Err(TooLong);
            }
            let Some(field) = decode(field) else {
                return Ok(action);
            };
            action.take(&field);
            match separator {
                Some(at) => rest = &rest[..at],
                None => return Ok(action),
            }
        }
    }

    fn take(&mut self, field: &str) {
        // Without `=` it has no value, which is not the same as not to stand there.
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        // What ends a text in C ends it here.
        let end = |text: &str| text.split('\0').next().unwrap_or_default().to_owned();
        match end(name).as_str() {
            "b" => drop(self.backend.get_or_insert_with(|| end(value))),
            "action" => drop(self.action.get_or_insert_with(|| end(value))),
            "s" => self.servers.push(end(value)),
            _ => {}
        }
    }
}

/// Takes `+` for a space and `%XX` for a byte; `None` when no two digits follow.
fn decode(field: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(field.len());
    let mut bytes = field.iter();
    while let Some(byte) = bytes.next() {
        let mut digit = || (*bytes.next()? as char).to_digit(16);
        out.push(match byte {
            b'+' => b' ',
            b'%' => u8::try_from(digit()? * 16 + digit()?).ok()?,
            byte => *byte,
        });
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_in_any_order_from_the_end() {
        for (body, backend, action, servers) in [
            (
                "s=s1&s=%73%32&b=%233&action=disable&x=y",
                Some("#3"),
                Some("disable"),
                &["s2", "s1"][..],
            ),
            (
                "%73=a+b&action=stop&b=app",
                Some("app"),
                Some("stop"),
                &["a b"],
            ),
            (
                "action=one&b=one&action=two&b=two&s=s1",
                Some("two"),
                Some("two"),
                &["s1"],
            ),
            // Nothing counts before what cannot be decoded.
            (
                "s=s2&s=%7&s=s1&b=app&action=disable",
                Some("app"),
                Some("disable"),
                &["s1"],
            ),
            ("s=s1&b=app&action=disable%zz", None, None, &[]),
            ("s=s1&action=disable&b=%", None, None, &[]),
            // A field without a value.
            ("s&b&action", Some(""), Some(""), &[""]),
            (
                "s=s1%00&b=app\0x&action%00=stop",
                Some("app"),
                Some("stop"),
                &["s1"],
            ),
            // Separators between fields, behind the last, and before the first.
            (
                "s=s1&&b=app&action=stop&&",
                Some("app"),
                Some("stop"),
                &["s1"],
            ),
            ("&s=s1&b=app&action=stop", Some("app"), Some("stop"), &[]),
            (
                "&&s=s1&b=app&action=stop",
                Some("app"),
                Some("stop"),
                &["s1"],
            ),
            ("&", None, None, &[]),
            ("garbage", None, None, &[]),
            ("", None, None, &[]),
        ] {
            let read = Action::read(body.as_bytes()).unwrap();
            assert_eq!(read.backend.as_deref(), backend, "{body:?}");
            assert_eq!(read.action.as_deref(), action, "{body:?}");
            assert_eq!(read.servers, servers, "{body:?}");
        }
    }

    #[test]
    fn a_field_of_two_kilobytes_is_too_long() {
        let form = |n: usize| format!("x={}&s=s1&b=app&action=stop", "y".repeat(n));
        assert!(Action::read(form(2045).as_bytes()).is_ok());
        assert_eq!(Action::read(form(2046).as_bytes()), Err(TooLong));
    }
}
