//! Whether a value is `None`.

use serde::Serialize;
use serde::de::{self, DeserializeOwned, Deserializer, Visitor, value};
use serde::ser::{self, Impossible, Serializer};
use std::fmt;

/// Whether the value is `None`, also within newtype structs. Nothing is encoded: the value's first word decides.
pub(crate) fn is_none<T: Serialize + ?Sized>(value: &T) -> bool {
    value.serialize(Absence).is_ok()
}

/// Succeeds with `None` alone.
struct Absence;

/// The value is something.
#[derive(Debug)]
struct Something;

impl fmt::Display for Something {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value is something")
    }
}

impl std::error::Error for Something {}

impl ser::Error for Something {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// Methods for what is something.
macro_rules! something {
    ($($method:ident($($type:ty),*) -> $result:ty;)*) => {
        $(fn $method(self, $(_: $type),*) -> Result<$result, Something> {
            Err(Something)
        })*
    };
}

impl Serializer for Absence {
    type Ok = ();
    type Error = Something;
    type SerializeSeq = Impossible<(), Something>;
    type SerializeTuple = Impossible<(), Something>;
    type SerializeTupleStruct = Impossible<(), Something>;
    type SerializeTupleVariant = Impossible<(), Something>;
    type SerializeMap = Impossible<(), Something>;
    type SerializeStruct = Impossible<(), Something>;
    type SerializeStructVariant = Impossible<(), Something>;

    fn serialize_none(self) -> Result<(), Something> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), Something> {
        Err(Something)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Something> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Something> {
        Err(Something)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, _: &T) -> Result<(), Something> {
        Err(Something)
    }

    something! {
        serialize_bool(bool) -> ();
        serialize_i8(i8) -> ();
        serialize_i16(i16) -> ();
        serialize_i32(i32) -> ();
        serialize_i64(i64) -> ();
        serialize_i128(i128) -> ();
        serialize_u8(u8) -> ();
        serialize_u16(u16) -> ();
        serialize_u32(u32) -> ();
        serialize_u64(u64) -> ();
        serialize_u128(u128) -> ();
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_char(char) -> ();
        serialize_str(&str) -> ();
        serialize_bytes(&[u8]) -> ();
        serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}

/// The `None` of a type that has one, if only inside a newtype.
pub(crate) fn none<T: DeserializeOwned>() -> Option<T> {
    T::deserialize(Absent).ok()
}

/// Gives `None` to whoever wants an option, and nothing to others.
struct Absent;

impl<'de> Deserializer<'de> for Absent {
    type Error = value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("there is no value"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::rc::Rc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[derive(Serialize)]
    struct Wrapped<T>(T);

    #[derive(Serialize)]
    #[serde(transparent)]
    struct Transparent<T> {
        inner: T,
    }

    #[derive(Serialize)]
    struct Fields<T> {
        inner: T,
    }

    #[derive(Serialize)]
    struct Unit;

    #[derive(Serialize)]
    enum Variants<T> {
        None,
        One(T),
        Two(T, T),
        Named { inner: T },
    }

    const NONE: Option<u8> = None;

    #[test]
    fn types_with_a_none() {
        #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        struct Wrapped(Option<u8>);
        assert_eq!(none::<Option<u8>>(), Some(None));
        assert_eq!(none::<Wrapped>(), Some(Wrapped(None)));
        assert_eq!(none::<()>(), None);
        assert_eq!(none::<u8>(), None);
        assert_eq!(none::<Vec<Option<u8>>>(), None);
        assert_eq!(none::<String>(), None);
    }

    #[test]
    fn none_and_what_only_wraps_it() {
        assert!(is_none(&NONE));
        assert!(is_none(&None::<Unit>));
        assert!(is_none(&None::<Option<u8>>));
        assert!(is_none(&Box::new(NONE)));
        assert!(is_none(&&NONE));
        assert!(is_none(&std::borrow::Cow::Borrowed(&NONE)));
        assert!(is_none(&Wrapped(NONE)));
        assert!(is_none(&Wrapped(Wrapped(NONE))));
        assert!(is_none(&Transparent { inner: NONE }));
        assert!(is_none(&std::cell::Cell::new(NONE)));
    }

    #[test]
    fn everything_else_is_something() {
        assert!(!is_none(&Some(1)));
        assert!(!is_none(&Some(NONE)));
        assert!(!is_none(&Some(())));
        assert!(!is_none(&Wrapped(Some(1))));
        assert!(!is_none(&()));
        assert!(!is_none(&Unit));
        assert!(!is_none(&Variants::None::<u8>));
        assert!(!is_none(&Variants::One(NONE)));
        assert!(!is_none(&Variants::Two(NONE, NONE)));
        assert!(!is_none(&Variants::Named { inner: NONE }));
        assert!(!is_none(&Fields { inner: NONE }));
        assert!(!is_none(&[NONE]));
        assert!(!is_none(&(NONE,)));
        assert!(!is_none(&vec![NONE]));
        assert!(!is_none(&Vec::<u8>::new()));
        assert!(!is_none(&BTreeMap::<u8, u8>::new()));
        assert!(!is_none(""));
        assert!(!is_none(&false));
        assert!(!is_none(&(0_u8, 0_i8)));
        assert!(!is_none(&(0_i128)));
        assert!(!is_none(&0_u128));
        assert!(!is_none(&0.0_f64));
        assert!(!is_none(&'a'));
        assert!(!is_none(&serde_json::Value::Null));
        assert!(!is_none(&Ok::<Option<u8>, u8>(NONE)));
        assert!(!is_none(&std::net::Ipv4Addr::LOCALHOST));
    }

    #[test]
    fn a_value_that_cannot_be_written_is_something() {
        let cell = Rc::new(std::cell::RefCell::new(NONE));
        let held = cell.borrow_mut();
        assert!(!is_none(&*cell));
        drop(held);
        assert!(is_none(&*cell));
    }

    #[test]
    fn nothing_within_the_value_is_looked_at() {
        static LOOKED: AtomicBool = AtomicBool::new(false);
        struct Watched;
        impl Serialize for Watched {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                LOOKED.store(true, Ordering::Relaxed);
                serializer.serialize_none()
            }
        }
        assert!(!is_none(&Some(Watched)));
        assert!(!is_none(&[Watched]));
        assert!(!is_none(&Fields { inner: Watched }));
        assert!(!is_none(&Variants::One(Watched)));
        assert!(!LOOKED.load(Ordering::Relaxed));
        assert!(is_none(&Wrapped(Watched)));
        assert!(LOOKED.load(Ordering::Relaxed));
    }
}
