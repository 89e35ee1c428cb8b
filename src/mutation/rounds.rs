//! Which mutants share one stack. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::Mutant;

/// Puts mutants into rounds: in one round each service has one mutant at most, and one that others
/// would feel has a round of its own. Those that a host may refuse keep the rest of a stack from
/// starting, so only mutants of the same weakness are with them. `at_once` bounds how many a round
/// has.
#[must_use]
pub fn rounds(mutants: &[Mutant], at_once: usize) -> Vec<Vec<&Mutant>> {
    let mut shared: Vec<Vec<&Mutant>> = Vec::new();
    let mut alone: Vec<Vec<&Mutant>> = Vec::new();
    let mut refusable: Vec<Vec<&Mutant>> = Vec::new();
    for mutant in mutants {
        if mutant.alone {
            alone.push(vec![mutant]);
            continue;
        }
        if mutant.may_be_refused {
            let same = |round: &&mut Vec<&Mutant>| {
                let weakness = round.first().map(|other| &other.weakness);
                weakness == Some(&mutant.weakness) && round.len() < at_once
            };
            match refusable.iter_mut().find(same) {
                Some(round) => round.push(mutant),
                None => refusable.push(vec![mutant]),
            }
            continue;
        }
        let fits = |round: &Vec<&Mutant>| {
            let taken: BTreeSet<&str> = round.iter().flat_map(|other| other.services()).collect();
            round.len() < at_once.max(1) && taken.is_disjoint(&mutant.services())
        };
        match shared.iter().position(fits) {
            Some(place) => shared[place].push(mutant),
            None => shared.push(vec![mutant]),
        }
    }
    shared.into_iter().chain(alone).chain(refusable).collect()
}

/// Of many mutants so few that each weakness is among them, and each check of each service is broken
/// once: what a weakness does to one service it does to the next, but a check has to be seen to fail
/// wherever it is asked.
#[must_use]
pub fn cover(mutants: &[Mutant]) -> Vec<Mutant> {
    let mut chosen = Chosen::default();
    for mutant in mutants {
        for expected in &mutant.breaks {
            let pair = (expected.code.as_str(), expected.service.as_str());
            if chosen.broken.contains(&pair) {
                continue;
            }
            let breaks = |other: &&Mutant| {
                other.breaks.iter().any(|one| (one.code.as_str(), one.service.as_str()) == pair)
            };
            let least = mutants.iter().enumerate().filter(|(_, other)| breaks(other)).min_by_key(
                |(_, other)| (chosen.of_weakness(other), other.alone || other.may_be_refused),
            );
            if let Some((place, other)) = least {
                chosen.choose(place, other);
            }
        }
    }
    for mutant in mutants {
        let same = |other: &&Mutant| other.weakness == mutant.weakness;
        if chosen.of_weakness(mutant) == 0
            && let Some((place, other)) = mutants
                .iter()
                .enumerate()
                .filter(|(_, other)| same(other))
                .min_by_key(|(_, other)| chosen.of_service(other))
        {
            chosen.choose(place, other);
        }
    }
    chosen.places.iter().filter_map(|place| mutants.get(*place)).cloned().collect()
}

/// What was chosen so far.
#[derive(Debug, Default)]
struct Chosen<'a> {
    places: BTreeSet<usize>,
    broken: BTreeSet<(&'a str, &'a str)>,
    weaknesses: BTreeMap<&'a str, usize>,
    services: BTreeMap<&'a str, usize>,
}

impl<'a> Chosen<'a> {
    fn choose(&mut self, place: usize, mutant: &'a Mutant) {
        if self.places.insert(place) {
            let pairs = mutant.breaks.iter().map(|one| (one.code.as_str(), one.service.as_str()));
            self.broken.extend(pairs);
            *self.weaknesses.entry(&mutant.weakness).or_default() += 1;
            *self.services.entry(&mutant.service).or_default() += 1;
        }
    }

    fn of_weakness(&self, mutant: &Mutant) -> usize {
        self.weaknesses.get(mutant.weakness.as_str()).copied().unwrap_or(0)
    }

    fn of_service(&self, mutant: &Mutant) -> usize {
        self.services.get(mutant.service.as_str()).copied().unwrap_or(0)
    }
}

/// The fewest mutants, in their order, of which every check code has one that must break it, and
/// every weakness that a code is proven by only once.
#[must_use]
pub fn sample(mutants: &[Mutant]) -> Vec<Mutant> {
    let mut covered: BTreeSet<&str> = BTreeSet::new();
    let mut chosen = Vec::new();
    // One that proves several codes at once stands for several.
    let mut order: Vec<&Mutant> = mutants.iter().collect();
    order.sort_by_key(|mutant| (mutant.alone, std::cmp::Reverse(mutant.breaks.len())));
    for mutant in order {
        let codes: BTreeSet<&str> = mutant.breaks.iter().map(|one| one.code.as_str()).collect();
        if !codes.is_subset(&covered) {
            covered.extend(codes);
            chosen.push(mutant.clone());
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::{Change, Expected};

    fn mutant(id: &str, service: &str, codes: &[&str], alone: bool) -> Mutant {
        let expected = |code: &&str| Expected {
            code: (*code).to_owned(),
            service: service.to_owned(),
            because: String::new(),
            one_is_enough: false,
        };
        Mutant {
            id: id.to_owned(),
            weakness: id.to_owned(),
            text: String::new(),
            service: service.to_owned(),
            change: Change::default(),
            breaks: codes.iter().map(expected).collect(),
            also: BTreeSet::new(),
            landed: vec![],
            alone,
            may_be_refused: false,
        }
    }

    fn ids(rounds: Vec<Vec<&Mutant>>) -> Vec<Vec<&str>> {
        rounds.into_iter().map(|round| round.iter().map(|one| one.id.as_str()).collect()).collect()
    }

    #[test]
    fn two_mutants_of_one_service_never_share_a_stack() {
        let mutants = [
            mutant("a", "api", &[], false),
            mutant("b", "api", &[], false),
            mutant("c", "web", &[], false),
        ];
        assert_eq!(ids(rounds(&mutants, 9)), [vec!["a", "c"], vec!["b"]]);
    }

    #[test]
    fn one_that_others_would_feel_has_a_stack_to_itself() {
        let mutants = [mutant("a", "api", &[], true), mutant("b", "web", &[], false)];
        assert_eq!(ids(rounds(&mutants, 9)), [vec!["b"], vec!["a"]]);
    }

    #[test]
    fn no_round_is_larger_than_asked_for() {
        let mutants = [mutant("a", "api", &[], false), mutant("b", "web", &[], false)];
        assert_eq!(rounds(&mutants, 1).len(), 2);
    }

    #[test]
    fn what_is_chosen_has_every_weakness_and_breaks_every_check_of_every_service() {
        let mut mutants = Vec::new();
        for service in ["api", "web", "db"] {
            for (weakness, code) in [("a", "x"), ("b", "x"), ("c", "x"), ("d", "y")] {
                let mut one = mutant(&format!("{weakness}@{service}"), service, &[code], false);
                weakness.clone_into(&mut one.weakness);
                mutants.push(one);
            }
        }
        let chosen = cover(&mutants);
        let weaknesses: BTreeSet<&str> = chosen.iter().map(|one| one.weakness.as_str()).collect();
        let pairs: BTreeSet<(&str, &str)> = chosen
            .iter()
            .flat_map(|one| &one.breaks)
            .map(|one| (one.code.as_str(), one.service.as_str()))
            .collect();
        assert_eq!((weaknesses.len(), pairs.len()), (4, 6));
        // Each of the three weaknesses of one check is put into another service.
        assert_eq!(chosen.len(), 6);
    }

    #[test]
    fn a_sample_breaks_every_code_that_the_whole_breaks() {
        let mutants = [
            mutant("a", "api", &["runs-as"], false),
            mutant("b", "api", &["runs-as", "seccomp"], false),
            mutant("c", "web", &["healthy"], true),
        ];
        let sample = sample(&mutants);
        let chosen: Vec<&str> = sample.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(chosen, ["b", "c"]);
    }
}
