//! The wire format of an entry's head: any bytes are read or refused, and what was read is written and read again as the
//! same.
#![no_main]

use layercake::entry::wire::{decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let Ok((head, fields, length)) = decode(text) else { return };
    assert!(length <= text.len());
    assert!(decode(&text[..length - 1]).is_err(), "cut short");
    let again = encode(&head, fields.iter().map(|(name, value)| (name.as_str(), value.as_slice())));
    assert_eq!(decode(again.as_bytes()), Ok((head, fields, again.len())));
});
