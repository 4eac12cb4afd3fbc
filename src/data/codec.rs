//! How a value becomes bytes, and bytes a value.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A form that values are stored in.
///
/// ```
/// use layercake::data::{Codec, Json};
///
/// let bytes = Json.encode(&("tea", 3))?;
/// assert_eq!(bytes, br#"["tea",3]"#);
/// assert_eq!(Json.decode::<(String, u8)>(&bytes)?, ("tea".to_owned(), 3));
/// # Ok::<(), layercake::data::CodecError>(())
/// ```
pub trait Codec: Clone + Send + Sync + 'static {
    /// The media type of the form; it is stored beside the bytes, and what is stored in another form is not read.
    const CONTENT_TYPE: &'static str;

    /// The value as bytes.
    ///
    /// # Errors
    ///
    /// [`CodecError::Encode`], when the form has nothing for such a value, or the value's own `Serialize` fails.
    fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Result<Vec<u8>, CodecError>;

    /// The value that these bytes are, all of them.
    ///
    /// # Errors
    ///
    /// [`CodecError::Decode`], when they are no such value, or something follows it.
    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError>;
}

/// Why a value and its bytes do not become each other. Nothing of the value is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The form has nothing for such a value.
    #[error("the value cannot be written as {form}: {reason}")]
    Encode {
        /// The form's name.
        form: &'static str,
        /// What serde or the form says.
        reason: Box<str>,
    },
    /// The bytes are no such value.
    #[error("the bytes are not such a value in {form}: {reason}")]
    Decode {
        /// The form's name.
        form: &'static str,
        /// What is wrong with them.
        reason: &'static str,
    },
}

#[cfg(feature = "worker")]
impl From<CodecError> for worker::Error {
    fn from(error: CodecError) -> Self {
        Self::RustError(error.to_string())
    }
}

/// JSON (RFC 8259), `application/json`: readable, and the bytes survive what a new release adds to a type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json;

impl Codec for Json {
    const CONTENT_TYPE: &'static str = "application/json";

    fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Result<Vec<u8>, CodecError> {
        serde_json::to_vec(value)
            .map_err(|error| CodecError::Encode { form: "JSON", reason: error.to_string().into_boxed_str() })
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
        serde_json::from_slice(bytes).map_err(|error| {
            let reason = match error.classify() {
                serde_json::error::Category::Eof => "they end too early",
                serde_json::error::Category::Data => "they are another type",
                _ => "they are no JSON",
            };
            CodecError::Decode { form: "JSON", reason }
        })
    }
}

/// Postcard, `application/x-postcard`: a third to a half of the bytes of JSON. They say nothing of their type: raise the
/// [`SchemaVersion`](crate::SchemaVersion) whenever the type changes.
#[cfg(feature = "postcard")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Postcard;

#[cfg(feature = "postcard")]
impl Codec for Postcard {
    const CONTENT_TYPE: &'static str = "application/x-postcard";

    fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Result<Vec<u8>, CodecError> {
        postcard::to_allocvec(value)
            .map_err(|error| CodecError::Encode { form: "Postcard", reason: error.to_string().into_boxed_str() })
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
        let wrong = |reason| CodecError::Decode { form: "Postcard", reason };
        match postcard::take_from_bytes(bytes) {
            Ok((value, [])) => Ok(value),
            Ok(_) => Err(wrong("more follows it")),
            Err(postcard::Error::DeserializeUnexpectedEnd) => Err(wrong("they end too early")),
            Err(_) => Err(wrong("they are another type")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Product {
        id: u64,
        name: String,
        price: Option<i32>,
        tags: Vec<(char, bool)>,
        by_city: BTreeMap<String, Shape>,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Shape {
        Round,
        Long(u8, i64),
        Odd { sides: Vec<u16> },
    }

    fn shapes() -> impl Strategy<Value = Shape> {
        prop_oneof![
            Just(Shape::Round),
            (any::<u8>(), any::<i64>()).prop_map(|(a, b)| Shape::Long(a, b)),
            prop::collection::vec(any::<u16>(), 0..4).prop_map(|sides| Shape::Odd { sides }),
        ]
    }

    fn products() -> impl Strategy<Value = Product> {
        let tags = prop::collection::vec((any::<char>(), any::<bool>()), 0..4);
        let by_city = prop::collection::btree_map(".{0,8}", shapes(), 0..4);
        (any::<u64>(), ".{0,20}", any::<Option<i32>>(), tags, by_city)
            .prop_map(|(id, name, price, tags, by_city)| Product { id, name, price, tags, by_city })
    }

    fn there_and_back(codec: &impl Codec, product: &Product, extra: u8) {
        let bytes = codec.encode(product).unwrap();
        assert_eq!(codec.decode::<Product>(&bytes).as_ref(), Ok(product));
        for length in 0..bytes.len() {
            assert!(codec.decode::<Product>(&bytes[..length]).is_err(), "{length}");
        }
        let longer = [&bytes[..], &[extra]].concat();
        assert_eq!(codec.decode::<Product>(&longer).is_ok(), b" \t\r\n".contains(&extra) && bytes.starts_with(b"{"));
    }

    fn total(codec: &impl Codec, bytes: &[u8]) {
        let _ = codec.decode::<Product>(bytes);
        let _ = codec.decode::<Vec<String>>(bytes);
        let _ = codec.decode::<BTreeMap<String, Vec<u64>>>(bytes);
        let _ = codec.decode::<Option<(char, f64, Box<str>)>>(bytes);
    }

    proptest! {
        #[test]
        fn json_is_total_and_comes_back(product in products(), extra: u8, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            there_and_back(&Json, &product, extra);
            total(&Json, &bytes);
        }

        #[cfg(feature = "postcard")]
        #[test]
        fn postcard_is_total_and_comes_back(product in products(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let coded = Postcard.encode(&product).unwrap();
            prop_assume!(!coded.starts_with(b"{"));
            there_and_back(&Postcard, &product, b' ');
            total(&Postcard, &bytes);
        }

        #[test]
        fn broken_json_is_an_error_or_another_value(product in products(), at: prop::sample::Index, bit in 0_u8..8) {
            let mut bytes = Json.encode(&product).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            total(&Json, &bytes);
        }
    }

    #[test]
    fn errors_say_what_is_wrong_and_nothing_of_the_value() {
        let why = |bytes: &[u8]| Json.decode::<Vec<u8>>(bytes).unwrap_err().to_string();
        assert_eq!(why(b"[1,"), "the bytes are not such a value in JSON: they end too early");
        assert_eq!(why(b"[1]]"), "the bytes are not such a value in JSON: they are no JSON");
        assert_eq!(why(br#""4111-1111""#), "the bytes are not such a value in JSON: they are another type");
        let unwritable = BTreeMap::from([((1, 2), 3)]);
        assert_eq!(
            Json.encode(&unwritable).unwrap_err().to_string(),
            "the value cannot be written as JSON: key must be a string"
        );
    }
}
