//! What a round comes to.

use std::cmp::Reverse;

use serde::Serialize;

use crate::run::{Events, Fate, Micros};

use super::stats::{Latency, median};

/// Errors that are reported one by one.
const TOP_ERRORS: usize = 10;

/// The figures of one round on one target. Rates are transactions per second.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Transactions that were offered.
    pub offered: usize,
    /// Those that the server took.
    pub accepted: usize,
    /// Those that it refused, once and for all.
    pub refused: usize,
    /// Those that were not offered, as an earlier one of their account was refused.
    pub skipped: usize,
    /// Those that were seen in a block.
    pub included: usize,
    /// Those that were accepted and not seen in a block.
    pub missing: usize,
    /// Of these many included ones the receipt was looked at.
    pub receipts: usize,
    /// Of those, the ones that had failed.
    pub reverted: usize,
    /// From the first transaction to the last answer.
    pub accepted_per_s: f64,
    /// From the first transaction to the last inclusion.
    pub included_per_s: f64,
    /// In the best whole second.
    pub best_second: Option<f64>,
    /// In the median whole second, from the one behind the first inclusion to the one before the last.
    pub median_second: Option<f64>,
    /// To the answer, ms.
    pub acknowledged: Option<Latency>,
    /// To the sight of the block, or to the receipt, ms.
    pub inclusion: Option<Latency>,
    /// CPU time of the server for each included transaction, ms.
    pub server_cpu_ms: Option<f64>,
    /// CPU time of this process for each offered transaction, us.
    pub own_cpu_us: f64,
    /// The errors that came most often, and how often.
    pub errors: Vec<(String, usize)>,
    /// Each second of the round.
    pub seconds: Vec<Second>,
}

/// A second of a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Second {
    /// Transactions accepted in it.
    pub accepted: u32,
    /// Transactions seen in blocks in it.
    pub included: u32,
    /// Latency of those accepted in it.
    pub acknowledged: Option<Latency>,
    /// Latency of those included in it.
    pub inclusion: Option<Latency>,
}

impl Figures {
    pub(crate) fn of(events: &Events) -> Self {
        let accepted = accepted(events);
        let included = included(events);
        let last = |moments: &[Moment]| moments.iter().map(|moment| moment.at).max().unwrap_or_default();
        let count = |fate| events.offers.iter().filter(|offer| offer.fate == fate).count();
        let latency = |moments: &[Moment]| Latency::of(moments.iter().map(|moment| moment.latency).collect());
        let [refused, skipped] = [count(Fate::Refused), count(Fate::Skipped)];
        let offered = events.offers.len() - skipped;
        let seconds = over_time(&accepted, &included);
        let whole = whole_seconds(&seconds);
        let known = |index: &usize| events.included[*index].is_none();
        let taken =
            events.offers.iter().filter(|offer| offer.fate == Fate::Accepted).map(|offer| offer.index);
        Self {
            offered,
            accepted: accepted.len(),
            refused,
            skipped,
            included: included.len(),
            missing: taken.filter(known).count(),
            receipts: events.receipts,
            reverted: events.reverted,
            accepted_per_s: rate(accepted.len(), last(&accepted)),
            included_per_s: rate(included.len(), last(&included)),
            best_second: whole.iter().copied().max().map(f64::from),
            median_second: median(whole.into_iter().map(f64::from).collect()),
            acknowledged: latency(&accepted),
            inclusion: latency(&included),
            server_cpu_ms: events
                .server_cpu
                .filter(|_| !included.is_empty())
                .map(|time| time.as_secs_f64() * 1e3 / included.len() as f64),
            own_cpu_us: events.own_cpu.as_secs_f64() * 1e6 / offered.max(1) as f64,
            errors: top(events),
            seconds,
        }
    }

    /// What went wrong, if anything did.
    #[must_use]
    pub fn flaw(&self) -> Option<String> {
        let flaws = [
            (self.refused, "refused"),
            (self.skipped, "skipped behind a refused one"),
            (self.missing, "accepted and never included"),
            (self.reverted, "failed when executed"),
        ];
        let found: Vec<_> = flaws
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} transactions {what}"))
            .collect();
        (!found.is_empty()).then(|| found.join(", "))
    }
}

/// Something that happened to a transaction.
#[derive(Clone, Copy, Debug)]
struct Moment {
    at: Micros,
    latency: Micros,
}

fn accepted(events: &Events) -> Vec<Moment> {
    let taken = events.offers.iter().filter(|offer| offer.fate == Fate::Accepted);
    taken.map(|offer| Moment { at: offer.answered, latency: offer.answered - offer.due }).collect()
}

/// Also those whose answer was lost.
fn included(events: &Events) -> Vec<Moment> {
    let seen = events.offers.iter().filter_map(|offer| Some((offer, events.included[offer.index]?)));
    seen.map(|(offer, at)| Moment { at, latency: at - offer.due }).collect()
}

fn rate(count: usize, time: Micros) -> f64 {
    if time == Micros(0) { 0.0 } else { count as f64 / time.seconds() }
}

/// Inclusions in seconds that are no edge of the round: behind the one with the first, before the one with the last.
fn whole_seconds(seconds: &[Second]) -> Vec<u32> {
    let counts: Vec<u32> = seconds.iter().map(|second| second.included).collect();
    let first = counts.iter().position(|count| *count > 0).unwrap_or(counts.len());
    let last = counts.iter().rposition(|count| *count > 0).unwrap_or_default();
    counts.get(first + 1..last).unwrap_or_default().to_vec()
}

fn top(events: &Events) -> Vec<(String, usize)> {
    let mut errors: Vec<_> = events.errors.clone().into_iter().collect();
    errors.sort_unstable_by_key(|(words, count)| (Reverse(*count), words.clone()));
    errors.truncate(TOP_ERRORS);
    errors
}

fn over_time(accepted: &[Moment], included: &[Moment]) -> Vec<Second> {
    let [accepted, included] = [by_second(accepted), by_second(included)];
    let seconds = accepted.len().max(included.len());
    let of = |all: &[Vec<Micros>], second| all.get(second).cloned().unwrap_or_default();
    let count = |times: &Vec<Micros>| u32::try_from(times.len()).unwrap_or(u32::MAX);
    (0..seconds)
        .map(|second| (of(&accepted, second), of(&included, second)))
        .map(|(accepted, included)| Second {
            accepted: count(&accepted),
            included: count(&included),
            acknowledged: Latency::of(accepted),
            inclusion: Latency::of(included),
        })
        .collect()
}

/// The latencies of each second.
fn by_second(moments: &[Moment]) -> Vec<Vec<Micros>> {
    let mut seconds: Vec<Vec<Micros>> = Vec::new();
    for moment in moments {
        let second = usize::try_from(moment.at.0 / 1_000_000).unwrap_or(usize::MAX - 1);
        if seconds.len() <= second {
            seconds.resize(second + 1, Vec::new());
        }
        seconds[second].push(moment.latency);
    }
    seconds
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use crate::run::Offer;

    use super::*;

    fn offer(index: usize, due: u64, answered: u64, fate: Fate) -> Offer {
        Offer { index, due: Micros(due), answered: Micros(answered), fate }
    }

    /// Five transactions: one included after 1 s, one after 4 s, one missing, one refused, one skipped.
    fn events() -> Events {
        Events {
            offers: vec![
                offer(0, 0, 1_000, Fate::Accepted),
                offer(1, 1_000, 500_000, Fate::Accepted),
                offer(2, 2_000, 2_000_000, Fate::Accepted),
                offer(3, 3_000, 4_000, Fate::Refused),
                offer(4, 4_000, 4_000, Fate::Skipped),
            ],
            included: vec![Some(Micros(1_000_000)), Some(Micros(4_000_000)), None, None, None],
            errors: HashMap::from([("full".to_owned(), 1)]),
            server_cpu: Some(Duration::from_millis(3)),
            own_cpu: Duration::from_micros(80),
            receipts: 2,
            reverted: 0,
        }
    }

    #[test]
    fn every_transaction_is_counted_where_it_ended() {
        let figures = Figures::of(&events());
        let counts = [figures.offered, figures.accepted, figures.refused, figures.skipped];
        assert_eq!(counts, [4, 3, 1, 1]);
        assert_eq!([figures.included, figures.missing], [2, 1]);
        assert_eq!(figures.errors, [("full".to_owned(), 1)]);
    }

    #[test]
    fn rates_end_with_the_last_answer_and_the_last_inclusion() {
        let figures = Figures::of(&events());
        assert_eq!(figures.accepted_per_s, 1.5);
        assert_eq!(figures.included_per_s, 0.5);
        assert_eq!((figures.best_second, figures.median_second), (Some(0.0), Some(0.0)));
        assert_eq!(figures.server_cpu_ms, Some(1.5));
        assert_eq!(figures.own_cpu_us, 20.0);
    }

    #[test]
    fn latency_counts_from_when_a_transaction_was_due() {
        let figures = Figures::of(&events());
        assert_eq!(figures.acknowledged.unwrap().p50, 499.0);
        assert_eq!(figures.inclusion.unwrap().max, 3_999.0);
    }

    #[test]
    fn each_second_has_what_happened_in_it() {
        let seconds = Figures::of(&events()).seconds;
        assert_eq!(seconds.iter().map(|second| second.accepted).collect::<Vec<_>>(), [2, 0, 1, 0, 0]);
        assert_eq!(seconds.iter().map(|second| second.included).collect::<Vec<_>>(), [0, 1, 0, 0, 1]);
        assert_eq!(seconds[4].inclusion.unwrap().p50, 3_999.0);
    }

    #[test]
    fn what_went_wrong_is_said() {
        let flaw = Figures::of(&events()).flaw().unwrap();
        for part in ["1 transactions refused", "1 transactions skipped", "1 transactions accepted and never"]
        {
            assert!(flaw.contains(part), "{flaw}");
        }
        assert_eq!(Figures { accepted: 9, included: 9, ..Figures::default() }.flaw(), None);
    }

    #[test]
    fn a_round_without_transactions_has_no_figures_and_does_not_divide_by_0() {
        let figures = Figures::of(&Events::default());
        assert_eq!((figures.included_per_s, figures.best_second, figures.acknowledged), (0.0, None, None));
    }
}
