//! A part of a plan as a tree that can be compared and printed.
//!
//! It is made by serialising: the names of types and fields are in the plan already. Indices become
//! names on the way, because a proxy that is added in the middle of a file moves all that follow
//! without changing what they mean.

use std::fmt;

use serde::ser::{self, Impossible, Serialize};

use crate::plan::{Plan, Proxy};

/// A tree of values.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Nothing: an option that is not set, a flag that is off, a list without entries.
    Nothing,
    /// One word.
    Word(String),
    /// Several of a kind.
    List(Vec<Self>),
    /// Named parts.
    Map(Vec<(String, Self)>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("none"),
            Self::Word(word) => f.write_str(word),
            Self::List(values) => {
                for (index, value) in values.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{value}")?;
                }
                Ok(())
            }
            Self::Map(parts) => {
                let mut space = "";
                for (name, value) in parts.iter().filter(|(_, v)| *v != Self::Nothing) {
                    f.write_str(space)?;
                    space = " ";
                    match value {
                        Self::Word(word) if word == ON => f.write_str(name)?,
                        Self::Map(_) | Self::List(_) => write!(f, "{name}({value})")?,
                        _ => write!(f, "{name} {value}")?,
                    }
                }
                Ok(())
            }
        }
    }
}

/// What a flag that is set is.
const ON: &str = "on";

/// A part of a plan as a tree. `proxy` is the one that it belongs to.
pub(super) fn of(part: &impl Serialize, plan: &Plan, proxy: Option<&Proxy>) -> Value {
    let names = Names { plan, proxy };
    // Only a type that cannot be serialised fails, and the plan has none.
    part.serialize(names).unwrap_or(Value::Nothing)
}

/// Where indices get their names from.
#[derive(Clone, Copy)]
struct Names<'a> {
    plan: &'a Plan,
    proxy: Option<&'a Proxy>,
}

/// Serialising did not work.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(String);

impl ser::Error for Failed {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

type Done = Result<Value, Failed>;

fn label(name: &str) -> String {
    name.replace('_', "-")
}

impl<'a> Names<'a> {
    /// The name of what an index of that type stands for.
    fn resolve(self, kind: &str, index: &Value) -> Option<Value> {
        let Value::Word(index) = index else {
            return None;
        };
        let index: usize = index.parse().ok()?;
        let name = match kind {
            "ProxyId" => &self.plan.proxies.get(index)?.name,
            "ServerId" => &self.proxy?.servers.get(index)?.name,
            "UserlistId" => &self.plan.userlists.get(index)?.name,
            "AclId" => {
                let acl = self.proxy?.acls.get(index)?;
                if acl.name.is_empty() {
                    return Some(of(acl, self.plan, self.proxy));
                }
                &acl.name
            }
            _ => return None,
        };
        Some(Value::Word(name.clone()))
    }

    /// The same, for what belongs to the proxy of that name.
    fn within(self, name: &Value) -> Self {
        let Value::Word(name) = name else { return self };
        let proxy = self.plan.proxies.iter().find(|p| p.name == *name);
        Self { proxy, ..self }
    }
}

macro_rules! words {
    ($($method:ident: $type:ty,)*) => {
        $(fn $method(self, value: $type) -> Done {
            Ok(Value::Word(value.to_string()))
        })*
    };
}

impl<'a> ser::Serializer for Names<'a> {
    type Ok = Value;
    type Error = Failed;
    type SerializeSeq = Entries<'a>;
    type SerializeTuple = Entries<'a>;
    type SerializeTupleStruct = Entries<'a>;
    type SerializeTupleVariant = Entries<'a>;
    type SerializeMap = Impossible<Value, Failed>;
    type SerializeStruct = Parts<'a>;
    type SerializeStructVariant = Parts<'a>;

    words! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_f32: f32, serialize_f64: f64, serialize_char: char,
    }

    fn serialize_bool(self, value: bool) -> Done {
        Ok(if value {
            Value::Word(ON.to_owned())
        } else {
            Value::Nothing
        })
    }

    fn serialize_str(self, value: &str) -> Done {
        Ok(Value::Word(if value.is_empty() {
            "''".to_owned()
        } else {
            value.escape_debug().to_string()
        }))
    }

    fn serialize_bytes(self, value: &[u8]) -> Done {
        Ok(Value::Word(value.escape_ascii().to_string()))
    }

    fn serialize_none(self) -> Done {
        Ok(Value::Nothing)
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Done {
        Ok(Value::Nothing)
    }

    fn serialize_unit_struct(self, name: &'static str) -> Done {
        Ok(Value::Word(label(name)))
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        Ok(Value::Word(label(variant)))
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        value: &T,
    ) -> Done {
        let value = value.serialize(self)?;
        Ok(self.resolve(name, &value).unwrap_or(value))
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Done {
        Ok(Value::Map(vec![(label(variant), value.serialize(self)?)]))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Entries<'a>, Failed> {
        Ok(Entries {
            names: self,
            variant: None,
            entries: Vec::new(),
        })
    }

    fn serialize_tuple(self, length: usize) -> Result<Entries<'a>, Failed> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Entries<'a>, Failed> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Entries<'a>, Failed> {
        Ok(Entries {
            names: self,
            variant: Some(variant),
            entries: Vec::new(),
        })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Failed> {
        Err(Failed(
            "a plan has no maps: their order is not told".to_owned(),
        ))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Parts<'a>, Failed> {
        Ok(Parts {
            names: self,
            name,
            variant: None,
            parts: Vec::new(),
        })
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Failed> {
        Ok(Parts {
            names: self,
            name,
            variant: Some(variant),
            parts: Vec::new(),
        })
    }

    fn is_human_readable(&self) -> bool {
        true
    }
}

/// A list in the making.
struct Entries<'a> {
    names: Names<'a>,
    variant: Option<&'static str>,
    entries: Vec<Value>,
}

impl Entries<'_> {
    fn push<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Failed> {
        self.entries.push(value.serialize(self.names)?);
        Ok(())
    }

    fn finish(self) -> Done {
        let list = if self.entries.is_empty() {
            Value::Nothing
        } else {
            Value::List(self.entries)
        };
        Ok(match self.variant {
            Some(variant) => Value::Map(vec![(label(variant), list)]),
            None => list,
        })
    }
}

macro_rules! entries {
    ($($kind:ident: $method:ident,)*) => {
        $(impl ser::$kind for Entries<'_> {
            type Ok = Value;
            type Error = Failed;

            fn $method<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Failed> {
                self.push(value)
            }

            fn end(self) -> Done {
                self.finish()
            }
        })*
    };
}

entries! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field,
}

/// A struct in the making.
struct Parts<'a> {
    names: Names<'a>,
    name: &'static str,
    variant: Option<&'static str>,
    parts: Vec<(String, Value)>,
}

impl Parts<'_> {
    fn push<T: ?Sized + Serialize>(&mut self, name: &str, value: &T) -> Result<(), Failed> {
        if name == "numeric_id" {
            // Mostly counted, not written: it moves with every section in between.
            return Ok(());
        }
        let value = value.serialize(self.names)?;
        if name == "proxy" {
            // A server that is named together with its proxy.
            self.names = self.names.within(&value);
        }
        self.parts.push((label(name), value));
        Ok(())
    }

    fn finish(self) -> Done {
        let value = if self.name == "Duration" && self.variant.is_none() {
            duration(&self.parts)
        } else {
            Value::Map(self.parts)
        };
        Ok(match self.variant {
            Some(variant) => Value::Map(vec![(label(variant), value)]),
            None => value,
        })
    }
}

/// Seconds and nanoseconds, as HAProxy writes times.
fn duration(parts: &[(String, Value)]) -> Value {
    let part = |name: &str| {
        parts.iter().find_map(|(n, v)| match v {
            Value::Word(word) if n == name => word.parse::<u64>().ok(),
            _ => None,
        })
    };
    let (seconds, nanos) = (part("secs").unwrap_or(0), part("nanos").unwrap_or(0));
    Value::Word(if nanos == 0 {
        format!("{seconds}s")
    } else {
        format!("{}ms", seconds * 1000 + nanos / 1_000_000)
    })
}

macro_rules! parts {
    ($($kind:ident,)*) => {
        $(impl ser::$kind for Parts<'_> {
            type Ok = Value;
            type Error = Failed;

            fn serialize_field<T: ?Sized + Serialize>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Failed> {
                self.push(name, value)
            }

            fn end(self) -> Done {
                self.finish()
            }
        })*
    };
}

parts! {
    SerializeStruct,
    SerializeStructVariant,
}
