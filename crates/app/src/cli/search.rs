//! `search`: asks the index that a route names, whatever keeps it, and prints what it answers.

use std::time::Duration;

use syncline_connectors::registry::{self, Hit};
use syncline_engine::error::{Code, Error};
use syncline_engine::route::{PipelineSpec, TargetKind, TargetSpec};

use super::names;
use crate::arguments::SearchArgs;
use crate::exit::{Exit, Failure};
use crate::{assemble, out};

const PATIENCE: Duration = Duration::from_secs(60);

/// Prints the best documents, best first.
pub async fn search(args: SearchArgs) -> Result<Exit, Failure> {
    let config = names::load(&args.file)?;
    let indices = config.pipelines.iter().flat_map(search_targets);
    let found = indices.clone().find(|(_, target)| writes(target, &args.index));
    let Some((pipeline, target)) = found else {
        return Err(names::unknown("index", &args.index, indices.map(|(_, t)| t.template.as_str())).into());
    };
    let connection = assemble::connection(&config, &target.connection)?;
    let index = wildcard(&args.index);
    let asked = registry::search(&connection, pipeline, &index, &args.query, args.limit);
    let late = || Error::new(Code::Interrupted, format!("{} did not answer in time", target.connection));
    let hits = tokio::time::timeout(PATIENCE, asked).await.map_err(|_| late())??;
    hits.iter().try_for_each(|hit| print(hit, args.json))?;
    Ok(Exit::Ok)
}

fn print(hit: &Hit, json: bool) -> Result<(), Failure> {
    if json {
        return out::json_line(hit);
    }
    let score = hit.score.map_or_else(|| "-".to_owned(), |s| format!("{s:.3}"));
    out::data(&format!("{}  {score}  {}\n", out::visible(&hit.id), out::visible(hit.document.get())))
}

fn search_targets(pipeline: &PipelineSpec) -> impl Iterator<Item = (&PipelineSpec, &TargetSpec)> + Clone {
    let targets = pipeline.routes.iter().flat_map(|r| &r.targets);
    targets.filter(|t| t.kind == TargetKind::Search).map(move |t| (pipeline, t))
}

/// Whether the target's template can make this name, or is it.
fn writes(target: &TargetSpec, index: &str) -> bool {
    target.template == index || fits(&wildcard(&target.template), index)
}

/// A template with every `{…}` as `*`.
fn wildcard(template: &str) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        text.push('*');
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    text + rest
}

/// Whether `pattern`, in which `*` stands for any text, matches `name`.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::{fits, wildcard};

    #[test]
    fn a_name_fits_the_template_that_can_make_it() {
        assert_eq!(wildcard("executions_{YYYY-MM}_v1"), "executions_*_v1");
        for (pattern, name, answer) in [
            ("cases_v1", "cases_v1", true),
            ("cases_v1", "cases_v2", false),
            ("a_*_v1", "a_2026-01_v1", true),
            ("a_*_v1", "a_*_v1", true),
            ("a_*_v1", "b_2026-01_v1", false),
            ("*-*", "x-y", true),
            ("a*b*a", "aba", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(fits(pattern, name), answer, "{pattern} {name}");
        }
    }
}
