//! What probes have found, and what recovery did without a person, as Prometheus reads it.

use std::fmt;

use syncline_engine::pipeline::PipelineStatus;

use super::{Out, truth};

pub(super) fn encode(pipelines: &[PipelineStatus], out: &mut Out<'_>) -> fmt::Result {
    let probes = || {
        pipelines.iter().flat_map(|p| {
            p.probes.iter().map(|probe| (vec![("pipeline", &*p.name), ("of", &*probe.of)], probe))
        })
    };
    out.gauge(
        "probe_up",
        "Whether the last probe was answered",
        probes().map(|(l, probe)| (l, truth(probe.ok))),
    )?;
    let seconds = probes().map(|(labels, probe)| (labels, probe.latency_seconds));
    out.gauge("probe_seconds", "How long the last probe took; of the lag: how long it is", seconds)?;
    let steps = pipelines.iter().flat_map(|p| {
        p.recovered.iter().map(|done| {
            let labels = vec![("pipeline", &*p.name), ("cause", &*done.cause), ("step", &*done.step)];
            (labels, done.count)
        })
    });
    out.counter("recovery", "Steps that were taken without a person, by cause", steps)?;
    let limited = pipelines.iter().map(|p| {
        let limited = p.recovery.iter().filter(|done| done.limited).count();
        (vec![("pipeline", &*p.name)], limited as f64)
    });
    out.gauge("recovery_limited", "Tables and targets for which recovery takes no more steps", limited)
}
