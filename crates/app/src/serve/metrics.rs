//! `/metrics`: one snapshot of every pipeline, written as Prometheus reads it. Names start with `syncline_`, units are
//! base units, labels are bounded: pipelines, sinks, tables and rules of the file, some tenants, never keys.

mod tenants;

mod recovery;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use syncline_engine::error::{Code, Error};
use syncline_engine::ledger::{Counts, LetterCode, TableState};
use syncline_engine::pipeline::{BackfillStatus, PipelineState, PipelineStatus, SinkState};
use syncline_engine::tasks::{OutcomeKind, TaskStatus};

use super::Shared;
use super::problem::Refusal;
use crate::alerts::Tally;

/// Tables of a pipeline with series of their own; the rest is summed under [`OTHERS`].
const MOST_TABLES: usize = 500;
const OTHERS: &str = "(others)";
/// Tables, targets and error codes of a pipeline's dead letters with series of their own, those with the most letters.
const MOST_CODES: usize = 500;

/// Metrics for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "probes", responses((status = 200, description = "OpenMetrics text", body = String)))]
pub async fn metrics(State(shared): State<Arc<Shared>>) -> Result<impl IntoResponse, Refusal> {
    let mut letters = Vec::new();
    for pipeline in &shared.pipelines {
        let codes = shared.ledger.dead_letter_codes(pipeline.name(), MOST_CODES).await?;
        letters.extend(codes.into_iter().map(|code| (pipeline.name().to_owned(), code)));
    }
    let pipelines = shared.pipelines.iter().map(|p| p.status()).collect();
    let snapshot = Snapshot { pipelines, letters, alerts: shared.alerts.clone() };
    let mut registry = Registry::default();
    registry.register_collector(Box::new(snapshot));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)
        .map_err(|e| Error::new(Code::Internal, "the metrics cannot be written").cause(e))?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}

#[derive(Debug)]
struct Snapshot {
    pipelines: Vec<PipelineStatus>,
    letters: Vec<(String, LetterCode)>,
    alerts: Vec<Arc<Tally>>,
}

type Labels<'a> = Vec<(&'static str, &'a str)>;

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut out = Out { encoder };
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        out.gauge("build_info", "The version of this binary", [(version, 1.0)])?;
        self.encode_pipelines(&mut out)?;
        self.encode_comparisons(&mut out)?;
        self.encode_tables(&mut out)?;
        self.encode_sinks(&mut out)?;
        self.encode_balance(&mut out)?;
        self.encode_schedules(&mut out)?;
        self.encode_letters(&mut out)?;
        self.encode_tenants(&mut out)?;
        self.encode_backfills(&mut out)?;
        recovery::encode(&self.pipelines, &mut out)?;
        self.encode_alerts(&mut out)
    }
}

impl Snapshot {
    fn each<'a, T>(&'a self, value: impl Fn(&'a PipelineStatus) -> T) -> Vec<(Labels<'a>, T)> {
        self.pipelines.iter().map(|p| (vec![("pipeline", &*p.name)], value(p))).collect()
    }

    fn encode_pipelines(&self, out: &mut Out<'_>) -> fmt::Result {
        let up =
            |p: &PipelineStatus| truth(!matches!(p.state, PipelineState::Halted | PipelineState::Stopped));
        out.gauge(
            "pipeline_up",
            "Whether the pipeline works or waits for work (not halted or stopped)",
            self.each(up),
        )?;
        let state =
            self.pipelines.iter().map(|p| (vec![("pipeline", &*p.name), ("state", p.state.name())], 1.0));
        out.gauge("pipeline_state", "The pipeline's state, as the label says", state)?;
        let lag = self.each(|p| p.lag_seconds);
        out.gauge(
            "source_lag_seconds",
            "Age of the newest applied change; 0 when the source has nothing more",
            lag,
        )?;
        let caught_up = |p: &PipelineStatus| {
            truth(
                p.lag_seconds == 0.0
                    && !matches!(
                        p.state,
                        PipelineState::Starting | PipelineState::Halted | PipelineState::Stopped
                    ),
            )
        };
        out.gauge("source_caught_up", "Whether the source had nothing more to send", self.each(caught_up))?;
        let rate = self.each(|p| p.rate_per_second);
        out.gauge(
            "deliveries_per_second",
            "Deliveries finished per second, over the last few seconds",
            rate,
        )?;
        // A halted pipeline's error is its own.
        let answers = |p: &PipelineStatus| truth(p.error.is_none() || p.state == PipelineState::Halted);
        out.gauge("source_up", "Whether the source answers and its rows can be read", self.each(answers))?;
        let letters = self.each(|p| p.dead_letters as f64);
        out.gauge("dead_letters_pending", "Dead letters that wait for a person", letters)
    }

    /// Gauges of the last comparison are missing until there was one.
    fn encode_comparisons(&self, out: &mut Out<'_>) -> fmt::Result {
        let limits = self.each(|p| p.limits_reached);
        out.counter("repair_limit_reached", "Comparisons that found more than they might put right", limits)?;
        let repairs = self.pipelines.iter().flat_map(|p| {
            let results = [("confirmed", p.repairs_confirmed), ("unconfirmed", p.repairs_unconfirmed)];
            results.map(|(result, n)| (vec![("pipeline", &*p.name), ("result", result)], n))
        });
        out.counter(
            "repairs",
            "Documents that were put right, by whether they were found so after that",
            repairs,
        )?;
        let verified =
            || self.pipelines.iter().filter_map(|p| Some((vec![("pipeline", &*p.name)], p.verified?)));
        let drift = verified().map(|(labels, last)| (labels, last.drift as f64));
        out.gauge("drift_documents", "Documents that the last comparison of everything left wrong", drift)?;
        let ended = verified().map(|(labels, last)| (labels, last.at as f64 / 1000.0));
        out.gauge(
            "verified_timestamp_seconds",
            "When the last comparison of everything ended, since 1970",
            ended,
        )
    }

    fn encode_tables(&self, out: &mut Out<'_>) -> fmt::Result {
        let mut up = BTreeMap::<(&str, &str), bool>::new();
        for pipeline in &self.pipelines {
            for (n, table) in pipeline.tables.iter().enumerate() {
                let name = if n < MOST_TABLES { &*table.table } else { OTHERS };
                *up.entry((&pipeline.name, name)).or_insert(true) &= table.state != TableState::Halted;
            }
        }
        let up = up
            .into_iter()
            .map(|((pipeline, table), up)| (vec![("pipeline", pipeline), ("table", table)], truth(up)));
        out.gauge("table_up", "Whether the table is followed (not halted)", up)
    }

    fn encode_sinks(&self, out: &mut Out<'_>) -> fmt::Result {
        let all = || {
            self.pipelines.iter().flat_map(|p| {
                p.sinks.iter().map(move |s| (vec![("pipeline", &*p.name), ("sink", &*s.connection)], s))
            })
        };
        let up = all().map(|(l, s)| (l, truth(s.state == SinkState::Ok)));
        out.gauge("sink_up", "Whether the sink takes what it is given", up)?;
        let state = all().map(|(l, s)| ([l, vec![("state", s.state.name())]].concat(), 1.0));
        out.gauge("sink_state", "The sink's state, as the label says", state)?;
        let retries = all().map(|(l, s)| (l, s.retries));
        out.counter("retries", "Requests that were tried again", retries)?;
        let queued = all().map(|(l, s)| (l, s.queued as f64));
        out.gauge("sink_queued", "Deliveries queued in front of the sink", queued)?;
        let holds = all().map(|(l, s)| (l, truth(s.holds_back)));
        out.gauge("sink_holds_back", "Whether the source is read more slowly because of this sink", holds)
    }

    /// Rule 6, each term on its own: accepted = applied + superseded + filtered + dead + in flight.
    fn encode_balance(&self, out: &mut Out<'_>) -> fmt::Result {
        let series: Vec<Series<'_>> = self.pipelines.iter().flat_map(series).collect();
        let pick = |value: fn(&Counts) -> u64| series.iter().map(move |s| (s.labels(), value(&s.counts)));
        out.counter(
            "accepted",
            "Deliveries handed to the sinks, filtered ones included",
            pick(|c| c.accepted),
        )?;
        out.counter("applied", "Deliveries that are durable in the target", pick(|c| c.applied))?;
        out.counter(
            "superseded",
            "Deliveries overtaken by a newer change of the same document",
            pick(|c| c.superseded),
        )?;
        let rules = series.iter().flat_map(|s| {
            s.counts
                .filtered
                .iter()
                .map(|(rule, n)| ([s.labels(), vec![("rule", rule.as_str())]].concat(), *n))
        });
        out.counter("filtered", "Deliveries kept out, by the rule's name", rules)?;
        let dead = series.iter().map(|s| (s.labels(), s.counts.dead as f64));
        out.gauge("dead", "Deliveries refused for good and not redriven", dead)?;
        let in_flight = series.iter().map(|s| (s.labels(), s.in_flight as f64));
        out.gauge("in_flight", "Deliveries on the way", in_flight)?;
        out.counter("coerced", "Values that had to be changed to fit", pick(|c| c.coerced))?;
        let results = series.iter().flat_map(|s| {
            let terms = [("applied", s.counts.applied), ("superseded", s.counts.superseded)];
            terms.map(|(result, n)| ([s.labels(), vec![("result", result)]].concat(), n))
        });
        out.counter("sink_events", "Deliveries that a sink has answered, by result", results)
    }

    /// Entries of a kind are summed: their expressions are no labels.
    fn encode_schedules(&self, out: &mut Out<'_>) -> fmt::Result {
        let mut sums = BTreeMap::<(&str, &str), [u64; 3]>::new();
        for (pipeline, entry) in self.pipelines.iter().flat_map(|p| p.schedule.iter().map(move |e| (p, e))) {
            let sum = sums.entry((&pipeline.name, entry.task)).or_default();
            for (sum, n) in sum.iter_mut().zip([entry.runs, entry.skipped, entry.missed]) {
                *sum += n;
            }
        }
        let pick = |which: usize| {
            let labels = |(pipeline, task)| vec![("pipeline", pipeline), ("task", task)];
            sums.iter().map(move |(of, sums)| (labels(*of), sums[which])).collect::<Vec<_>>()
        };
        out.counter("scheduled_runs", "Work that was started at its time", pick(0))?;
        out.counter("scheduled_skips", "Times that fell into work that was still going on", pick(1))?;
        out.counter("scheduled_misses", "Times that nobody was awake for", pick(2))?;
        let mut failed = BTreeMap::<(&str, &str), bool>::new();
        for (pipeline, entry) in self.pipelines.iter().flat_map(|p| p.schedule.iter().map(move |e| (p, e))) {
            *failed.entry((&pipeline.name, entry.task)).or_default() |= gave_up(entry);
        }
        let failed = failed
            .into_iter()
            .map(|((pipeline, task), failed)| (vec![("pipeline", pipeline), ("task", task)], truth(failed)));
        out.gauge(
            "scheduled_failed",
            "Whether the work gave up when it last came, of any entry of this kind",
            failed,
        )
    }

    fn encode_letters(&self, out: &mut Out<'_>) -> fmt::Result {
        let series = self.letters.iter().map(|(pipeline, l)| {
            let labels = vec![
                ("pipeline", pipeline.as_str()),
                ("table", &*l.table),
                ("target", &*l.target),
                ("error", &*l.error),
            ];
            (labels, l.letters as f64)
        });
        out.gauge("dead_letters", "Dead letters, by the target and the error that refused them", series)
    }

    fn encode_alerts(&self, out: &mut Out<'_>) -> fmt::Result {
        let series = self.alerts.iter().flat_map(|tally| {
            let results = [("sent", &tally.sent), ("retried", &tally.retried), ("dropped", &tally.dropped)];
            results.map(|(result, n)| {
                (vec![("receiver", &*tally.receiver), ("result", result)], n.load(Relaxed))
            })
        });
        out.counter("alert_messages", "Alerts by webhook, by what became of them", series)
    }

    fn encode_backfills(&self, out: &mut Out<'_>) -> fmt::Result {
        let all = || {
            let of = |p: &'_ PipelineStatus| -> Vec<BackfillStatus> {
                p.backfill.iter().take(MOST_TABLES).cloned().collect()
            };
            self.pipelines
                .iter()
                .flat_map(move |p| of(p).into_iter().map(move |b| (p, b)))
                .collect::<Vec<_>>()
        };
        let parts = all();
        let labels = |p: &'_ PipelineStatus| vec![("pipeline", p.name.clone())];
        let named = |(p, b): &(&PipelineStatus, BackfillStatus)| {
            [labels(p), vec![("table", b.table.clone())]].concat()
        };
        out.counter(
            "backfill_rows",
            "Rows read by the latest backfill",
            parts.iter().map(|x| (named(x), x.1.rows)),
        )?;
        let ratio = |b: &BackfillStatus| match (b.finished, b.estimate.max(b.rows)) {
            (true, _) | (_, 0) => 1.0,
            (false, whole) => b.rows as f64 / whole as f64,
        };
        out.gauge(
            "backfill_progress_ratio",
            "How much of the table has been read, 0 to 1",
            parts.iter().map(|x| (named(x), ratio(&x.1))),
        )
    }
}

/// The counters of one table at one sink.
struct Series<'a> {
    pipeline: &'a str,
    table: &'a str,
    sink: &'a str,
    counts: Counts,
    in_flight: u64,
}

impl Series<'_> {
    fn labels(&self) -> Labels<'_> {
        vec![("pipeline", self.pipeline), ("table", self.table), ("sink", self.sink)]
    }
}

fn series(pipeline: &PipelineStatus) -> Vec<Series<'_>> {
    let mut sums = BTreeMap::<(&str, &str), (Counts, u64)>::new();
    for (n, table) in pipeline.tables.iter().enumerate() {
        let name = if n < MOST_TABLES { &*table.table } else { OTHERS };
        for (sink, (counts, in_flight)) in &table.by_sink {
            let sum = sums.entry((name, sink)).or_default();
            sum.0.add(counts);
            sum.1 += in_flight;
        }
    }
    let made = |((table, sink), (counts, in_flight))| Series {
        pipeline: &pipeline.name,
        table,
        sink,
        counts,
        in_flight,
    };
    sums.into_iter().map(made).collect()
}

fn gave_up(entry: &TaskStatus) -> bool {
    entry.past.as_ref().is_some_and(|past| past.outcome.kind == OutcomeKind::Failed)
}

fn truth(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

/// Writes families of constant metrics.
struct Out<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl Out<'_> {
    fn gauge<K, V>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Vec<(K, V)>, f64)>,
    ) -> fmt::Result
    where
        Vec<(K, V)>: prometheus_client::encoding::EncodeLabelSet,
    {
        self.family(name, help, series, ConstGauge::new)
    }

    /// The name goes without `_total`: the encoder adds it.
    fn counter<K, V>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Vec<(K, V)>, u64)>,
    ) -> fmt::Result
    where
        Vec<(K, V)>: prometheus_client::encoding::EncodeLabelSet,
    {
        self.family(name, help, series, ConstCounter::new)
    }

    fn family<K, V, N, M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Vec<(K, V)>, N)>,
        make: impl Fn(N) -> M,
    ) -> fmt::Result
    where
        Vec<(K, V)>: prometheus_client::encoding::EncodeLabelSet,
    {
        let mut series = series.into_iter().map(|(labels, value)| (labels, make(value))).peekable();
        let Some((_, first)) = series.peek() else { return Ok(()) };
        let kind = first.metric_type();
        let name = format!("syncline_{name}");
        let mut family = self.encoder.encode_descriptor(&name, help, None, kind)?;
        for (labels, metric) in series {
            let one = family.encode_family(&labels)?;
            metric.encode(one)?;
        }
        Ok(())
    }
}
