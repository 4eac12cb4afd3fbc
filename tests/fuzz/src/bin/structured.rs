//! Structured fields: any bytes are read, and what was read, put together anew, is the same.
#![no_main]

use layercake::semantics::structured::{Invalid, Kind, Member, dictionary, list, parameters};
use libfuzzer_sys::fuzz_target;

type Read<'a> = fn(&'a [u8], &mut dyn FnMut(Member<'a>)) -> Result<(), Invalid>;

fn members<'a>(read: Read<'a>, text: &'a [u8]) -> Option<Vec<Member<'a>>> {
    let mut members = Vec::new();
    read(text, &mut |member| members.push(member)).ok().map(|()| members)
}

/// One way to write these members.
fn written(members: &[Member<'_>]) -> Vec<u8> {
    let mut text = Vec::new();
    for member in members {
        text.extend_from_slice(if text.is_empty() { b"" } else { b", " });
        text.extend_from_slice(member.key);
        text.extend_from_slice(if member.key.is_empty() || member.raw.is_empty() { b"" } else { b"=" });
        text.extend_from_slice(member.raw);
        text.extend_from_slice(member.parameters);
    }
    text
}

fuzz_target!(|text: &[u8]| {
    for read in [dictionary, list] {
        let Some(seen) = members(read, text) else { continue };
        assert_eq!(members(read, &written(&seen)).as_ref(), Some(&seen));
        for member in seen {
            assert!(members(parameters, member.parameters).is_some());
            if !member.raw.is_empty() {
                let alone = members(list, member.raw).expect("a value is a list of one");
                assert_eq!((alone.len(), alone[0].kind, alone[0].raw), (1, member.kind, member.raw));
            } else if !member.key.is_empty() {
                assert_eq!(member.kind, Kind::Boolean(true));
            }
        }
    }
    if let Some(seen) = members(parameters, text) {
        assert!(seen.iter().all(|parameter| parameter.parameters.is_empty() && !parameter.key.is_empty()));
    }
});
