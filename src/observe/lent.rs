//! Lending while a stack comes up: a container that runs is lent to while others are not healthy
//! yet. Nothing is asked before the stack is up but whether the lender can gain privileges, and
//! who was started again meanwhile is lent to again.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use super::account::{Identity, named_identity, numeric_identity};
use super::kit::Lender;
use super::{NEED_WAYS, Observer, questions};
use crate::engine::container::Container;
use crate::probe::{Question, Reply};
use crate::stack::{PROJECT, SERVICE};
use crate::world::Blind;

/// A lender, and what it said of gaining privileges.
pub(super) type Lent = Result<(Lender, Result<Reply, Blind>), Blind>;

/// What was lent to a container.
#[derive(Debug)]
struct Loan {
    /// When the container was started that it was lent to.
    started_at: Option<String>,
    identity: Identity,
    lent: Lent,
}

/// What was lent before the stack was up, by container.
#[derive(Debug, Default)]
pub struct Loans(BTreeMap<String, Loan>);

/// Lending that is under way.
#[derive(Debug)]
pub struct Lending<'a> {
    observer: &'a Observer<'a>,
    begun: BTreeSet<String>,
    under_way: FuturesUnordered<BoxFuture<'a, Option<(String, Loan)>>>,
    made: Loans,
}

impl<'a> Lending<'a> {
    /// Nothing is lent yet.
    #[must_use]
    pub fn new(observer: &'a Observer<'a>) -> Lending<'a> {
        let under_way = FuturesUnordered::new();
        Lending { observer, begun: BTreeSet::new(), under_way, made: Loans::default() }
    }

    /// Brings the stack up by `up`, and lends to each of its containers once it was started.
    pub async fn beside<T>(&mut self, up: impl Future<Output = T>) -> T {
        let project = format!("{PROJECT}={}", self.observer.stack.project);
        let mut starts = self.observer.engine.starts(&project);
        let mut up = std::pin::pin!(up);
        loop {
            tokio::select! {
                biased;
                result = &mut up => return result,
                Some(loan) = self.under_way.next(), if !self.under_way.is_empty() => {
                    self.made.0.extend(loan);
                }
                Some(start) = starts.next() => {
                    // One that is started over and over is lent to when the stack is up.
                    if self.begun.insert(start.container.clone()) {
                        let lend = self.observer.lend_early(start.container);
                        self.under_way.push(lend.boxed());
                    }
                }
            }
        }
    }

    /// Waits for what is under way: a lender that nobody knew of would be taken for a process of
    /// the service.
    pub async fn finish(mut self) -> Loans {
        while let Some(loan) = self.under_way.next().await {
            self.made.0.extend(loan);
        }
        self.made
    }
}

impl Loans {
    /// Takes what was lent to a container, unless that was started again since. Its lender ended
    /// with it then.
    pub(super) fn take(&mut self, container: &Container) -> Option<(Identity, Lent)> {
        let loan = self.0.remove(&container.id)?;
        let same = container.is_running() && loan.started_at == container.state.started_at;
        same.then_some((loan.identity, loan.lent))
    }
}

impl Observer<'_> {
    /// Lends to a container that was just started. None where that has to wait.
    async fn lend_early(&self, id: String) -> Option<(String, Loan)> {
        let container = self.engine.inspect(&id).await.ok()?;
        let service = container.label(SERVICE)?;
        if !container.is_running() || !self.looks_into(service) {
            return None;
        }
        let identity = match numeric_identity(&container) {
            Some(identity) => identity,
            None => named_identity(&container, &self.accounts(&container).await).ok()?,
        };
        let lent = self.kit.lend_after(&container, identity, self.tried(service)).await;
        Some((id, Loan { started_at: container.state.started_at, identity, lent }))
    }

    /// Lends to a container, if that was not done already.
    pub(super) async fn lend(
        &self,
        service: &str,
        container: &Container,
        identity: Identity,
        early: Option<(Identity, Lent)>,
    ) -> Lent {
        match early {
            Some((same, lent)) if same == identity => return lent,
            Some((_, Ok((lender, _)))) => self.kit.remove(&[lender.id]).await,
            Some((_, Err(_))) | None => {}
        }
        self.kit.lend_after(container, identity, self.tried(service)).await
    }

    /// Whether a probe is needed in the containers of a service.
    pub(super) fn looks_into(&self, service: &str) -> bool {
        let everywhere = self.plan.asks(&NEED_WAYS) || self.plan.asks(&["namespaces"]);
        everywhere || !questions::for_service(self.plan, service, "").is_empty()
    }

    /// What the lender itself is asked before it lends and not beside it: it is in the service's
    /// pid namespace, and what is executed in it would be taken for a process of the service.
    fn tried(&self, service: &str) -> &'static [Question] {
        let gaining = self.plan.asks_of(service, &["no-new-privileges"]);
        if gaining { &[Question::Privileges] } else { &[] }
    }
}
