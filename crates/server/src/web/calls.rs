//! [`Calls`]: what came of the application's calls, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use tidewire_dialects::api::Method;
use tidewire_hub::Error;

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// It was carried out.
    Done,
    /// It was understood, and refused.
    Refused(Error),
    /// It was not what the API takes.
    Malformed,
}

/// Calls by method and by what came of them, counted by all threads.
#[derive(Debug, Default)]
pub(crate) struct Calls([[AtomicU64; OUTCOME_COUNT]; METHOD_COUNT]);

/// One more than there are: for what is none of them.
const METHOD_COUNT: usize = Method::ALL.len() + 1;

/// Those that are refused, each by its error, and the two others.
const OUTCOME_COUNT: usize = Error::ALL.len() + 2;

impl Calls {
    /// Counts one; of no method, where there is no such method.
    pub(crate) fn count(&self, method: Option<Method>, told: Told) {
        if let Some(count) = self.0.get(row(method)).and_then(|row| row.get(told.column())) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All that there were, by the names of methods and outcomes: what was carried out from the beginning, the
    /// rest when it has happened.
    pub(crate) fn all(&self) -> impl Iterator<Item = ([&'static str; 2], u64)> {
        let methods = Method::ALL.into_iter().map(Some).chain([None]);
        methods.zip(&self.0).flat_map(|(method, row)| {
            let outcomes = Told::all().zip(row).map(move |(told, count)| {
                let name = method.map_or("unknown", Method::name);
                ([name, told.name()], count.load(Ordering::Relaxed))
            });
            let is_known = method.is_some();
            outcomes.filter(move |([_, told], count)| *count > 0 || is_known && *told == "ok")
        })
    }
}

impl Told {
    /// What came of it, by its result.
    pub(crate) const fn of<T>(result: &Result<T, Error>) -> Self {
        match result {
            Ok(_) => Self::Done,
            Err(error) => Self::Refused(*error),
        }
    }

    /// In the order of their columns.
    fn all() -> impl Iterator<Item = Self> {
        [Self::Done, Self::Malformed].into_iter().chain(Error::ALL.map(Self::Refused))
    }

    const fn column(self) -> usize {
        match self {
            Self::Done => 0,
            Self::Malformed => 1,
            Self::Refused(error) => 2 + error as usize,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Done => "ok",
            Self::Malformed => "malformed",
            Self::Refused(error) => error.name(),
        }
    }
}

fn row(method: Option<Method>) -> usize {
    let known = Method::ALL.into_iter().position(|known| Some(known) == method);
    known.unwrap_or(Method::ALL.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_of_each_method_has_a_count_of_its_own() {
        let calls = Calls::default();
        let from_the_beginning = calls.all().collect::<Vec<_>>();
        assert_eq!(from_the_beginning.len(), Method::ALL.len());
        assert!(from_the_beginning.iter().all(|([_, told], count)| (*told, *count) == ("ok", 0)));
        let methods = || Method::ALL.into_iter().map(Some).chain([None]);
        for (index, method) in methods().enumerate() {
            for (column, told) in Told::all().enumerate() {
                assert_eq!(told.column(), column, "{told:?}");
                (0..=index * 100 + column).for_each(|_| calls.count(method, told));
            }
        }
        let mut all = calls.all();
        for (index, method) in methods().enumerate() {
            for (column, told) in Told::all().enumerate() {
                let names = [method.map_or("unknown", Method::name), told.name()];
                assert_eq!(all.next(), Some((names, (index * 100 + column + 1) as u64)));
            }
        }
        assert_eq!(all.next(), None);
    }
}
