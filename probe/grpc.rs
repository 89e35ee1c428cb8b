//! Calls over gRPC to the engines that speak it: HTTP/2 by hand (RFC 9113, RFC 7541), each call
//! a stream of its own on one connection.

/// Calls that take an empty message, change nothing, and that only the engine itself answers.
const CALLS: [&str; 4] = [
    "/containerd.services.version.v1.Version/Version",
    "/moby.buildkit.v1.Control/ListWorkers",
    "/runtime.v1.RuntimeService/Version",
    "/runtime.v1alpha2.RuntimeService/Version",
];

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The preface, our settings and every call. A server need not be waited for in between.
pub fn request() -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    frame(&mut bytes, SETTINGS, 0, 0, &[]);
    for (index, path) in CALLS.iter().enumerate() {
        let mut block = Vec::new();
        for (name, value) in [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("user-agent", "stackproof"),
            ("te", "trailers"),
        ] {
            // A literal that is not indexed, with a new name: RFC 7541, section 6.2.2. Both
            // lengths are below 127, so each is one byte.
            block.push(0);
            for text in [name, value] {
                block.push(text.len() as u8);
                block.extend(text.as_bytes());
            }
        }
        frame(&mut bytes, HEADERS, END_HEADERS, stream(index), &block);
        // A message without compression, of no bytes.
        frame(&mut bytes, DATA, END_STREAM, stream(index), &[0; 5]);
    }
    bytes
}

/// Streams that a client opens have odd numbers.
fn stream(index: usize) -> u32 {
    index as u32 * 2 + 1
}

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    bytes.extend(&(payload.len() as u32).to_be_bytes()[1..]);
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
}

/// Whether every call has ended, or the server has said goodbye, or none of it is HTTP/2.
pub fn complete(bytes: &[u8]) -> bool {
    let frames = frames(bytes);
    let ended = frames.iter().filter(|frame| match frame.kind {
        RST_STREAM => true,
        HEADERS | DATA => frame.flags & END_STREAM != 0,
        _ => false,
    });
    ended.count() >= CALLS.len()
        || frames.iter().any(|frame| frame.kind == GOAWAY)
        || (bytes.len() >= 9 && !is_server(bytes))
}

/// Whether the bytes begin with the frame that a server of HTTP/2 sends first.
pub fn is_server(bytes: &[u8]) -> bool {
    bytes.len() >= 9 && bytes[3] == SETTINGS && bytes[5..9] == [0; 4]
}

/// The first call that got a message back, and the message.
pub fn answered(bytes: &[u8]) -> Option<(&'static str, &[u8])> {
    if !is_server(bytes) {
        return None;
    }
    frames(bytes).into_iter().filter(|frame| frame.kind == DATA).find_map(|frame| {
        let index = (0..CALLS.len()).find(|index| stream(*index) == frame.stream)?;
        // Before the message: whether it is compressed, and its length.
        Some((CALLS[index], frame.payload.get(5..)?))
    })
}

struct Frame<'a> {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &'a [u8],
}

/// The frames that are there whole.
fn frames(mut bytes: &[u8]) -> Vec<Frame<'_>> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some((payload, after)) = rest.split_at_checked(length) else { break };
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        frames.push(Frame { kind: head[3], flags: head[4], stream, payload });
        bytes = after;
    }
    frames
}
