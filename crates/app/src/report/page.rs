//! The report as one page for a browser: no script, nothing from elsewhere. Whatever comes from a file or a server is escaped.

use std::fmt::Write as _;

use syncline_api as api;

use super::picture::picture;
use super::{lag, number, percent};

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8886; --good: #2a8a4a; --bad: #c0392b; --done: #d9962b; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1100px; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.good { color: var(--good); fill: var(--good); } .bad { color: var(--bad); }
.open, .failed { fill: var(--bad); } .repaired { fill: var(--done); }
svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: currentColor; } .axis { stroke: var(--line); }
";

/// The page.
pub fn page(report: &api::ConsistencyReport) -> String {
    let (from, to) = (escaped(&report.from), escaped(&report.to));
    let whose = report.tenant.as_ref().map(|tenant| format!(", tenant {}", escaped(tenant)));
    let whose = whose.unwrap_or_default();
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Consistency report</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>Consistency report</h1>\n<p>{from} to {to}{whose}</p>\n"
    );
    for pipeline in &report.pipelines {
        section(&mut html, report, pipeline);
    }
    html + "</body>\n</html>\n"
}

fn section(html: &mut String, report: &api::ConsistencyReport, pipeline: &api::PipelineReport) {
    let api::PipelineReport { runs, failed, limited, drift, repaired, dead_letters, .. } = pipeline;
    let _ = writeln!(
        html,
        "<h2>{}</h2>\n<p>{runs} comparisons, {failed} of them failed and {limited} reached their limit. \
         {drift} documents differed, {repaired} were repaired. Worst lag: {}. Dead letters now: {dead_letters}.</p>",
        escaped(&pipeline.pipeline),
        lag(pipeline.worst_lag_seconds)
    );
    html.push_str(&picture(report, &pipeline.series));
    if !pipeline.tables.is_empty() {
        table(html, &pipeline.tables);
    }
}

fn table(html: &mut String, targets: &[api::TargetReport]) {
    let head = [
        "Table",
        "Target",
        "Consistent",
        "Open",
        "Unsettled",
        "Last full pass",
        "Runs",
        "Compared",
        "Missing",
        "Different",
        "Extra",
        "Repaired",
        "Dead letters",
    ];
    html.push_str("<div class=\"table\"><table>\n<thead><tr>");
    head.iter().for_each(|name| html.push_str(&format!("<th>{name}</th>")));
    html.push_str("</tr></thead>\n<tbody>\n");
    for t in targets {
        let class = match t.consistency_rate {
            Some(1.0) => "good",
            Some(_) => "bad",
            None => "",
        };
        let last = t.last_full_at.as_deref().unwrap_or("never");
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{}</td><td class=\"{class}\">{}</td><td>{}</td><td>{}</td><td>{}</td>",
            escaped(&t.table),
            escaped(&t.target),
            percent(t.consistency_rate),
            number(t.open),
            number(t.unsettled),
            escaped(last)
        );
        for n in [t.runs, t.compared, t.missing, t.different, t.extra, t.repaired, t.dead_letters] {
            let _ = write!(html, "<td>{n}</td>");
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody>\n</table></div>\n");
}

/// Text that can stand in an element or between quotes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Not allowed in a page, whatever way it is written.
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
