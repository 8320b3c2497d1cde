//! Sample expressions: a fetch, its arguments, and converters: `req.hdr(host),lower`.

use nom::Parser as _;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::combinator::{all_consuming, opt};
use nom::multi::separated_list1;
use nom::sequence::delimited;

/// A name and what stands in parentheses behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The name.
    pub name: String,
    /// What is between the parentheses; `None` without them.
    pub argument: Option<Vec<u8>>,
}

impl Call {
    /// The comma-separated arguments; none when there are no parentheses or nothing in them.
    pub fn arguments(&self) -> Vec<&[u8]> {
        match &self.argument {
            Some(text) if !text.is_empty() => text.split(|b| *b == b',').collect(),
            _ => Vec::new(),
        }
    }
}

/// A fetch and the converters that its value goes through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// What is fetched.
    pub fetch: Call,
    /// What is done with it, in order.
    pub converters: Vec<Call>,
}

type Nom<'a, T> = nom::IResult<&'a [u8], T>;

fn call(input: &[u8]) -> Nom<'_, Call> {
    let name =
        take_while1(|b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'+'));
    let argument = opt(delimited(
        tag(&b"("[..]),
        take_while(|b: u8| b != b')'),
        tag(&b")"[..]),
    ));
    (name, argument)
        .map(|(name, argument): (&[u8], Option<&[u8]>)| Call {
            name: String::from_utf8_lossy(name).into_owned(),
            argument: argument.map(<[u8]>::to_vec),
        })
        .parse(input)
}

/// Reads a whole word as an expression.
pub fn parse(bytes: &[u8]) -> Option<Expression> {
    let parsed: Nom<'_, Vec<Call>> =
        all_consuming(separated_list1(tag(&b","[..]), call)).parse(bytes);
    let (_, calls) = parsed.ok()?;
    let mut calls = calls.into_iter();
    Some(Expression {
        fetch: calls.next()?,
        converters: calls.collect(),
    })
}

/// Whether a word has a parenthesis that nothing closes: 1.4 refuses such a criterion.
pub fn is_unclosed(bytes: &[u8]) -> bool {
    memchr::memchr(b'(', bytes).is_some_and(|at| !bytes[at..].contains(&b')'))
}

/// The word as 1.4 reads an ACL criterion: the name goes up to the first parenthesis, the
/// argument up to the next closing one; what follows is not looked at.
pub fn parse_v1_4(bytes: &[u8]) -> Call {
    match memchr::memchr(b'(', bytes) {
        None => Call {
            name: String::from_utf8_lossy(bytes).into_owned(),
            argument: None,
        },
        Some(at) => {
            let rest = &bytes[at + 1..];
            let end = memchr::memchr(b')', rest).unwrap_or(rest.len());
            Call {
                name: String::from_utf8_lossy(&bytes[..at]).into_owned(),
                argument: Some(rest[..end].to_vec()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        let e = parse(b"req.hdr(host,-1),lower,field(1,:)").unwrap();
        assert_eq!(e.fetch.name, "req.hdr");
        assert_eq!(e.fetch.arguments(), [&b"host"[..], b"-1"]);
        assert_eq!(e.converters.len(), 2);
        assert_eq!(parse(b"src,"), None);
        assert_eq!(parse(b"hdr(x"), None);
        assert_eq!(parse_v1_4(b"hdr(x").argument.as_deref(), Some(&b"x"[..]));
        assert!(is_unclosed(b"hdr(x") && !is_unclosed(b"hdr(x)y") && !is_unclosed(b"hdr"));
    }
}
