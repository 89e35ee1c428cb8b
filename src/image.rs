//! stub
/// stub
#[derive(Debug)]
pub struct Image;
