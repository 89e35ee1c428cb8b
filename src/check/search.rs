//! A search through an image for what must not be in it: how the checks that make one begin, and
//! what they conclude from what was found and what could not be read.

use std::collections::BTreeSet;

use super::Finding;
use crate::image::Image;
use crate::observation::Evidence;
use crate::verdict::Verdict;
use crate::world::{Blind, World};

/// How many findings a message names.
const SHOWN: usize = 12;
/// The longest phrase about one finding, in characters. A path can have 4096.
const PHRASE: usize = 300;

/// What a search came to.
#[derive(Debug)]
#[must_use]
pub(super) struct Search {
    /// What should be.
    pub(super) expected: String,
    /// What the verdict rests on.
    pub(super) evidence: Evidence,
    /// A command that a person can paste to see it.
    pub(super) reproduce: String,
    /// What is wrong, a phrase each, the worst first.
    pub(super) wrong: Vec<String>,
    /// What could not be looked into, a phrase each.
    pub(super) unread: Vec<String>,
    /// What to say where nothing is wrong and everything was read; an error where that is still
    /// not enough to say that it holds.
    pub(super) held: Result<String, String>,
    /// What else is to be said, whatever the verdict.
    pub(super) notes: Vec<String>,
}

impl Search {
    /// Something wrong is broken whatever was not read. Without it, one thing that was not read is
    /// enough to be inconclusive: it may be there.
    pub(super) fn judge(self) -> Finding {
        let (verdict, said) = if !self.wrong.is_empty() {
            (Verdict::Broken, listed(&self.wrong))
        } else if !self.unread.is_empty() {
            let text = format!("not everything could be looked into: {}", listed(&self.unread));
            (Verdict::Inconclusive, text)
        } else {
            match self.held {
                Ok(text) => (Verdict::Held, text),
                Err(text) => (Verdict::Inconclusive, text),
            }
        };
        let text = std::iter::once(said).chain(self.notes).collect::<Vec<_>>().join("; ");
        Finding::new(verdict, self.expected, self.evidence)
            .observed(text.clone())
            .message(text)
            .reproduce(self.reproduce)
    }
}

/// The layers of the service's image.
pub(super) fn layers<'w>(service: &str, world: &'w World) -> Result<&'w Image, Blind> {
    one_image(service, world)?;
    match world.layers.get(service) {
        Some(Ok(image)) => Ok(image),
        Some(Err(why)) => Err(why.clone()),
        None => Err("the layers were not read".to_owned()),
    }
}

/// Fails where the containers of a service run different images, as after an update of some of
/// them: only the image of the first is looked into.
pub(super) fn one_image(service: &str, world: &World) -> Result<(), Blind> {
    let sights = world.sights(service).iter();
    let images: BTreeSet<&str> = sights.map(|sight| sight.container.image.as_str()).collect();
    if images.len() > 1 {
        let images: Vec<&str> = images.into_iter().collect();
        return Err(format!("containers of {service} run different images: {}", images.join(", ")));
    }
    Ok(())
}

/// What an allow list holds that is not there: it hides what was once there, or a typing error.
/// The list may be for several services, so it is told and not judged.
pub(super) fn idle(unmatched: &[String]) -> Option<String> {
    (!unmatched.is_empty()).then(|| format!("allowed but not there: {}", unmatched.join(", ")))
}

fn listed(phrases: &[String]) -> String {
    let shown = phrases.iter().take(SHOWN).map(|phrase| {
        if phrase.chars().count() > PHRASE {
            format!("{}...", phrase.chars().take(PHRASE).collect::<String>())
        } else {
            phrase.clone()
        }
    });
    let more = phrases.len().saturating_sub(SHOWN);
    let rest = (more > 0).then(|| format!("and {more} more"));
    shown.chain(rest).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::observation::{Observation, Vantage};

    fn judged(wrong: usize, unread: usize, held: Result<&str, &str>) -> Finding {
        let phrases =
            |word: &str, count| (0..count).map(|at| format!("{word} {at}")).collect::<Vec<_>>();
        Search {
            expected: String::new(),
            evidence: Evidence::one(Observation::now(Vantage::Image, "", 0)),
            reproduce: String::new(),
            wrong: phrases("wrong", wrong),
            unread: phrases("unread", unread),
            held: held.map(str::to_owned).map_err(str::to_owned),
            notes: vec!["a note".to_owned()],
        }
        .judge()
    }

    #[rstest]
    #[case(1, 0, Ok("nothing"), Verdict::Broken, "wrong 0; a note")]
    #[case(1, 1, Ok("nothing"), Verdict::Broken, "wrong 0; a note")]
    #[case(
        0,
        2,
        Ok("nothing"),
        Verdict::Inconclusive,
        "not everything could be looked into: unread 0; unread 1; a note"
    )]
    #[case(0, 0, Ok("nothing"), Verdict::Held, "nothing; a note")]
    #[case(0, 0, Err("too little"), Verdict::Inconclusive, "too little; a note")]
    fn what_is_wrong_comes_before_what_was_not_read_and_that_before_held(
        #[case] wrong: usize,
        #[case] unread: usize,
        #[case] held: Result<&str, &str>,
        #[case] verdict: Verdict,
        #[case] message: &str,
    ) {
        let finding = judged(wrong, unread, held);
        assert_eq!((finding.verdict, finding.message.as_str()), (verdict, message));
    }

    #[test]
    fn a_long_list_is_cut_off_and_counted() {
        let message = judged(SHOWN + 3, 0, Ok("")).message;
        assert!(message.ends_with("wrong 11; and 3 more; a note"), "{message}");
    }

    #[test]
    fn a_long_phrase_is_cut_off() {
        let text = listed(&["a".repeat(5000)]);
        assert_eq!(text.chars().count(), PHRASE + 3);
    }
}
