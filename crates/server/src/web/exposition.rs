//! [`Exposition`]: one metric after the other, as Prometheus reads them.

use std::{fmt, time::Duration};

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};
use tidewire_hub::Latencies;

/// Metrics, as they are written down one after the other.
pub(crate) struct Exposition<'a>(DescriptorEncoder<'a>);

/// What a family of metrics is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Gauge,
    /// Its name gets `_total` by itself.
    Counter,
}

impl<'a> Exposition<'a> {
    pub(crate) const fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// One value that goes up and down.
    pub(crate) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        value: impl Into<u64>,
    ) -> fmt::Result {
        self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?.encode_gauge(&value.into())
    }

    /// One that only goes up.
    pub(crate) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    /// One value for each set of labels.
    pub(crate) fn families<S: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        kind: Kind,
        values: impl IntoIterator<Item = (S, u64)>,
    ) -> fmt::Result {
        let metric_type = match kind {
            Kind::Gauge => MetricType::Gauge,
            Kind::Counter => MetricType::Counter,
        };
        let mut metric = self.0.encode_descriptor(name, help, unit, metric_type)?;
        for (labels, value) in values {
            let mut family = metric.encode_family(&labels)?;
            match kind {
                Kind::Gauge => family.encode_gauge(&value)?,
                Kind::Counter => family.encode_counter::<NoLabelSet, _, u64>(&value, None)?,
            }
        }
        Ok(())
    }

    /// Counts by a name, which is the value of that label.
    pub(crate) fn by_name(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        counts: impl IntoIterator<Item = (&'static str, u64)>,
    ) -> fmt::Result {
        let counts = counts.into_iter().map(|(name, count)| ([(label, name)], count));
        self.families(name, help, None, Kind::Counter, counts)
    }

    /// How long something takes.
    pub(crate) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        latencies: &Latencies,
    ) -> fmt::Result {
        let bounds = Latencies::BOUNDS.iter().map(|millis| Duration::from_millis(*millis));
        let bounds = bounds.map(|bound| bound.as_secs_f64()).chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(latencies.counts().iter().copied()).collect();
        let count = latencies.counts().iter().sum();
        self.0
            .encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(latencies.sum().as_secs_f64(), count, &buckets, None)
    }
}
