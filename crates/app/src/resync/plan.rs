//! What a request means for the file: which target, and whether it is an index that another can be filled beside. What
//! cannot be made anew is refused here, before anything is done.

use syncline_connectors::registry::{self, Generation};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::route::{
    Pattern, PipelineSpec, RouteSpec, Selection, TargetKind, TargetSpec, check_when,
};
use syncline_engine::verify::Only;

use super::task::{Form, Task};
use crate::assemble;
use crate::config::Config;

/// What is put behind the name of an index to name the alias by which it is filled. It is gone with the swap.
const FILLING: &str = "-filling";

/// The name by which an index is filled.
pub fn filling(index: &str) -> String {
    format!("{index}{FILLING}")
}

/// A target of search as the pipeline's record of its routes names it.
pub fn index_target(template: &str) -> String {
    format!("{}: {template}", TargetKind::Search.word())
}

/// How the target of a table at a connection is made anew. `target`: the connection, needed where the table has several.
pub async fn plan(
    config: &Config,
    spec: &PipelineSpec,
    table: &str,
    target: Option<&str>,
    part: Option<&Only>,
) -> Result<(String, Form)> {
    let found = choose(spec, table, target)?;
    if let Some(rows) = part {
        readable(spec, rows)?;
        return Ok((found.connection.clone(), Form::Part { rows: rows.clone() }));
    }
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

/// Whether these can be told from the other rows, as far as the file says.
fn readable(spec: &PipelineSpec, rows: &Only) -> Result<()> {
    let refused = |what: String| Err(Error::new(Code::ResyncPart, what));
    match rows {
        Only::Tenant(_) if spec.tenant.is_none() => {
            refused(format!("pipeline {} does not say which column names the tenant", spec.name))
        }
        Only::Where(condition) => match check_when(condition) {
            Some(error) => refused(error.message().to_owned()),
            None => Ok(()),
        },
        Only::Tenant(_) | Only::Keys { .. } => Ok(()),
    }
}

/// A resync's index, made live again: the task that fills what it has kept. Nothing is done yet.
pub async fn back(config: &Config, spec: &PipelineSpec, undone: &Task, id: u64, actor: &str) -> Result<Task> {
    let (Form::Index { alias, .. }, Some(old)) = (&undone.form, undone.kept()) else {
        return Err(Error::new(Code::ResyncOver, format!("resync {} keeps no index", undone.id)));
    };
    let target = spec.routes.iter().flat_map(|route| &route.targets).find(|target| {
        target.kind == TargetKind::Search && target.connection == undone.target && target.template == *alias
    });
    let Some(target) = target else {
        let what = format!("the file has no target {alias} at {} any more", undone.target);
        return Err(Error::new(Code::ResyncTarget, what));
    };
    alone(config, spec, target)?;
    let Some(live) = super::swap::generations(config, undone)?.live(alias).await? else {
        let what = format!("{}: {alias} is not an alias of one index", undone.target);
        return Err(Error::new(Code::ResyncTarget, what));
    };
    if live == old {
        return Err(Error::new(Code::ResyncOver, format!("{alias} stands for {old} already")));
    }
    let form = Form::Index { alias: alias.clone(), live, next: old.to_owned(), kept: true };
    let task = Task::new(id, &spec.name, &undone.table, &undone.target, form, actor);
    // What is named for it has to be taken back, wherever it ends.
    Ok(Task { leftover: true, rolls_back: Some(undone.id), ..task })
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
                template: filling(next),
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
