//! A unary gRPC call as HTTP/2 shows it: a message with five bytes in front, and a status behind.
//!
//! The wire format is that of "gRPC over HTTP2" (grpc/doc/PROTOCOL-HTTP2.md). One method with one
//! message either way needs no more of it, and an answer that is read here can be counted.

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;

/// A flag for compression, which is never set, and the length.
const PREFIX_BYTES: usize = 5;

/// Codes that ask for another try (OTLP, "OTLP/gRPC Response"): cancelled, deadline_exceeded,
/// aborted, out_of_range, unavailable, data_loss.
const TRANSIENT: [u16; 6] = [1, 4, 10, 11, 14, 15];

/// A message as the body of a request; `None` when it is longer than a prefix can say.
pub(super) fn frame(message: &[u8]) -> Option<Bytes> {
    let length = u32::try_from(message.len()).ok()?;
    let mut framed = BytesMut::with_capacity(message.len().saturating_add(PREFIX_BYTES));
    framed.put_u8(0);
    framed.put_u32(length);
    framed.put_slice(message);
    Some(framed.freeze())
}

/// The first message of a body. `None` where there is none, or it is compressed, which was not asked
/// for.
pub(super) fn unframe(mut body: Bytes) -> Option<Bytes> {
    let prefix: [u8; PREFIX_BYTES] = body.get(..PREFIX_BYTES)?.try_into().ok()?;
    let [0, length @ ..] = prefix else { return None };
    let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
    let mut message = body.split_off(PREFIX_BYTES);
    (message.len() >= length).then(|| message.split_to(length))
}

/// What came of the call: in the trailers, or, of an answer without a body, in the headers. `None`
/// when nothing says so.
pub(super) fn status(headers: &HeaderMap, trailers: Option<&HeaderMap>) -> Option<u16> {
    let said = |headers: &HeaderMap| headers.get("grpc-status")?.to_str().ok()?.parse().ok();
    trailers.and_then(said).or_else(|| said(headers))
}

/// Whether another try may end better.
pub(super) fn is_transient(status: u16) -> bool {
    TRANSIENT.contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_framed() {
        let framed = frame(b"spans").unwrap();
        assert_eq!(&framed[..], b"\0\0\0\0\x05spans");
        assert_eq!(unframe(framed.clone()).as_deref(), Some(&b"spans"[..]));
        for cut in 0..framed.len() {
            assert_eq!(unframe(framed.slice(..cut)), None, "{cut} bytes of it");
        }
        assert_eq!(unframe(Bytes::from_static(b"\x01\0\0\0\x01x")), None, "compressed");
        assert_eq!(unframe(Bytes::from_static(b"\0\0\0\0\0more")).as_deref(), Some(&b""[..]));
    }

    #[test]
    fn a_status_stands_in_the_trailers_or_alone_in_the_headers() {
        let map = |value: &'static str| {
            HeaderMap::from_iter([("grpc-status".parse().unwrap(), value.parse().unwrap())])
        };
        assert_eq!(status(&HeaderMap::new(), Some(&map("0"))), Some(0));
        assert_eq!(status(&map("14"), None), Some(14));
        assert_eq!(status(&map("0"), Some(&map("13"))), Some(13), "the last word counts");
        assert_eq!(status(&HeaderMap::new(), Some(&map("fine"))), None);
        assert_eq!(status(&HeaderMap::new(), None), None);
    }
}
