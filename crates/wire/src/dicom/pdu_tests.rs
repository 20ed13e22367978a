use proptest::prelude::*;

use super::*;

fn asked() -> Vec<u8> {
    let mut body = vec![0, 1, 0, 0];
    body.extend_from_slice(b"SALUS           CT1             ");
    body.extend_from_slice(&[0; 32]);
    put_item(&mut body, 0x10, CONTEXT_NAME.as_bytes());
    let mut context = vec![1, 0, 0, 0];
    put_item(&mut context, 0x30, b"1.2.840.10008.1.1\0");
    put_item(&mut context, 0x40, b"1.2.840.10008.1.2");
    put_item(&mut body, 0x20, &context);
    let mut user = Vec::new();
    put_item(&mut user, 0x51, &16_384_u32.to_be_bytes());
    // Extended negotiation that says it is longer than it is: it is passed over.
    put_item(&mut user, 0x56, &[0xff, 0xff, 1]);
    put_item(&mut body, 0x50, &user);
    body
}

#[test]
fn what_is_asked_for_is_read() {
    let body = asked();
    let Some(Pdu::Request(request)) = pdu(1, &body) else {
        unreachable!("it is a request");
    };
    assert!(request.version_1 && request.is_dicom);
    assert_eq!(
        (request.called.as_str(), request.calling.as_str()),
        ("SALUS", "CT1")
    );
    assert_eq!(request.contexts[0].class, "1.2.840.10008.1.1");
    assert_eq!(request.length_max, 16_384);
    let answers = [Answered {
        id: 1,
        taken: Err(3),
    }];
    let answer = accept(&request, (&answers, &[]), 1);
    assert_eq!(answer[PDU_HEAD_BYTES + 4..][..16], *b"SALUS           ");
}

proptest! {
    #[test]
    fn a_message_is_found_again_in_its_fragments(
        command in proptest::collection::vec(any::<u8>(), 1..200),
        set in proptest::collection::vec(any::<u8>(), 0..500),
        max in 8_u32..200,
    ) {
        let bytes = data(3, (&command, Some(&set)), max);
        let (mut found, mut rest) = ([Vec::new(), Vec::new()], &bytes[..]);
        let mut ends = 0;
        while let Some((head, behind)) = rest.split_first_chunk::<PDU_HEAD_BYTES>() {
            let (kind, length) = pdu_head(*head);
            prop_assert!(length <= max);
            let (body, behind) = behind.split_at(length as usize);
            let Some(Pdu::Data(parts)) = pdu(kind, body) else {
                return Err(TestCaseError::fail("no data"));
            };
            for part in parts {
                found[usize::from(part.command)].extend_from_slice(part.bytes);
                ends += usize::from(part.last);
            }
            rest = behind;
        }
        prop_assert_eq!(ends, 2);
        prop_assert_eq!(&found[1], &command);
        prop_assert_eq!(&found[0], &set);
    }

    #[test]
    fn any_bytes_are_read_or_refused(kind in 0_u8..9, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = pdu(kind, &bytes);
    }

    #[test]
    fn a_request_that_is_cut_or_turned_is_read_or_refused(cut in 0_usize..300, place in 0_usize..300, with: u8) {
        let mut bytes = asked();
        bytes.truncate(cut);
        if let Some(byte) = bytes.get_mut(place) {
            *byte = with;
        }
        let _ = pdu(1, &bytes);
    }
}
