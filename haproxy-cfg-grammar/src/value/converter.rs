//! Converters: what a sample goes through between its fetch and its use. Manual 1.8, section 7.3.1.
//!
//! 1.4 has three of them, as words of `stick` rules; since 1.5 they follow a fetch after commas.

use std::net::{IpAddr, Ipv4Addr};

use serde::Serialize;

use crate::Dialect;
use crate::keyword::Status;
use crate::value::address;
use crate::value::criterion::Criterion;
use crate::value::expression::Call;
use crate::value::operation::{self, Operation};
use crate::value::pattern::MatchMethod;
use crate::value::stored::{DataType, EntryFact};
use crate::version::{self, Version};

/// What kind of values there are, as far as it decides what can follow what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// A truth.
    Bool,
    /// A number.
    Integer,
    /// An address.
    Address,
    /// An address out of a map: 1.8 cannot make anything else of it.
    MappedAddress,
    /// The name of a method.
    Method,
    /// A text.
    Text,
    /// The bytes of a value, as they are kept: of a number eight, of an address four or sixteen.
    Bytes,
}

/// One converter.
#[derive(Clone, Copy, Debug)]
pub struct Converter {
    /// Its name.
    pub name: &'static str,
    /// The shape of its arguments.
    pub arguments: &'static str,
    /// What it takes; other values are turned into that where they can be.
    pub takes: ValueType,
    /// What comes of it.
    pub gives: ValueType,
    /// The version that brought it.
    pub since: Version,
    /// What hapax does with it.
    pub status: Status,
    read: Reader,
}

type Reader = fn(&'static str, &[&[u8]]) -> Result<Conversion, String>;

/// A converter with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// `ipmask(mask)`: the network of an address.
    IpMask(Ipv4Addr),
    /// `lower`: small letters.
    Lower,
    /// `upper`: capital letters.
    Upper,
    /// What needs nothing but the value.
    Operation(Operation),
    /// `map` and its like: what a file says that the value stands for.
    Map(MapCall),
    /// `in_table` and its like: what a stick table stores for the value.
    Entry {
        /// The converter.
        name: &'static str,
        /// What is asked; `None` whether there is an entry.
        fact: Option<EntryFact>,
        /// The table; an empty name means that of the current proxy.
        table: Box<[u8]>,
    },
}

/// `map_str(file,default)` and its like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapCall {
    /// The converter.
    pub name: &'static str,
    /// How the value is compared with the keys.
    pub method: MatchMethod,
    /// What the keys stand for.
    pub output: MapOutput,
    /// The name of the file.
    pub file: Box<[u8]>,
    /// What a value gives that no key fits; without it, such a value gives nothing.
    pub default: Option<MapValue>,
}

/// What the second column of a map is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MapOutput {
    /// Texts.
    Text,
    /// Texts in which `\0` to `\9` are what the regular expression has matched (`map_regm`).
    Replacement,
    /// Integers.
    Integer,
    /// Addresses.
    Address,
}

/// One entry of the second column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MapValue {
    /// A text.
    Text(Box<[u8]>),
    /// An integer.
    Integer(i64),
    /// An address.
    Address(IpAddr),
}

impl MapOutput {
    /// Reads a value; `None` when it cannot be one. No text at all is the number 0; of a network
    /// the address counts.
    pub fn read(self, text: &[u8]) -> Option<MapValue> {
        Some(match self {
            Self::Text | Self::Replacement => MapValue::Text(text.into()),
            Self::Integer => MapValue::Integer(integer(text)?),
            Self::Address => {
                let text = std::str::from_utf8(text).ok()?;
                let (address, bits) = match text.split_once('/') {
                    Some((address, bits)) => (address, Some(bits)),
                    None => (text, None),
                };
                let address: IpAddr = address.parse().ok()?;
                let most = if address.is_ipv4() { 32 } else { 128 };
                if !bits.is_none_or(|bits| bits.parse::<u8>().is_ok_and(|bits| bits <= most)) {
                    return None;
                }
                MapValue::Address(address)
            }
        })
    }
}

/// A whole number with or without a sign; what is out of range is the nearest that is in it.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    digits.iter().try_fold(0i64, |number, byte| {
        let digit = i64::from(char::from(*byte).to_digit(10)?);
        let number = number.saturating_mul(10);
        Some(if negative {
            number.saturating_sub(digit)
        } else {
            number.saturating_add(digit)
        })
    })
}

const fn row(
    name: &'static str,
    arguments: &'static str,
    (takes, gives): (ValueType, ValueType),
    since: Version,
    read: Reader,
) -> Converter {
    Converter {
        name,
        arguments,
        takes,
        gives,
        since,
        status: Status::Works,
        read,
    }
}

macro_rules! map {
    ($name:literal, $method:ident, $takes:ident => $output:ident, $gives:ident) => {
        map!($name, $method, $takes => $output, $gives, version::V1_5)
    };
    ($name:literal, $method:ident, $takes:ident => $output:ident, $gives:ident, $since:expr) => {
        row(
            $name,
            "(file[,default])",
            (ValueType::$takes, ValueType::$gives),
            $since,
            |name, arguments| map(name, MatchMethod::$method, MapOutput::$output, arguments),
        )
    };
}

macro_rules! table {
    ($name:literal, $gives:ident, $fact:expr, $since:ident) => {
        row(
            $name,
            "(table)",
            (ValueType::Text, ValueType::$gives),
            version::$since,
            |name, arguments| entry(name, $fact, arguments),
        )
    };
    ($name:literal, $variant:ident($data:ident)) => {
        table!(
            $name,
            Integer,
            Some(EntryFact::$variant(DataType::$data)),
            V1_8
        )
    };
}

macro_rules! operation {
    ($name:literal, $takes:ident => $gives:ident, $since:ident, $operation:ident) => {
        row(
            $name,
            "",
            (ValueType::$takes, ValueType::$gives),
            version::$since,
            |_, _| Ok(Conversion::Operation(Operation::$operation)),
        )
    };
    ($name:literal, $takes:ident => $gives:ident, $operation:ident($shape:literal, $read:expr)) => {
        row(
            $name,
            $shape,
            (ValueType::$takes, ValueType::$gives),
            version::V1_8,
            |_, arguments| {
                let read: fn(&[&[u8]]) -> Result<_, String> = $read;
                read(arguments).map(|read| Conversion::Operation(Operation::$operation(read)))
            },
        )
    };
}

/// All converters that hapax has, by name.
pub const CONVERTERS: &[Converter] = &[
    operation!("add", Integer => Integer, Add("(number)", operation::number)),
    operation!("and", Integer => Integer, And("(number)", operation::number)),
    operation!("base64", Bytes => Text, V1_5, Base64),
    operation!("bool", Integer => Bool, V1_8, Bool),
    operation!("cpl", Integer => Integer, V1_8, Cpl),
    operation!("crc32", Bytes => Integer, Crc32("([avalanche])", spread)),
    operation!("div", Integer => Integer, Div("(number)", operation::number)),
    operation!("djb2", Bytes => Integer, Djb2("([avalanche])", spread)),
    operation!("even", Integer => Bool, V1_8, Even),
    operation!("field", Text => Text, Field("(index,delimiters)", operation::part)),
    operation!("hex", Bytes => Text, V1_5, Hex),
    operation!("hex2i", Text => Integer, V1_8, Hex2i),
    table!("in_table", Bool, None, V1_8),
    row(
        "ipmask",
        "(mask)",
        (ValueType::Address, ValueType::Address),
        version::V1_4,
        |_, arguments| {
            match arguments {
                [mask] => address::netmask(mask).map(Conversion::IpMask),
                _ => None,
            }
            .ok_or_else(|| "it needs a mask in parentheses: ipmask(255.255.255.0)".to_owned())
        },
    ),
    row(
        "lower",
        "",
        (ValueType::Text, ValueType::Text),
        version::V1_4,
        |_, _| Ok(Conversion::Lower),
    ),
    map!("map", Exact, Text => Text, Text),
    map!("map_beg", Prefix, Text => Text, Text),
    map!("map_beg_int", Prefix, Text => Integer, Integer),
    map!("map_beg_ip", Prefix, Text => Address, MappedAddress),
    map!("map_dir", Directory, Text => Text, Text),
    map!("map_dir_int", Directory, Text => Integer, Integer),
    map!("map_dir_ip", Directory, Text => Address, MappedAddress),
    map!("map_dom", Domain, Text => Text, Text),
    map!("map_dom_int", Domain, Text => Integer, Integer),
    map!("map_dom_ip", Domain, Text => Address, MappedAddress),
    map!("map_end", Suffix, Text => Text, Text),
    map!("map_end_int", Suffix, Text => Integer, Integer),
    map!("map_end_ip", Suffix, Text => Address, MappedAddress),
    map!("map_int", Integer, Integer => Text, Text),
    map!("map_int_int", Integer, Integer => Integer, Integer),
    map!("map_int_ip", Integer, Integer => Address, MappedAddress),
    map!("map_ip", Address, Address => Text, Text),
    map!("map_ip_int", Address, Address => Integer, Integer),
    map!("map_ip_ip", Address, Address => Address, MappedAddress),
    map!("map_reg", Regex, Text => Text, Text),
    map!("map_reg_int", Regex, Text => Integer, Integer),
    map!("map_reg_ip", Regex, Text => Address, MappedAddress),
    map!("map_regm", Regex, Text => Replacement, Text, version::V1_8),
    map!("map_str", Exact, Text => Text, Text),
    map!("map_str_int", Exact, Text => Integer, Integer),
    map!("map_str_ip", Exact, Text => Address, MappedAddress),
    map!("map_sub", Substring, Text => Text, Text),
    map!("map_sub_int", Substring, Text => Integer, Integer),
    map!("map_sub_ip", Substring, Text => Address, MappedAddress),
    operation!("mod", Integer => Integer, Mod("(number)", operation::number)),
    operation!("mul", Integer => Integer, Mul("(number)", operation::number)),
    operation!("neg", Integer => Integer, V1_8, Neg),
    operation!("not", Integer => Bool, V1_8, Not),
    operation!("odd", Integer => Bool, V1_8, Odd),
    operation!("or", Integer => Integer, Or("(number)", operation::number)),
    operation!("sdbm", Bytes => Integer, Sdbm("([avalanche])", spread)),
    operation!("sub", Integer => Integer, Sub("(number)", operation::number)),
    table!("table_bytes_in_rate", Data(BytesInRate)),
    table!("table_bytes_out_rate", Data(BytesOutRate)),
    table!("table_conn_cnt", Data(ConnCnt)),
    table!("table_conn_cur", Data(ConnCur)),
    table!("table_conn_rate", Data(ConnRate)),
    table!("table_gpc0", Data(Gpc0)),
    table!("table_gpc0_rate", Data(Gpc0Rate)),
    table!("table_gpt0", Data(Gpt0)),
    table!("table_http_err_cnt", Data(HttpErrCnt)),
    table!("table_http_err_rate", Data(HttpErrRate)),
    table!("table_http_req_cnt", Data(HttpReqCnt)),
    table!("table_http_req_rate", Data(HttpReqRate)),
    table!("table_kbytes_in", Kilobytes(BytesInCnt)),
    table!("table_kbytes_out", Kilobytes(BytesOutCnt)),
    table!("table_server_id", Data(ServerId)),
    table!("table_sess_cnt", Data(SessCnt)),
    table!("table_sess_rate", Data(SessRate)),
    table!("table_trackers", Integer, Some(EntryFact::Trackers), V1_8),
    row(
        "upper",
        "",
        (ValueType::Text, ValueType::Text),
        version::V1_4,
        |_, _| Ok(Conversion::Upper),
    ),
    operation!("url_dec", Text => Text, V1_8, UrlDec),
    operation!("word", Text => Text, Word("(index,delimiters)", operation::part)),
    operation!("wt6", Bytes => Integer, Wt6("([avalanche])", spread)),
    operation!("xor", Integer => Integer, Xor("(number)", operation::number)),
];

fn spread(arguments: &[&[u8]]) -> Result<bool, String> {
    operation::number(arguments).map(|number| number != 0)
}

fn map(
    name: &'static str,
    method: MatchMethod,
    output: MapOutput,
    arguments: &[&[u8]],
) -> Result<Conversion, String> {
    let (file, default) = match arguments {
        [file] => (file, None),
        [file, default] => (file, Some(default)),
        [] => return Err("it needs a file in parentheses, and a default if it likes".to_owned()),
        _ => return Err("it takes a file and a default, and nothing else".to_owned()),
    };
    let default = default
        .map(|text| match output {
            MapOutput::Integer if text.is_empty() => None,
            MapOutput::Address if text.contains(&b'/') => None,
            _ => output.read(text),
        })
        .map(|read| {
            read.ok_or_else(|| match output {
                MapOutput::Integer => "its default must be an integer".to_owned(),
                _ => "its default must be an address".to_owned(),
            })
        });
    Ok(Conversion::Map(MapCall {
        name,
        method,
        output,
        file: (*file).into(),
        default: default.transpose()?,
    }))
}

fn entry(
    name: &'static str,
    fact: Option<EntryFact>,
    arguments: &[&[u8]],
) -> Result<Conversion, String> {
    let table = match arguments {
        [] => &[][..],
        [table] => table,
        _ => return Err("it takes the name of a table, and nothing else".to_owned()),
    };
    Ok(Conversion::Entry {
        name,
        fact,
        table: table.into(),
    })
}

/// The converter of that name.
pub fn find(name: &str) -> Option<&'static Converter> {
    CONVERTERS
        .binary_search_by(|c| c.name.cmp(name))
        .ok()
        .and_then(|n| CONVERTERS.get(n))
}

impl Converter {
    /// Reads its arguments.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(&self, call: &Call) -> Result<Conversion, String> {
        let wanted = !self.arguments.is_empty();
        let optional = self.arguments.starts_with("([");
        if call.argument.is_some() != wanted && !optional {
            return Err(format!("it is written {}{}", self.name, self.arguments));
        }
        (self.read)(self.name, &call.arguments())
    }

    /// Whether it can make anything of values of that type.
    pub fn takes(&self, from: ValueType, dialect: Dialect) -> bool {
        match (from, self.takes) {
            (ValueType::MappedAddress, _) => dialect != Dialect::V1_8,
            (ValueType::Bool | ValueType::Method, ValueType::Address)
            | (ValueType::Bool, ValueType::Bytes)
            | (ValueType::Method, ValueType::Integer) => false,
            _ => true,
        }
    }
}

impl ValueType {
    /// The type of what a criterion looks at.
    pub fn of(criterion: &Criterion) -> Self {
        match criterion.method {
            MatchMethod::Bool => Self::Bool,
            MatchMethod::Integer => Self::Integer,
            MatchMethod::Address => Self::Address,
            _ if criterion.fetch == "method" => Self::Method,
            _ => Self::Text,
        }
    }

    /// How such values are compared unless `-m` says otherwise.
    pub fn method(self) -> MatchMethod {
        match self {
            Self::Bool => MatchMethod::Bool,
            Self::Integer => MatchMethod::Integer,
            Self::Address | Self::MappedAddress => MatchMethod::Address,
            Self::Method | Self::Text | Self::Bytes => MatchMethod::Exact,
        }
    }
}

/// What the last of some converters gives; `None` without any, or when it is not known.
pub fn output(converters: &[Call]) -> Option<ValueType> {
    find(&converters.last()?.name).map(|converter| converter.gives)
}

/// The files that converters read.
pub fn files(converters: &[Call]) -> impl Iterator<Item = Box<[u8]>> {
    converters
        .iter()
        .filter_map(|call| match find(&call.name)?.read(call).ok()? {
            Conversion::Map(map) => Some(map.file),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::expression;

    #[test]
    fn sorted() {
        assert!(CONVERTERS.windows(2).all(|w| w[0].name < w[1].name));
    }

    #[test]
    fn arguments() {
        for (text, right) in [
            ("map(f)", true),
            ("map(f,)", true),
            ("map", false),
            ("map(f,a,b)", false),
            ("map_int_int(f,-5)", true),
            ("map_str_int(f,1x)", false),
            ("map_str_int(f,)", false),
            ("map_str_ip(f,::1)", true),
            ("map_str_ip(f,1.1.1)", false),
            ("map_str_ip(f,localhost)", false),
            ("ipmask(24)", true),
            ("ipmask", false),
            ("in_table(t)", true),
            ("in_table()", true),
            ("in_table", false),
            ("table_gpc0(t,u)", false),
        ] {
            let call = expression::parse(text.as_bytes()).unwrap().fetch;
            let read = find(&call.name).unwrap().read(&call);
            assert_eq!(read.is_ok(), right, "{text}: {read:?}");
        }
    }

    #[test]
    fn values_of_maps() {
        let address = |text: &str| Some(MapValue::Address(text.parse().unwrap()));
        for (output, text, expected) in [
            (MapOutput::Integer, "5", Some(MapValue::Integer(5))),
            (MapOutput::Integer, "-5", Some(MapValue::Integer(-5))),
            (MapOutput::Integer, "+5", Some(MapValue::Integer(5))),
            (MapOutput::Integer, "", Some(MapValue::Integer(0))),
            (
                MapOutput::Integer,
                "18446744073709551615",
                Some(MapValue::Integer(i64::MAX)),
            ),
            (MapOutput::Integer, "5 6", None),
            (MapOutput::Integer, "12x", None),
            (MapOutput::Address, "1.2.3.4", address("1.2.3.4")),
            (MapOutput::Address, "1.2.3.4/8", address("1.2.3.4")),
            (MapOutput::Address, "::1", address("::1")),
            (MapOutput::Address, "1.2.3", None),
            (MapOutput::Address, "1.2.3.4/33", None),
        ] {
            assert_eq!(output.read(text.as_bytes()), expected, "{text}");
        }
    }
}
