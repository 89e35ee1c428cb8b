//! YAML with positions: text to a tree of nodes, and from the tree to any type, with every
//! problem reported at once.

mod deserialize;
mod node;
mod parse;
mod scalar;
mod span;
mod tree;

pub use deserialize::deserialize;
pub use node::{Entry, Kind, Node, Scalar, Value};
pub use parse::{Budget, Dialect, parse};
pub use span::{Span, Spanned};

#[cfg(test)]
mod tests;
