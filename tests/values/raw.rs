//! Bytes and streams, compression and encryption.

use super::*;
use bytes::Bytes;
use layercake::Body;
#[cfg(feature = "encryption")]
use layercake::data::Keyring;

/// Bytes that gzip makes nothing of.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(next).collect()
}

fn stream(bytes: &[u8]) -> Body {
    Body::stream(http_body_util::Full::new(Bytes::copy_from_slice(bytes)))
}

impl Shop {
    fn raw(&self, name: &str) -> Option<Vec<u8>> {
        self.asked.set(self.asked.get() + 1);
        let body = self.runtime.run(self.data.get_raw(&key(name)));
        let bytes = body.map(|body| self.runtime.run(body.into_bytes(u64::MAX)).expect("the bytes").to_vec());
        self.runtime.run_background();
        bytes
    }

    fn fetch_raw(&self, name: &str, body: Body) -> Vec<u8> {
        self.asked.set(self.asked.get() + 1);
        let loader = move || async move { Ok::<_, Down>(Loaded::new(body)) };
        let body = self.runtime.run(self.data.get_or_fetch_raw(&key(name), &minute(), loader)).expect("a body");
        let bytes = self.runtime.run(body.into_bytes(u64::MAX)).expect("the bytes");
        self.runtime.run_background();
        bytes.to_vec()
    }

    /// From each tier in turn.
    fn in_each_tier(&self, check: impl Fn(&Self)) {
        check(self);
        self.clear(&self.hot);
        check(self);
        self.clear(&self.hot);
        self.clear(&self.l1);
        check(self);
    }
}

#[test]
fn bytes_come_back_as_they_were() {
    for size in [0, 1, 16_384, 16_385, 300_000] {
        for bytes in [noise(size), vec![b'a'; size]] {
            for streams in [false, true] {
                let shop = Shop::new();
                let body = || if streams { stream(&bytes) } else { Body::from(bytes.clone()) };
                assert!(shop.fetch_raw("a", body()) == bytes, "loaded: {size} {streams}");
                shop.in_each_tier(|shop| assert!(shop.raw("a").as_ref() == Some(&bytes), "{size} {streams}"));
                assert!(shop.fetch_raw("a", "other".into()) == bytes);
                shop.runtime.run(shop.data.set_raw(&key("b"), body(), MINUTE)).unwrap();
                shop.in_each_tier(|shop| assert!(shop.raw("b").as_ref() == Some(&bytes), "set: {size} {streams}"));
            }
        }
    }
}

#[test]
fn what_is_compressible_is_stored_so() {
    let shop = Shop::new();
    let text = "so it goes, ".repeat(2000);
    shop.load("a", &minute(), text.clone());
    for tier in shop.tiers() {
        let entry = shop.entries(tier).remove(0);
        assert!(entry.body.len().unwrap() < 1000, "{:?}", entry.body.len());
    }
    shop.in_each_tier(|shop| assert_eq!(shop.get::<String>("a").as_ref(), Some(&text)));
    let mut shop = Shop::new();
    shop.data = shop.data.clone().compress_above(None);
    shop.load("a", &minute(), text.clone());
    assert_eq!(shop.entries(&shop.l2)[0].body.len(), Some(text.len() as u64 + 2));
}

#[test]
fn a_value_and_bytes_are_not_taken_for_each_other() {
    let shop = Shop::new();
    shop.load("a", &minute(), 7_u32);
    assert_eq!(shop.raw("a"), None);
    assert_eq!(shop.fetch_raw("a", "raw".into()), b"raw");
    assert_eq!(shop.get::<u32>("a"), None);
}

#[test]
fn a_stream_that_breaks_off_is_not_kept() {
    let shop = Shop::new();
    let broken = || {
        let frames = [Ok(http_body::Frame::data(Bytes::from_static(b"half"))), Err(Down("gone"))];
        Body::stream(http_body_util::StreamBody::new(futures::stream::iter(frames)))
    };
    assert!(shop.runtime.run(shop.data.set_raw(&key("a"), broken(), MINUTE)).is_err());
    assert_eq!(shop.raw("a"), None);
    let loader = move || async move { Ok::<_, Down>(Loaded::new(broken())) };
    shop.asked.set(shop.asked.get() + 1);
    let body = shop.runtime.run(shop.data.get_or_fetch_raw(&key("a"), &minute(), loader)).unwrap();
    assert!(shop.runtime.run(body.into_bytes(100)).is_err(), "who asked for it sees it");
    shop.runtime.run_background();
    assert_eq!(shop.raw("a"), None);
}

#[cfg(feature = "encryption")]
#[test]
fn nothing_of_an_encrypted_value_is_seen_in_a_tier() {
    let mut shop = Shop::new();
    let plain = shop.data.clone();
    let secret = "the name of the rose ".repeat(500);
    let ring = |name: &str, byte| Keyring::new(name, &[byte; 32]).unwrap();
    shop.data = plain.clone().encrypted(ring("2026", 1));
    shop.load("a", &minute(), secret.clone());
    for tier in shop.tiers() {
        let entry = shop.entries(tier).remove(0);
        let bytes = shop.runtime.run(entry.body.into_bytes(1 << 20)).unwrap();
        assert!(!bytes.windows(8).any(|part| part == b"the name"));
    }
    shop.in_each_tier(|shop| assert_eq!(shop.get::<String>("a").as_ref(), Some(&secret)));
    // Another secret, none, and the same one after a rotation.
    for (data, seen) in [
        (plain.clone(), false),
        (plain.clone().encrypted(ring("2026", 2)), false),
        (plain.clone().encrypted(ring("2027", 2)), false),
        (plain.clone().encrypted(ring("2027", 2).and("2026", &[1; 32]).unwrap()), true),
    ] {
        assert_eq!(shop.runtime.run(data.get::<String>(&key("a"))).is_some(), seen);
        shop.asked.set(shop.asked.get() + 1);
    }
}

#[cfg(feature = "encryption")]
#[test]
fn what_is_not_encrypted_is_no_value_where_all_are() {
    let mut shop = Shop::new();
    shop.load("a", &minute(), 1);
    let ring = Keyring::new("k", &[1; 32]).unwrap();
    shop.data = shop.data.clone().encrypted(ring);
    assert_eq!(shop.get::<u32>("a"), None);
    assert_eq!(shop.load("a", &minute(), 2), 2);
    let mut lenient = Shop::new();
    lenient.load("a", &minute(), 1);
    lenient.data = lenient.data.clone().encrypted(Keyring::new("k", &[1; 32]).unwrap()).accept_plain(true);
    assert_eq!(lenient.get::<u32>("a"), Some(1));
}

#[cfg(feature = "encryption")]
#[test]
fn a_negative_answer_too_is_only_believed_where_it_is_sealed() {
    let mut shop = Shop::new();
    let policy = minute().negative_ttl(MINUTE);
    assert_eq!(shop.load("a", &policy, None::<u32>), None);
    shop.data = shop.data.clone().encrypted(Keyring::new("k", &[1; 32]).unwrap());
    assert_eq!(shop.load("a", &policy, Some(1)), Some(1), "one that was planted");
    assert_eq!(shop.load("b", &policy, None::<u32>), None);
    assert_eq!(shop.load("b", &policy, Some(1)), None, "one of our own");
}

#[cfg(feature = "postcard")]
#[test]
fn another_codec_reads_its_own() {
    let shop = Shop::new();
    let data = shop.data.clone().codec(layercake::data::Postcard);
    shop.runtime.run(data.set(&key("a"), &(7_u32, "seven"), MINUTE)).unwrap();
    assert_eq!(shop.runtime.run(data.get::<(u32, String)>(&key("a"))), Some((7, "seven".to_owned())));
    shop.asked.set(1);
    assert_eq!(shop.get::<(u32, String)>("a"), None);
    assert!(shop.entries(&shop.l2)[0].body.len() < Some(8));
}

#[test]
fn a_tier_that_does_not_take_a_stream_gives_up_what_it_had() {
    let mut shop = Shop::new();
    // What may be compressed is read whole.
    shop.data = shop.data.clone().compress_above(None);
    let (old, new) = (noise(300_000), noise(400_000));
    shop.runtime.run(shop.data.set_raw(&key("a"), stream(&old), MINUTE)).unwrap();
    shop.l2.fail_puts(PutFault::Fail);
    shop.runtime.run(shop.data.set_raw(&key("a"), stream(&new), MINUTE)).unwrap();
    assert!(shop.entries(&shop.l2).is_empty());
    assert!(shop.raw("a").as_ref() == Some(&new));
    shop.clear(&shop.l1);
    assert_eq!(shop.isolate().raw("a"), None);
    shop.l2.heal();
    // Neither the one nor the other.
    shop.runtime.run(shop.data.set_raw(&key("b"), stream(&old), MINUTE)).unwrap();
    shop.l1.fail_puts(PutFault::Fail);
    assert!(shop.runtime.run(shop.data.set_raw(&key("b"), stream(&new), MINUTE)).is_err());
    assert!(
        shop.entries(&shop.l2).iter().chain(&shop.entries(&shop.l1)).all(|entry| entry.head.length != Some(300_000))
    );
}
