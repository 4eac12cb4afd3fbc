use super::*;
use crate::message::{HeaderFields as _, Lines};
use crate::runtime::Signal;
use crate::semantics::freshness::Timestamp;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use proptest::prelude::*;
use std::time::Duration;

/// A host with gzip, and nothing else that matters here.
struct Host {
    gzip: bool,
}

const HOST: Host = Host { gzip: true };

impl Runtime for Host {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(0)
    }

    fn spawn(&self, _: BoxFuture<'static, ()>) {}

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    fn log(&self, _: &str) {}

    fn random(&self) -> u32 {
        0
    }

    fn signal(&self) -> Option<Signal> {
        None
    }

    fn compress(&self, body: Body) -> Result<Body, Body> {
        if self.gzip { body.gzip() } else { Err(body) }
    }

    fn decompress(&self, body: Body) -> Result<Body, Body> {
        if self.gzip { body.gunzip() } else { Err(body) }
    }
}

const JSON: Option<&str> = Some("application/json");

fn ring(name: &str, byte: u8) -> Keyring {
    Keyring::new(name, &[byte; 32]).unwrap()
}

fn sealer(compress_above: Option<u64>, keyring: Option<Keyring>) -> Sealer {
    Sealer { compress_above, keyring, accept_plain: false }
}

/// Compressed or not, encrypted or not.
fn sealers() -> [Sealer; 4] {
    let key = || Some(ring("k", 0xa5));
    [sealer(None, None), sealer(Some(0), None), sealer(None, key()), sealer(Some(0), key())]
}

fn key(n: u32) -> CacheKey {
    CacheKey::for_tests(n)
}

/// A value as the stores have it.
#[derive(Clone, Debug)]
struct Stored {
    fields: Lines,
    bytes: Vec<u8>,
}

fn seal_as(sealer: &Sealer, content_type: Option<&str>, body: Body) -> Result<Stored, SealError> {
    let sealed = sealer.seal(&HOST, &key(7), content_type, body).now_or_never().expect("nothing to wait for")?;
    let mut fields = Lines::default();
    for (name, value) in &sealed.fields {
        fields.append(name, value);
    }
    Ok(Stored { fields, bytes: bytes(sealed.body).into() })
}

fn seal(sealer: &Sealer, plain: &[u8]) -> Stored {
    seal_as(sealer, JSON, Body::from(plain.to_vec())).unwrap()
}

fn bytes(body: Body) -> Bytes {
    body.into_bytes(u64::MAX).now_or_never().expect("nothing to wait for").unwrap()
}

fn open_as(sealer: &Sealer, n: u32, content_type: Option<&str>, stored: &Stored) -> Result<Bytes, SealError> {
    let (body, key) = (Body::from(stored.bytes.clone()), key(n));
    let opened = sealer.unseal(&HOST, &key, content_type, &stored.fields, body);
    opened.now_or_never().expect("nothing to wait for").map(bytes)
}

fn open(sealer: &Sealer, stored: &Stored) -> Result<Bytes, SealError> {
    open_as(sealer, 7, JSON, stored)
}

impl Stored {
    fn with(&self, name: &str, value: &str) -> Self {
        let mut changed = self.clone();
        changed.fields.set(name, value);
        changed
    }

    fn without(&self, name: &str) -> Self {
        let mut changed = self.clone();
        changed.fields.remove(name);
        changed
    }

    fn value(&self, name: &str) -> String {
        String::from_utf8(self.fields.field(name).unwrap().into_owned()).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.fields.for_each(&mut |name, _| names.push(name.to_owned()));
        names
    }
}

/// What deployed Workers have stored must open for ever: this test never changes.
#[test]
fn the_form_is_frozen() {
    let sealer = sealer(None, Some(ring("k", 0xa5)));
    let mut fields = Lines::default();
    fields.set("content-type", "application/json");
    let nonce = "000102030405060708090a0b0c0d0e0f1011121314151617";
    fields.set("layercake-cipher", &format!("xchacha20poly1305;key=k;nonce={nonce}"));
    let bytes = crate::entry::wire::unhex::<21>(b"15949b261c4bfec3bd9f2fe2ccae2930eab58ac9d6").unwrap();
    assert_eq!(open(&sealer, &Stored { fields, bytes: bytes.into() }).unwrap(), "[1,2]");
}

#[test]
fn the_fields_say_how_it_is_made() {
    let [plain, compressed, encrypted, both] = sealers();
    let zeros = [0; 5000];
    let (ty, coding, length, cipher) = ("content-type", "layercake-coding", "layercake-length", "layercake-cipher");
    assert_eq!(seal(&plain, &zeros).names(), [ty]);
    assert_eq!(seal(&compressed, &zeros).names(), [ty, coding, length]);
    assert_eq!(seal(&encrypted, &zeros).names(), [ty, cipher]);
    let stored = seal(&both, &zeros);
    assert_eq!(stored.names(), [ty, coding, length, cipher]);
    assert_eq!((stored.value(coding), stored.value(length)), ("gzip".into(), "5000".into()));
    assert!(stored.value(cipher).starts_with("xchacha20poly1305;key=k;nonce="));
    assert!(stored.bytes.len() < 100);
    let raw = seal_as(&both, None, Body::empty()).unwrap();
    assert_eq!((raw.names(), raw.bytes.len()), (vec![cipher.to_owned()], TAG));
    assert_eq!(open_as(&both, 7, None, &raw).unwrap(), "");
}

#[test]
fn what_hardly_shrinks_stays_as_it_is() {
    let sealer = sealer(Some(0), None);
    // What gzip makes of noise is larger, of zeros next to nothing: the share of noise decides.
    let noise = |n: usize| -> Vec<u8> {
        let mut state = 1_u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..n).map(next).collect()
    };
    for noisy in [0, 5000, 8000, 8500, 8600, 8700, 8750, 8800, 9000, 10_000] {
        let mut value = noise(noisy);
        value.resize(10_000, 0);
        let size = Body::from(value.clone()).gzip().unwrap().len().unwrap();
        let stored = seal(&sealer, &value);
        assert_eq!(stored.fields.has(CODING), size <= 8750, "{noisy}: {size}");
        assert_eq!(stored.bytes.len() as u64, if size <= 8750 { size } else { 10_000 });
        assert_eq!(open(&sealer, &stored).unwrap(), value);
    }
}

#[test]
fn the_threshold() {
    let compressed = |above, length| seal(&sealer(above, None), &vec![0; length]).fields.has(CODING);
    assert!(!compressed(Some(4096), 4096));
    assert!(compressed(Some(4096), 4097));
    assert!(!compressed(None, 100_000));
    assert!(!compressed(Some(0), 0));
    let sealer = Sealer { compress_above: Some(0), ..Sealer::default() };
    let stored = |host: &Host| sealer.seal(host, &key(7), JSON, "a".repeat(5000).into_bytes().into()).now_or_never();
    assert_eq!(stored(&Host { gzip: false }).unwrap().unwrap().body.len(), Some(5000), "a host without gzip");
    assert!(stored(&HOST).unwrap().unwrap().body.len() < Some(5000));
}

/// A stream of zeros, of known length or not.
struct Zeros(u64, bool);

impl http_body::Body for Zeros {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
        let length = usize::try_from(self.0.min(1 << 16)).unwrap();
        self.0 -= length as u64;
        std::task::Poll::Ready((length > 0).then(|| Ok(http_body::Frame::data(Bytes::from_static(&ZEROS[..length])))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        if self.1 { http_body::SizeHint::with_exact(self.0) } else { http_body::SizeHint::default() }
    }
}

#[test]
fn streams() {
    let [_, compressed, encrypted, both] = sealers();
    let stream = |length, known| Body::stream(Zeros(length, known));
    for known in [true, false] {
        let stored = seal_as(&compressed, JSON, stream(1 << 20, known)).unwrap();
        assert_eq!(stored.fields.has(CODING), known);
        assert_eq!(open(&compressed, &stored).unwrap().len(), 1 << 20);
        let stored = seal_as(&both, JSON, stream(1 << 20, known)).unwrap();
        assert_eq!(open(&both, &stored).unwrap().len(), 1 << 20);
    }
    // Larger than the limit: as it is, or not at all.
    let stored = seal_as(&compressed, JSON, stream(LIMIT + 1, true)).unwrap();
    assert_eq!((stored.names().len(), stored.bytes.len() as u64), (1, LIMIT + 1));
    let why = seal_as(&encrypted, JSON, stream(LIMIT + 1, true)).unwrap_err();
    assert_eq!(
        why.to_string(),
        "a value of 16777217 bytes is more than the 16777216 that can be encrypted or decompressed"
    );
    let why = seal_as(&encrypted, JSON, stream(LIMIT + 1, false)).unwrap_err();
    assert!(matches!(why, SealError::Body(BodyError::TooLarge { limit: LIMIT })));
    let whole = seal_as(&both, JSON, stream(LIMIT, true)).unwrap();
    assert_eq!(open(&both, &whole).unwrap().len() as u64, LIMIT);
    let huge = Stored { bytes: vec![0; 17 << 20], ..whole };
    assert!(matches!(open(&both, &huge), Err(SealError::TooLarge { .. })));
}

#[test]
fn a_stream_from_a_store_opens_too() {
    for sealer in sealers() {
        let stored = seal(&sealer, &[b'a'; 5000]);
        let body = Body::stream(http_body_util::Full::new(Bytes::from(stored.bytes.clone())));
        assert!(body.as_bytes().is_none());
        let opened = sealer.unseal(&HOST, &key(7), JSON, &stored.fields, body).now_or_never().unwrap();
        assert_eq!(bytes(opened.unwrap()), [b'a'; 5000][..]);
    }
}

#[test]
fn another_form_is_refused() {
    for sealer in sealers() {
        let stored = seal(&sealer, b"[1]");
        for other in [None, Some("application/x-postcard"), Some("application/jsom"), Some("")] {
            assert!(matches!(open_as(&sealer, 7, other, &stored), Err(SealError::ContentType)), "{other:?}");
        }
        let raw = seal_as(&sealer, None, "[1]".into()).unwrap();
        assert!(matches!(open(&sealer, &raw), Err(SealError::ContentType)));
        assert!(open_as(&sealer, 7, None, &raw).is_ok());
    }
}

#[test]
fn what_is_encrypted_belongs_to_its_entry() {
    let [_, _, encrypted, both] = sealers();
    for sealer in [encrypted, both] {
        let stored = seal(&sealer, &[b'a'; 5000]);
        assert!(open_as(&sealer, 7, JSON, &stored).is_ok());
        assert!(matches!(open_as(&sealer, 8, JSON, &stored), Err(SealError::Tag)));
        let lease = key(7).lease();
        let body = Body::from(stored.bytes.clone());
        let moved = sealer.unseal(&HOST, &lease, JSON, &stored.fields, body).now_or_never().unwrap();
        assert!(matches!(moved, Err(SealError::Tag)));
        // Another content type than it was sealed with, in a field that agrees with what is asked.
        let renamed = stored.with(CONTENT_TYPE, "application/x-postcard");
        assert!(matches!(open_as(&sealer, 7, Some("application/x-postcard"), &renamed), Err(SealError::Tag)));
        assert!(matches!(open_as(&sealer, 7, None, &stored.without(CONTENT_TYPE)), Err(SealError::Tag)));
        // Compression said or not said otherwise.
        let changed = if stored.fields.has(CODING) {
            vec![stored.with(LENGTH, "5001"), stored.with(LENGTH, "0"), stored.without(CODING).without(LENGTH)]
        } else {
            vec![stored.with(CODING, "gzip").with(LENGTH, "5000"), stored.with(CODING, "gzip").with(LENGTH, "5016")]
        };
        for changed in changed {
            assert!(matches!(open(&sealer, &changed), Err(SealError::Tag)), "{:?}", changed.fields);
        }
    }
}

#[test]
fn keyrings() {
    let old = sealer(Some(0), Some(ring("old", 1)));
    let new = sealer(Some(0), Some(ring("new", 2)));
    let turning = sealer(Some(0), Some(ring("new", 2).and("old", &[1; 32]).unwrap()));
    let impostor = sealer(Some(0), Some(ring("new", 3)));
    let none = sealer(Some(0), None);
    let (before, after) = (seal(&old, b"value"), seal(&turning, b"value"));
    assert_eq!(open(&turning, &before).unwrap(), "value");
    assert_eq!(open(&turning, &after).unwrap(), "value");
    assert_eq!(open(&new, &after).unwrap(), "value");
    assert!(matches!(open(&new, &before), Err(SealError::Key)));
    assert!(matches!(open(&old, &after), Err(SealError::Key)));
    assert!(matches!(open(&impostor, &after), Err(SealError::Tag)));
    assert!(matches!(open(&none, &after), Err(SealError::Key)));
    let swapped = after.with(CIPHER, &after.value(CIPHER).replace("=new;", "=old;"));
    assert!(matches!(open(&turning, &swapped), Err(SealError::Tag)));
    let other = after.with(CIPHER, &after.value(CIPHER).replace("xchacha20", "chacha20"));
    assert!(matches!(open(&turning, &other), Err(SealError::Cipher)));
}

#[test]
fn what_is_not_encrypted_is_not_passed_off_as_if() {
    let mut sealer = sealer(Some(0), Some(ring("k", 0xa5)));
    for plain in sealers().iter().take(2) {
        let forged = seal(plain, &[b'x'; 5000]);
        sealer.accept_plain = false;
        assert!(matches!(open(&sealer, &forged), Err(SealError::Plain)));
        sealer.accept_plain = true;
        assert_eq!(open(&sealer, &forged).unwrap().len(), 5000);
        let sealed = seal(&sealer, b"value");
        assert_eq!(open(&sealer, &sealed).unwrap(), "value");
        assert!(matches!(open(&sealer, &sealed.with(CIPHER, "")), Err(SealError::Cipher)));
    }
}

#[test]
fn lengths_and_codings_that_are_not_as_written() {
    let [_, sealer, ..] = sealers();
    let stored = seal(&sealer, &[b'a'; 5000]);
    for length in ["", "05000", "+5000", "5000 ", "5e3", "-1", "99999999999999999999"] {
        assert!(matches!(open(&sealer, &stored.with(LENGTH, length)), Err(SealError::Coding)), "{length}");
    }
    for length in ["0", "1", "4999", "5001", "16777216"] {
        assert!(matches!(open(&sealer, &stored.with(LENGTH, length)), Err(SealError::Compressed)), "{length}");
    }
    assert!(matches!(
        open(&sealer, &stored.with(LENGTH, "16777217")),
        Err(SealError::TooLarge { size: 16_777_217, .. })
    ));
    for coding in ["", "GZIP", "br", "gzip, gzip"] {
        assert!(matches!(open(&sealer, &stored.with(CODING, coding)), Err(SealError::Coding)), "{coding}");
    }
    assert!(matches!(open(&sealer, &stored.without(CODING)), Err(SealError::Coding)));
    assert!(matches!(open(&sealer, &stored.without(LENGTH)), Err(SealError::Coding)));
    let body = Body::from(stored.bytes.clone());
    let opened = sealer.unseal(&Host { gzip: false }, &key(7), JSON, &stored.fields, body).now_or_never().unwrap();
    assert!(matches!(opened, Err(SealError::NoGzip)));
}

/// Bytes with and without pattern.
fn values(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![prop::collection::vec(any::<u8>(), 0..most), prop::collection::vec(b'a'..b'd', 0..most)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn there_and_back(value in values(65_537), above in 0_u64..65_536) {
        for mut sealer in sealers() {
            sealer.compress_above = sealer.compress_above.map(|_| above);
            let stored = seal(&sealer, &value);
            prop_assert!(open(&sealer, &stored).unwrap() == value);
        }
    }

    #[test]
    fn nothing_of_what_is_encrypted_can_be_changed(value in values(40)) {
        let [_, _, encrypted, both] = sealers();
        for sealer in [encrypted, both] {
            let stored = seal(&sealer, &value);
            for at in 0..8 * stored.bytes.len() {
                let mut changed = stored.clone();
                changed.bytes[at / 8] ^= 1 << (at % 8);
                prop_assert!(matches!(open(&sealer, &changed), Err(SealError::Tag)));
            }
            for length in 0..stored.bytes.len() {
                let changed = Stored { bytes: stored.bytes[..length].to_vec(), ..stored.clone() };
                prop_assert!(matches!(open(&sealer, &changed), Err(SealError::Tag)));
            }
            let longer = Stored { bytes: [&stored.bytes[..], b"\0"].concat(), ..stored.clone() };
            prop_assert!(matches!(open(&sealer, &longer), Err(SealError::Tag)));
            for name in stored.names() {
                prop_assert!(open(&sealer, &stored.without(&name)).is_err());
                let value = stored.value(&name);
                for at in 0..8 * value.len() {
                    let mut changed = value.clone().into_bytes();
                    changed[at / 8] ^= 1 << (at % 8);
                    let Ok(changed) = String::from_utf8(changed) else { continue };
                    prop_assert!(open(&sealer, &stored.with(&name, &changed)).is_err(), "{}: {}", name, changed);
                }
            }
        }
    }

    #[test]
    fn what_is_compressed_cannot_be_cut_or_changed_unseen(value in prop::collection::vec(b'a'..b'c', 80..200), at: prop::sample::Index, bit in 0_u8..8) {
        let [_, sealer, ..] = sealers();
        let stored = seal(&sealer, &value);
        prop_assert!(stored.fields.has(CODING));
        for length in 0..stored.bytes.len() {
            let changed = Stored { bytes: stored.bytes[..length].to_vec(), ..stored.clone() };
            prop_assert!(matches!(open(&sealer, &changed), Err(SealError::Compressed)));
        }
        // The header of gzip says nothing that counts, nor do the bits that fill up the last byte of what follows; the rest has a
        // checksum.
        let mut changed = stored.clone();
        let at = at.index(changed.bytes.len());
        changed.bytes[at] ^= 1 << bit;
        prop_assert!(open(&sealer, &changed).map_or(true, |opened| opened == value));
    }
}

proptest! {
    #[test]
    fn whatever_is_stored_is_read_without_fail(
        bytes in prop::collection::vec(any::<u8>(), 0..100),
        coding in prop::option::of("gzip|[ -~]{0,5}"),
        length in prop::option::of("[0-9]{0,21}|[ -~]{0,3}"),
        cipher in prop::option::of("xchacha20poly1305;key=k;nonce=([0-9a-f]{48}|[0-9a-f]{0,50})|[ -~]{0,20}"),
    ) {
        let mut fields = Lines::default();
        for (name, value) in [(CODING, coding), (LENGTH, length), (CIPHER, cipher.clone())] {
            if let Some(value) = value {
                fields.set(name, &value);
            }
        }
        let stored = Stored { fields, bytes };
        for sealer in sealers() {
            let opened = open_as(&sealer, 7, None, &stored);
            prop_assert!(opened.is_err() || (sealer.keyring.is_none() && cipher.is_none()));
        }
    }
}
