//! The secrets that stored values are encrypted with.

use crate::entry::wire::{hex, unhex};
use chacha20poly1305::aead::{AeadInPlace as _, KeyInit as _};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The cipher's name and parameters: `xchacha20poly1305;key=NAME;nonce=HEX`.
const CIPHER: &str = "xchacha20poly1305;key=";
const NONCE: &str = ";nonce=";

/// The authentication tag behind the encrypted bytes.
pub(super) const TAG: usize = 16;

/// Secrets of 32 bytes, each with a name. Values are encrypted with the first (XChaCha20-Poly1305), and read with whichever they
/// name, so that a secret can be replaced while values of the former one are about:
///
/// ```
/// use layercake::data::Keyring;
///
/// # let (new, old) = ("1f".repeat(32), "4LQ83cxFCKRIvBeSUYIcu6zCe8rX9MjLGpchqz_qSSY");
/// // Worker secrets: 64 hex digits, and base64.
/// let keyring = Keyring::from_hex("2026-11", &new)?.and_base64("2026-05", old)?;
/// assert_eq!(format!("{keyring:?}"), r#"Keyring["2026-11", "2026-05"]"#);
/// # Ok::<(), layercake::data::KeyringError>(())
/// ```
///
/// Names stand in the stores beside the values, in the clear. Secrets are overwritten in memory when the last clone is dropped.
#[derive(Clone)]
pub struct Keyring(Arc<[Named]>);

#[derive(Clone)]
struct Named {
    name: Box<str>,
    /// It overwrites its secret when dropped.
    cipher: XChaCha20Poly1305,
}

/// What is wrong with a name or a secret; the secret is not in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// The secret is not of 32 bytes.
    #[error("a secret has 32 bytes, not {length}")]
    Length {
        /// How many it has.
        length: usize,
    },
    /// The text of the secret is not hex digits, an even number of them.
    #[error("the secret is not text in hex")]
    Hex,
    /// The text of the secret is not base64.
    #[error("the secret is not text in base64")]
    Base64,
    /// The name is empty, too long, or holds something else.
    #[error("the name of a secret is 1 to 64 ASCII letters, digits, \"-\", \"_\" and \".\"")]
    Name,
    /// Two secrets have one name.
    #[error("there is a secret named {name} already")]
    Duplicate {
        /// The name.
        name: Box<str>,
    },
}

impl Keyring {
    /// The longest name, in bytes.
    pub const MAX_NAME: usize = 64;

    /// A keyring of one secret, 32 bytes from a cryptographic source (`openssl rand -hex 32` writes them as text).
    ///
    /// # Errors
    ///
    /// [`KeyringError`], when the secret has another length, or the name is not 1 to [`MAX_NAME`](Self::MAX_NAME) ASCII letters,
    /// digits, `-`, `_` and `.`.
    pub fn new(name: &str, secret: &[u8]) -> Result<Self, KeyringError> {
        Ok(Self(Arc::new([Named::new(name, secret)?])))
    }

    /// The same of a text of 64 hex digits; white space around it does not count.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and when the text is something else.
    pub fn from_hex(name: &str, secret: &str) -> Result<Self, KeyringError> {
        Self::new(name, &hex_bytes(secret)?)
    }

    /// The same of a text in base64 (RFC 4648), of either alphabet, with or without padding; white space around it does not
    /// count.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and when the text is something else.
    pub fn from_base64(name: &str, secret: &str) -> Result<Self, KeyringError> {
        Self::new(name, &base64_bytes(secret)?)
    }

    /// The same with a former secret, for reading.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and when there is a secret of that name.
    pub fn and(self, name: &str, secret: &[u8]) -> Result<Self, KeyringError> {
        let named = Named::new(name, secret)?;
        if self.find(name).is_some() {
            return Err(KeyringError::Duplicate { name: named.name.clone() });
        }
        Ok(Self(self.0.iter().cloned().chain([named]).collect()))
    }

    /// [`and`](Self::and) of a text of 64 hex digits.
    ///
    /// # Errors
    ///
    /// As [`and`](Self::and) and [`from_hex`](Self::from_hex).
    pub fn and_hex(self, name: &str, secret: &str) -> Result<Self, KeyringError> {
        self.and(name, &hex_bytes(secret)?)
    }

    /// [`and`](Self::and) of a text in base64.
    ///
    /// # Errors
    ///
    /// As [`and`](Self::and) and [`from_base64`](Self::from_base64).
    pub fn and_base64(self, name: &str, secret: &str) -> Result<Self, KeyringError> {
        self.and(name, &base64_bytes(secret)?)
    }

    fn find(&self, name: &str) -> Option<&Named> {
        self.0.iter().find(|named| *named.name == *name)
    }

    /// Encrypts the bytes in place and puts the tag behind them. What `associated` says must be the same when they are
    /// [opened](Self::open). Returns the value of the field that describes it, or `None` when there are no random numbers to be had
    /// (on Workers: outside a request).
    pub(super) fn seal(&self, associated: &[u8], bytes: &mut Vec<u8>) -> Option<String> {
        let Named { name, cipher } = self.0.first()?;
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).ok()?;
        let associated = with_name(associated, name);
        let tag = cipher.encrypt_in_place_detached(XNonce::from_slice(&nonce), &associated, bytes).ok()?;
        bytes.extend_from_slice(&tag);
        Some([CIPHER, name, NONCE, &hex(&nonce)].concat())
    }

    /// Decrypts in place what [`seal`](Self::seal) encrypted and described so.
    pub(super) fn open(&self, described: &[u8], associated: &[u8], bytes: &mut Vec<u8>) -> Result<(), OpenError> {
        let (name, nonce) = parse(described).ok_or(OpenError::Cipher)?;
        let Named { name, cipher } = self.find(name).ok_or(OpenError::Key)?;
        let length = bytes.len().checked_sub(TAG).ok_or(OpenError::Tag)?;
        let mut tag = [0; TAG];
        tag.copy_from_slice(bytes.get(length..).ok_or(OpenError::Tag)?);
        bytes.truncate(length);
        let associated = with_name(associated, name);
        cipher
            .decrypt_in_place_detached(XNonce::from_slice(&nonce), &associated, bytes, &tag.into())
            .map_err(|_| OpenError::Tag)
    }
}

/// Why something does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenError {
    /// Another cipher, or its parameters are not as [`Keyring::seal`] writes them.
    Cipher,
    /// There is no secret of the name.
    Key,
    /// The bytes, the nonce or what is associated with them were changed, or the secret is another.
    Tag,
}

/// What is authenticated: the name, preceded by its length as one byte, and what is associated.
fn with_name(associated: &[u8], name: &str) -> Vec<u8> {
    // At most Keyring::MAX_NAME.
    let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
    [&[length], name.as_bytes(), associated].concat()
}

/// Name and nonce, when the field is written exactly so.
fn parse(described: &[u8]) -> Option<(&str, [u8; 24])> {
    let rest = std::str::from_utf8(described).ok()?.strip_prefix(CIPHER)?;
    let (name, digits) = rest.split_once(NONCE)?;
    Some((name, unhex(digits.as_bytes())?))
}

impl Named {
    fn new(name: &str, secret: &[u8]) -> Result<Self, KeyringError> {
        // First, so that a secret given for the name is in no error.
        if secret.len() != 32 {
            return Err(KeyringError::Length { length: secret.len() });
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || name.len() > Keyring::MAX_NAME || !name.bytes().all(plain) {
            return Err(KeyringError::Name);
        }
        Ok(Self { name: name.into(), cipher: XChaCha20Poly1305::new(Key::from_slice(secret)) })
    }
}

fn hex_byte(pair: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(0)? << 4 | digit(1)?)
}

fn hex_bytes(text: &str) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
    let text = text.trim().as_bytes();
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len().div_ceil(2)));
    for pair in text.chunks(2) {
        bytes.push(hex_byte(pair).ok_or(KeyringError::Hex)?);
    }
    Ok(bytes)
}

fn base64_bytes(text: &str) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
    let text = text.trim();
    let digits = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    // Padding fills up groups of four; a lone digit is no byte.
    if (digits.len() != text.len() && !text.len().is_multiple_of(4)) || digits.len() % 4 == 1 {
        return Err(KeyringError::Base64);
    }
    // All at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(digits.len()));
    let (mut held, mut bits) = (0_u32, 0_u32);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return Err(KeyringError::Base64),
        };
        (held, bits) = (held << 6 | u32::from(value), bits + 6);
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits).unwrap_or_default());
            held &= (1 << bits) - 1;
        }
    }
    // What is left of the last digit is nothing.
    if held == 0 { Ok(bytes) } else { Err(KeyringError::Base64) }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring")?;
        f.debug_list().entries(self.0.iter().map(|named| &named.name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: [u8; 32] = [0xa5; 32];
    const B: [u8; 32] = [0xb7; 32];

    fn sealed(keyring: &Keyring, associated: &[u8], plain: &[u8]) -> (String, Vec<u8>) {
        let mut bytes = plain.to_vec();
        let described = keyring.seal(associated, &mut bytes).unwrap();
        (described, bytes)
    }

    fn opened(keyring: &Keyring, described: &str, associated: &[u8], bytes: &[u8]) -> Result<Vec<u8>, OpenError> {
        let mut bytes = bytes.to_vec();
        keyring.open(described.as_bytes(), associated, &mut bytes).map(|()| bytes)
    }

    /// What deployed Workers have stored must open for ever: this test never changes.
    #[test]
    fn the_form_is_frozen() {
        let keyring = Keyring::new("k", &A).unwrap();
        let nonce = "000102030405060708090a0b0c0d0e0f1011121314151617";
        let stored = FROZEN.as_bytes().chunks(2).map(|pair| hex_byte(pair).unwrap()).collect::<Vec<_>>();
        let described = format!("xchacha20poly1305;key=k;nonce={nonce}");
        assert_eq!(opened(&keyring, &described, b"about", &stored), Ok(b"hello".to_vec()));
    }

    const FROZEN: &str = "26c0db782ed84794473d5ab3799d666591b4fa1fca";

    #[test]
    fn names_and_secrets_are_checked() {
        for length in [0, 16, 31, 33, 64] {
            assert_eq!(Keyring::new("a", &vec![0; length]).err(), Some(KeyringError::Length { length }));
        }
        let long = "n".repeat(65);
        for name in ["", " ", "a b", "a;nonce=", "é", "a=b", "a,b", &long] {
            assert_eq!(Keyring::new(name, &A).err(), Some(KeyringError::Name), "{name:?}");
        }
        for name in ["a", "2026-11", "A.b_c-9", &long[1..]] {
            assert!(Keyring::new(name, &A).is_ok(), "{name:?}");
        }
        let ring = Keyring::new("a", &A).unwrap().and("b", &B).unwrap();
        for name in ["a", "b"] {
            assert_eq!(ring.clone().and(name, &A).err(), Some(KeyringError::Duplicate { name: name.into() }));
        }
        assert_eq!(ring.clone().and("c", b"short").err(), Some(KeyringError::Length { length: 5 }));
        assert_eq!(ring.and("no name", &A).err(), Some(KeyringError::Name));
    }

    #[test]
    fn secrets_as_text() {
        let same = |ring: Result<Keyring, KeyringError>| {
            let (described, bytes) = sealed(&Keyring::new("a", &A).unwrap(), b"", b"x");
            opened(&ring.unwrap(), &described, b"", &bytes) == Ok(b"x".to_vec())
        };
        let base64 = "paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU";
        assert!(same(Keyring::from_hex("a", &"a5".repeat(32))));
        assert!(same(Keyring::from_hex("a", &format!(" {}\n", "A5".repeat(32)))));
        assert!(same(Keyring::from_base64("a", base64)));
        assert!(same(Keyring::from_base64("a", &format!("{base64}=\n"))));
        assert!(same(Keyring::new("b", &B).and_then(|ring| ring.and_hex("a", &"a5".repeat(32)))));
        assert!(same(Keyring::new("b", &B).and_then(|ring| ring.and_base64("a", base64))));
        assert_eq!(&base64_bytes("-_+/").unwrap()[..], [0xfb, 0xff, 0xbf]);
        let hex = |text: &str| Keyring::from_hex("a", text).err();
        assert_eq!(hex(&"a5".repeat(31)), Some(KeyringError::Length { length: 31 }));
        assert_eq!(hex(&"a5".repeat(32)[1..]), Some(KeyringError::Hex));
        assert_eq!(hex(&"g5".repeat(32)), Some(KeyringError::Hex));
        assert_eq!(hex(&"+5".repeat(32)), Some(KeyringError::Hex));
        assert_eq!(hex(""), Some(KeyringError::Length { length: 0 }));
        for (text, why) in [
            (&base64[..40], KeyringError::Length { length: 30 }),
            (&format!("{base64}=="), KeyringError::Base64),
            (&format!("{base64}A"), KeyringError::Length { length: 33 }),
            (&format!("{base64}AA"), KeyringError::Base64),
            (&base64.replace("aU", "aV"), KeyringError::Base64),
            (&base64.replace("aU", "*U"), KeyringError::Base64),
            ("A", KeyringError::Base64),
            ("=", KeyringError::Base64),
        ] {
            assert_eq!(Keyring::from_base64("a", text).err(), Some(why), "{text}");
        }
    }

    #[test]
    fn nothing_shows_a_secret() {
        let text = "paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU";
        let ring = Keyring::from_base64("new", text).unwrap().and("old", &B).unwrap();
        assert_eq!(format!("{ring:?} {ring:#?}").matches("old").count(), 2);
        assert!(!format!("{ring:?}").contains("165"));
        for error in [
            Keyring::from_base64(text, "new").unwrap_err(),
            Keyring::from_hex(text, "new").unwrap_err(),
            Keyring::new(text, b"new").unwrap_err(),
            Keyring::from_hex("new", text).unwrap_err(),
            Keyring::from_base64("new", &text[2..]).unwrap_err(),
            Keyring::from_base64("new", &format!("{text}*")).unwrap_err(),
        ] {
            assert!(!format!("{error} {error:?}").contains(&text[3..9]), "{error:?}");
        }
    }

    #[test]
    fn a_former_secret_opens_and_the_first_seals() {
        let (old, new) = (Keyring::new("old", &A).unwrap(), Keyring::new("new", &B).unwrap());
        let both = new.clone().and("old", &A).unwrap();
        let (described, bytes) = sealed(&old, b"about", b"hello");
        assert_eq!(opened(&both, &described, b"about", &bytes), Ok(b"hello".to_vec()));
        assert_eq!(opened(&new, &described, b"about", &bytes), Err(OpenError::Key));
        let (described, bytes) = sealed(&both, b"about", b"hello");
        assert_eq!(opened(&new, &described, b"about", &bytes), Ok(b"hello".to_vec()));
        assert_eq!(opened(&old, &described, b"about", &bytes), Err(OpenError::Key));
        // The names swapped, and the same secret under another name.
        let swapped = Keyring::new("new", &A).unwrap();
        assert_eq!(opened(&swapped, &described, b"about", &bytes), Err(OpenError::Tag));
        let renamed = Keyring::new("other", &B).unwrap();
        let described = described.replace("=new;", "=other;");
        assert_eq!(opened(&renamed, &described, b"about", &bytes), Err(OpenError::Tag));
    }

    #[test]
    fn no_nonce_comes_twice() {
        let ring = Keyring::new("a", &A).unwrap();
        let all: std::collections::HashSet<_> = (0..1000).map(|_| sealed(&ring, b"", b"same").0).collect();
        assert_eq!(all.len(), 1000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn what_is_sealed_opens_and_what_is_changed_does_not(
            plain in prop::collection::vec(any::<u8>(), 0..24),
            about in prop::collection::vec(any::<u8>(), 0..12),
        ) {
            let ring = Keyring::new("name", &A).unwrap().and("nama", &A).unwrap();
            let (described, bytes) = sealed(&ring, &about, &plain);
            prop_assert_eq!(bytes.len(), plain.len() + TAG);
            prop_assert_eq!(opened(&ring, &described, &about, &bytes), Ok(plain));
            for at in 0..8 * bytes.len() {
                let mut changed = bytes.clone();
                changed[at / 8] ^= 1 << (at % 8);
                prop_assert_eq!(opened(&ring, &described, &about, &changed), Err(OpenError::Tag));
            }
            for at in 0..8 * described.len() {
                let mut changed = described.clone().into_bytes();
                changed[at / 8] ^= 1 << (at % 8);
                prop_assert!(ring.open(&changed, &about, &mut bytes.clone()).is_err());
            }
            for at in 0..8 * about.len() {
                let mut changed = about.clone();
                changed[at / 8] ^= 1 << (at % 8);
                prop_assert_eq!(opened(&ring, &described, &changed, &bytes), Err(OpenError::Tag));
            }
            for length in 0..bytes.len() {
                prop_assert_eq!(opened(&ring, &described, &about, &bytes[..length]), Err(OpenError::Tag));
            }
            for length in 0..described.len() {
                prop_assert_eq!(opened(&ring, &described[..length], &about, &bytes), Err(OpenError::Cipher));
            }
            prop_assert!(opened(&ring, &(described + "0"), &about, &bytes).is_err());
        }

    }

    proptest! {
        #[test]
        fn the_field_is_read_without_fail(described in ".{0,120}", rest in "[ -~]{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let ring = Keyring::new("name", &A).unwrap();
            for described in [described, format!("{CIPHER}name{NONCE}{rest}"), format!("{CIPHER}{rest}")] {
                prop_assert!(opened(&ring, &described, b"", &bytes).is_err());
            }
        }
    }
}
