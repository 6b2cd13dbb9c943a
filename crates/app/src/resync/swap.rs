//! The steps of a resync that are taken while its pipeline rests: the alias moves from one index to the other, what was
//! filled in vain is deleted. Each may be killed anywhere and is taken again.

use std::sync::Arc;

use serde_json::json;
use syncline_connectors::registry::{self, Generations};
use syncline_engine::clock::now_millis;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::ledger::{AuditRecord, Commit, DeadLetterFilter, Ledger};
use syncline_engine::mark::{Mark, Marks};
use syncline_engine::pipeline;

use super::book::{Book, end};
use super::plan;
use super::task::{Form, State, Task};
use crate::assemble;
use crate::config::Config;

/// Letters that are given up at once.
const LETTERS: usize = 500;

/// Lets the alias stand for the index that was filled, if that holds all that the live one was given. `Ok(false)`: it does
/// not yet.
pub async fn swap(config: &Config, ledger: &Arc<dyn Ledger>, book: &Book, task: &Task) -> Result<bool> {
    let Form::Index { alias, live, next, .. } = &task.form else { return Ok(true) };
    let generations = generations(config, task)?;
    let record = ledger.pipeline(&task.pipeline).await?;
    if generations.live(alias).await?.as_deref() != Some(next) {
        let of = |sink: &str| record.checkpoints.get(sink).map(|position| position.version);
        let (filled, given) = (of(&task.shadow()), of(&task.target));
        if filled.is_none() || filled < given {
            return Ok(false);
        }
        let detail = json!({ "id": task.id, "alias": alias, "from": live, "to": next });
        ledger.audit(&AuditRecord::now("syncline", "resync swap", &task.pipeline, &detail)).await?;
        generations.swap(alias, next).await?;
    }
    if let Some(filled) = record.marks.get(&task.shadow()) {
        let known = record.marks.get(&task.target);
        let marks = taken_over(known, filled, alias);
        ledger.take_over(&task.pipeline, &task.target, &marks, &task.shadow()).await?;
    }
    give_letters_up(&**ledger, task).await?;
    let live = (task.target.clone(), plan::index_target(alias));
    let filled = (task.shadow(), plan::index_target(&plan::filling(next)));
    pipeline::made_anew(&**ledger, &task.pipeline, &live, &filled).await?;
    book.change(&task.pipeline, |tasks| {
        // What the alias stands for now is no older generation that another task keeps.
        let again = |known: &&mut Task| known.target == task.target && known.kept() == Some(next);
        tasks.iter_mut().filter(again).for_each(Task::keep_nothing);
        if let Some(task) = tasks.iter_mut().find(|known| known.id == task.id) {
            end(task, State::Completed, None, now_millis());
            task.leftover = false;
        }
        Ok(())
    })
    .await?;
    tracing::info!(
        pipeline = task.pipeline,
        alias,
        index = next,
        "the alias stands for the index that was filled"
    );
    Ok(true)
}

/// Whether the alias stands for the index that was filled.
pub async fn is_moved(config: &Config, task: &Task) -> Result<bool> {
    let Form::Index { alias, next, .. } = &task.form else { return Ok(true) };
    Ok(generations(config, task)?.live(alias).await?.as_deref() == Some(next))
}

/// What the live sink remembers once the alias stands for what the other sink has filled.
fn taken_over(known: Option<&Marks>, filled: &Marks, alias: &str) -> Marks {
    let mut marks = known.cloned().unwrap_or_default();
    marks.0.retain(|_, mark| mark.target.as_deref() != Some(alias));
    let moved = |mark: &Mark| Mark { target: Some(alias.to_owned()), ..mark.clone() };
    marks.0.extend(filled.0.iter().map(|(index, mark)| (index.clone(), moved(mark))));
    marks
}

/// Takes away what a task that has failed or was cancelled has made. Its sink must not run any more.
pub async fn clean(config: &Config, ledger: &Arc<dyn Ledger>, book: &Book, task: &Task) -> Result<()> {
    if let Form::Index { alias, next, .. } = &task.form {
        let generations = generations(config, task)?;
        match task.rolls_back {
            None => generations.delete(alias, next).await?,
            // It was there before, and stays.
            Some(_) => generations.unname(next, &plan::filling(next)).await?,
        }
        ledger.forget_sink(&task.pipeline, &task.shadow()).await?;
        give_letters_up(&**ledger, task).await?;
    }
    book.set(task, |task| task.leftover = false).await
}

/// Deletes the index that a completed task has kept.
pub async fn forget(config: &Config, book: &Book, task: &Task) -> Result<()> {
    let Form::Index { alias, live, kept: true, .. } = &task.form else { return Ok(()) };
    generations(config, task)?.delete(alias, live).await?;
    book.set(task, Task::keep_nothing).await
}

/// The indices of the task's connection.
pub fn generations(config: &Config, task: &Task) -> Result<Box<dyn Generations>> {
    let connection = assemble::connection(config, &task.target)?;
    registry::generations(&connection)?.ok_or_else(|| {
        let what = format!("{} is no search server any more", task.target);
        Error::new(Code::ResyncOver, what)
    })
}

/// What the task's own sink refused: the live one has refused the same, or the task has failed for it.
async fn give_letters_up(ledger: &dyn Ledger, task: &Task) -> Result<()> {
    let filter = DeadLetterFilter { limit: LETTERS, ..letters_of(task, task.shadow()) };
    loop {
        let letters = ledger.dead_letters(&filter).await?;
        if letters.is_empty() {
            return Ok(());
        }
        let settled = letters.iter().map(|letter| letter.id).collect();
        ledger.commit(&task.pipeline, Commit { settled, ..Commit::default() }).await?;
    }
}

/// The dead letters of the task's pipeline at a sink.
pub fn letters_of(task: &Task, sink: String) -> DeadLetterFilter {
    DeadLetterFilter {
        pipeline: Some(task.pipeline.clone()),
        sink: Some(sink),
        ..DeadLetterFilter::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_marks_of_the_alias_are_replaced() {
        let mark = |token: &str, target: &str| Mark {
            token: token.to_owned(),
            target: Some(target.to_owned()),
            ..Mark::default()
        };
        let marks = |all: &[(&str, Mark)]| {
            Marks(all.iter().map(|(name, mark)| ((*name).to_owned(), mark.clone())).collect())
        };
        let known = marks(&[("x-000001", mark("a", "x")), ("y-000001", mark("b", "y"))]);
        let filled = marks(&[("x-000002", mark("c", "x-000002"))]);
        let expected = marks(&[("x-000002", mark("c", "x")), ("y-000001", mark("b", "y"))]);
        assert_eq!(taken_over(Some(&known), &filled, "x"), expected);
    }

    #[tokio::test]
    async fn a_table_is_stale_until_each_target_was_made_anew() {
        use syncline_engine::ledger::{TableRecord, TableState};

        let folder = tempfile::tempdir().unwrap();
        let ledger = registry::ledger(folder.path()).unwrap();
        let stale = TableRecord::new(TableState::Stale);
        for table in ["s.both", "s.one", "s.again"] {
            ledger.set_table("p", table, &stale).await.unwrap();
        }
        let (x, y) = (("a".to_owned(), plan::index_target("x")), ("a".to_owned(), plan::index_target("y")));
        let filled =
            |id: u64, index: &str| (format!("a~resync-{id}"), plan::index_target(&plan::filling(index)));
        // As a start with a changed file leaves it; the route of one changed once more while it was filled.
        let known = json!({ "s.both": [x, y], "s.one": [x], "s.again": [x, filled(1, "x-000002")] });
        let known = json!({ "tables": known, "made_by": "" });
        ledger.set_property("p", "stale", &known.to_string()).await.unwrap();
        let states = async || {
            let tables = ledger.pipeline("p").await.unwrap().tables;
            tables.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
        };
        for _ in 0..2 {
            pipeline::made_anew(&*ledger, "p", &x, &filled(1, "x-000002")).await.unwrap();
            assert_eq!(states().await, "s.again s.both");
        }
        pipeline::made_anew(&*ledger, "p", &y, &filled(2, "y-000002")).await.unwrap();
        assert_eq!(states().await, "s.again");
        pipeline::made_anew(&*ledger, "p", &x, &filled(3, "x-000003")).await.unwrap();
        assert_eq!(states().await, "");
    }
}
