//! The beginning of a TLS handshake, to tell whether a server speaks TLS and whether it demands a
//! certificate. TLS 1.2 (RFC 5246) is offered and nothing newer, because there the server's
//! demand is not encrypted.

/// Suites that servers of the last ten years have in common: ECDHE and RSA with AES.
const SUITES: [u16; 10] =
    [0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x002f];
const GROUPS: [u16; 3] = [0x001d, 0x0017, 0x0018];
const SIGNATURES: [u16; 9] =
    [0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601];
const VERSION: [u8; 2] = [3, 3];
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CERTIFICATE_REQUEST: u8 = 13;
const HELLO_DONE: u8 = 14;

/// A ClientHello. Its random bytes protect nothing here: no key is ever agreed on.
pub fn request() -> Vec<u8> {
    let list = |values: &[u16]| values.iter().flat_map(|value| value.to_be_bytes()).collect();
    let mut extensions = Vec::new();
    let lists: [(u16, Vec<u8>); 3] = [
        (10, with_length(list(&GROUPS))),
        (11, vec![1, 0]),
        (13, with_length(list(&SIGNATURES))),
    ];
    for (kind, body) in lists {
        extensions.extend(kind.to_be_bytes());
        extensions.extend(with_length(body));
    }
    let mut hello = VERSION.to_vec();
    hello.extend([0x5a; 32]);
    // No session is resumed.
    hello.push(0);
    hello.extend(with_length(list(&SUITES)));
    // One compression method: none.
    hello.extend([1, 0]);
    hello.extend(with_length(extensions));
    // Type 1, with a length of three bytes whose first is zero.
    let mut handshake = vec![1, 0];
    handshake.extend(with_length(hello));
    let mut record = vec![HANDSHAKE, 3, 1];
    record.extend(with_length(handshake));
    record
}

fn with_length(body: Vec<u8>) -> Vec<u8> {
    let mut bytes = (body.len() as u16).to_be_bytes().to_vec();
    bytes.extend(body);
    bytes
}

/// Whether the server has said all that it says before it waits for us.
pub fn complete(bytes: &[u8]) -> bool {
    match bytes {
        [ALERT, 3, ..] => true,
        [HANDSHAKE, 3, ..] => messages(bytes).contains(&HELLO_DONE),
        _ => bytes.len() >= 2,
    }
}

/// What kind of TLS server the bytes come from, if from any.
pub fn answered(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [ALERT, 3, ..] => Some("it refused our version or suites"),
        [HANDSHAKE, 3, ..] => {
            let messages = messages(bytes);
            Some(if messages.contains(&CERTIFICATE_REQUEST) {
                "it demands a client certificate"
            } else if messages.contains(&HELLO_DONE) {
                "it demands no client certificate"
            } else {
                "its handshake was not understood"
            })
        }
        _ => None,
    }
}

/// The types of the handshake messages, which may be spread over records in any way.
fn messages(mut bytes: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<5>() {
        let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
        let Some((body, after)) = rest.split_at_checked(length) else { break };
        if head[0] == HANDSHAKE {
            stream.extend(body);
        }
        bytes = after;
    }
    let mut stream = stream.as_slice();
    let mut types = Vec::new();
    while let Some((head, rest)) = stream.split_first_chunk::<4>() {
        types.push(head[0]);
        let length = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
        stream = rest.get(length..).unwrap_or_default();
    }
    types
}
