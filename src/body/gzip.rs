//! gzip (RFC 1952) of buffers in Rust memory.

use super::{Body, BodyError, Inner};
use bytes::Bytes;
use flate2::bufread::{GzDecoder, GzEncoder};
use http_body::Frame;
use std::io::{Cursor, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The bytes of one frame of what is decompressed.
const FRAME: usize = 64 << 10;

impl Body {
    /// A buffer in Rust memory as gzip: at once, at zlib's default level.
    ///
    /// # Errors
    ///
    /// The body itself, when it is something else.
    pub fn gzip(self) -> Result<Self, Self> {
        let plain = self.in_memory()?;
        let mut coded = Vec::new();
        match GzEncoder::new(&plain[..], flate2::Compression::default()).read_to_end(&mut coded) {
            Ok(_) => Ok(coded.into()),
            Err(_) => Err(plain.into()),
        }
    }

    /// What a buffer in Rust memory held before [`gzip`](Self::gzip): a stream, decompressed no further than it is read. It
    /// fails when the buffer is not one whole member of gzip and nothing else, or not of its checksum.
    ///
    /// # Errors
    ///
    /// The body itself, when it is something else.
    pub fn gunzip(self) -> Result<Self, Self> {
        Ok(Self::native(Gunzip(Some(GzDecoder::new(Cursor::new(self.in_memory()?))))))
    }

    fn in_memory(self) -> Result<Bytes, Self> {
        match self.0 {
            Inner::Empty => Ok(Bytes::new()),
            Inner::Bytes(bytes) => Ok(bytes),
            host @ Inner::Host(_) => Err(Self(host)),
        }
    }
}

/// Nothing, once it has ended or failed.
struct Gunzip(Option<GzDecoder<Cursor<Bytes>>>);

impl http_body::Body for Gunzip {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(decoder) = &mut self.0 else { return Poll::Ready(None) };
        let mut frame = Vec::with_capacity(FRAME);
        let read = decoder.by_ref().take(FRAME as u64).read_to_end(&mut frame);
        let rest = decoder.get_ref();
        let whole = rest.position() == rest.get_ref().len() as u64;
        let failed = |why: &str| Poll::Ready(Some(Err(BodyError::Failed(why.to_owned()))));
        match read {
            Ok(0) => {
                self.0 = None;
                if whole { Poll::Ready(None) } else { failed("more follows the end of the gzip data") }
            }
            Ok(_) => Poll::Ready(Some(Ok(Frame::data(frame.into())))),
            Err(_) => {
                self.0 = None;
                failed("the gzip data are broken or end too early")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use http_body::Body as _;
    use proptest::prelude::*;

    fn read(body: Body, limit: u64) -> Result<Bytes, BodyError> {
        body.into_bytes(limit).now_or_never().expect("nothing to wait for")
    }

    fn zipped(bytes: impl Into<Body>) -> Bytes {
        read(bytes.into().gzip().unwrap(), u64::MAX).unwrap()
    }

    fn unzipped(bytes: impl Into<Body>) -> Result<Bytes, BodyError> {
        read(bytes.into().gunzip().unwrap(), u64::MAX)
    }

    #[test]
    fn what_is_no_buffer_comes_back() {
        let stream = || Body::from("abc").gzip().unwrap().gunzip().unwrap();
        let bodies = [stream().gzip(), stream().gunzip()];
        for body in bodies {
            assert_eq!(read(body.unwrap_err(), 3).unwrap(), "abc");
        }
    }

    #[test]
    fn nothing_has_a_form_too() {
        let coded = zipped(Body::empty());
        assert_eq!(coded.len(), 20);
        assert_eq!(unzipped(coded).unwrap(), "");
        assert!(unzipped(Body::empty()).is_err());
    }

    #[test]
    fn no_more_is_decompressed_than_is_read() {
        let coded = zipped(vec![0; 100 << 20]);
        let mut stream = Box::pin(Body::from(coded.clone()).gunzip().unwrap());
        let mut frame = || futures::future::poll_fn(|cx| stream.as_mut().poll_frame(cx)).now_or_never().unwrap();
        assert_eq!(frame().unwrap().unwrap().into_data().unwrap().len(), FRAME);
        assert!(matches!(read(Body::from(coded).gunzip().unwrap(), 1000), Err(BodyError::TooLarge { limit: 1000 })));
    }

    #[test]
    fn a_second_member_is_refused() {
        let one = zipped("abc");
        assert!(unzipped([&one[..], &one].concat()).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn round_trip(bytes in prop::collection::vec(any::<u8>(), 0..65536), copies in 1_usize..4) {
            let bytes = bytes.repeat(copies);
            let coded = zipped(bytes.clone());
            prop_assert!(unzipped(coded.clone()).unwrap() == bytes);
            prop_assert!(unzipped(coded.slice(..coded.len() - 1)).is_err());
            prop_assert!(unzipped([&coded[..], b"\0"].concat()).is_err());
        }

        #[test]
        fn every_cut_is_an_error(bytes in prop::collection::vec(0_u8..4, 0..400)) {
            let coded = zipped(bytes);
            for length in 0..coded.len() {
                prop_assert!(unzipped(coded.slice(..length)).is_err(), "{}", length);
            }
        }

        #[test]
        fn garbage_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(unzipped(bytes.clone()).is_err());
            prop_assert!(unzipped([&b"\x1f\x8b\x08\0\0\0\0\0\0\xff"[..], &bytes].concat()).is_err());
        }
    }
}
