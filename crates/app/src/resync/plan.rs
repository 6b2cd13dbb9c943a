//! What a request means for the file: which target, and whether it is an index that another can be filled beside. What
//! cannot be made anew is refused here, before anything is done.

use syncline_connectors::registry::{self, Generation};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::route::{Pattern, PipelineSpec, RouteSpec, Selection, TargetKind, TargetSpec};

use super::task::{Form, Task};
use crate::assemble;
use crate::config::Config;

/// What is put behind the name of an index to name the alias by which it is filled. It is gone with the swap.
const FILLING: &str = "-filling";

/// How the target of a table at a connection is made anew. `target`: the connection, needed where the table has several.
pub async fn plan(
    config: &Config,
    spec: &PipelineSpec,
    table: &str,
    target: Option<&str>,
) -> Result<(String, Form)> {
    let found = choose(spec, table, target)?;
    let connection = assemble::connection(config, &found.connection)?;
    let Some(generations) = registry::generations(&connection)?.filter(|_| found.kind == TargetKind::Search)
    else {
        return Ok((found.connection.clone(), Form::Place { planned: false }));
    };
    alone(config, spec, found)?;
    let Generation { live, next, writers } = generations.look(&found.template).await?;
    if let Some(other) = writers.iter().find(|name| **name != spec.name) {
        let what =
            format!("pipeline {other} writes to {} as well: its documents would be lost", found.template);
        return Err(Error::new(Code::ResyncTarget, what));
    }
    let alias = found.template.clone();
    Ok((found.connection.clone(), Form::Index { alias, live, next, kept: true }))
}

/// The route that takes a table.
fn route<'a>(spec: &'a PipelineSpec, table: &str) -> Result<&'a RouteSpec> {
    let literal = Pattern::parse(table).is_ok_and(|pattern| pattern.is_literal());
    let captured = Selection::parse(&spec.source.tables, &spec.source.exclude)?.takes(table, true);
    let takes = |route: &&RouteSpec| Pattern::parse(&route.table).is_ok_and(|p| p.matches(table, true));
    spec.routes.iter().find(takes).filter(|_| literal && captured).ok_or_else(|| {
        Error::new(Code::Unknown, format!("no route of pipeline {} takes {table:?}", spec.name))
            .fix("name one table as `database.table`")
    })
}

fn choose<'a>(spec: &'a PipelineSpec, table: &str, target: Option<&str>) -> Result<&'a TargetSpec> {
    let all = &route(spec, table)?.targets;
    let asked = |spec: &&TargetSpec| target.is_none_or(|name| spec.connection == name);
    let chosen: Vec<&TargetSpec> = all.iter().filter(asked).collect();
    let fits = |spec: &&&TargetSpec| !spec.kind.keeps_lines() && !spec.invalidate;
    let fitting: Vec<&TargetSpec> = chosen.iter().filter(fits).copied().collect();
    match (fitting.as_slice(), chosen.first()) {
        ([one], _) => Ok(one),
        ([], Some(spec)) => Err(Error::new(
            Code::ResyncTarget,
            format!("{} of {table} keeps no documents that could be made anew", spec.connection),
        )),
        ([], None) => {
            let known = all.iter().map(|spec| spec.connection.as_str());
            Err(crate::cli::names::unknown("target", target.unwrap_or_default(), known))
        }
        (several, _) => {
            let names: Vec<&str> = several.iter().map(|spec| spec.connection.as_str()).collect();
            let error =
                Error::new(Code::ResyncTarget, format!("{table} has several targets that hold documents"));
            match target {
                None => Err(error.fix(format!("name one with --target: {}", names.join(", ")))),
                Some(_) => Err(error),
            }
        }
    }
}

/// Whether nothing but this target's documents can be in the index: others would be lost with the live one.
fn alone(config: &Config, spec: &PipelineSpec, target: &TargetSpec) -> Result<()> {
    let refused = |what: String| Err(Error::new(Code::ResyncTarget, what));
    if target.template.contains('{') {
        return refused(format!("{} is not one index: its rows say which", target.template));
    }
    let place = assemble::connection(config, &target.connection)?.shown();
    for other_pipeline in &config.pipelines {
        let targets = other_pipeline.routes.iter().flat_map(|route| &route.targets);
        for other in targets.filter(|other| other.kind == TargetKind::Search) {
            let same = other_pipeline.name == spec.name
                && other.connection == target.connection
                && other.template == target.template;
            let near = assemble::connection(config, &other.connection)?.shown() == place;
            if !same && near && may_be(&other.template, &target.template) {
                return refused(format!(
                    "`index: {}` of pipeline {} may write to {} as well: its documents would be lost",
                    other.template, other_pipeline.name, target.template
                ));
            }
        }
    }
    Ok(())
}

/// Whether a template can become this name.
fn may_be(template: &str, name: &str) -> bool {
    match (template.split_once('{'), template.rsplit_once('}')) {
        (Some((before, _)), Some((_, after))) => name.starts_with(before) && name.ends_with(after),
        _ => template == name,
    }
}

/// The pipeline with the sink that fills the task's index; `None` if the file has no such target any more.
pub fn with_shadow(spec: &PipelineSpec, task: &Task) -> Option<PipelineSpec> {
    let Form::Index { alias, next, .. } = &task.form else { return None };
    let mut spec = spec.clone();
    let mut found = false;
    for route in &mut spec.routes {
        let live = route.targets.iter().find(|target| {
            target.kind == TargetKind::Search && target.connection == task.target && target.template == *alias
        });
        if let Some(live) = live.cloned() {
            found = true;
            route.targets.push(TargetSpec {
                connection: task.shadow(),
                template: format!("{next}{FILLING}"),
                first_index: Some(next.clone()),
                ..live
            });
        }
    }
    found.then_some(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_may_become_a_name() {
        assert!(may_be("cases", "cases"));
        assert!(may_be("ca{x}", "cases"));
        assert!(may_be("{x}es", "cases"));
        assert!(!may_be("cases_{x}", "cases"));
        assert!(!may_be("{x}_v1", "cases"));
    }
}
