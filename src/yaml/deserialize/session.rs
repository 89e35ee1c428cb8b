//! What the passes over one tree have found out.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use super::super::node::Node;
use super::error::Error;
use crate::diagnostic::{Diagnostic, Problems};

/// The nodes that all passes together may look at. It bounds the time for a file that is made to
/// have a problem in every line; a real one needs a hundredth of it.
const MOST_VISITS: usize = 1_000_000;

/// The findings of all passes so far. Nodes are told apart by their address: the tree does not
/// move while it is read.
#[derive(Default)]
pub(super) struct Session {
    problems: RefCell<Problems>,
    faulty: RefCell<HashSet<*const Node>>,
    filled: RefCell<HashMap<*const Node, Vec<&'static str>>>,
    visits: Cell<usize>,
}

impl Session {
    /// Counts the reading of a list, mapping or variant.
    pub(super) fn visit(&self) {
        self.visits.set(self.visits.get() + 1);
    }

    pub(super) fn goes_on(&self) -> bool {
        self.visits.get() < MOST_VISITS && !self.problems.borrow().is_full()
    }

    pub(super) fn report(&self, diagnostic: Diagnostic) {
        self.problems.borrow_mut().push(diagnostic);
    }

    /// Reports what is not reported yet, at `node` where the error does not know better.
    pub(super) fn report_at(&self, node: &Node, error: Error) {
        match error {
            Error::Problem(diagnostic) => {
                let span = diagnostic.span.unwrap_or(node.span);
                self.report(diagnostic.at(span));
            }
            Error::Missing(_) | Error::Faulty | Error::Again => {}
        }
    }

    /// Takes what became of a part of a larger node. A failed part is remembered, and the whole
    /// is to be read again without it.
    pub(super) fn settle<T>(&self, node: &Node, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| {
            if !matches!(error, Error::Again) {
                self.report_at(node, error);
                self.faulty.borrow_mut().insert(std::ptr::from_ref(node));
            }
            Error::Again
        })
    }

    pub(super) fn is_faulty(&self, node: &Node) -> bool {
        self.faulty.borrow().contains(&std::ptr::from_ref(node))
    }

    /// The keys of a struct that are stood in for.
    pub(super) fn filled(&self, node: &Node) -> Vec<&'static str> {
        self.filled.borrow().get(&std::ptr::from_ref(node)).cloned().unwrap_or_default()
    }

    /// Stands in for a key from the next pass on. Says whether it did not do so before.
    pub(super) fn fill(&self, node: &Node, field: &'static str) -> bool {
        let mut filled = self.filled.borrow_mut();
        let fields = filled.entry(std::ptr::from_ref(node)).or_default();
        let is_new = !fields.contains(&field);
        if is_new {
            fields.push(field);
        }
        is_new
    }

    /// The problems of all passes.
    pub(super) fn finish(self) -> Problems {
        let cut_short = !self.goes_on();
        let mut problems = self.problems.into_inner();
        if cut_short {
            problems.cut_short();
        }
        problems
    }
}
