//! Everything that can be said about a pipeline's routes without a server (`lint`): each finding names the key of the
//! file that it is about. What needs the tables' columns is `findings_online.rs`.

use crate::error::{Code, Error};
use crate::route::compile::escape_of;
use crate::route::template::Template;
use crate::route::transform::Action;
use crate::route::{FilterTest, NO_ROUTE, Pattern, PipelineSpec, RouteSpec, TargetKind, TargetSpec};
use crate::route::{TransformAction, check_when, reserved};

/// Something to tell about a route.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Index into the pipeline's routes.
    pub route: usize,
    /// Index into the route's targets, if it is about one.
    pub target: Option<usize>,
    /// The key of the route, or of its target, in the file.
    pub field: &'static str,
    /// Which entry of the key's list.
    pub index: Option<usize>,
    /// What is wrong. Of kind `Warning` if nothing keeps the pipeline from running.
    pub error: Error,
}

/// All offline findings of a pipeline; [`crate::route::collisions`] adds those between targets.
pub fn findings(pipeline: &PipelineSpec) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (n, route) in pipeline.routes.iter().enumerate() {
        let mut add = |field, index, error| {
            findings.push(Finding { route: n, target: None, field, index, error });
        };
        if let Err(error) = Pattern::parse(&route.table) {
            add("table", None, error);
        }
        check_key(route, &mut add);
        check_filters(route, &mut add);
        let gone = check_transforms(route, &mut add);
        for (at, name) in route.only.iter().flatten().enumerate() {
            if let Some(error) = gone_field(&gone, name) {
                add("only", Some(at), error);
            }
        }
        for (m, target) in route.targets.iter().enumerate() {
            let mut add = |field, index, error| {
                findings.push(Finding { route: n, target: Some(m), field, index, error });
            };
            check_target(route, target, &mut add);
            for (at, name) in target.mapping.keys().enumerate() {
                if let Some(error) = gone_field(&gone, name) {
                    add("mapping", Some(at), error);
                }
            }
        }
    }
    findings
}

type Add<'a> = &'a mut dyn FnMut(&'static str, Option<usize>, Error);

fn check_key(route: &RouteSpec, add: Add<'_>) {
    let Some(key) = &route.key else { return };
    if key.is_empty() {
        let error = Error::new(Code::ConfigBadValue, "`key:` names no column");
        add("key", None, error.fix("name at least one column, or remove `key:` to use the primary key"));
    }
    for (at, name) in key.iter().enumerate() {
        if key[..at].iter().any(|other| other.eq_ignore_ascii_case(name)) {
            add("key", Some(at), Error::new(Code::ConfigConflict, format!("`key:` names {name} twice")));
        }
    }
}

fn check_filters(route: &RouteSpec, add: Add<'_>) {
    for (at, filter) in route.filters.iter().enumerate() {
        if filter.name == NO_ROUTE {
            let message =
                format!("a filter cannot be called {NO_ROUTE}: rows without a route count under it");
            add("filter", Some(at), Error::new(Code::ConfigConflict, message).fix("choose another name"));
        }
        if route.filters[..at].iter().any(|other| other.name == filter.name) {
            let message = format!("two filters of the route are called {}", filter.name);
            add("filter", Some(at), Error::new(Code::ConfigConflict, message).fix("choose another name"));
        }
        if let FilterTest::When(text) = &filter.test
            && let Some(error) = check_when(text)
        {
            add("filter", Some(at), error);
        }
    }
}

/// Answers the fields that no document has any more, with what became of them.
fn check_transforms(route: &RouteSpec, add: Add<'_>) -> Vec<(String, String)> {
    let mut gone: Vec<(String, String)> = Vec::new();
    for (at, transform) in route.transforms.iter().enumerate() {
        let field = &transform.field;
        let makes = match &transform.action {
            TransformAction::Rename { from } => {
                if let Some(error) = gone_field(&gone, from) {
                    add("transform", Some(at), error);
                }
                if from != field {
                    gone.push((from.clone(), format!("it was renamed to {field}")));
                }
                true
            }
            TransformAction::Constant(_) => true,
            TransformAction::Template(text) => {
                if let Err(error) = Template::parse(text, true) {
                    add("transform", Some(at), error);
                }
                true
            }
            _ => {
                if let Some(error) = gone_field(&gone, field) {
                    add("transform", Some(at), error);
                }
                if let Err(error) = Action::new(transform, false) {
                    add("transform", Some(at), error);
                }
                if transform.action == TransformAction::Drop {
                    gone.push((field.clone(), "a transform drops it".to_owned()));
                }
                false
            }
        };
        if makes {
            gone.retain(|(name, _)| name != field);
            for target in route.targets.iter().filter(|target| !target.invalidate) {
                if let Some(why) = reserved(target.kind, field) {
                    let message = format!("the field {field:?} cannot go to {}: {why}", target.connection);
                    add(
                        "transform",
                        Some(at),
                        Error::new(Code::RouteReserved, message).fix("choose another name"),
                    );
                }
            }
        }
    }
    gone
}

fn gone_field(gone: &[(String, String)], name: &str) -> Option<Error> {
    let (_, why) = gone.iter().find(|(field, _)| field == name)?;
    Some(Error::new(Code::RouteColumn, format!("the documents have no field {name:?} any more: {why}")))
}

fn check_target(route: &RouteSpec, target: &TargetSpec, add: Add<'_>) {
    if matches!(target.kind, TargetKind::Stdout | TargetKind::Discard) {
        return;
    }
    if target.kind == TargetKind::Webhook && target.template.is_empty() {
        return; // The connection's own URL.
    }
    let word = target.kind.word();
    let (_, braces) = escape_of(target.kind);
    let mut dated = false;
    match Template::parse(&target.template, braces) {
        Err(error) => add(word, None, error),
        Ok(template) => {
            dated |= template.has_date();
            if let Some(error) = bad_name(target.kind, &template) {
                add(word, None, error);
            }
        }
    }
    if let Some(id) = &target.id {
        match Template::parse(id, true) {
            Err(error) => add("id", None, error),
            Ok(template) => dated |= template.has_date(),
        }
    }
    if dated && route.partition_by.is_none() && !target.kind.keeps_lines() {
        let message = format!(
            "the address at {} holds the date of the change, so a row that changes later has another one",
            target.connection
        );
        add(word, None, Error::new(Code::RouteUnsteady, message));
    }
}

/// Names that the target could not take, whatever the row.
fn bad_name(kind: TargetKind, template: &Template) -> Option<Error> {
    let literal: String = template.literals().collect();
    let bad = |code, what: String, fix: &str| {
        Some(Error::new(code, format!("{} {:?} {what}", kind.word(), template.as_str())).fix(fix))
    };
    match kind {
        TargetKind::Search => {
            let forbidden = |c: char| c.is_uppercase() || c.is_whitespace() || "\\/*?\"<>|,#:".contains(c);
            if let Some(c) = literal.chars().find(|c| forbidden(*c)) {
                let fix = "index names are lower-case and hold none of \\ / * ? \" < > | , # : or spaces";
                return bad(Code::SearchName, format!("holds {c:?}"), fix);
            }
            match template.as_str().chars().next() {
                Some(c @ ('-' | '_' | '+' | '.')) => bad(
                    Code::SearchName,
                    format!("begins with {c:?}"),
                    "begin an index name with a letter or a digit",
                ),
                _ => None,
            }
        }
        TargetKind::Archive => {
            let parts = || template.as_str().split('/');
            let bent = literal.contains(['\\', '\0']) || parts().any(|part| matches!(part, "" | "." | ".."));
            if bent {
                let fix = "write a path below the archive's folder, like orders/{YYYY-MM}";
                return bad(Code::RouteTemplate, "is no plain relative path".to_owned(), fix);
            }
            None
        }
        TargetKind::Webhook => {
            let what = bent_url(template)?;
            let fix = "write what follows the connection's URL, like /orders/{key}, or \"\" for nothing";
            bad(Code::RouteTemplate, what, fix)
        }
        TargetKind::Cache if template.as_str().trim_start_matches('{').starts_with("syncline:") => {
            let fix = "begin the key with another word";
            bad(Code::RouteReserved, "stands where Syncline keeps its own keys".to_owned(), fix)
        }
        _ => None,
    }
}

/// What keeps a template from being the end of a URL that every reader of URLs takes as it is written.
fn bent_url(template: &Template) -> Option<String> {
    let text = template.as_str();
    if !text.starts_with('/') {
        return Some("does not begin with `/`".to_owned());
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~!$&()*+,;=:@/?%".contains(c);
    if let Some(c) = template.literals().flat_map(str::chars).find(|c| !plain(*c)) {
        return Some(format!("holds {c:?}"));
    }
    let cut_short = |literal: &str| {
        let escapes = literal.split('%').skip(1);
        escapes.map(str::as_bytes).any(|e| e.len() < 2 || !e[..2].iter().all(u8::is_ascii_hexdigit))
    };
    if template.literals().any(cut_short) {
        return Some("has a `%` without two hexadecimal digits behind it".to_owned());
    }
    let path = text.split('?').next().unwrap_or_default();
    // Servers read an escaped dot as a dot.
    let dotted = |part: &str| matches!(&*part.to_ascii_lowercase().replace("%2e", "."), "." | "..");
    let bent = path.contains("//") || path.split('/').any(dotted);
    bent.then(|| "has an empty or a dotted part".to_owned())
}

#[cfg(test)]
#[path = "findings_tests.rs"]
mod tests;
