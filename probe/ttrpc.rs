//! One call over ttrpc, which containerd and its shims speak beside gRPC and which is silent to
//! everything else: containerd/ttrpc, `PROTOCOL.md`.

/// Length, stream, type and flags.
const HEADER: usize = 10;
const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;
/// The longest message that the protocol allows, in bytes.
const LONGEST: usize = 4 << 20;
const STREAM: u32 = 1;

/// A call that asks for the version. A server that does not offer it says so, which is an answer
/// too.
pub fn request() -> Vec<u8> {
    let mut message = Vec::new();
    let texts = [(1, "containerd.services.version.v1.Version"), (2, "Version")];
    for (field, text) in texts {
        // A field of the wire type that has a length, which is below 128 here.
        message.push((field << 3) | 2);
        message.push(text.len() as u8);
        message.extend(text.as_bytes());
    }
    let mut bytes = (message.len() as u32).to_be_bytes().to_vec();
    bytes.extend(STREAM.to_be_bytes());
    bytes.extend([REQUEST, 0]);
    bytes.extend(message);
    bytes
}

/// Whether the response is there whole, or what is there is none.
pub fn complete(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER
        && length(bytes).is_none_or(|length| bytes.len() >= HEADER + length)
}

/// The message of the response to our call.
pub fn answered(bytes: &[u8]) -> Option<&[u8]> {
    let length = length(bytes)?;
    Some(&bytes[HEADER..bytes.len().min(HEADER + length)])
}

fn length(bytes: &[u8]) -> Option<usize> {
    let header = bytes.first_chunk::<HEADER>()?;
    let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
    let stream = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    (stream == STREAM && header[8] == RESPONSE && length <= LONGEST).then_some(length)
}
