//! DDL on captured tables: the schema history moves, and the engine hears of it at its place in the stream. Columns are
//! taken from an earlier run over the same statement, from the catalog if nothing can have happened since, else from the
//! statement itself; where none of them can say, the table halts.

use syncline_engine::change::TableEvent;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::version::Version;

use super::follow::Follow;
use super::tables::State;
use crate::mysql::ddl::{self, Alter, Clause, Create};
use crate::mysql::schema::{Columns, Hold, Known, TableDetail, TableName};
use crate::mysql::server::Coordinate;

impl Follow {
    /// Whether the patterns name the table.
    pub(super) fn takes(&self, name: &TableName) -> bool {
        self.context.selection.takes(&name.to_string(), self.facts.folds_names())
    }

    fn version(&self, at: u64) -> Version {
        Version::new(self.epoch, self.head.number, at)
    }

    /// The table's rows cannot be captured any more; the others flow on.
    pub(super) async fn halt_table(&mut self, name: &TableName, error: Error, at: u64) -> Result<()> {
        self.history.add(name, self.version(at), Columns::Lost).await?;
        self.tables.set(name, Some(State::Halted));
        self.context.halted(name);
        self.tell(TableEvent::Halted { table: name.to_string().into(), error }).await
    }

    /// What an earlier run, or the catalog, says of the table right behind this statement.
    async fn known_after(&mut self, name: &TableName, at: u64) -> Result<Option<TableDetail>> {
        if let Some(known) = self.history.made_at(name, self.version(at)) {
            return Ok(Some((*known.detail).clone()));
        }
        let (found, coordinate) = self.read_catalog(name).await?;
        let here = *self.head.file == *coordinate.file && self.head.next == coordinate.offset;
        match found {
            Some(Ok(detail)) if here => Ok(Some(detail)),
            _ => Ok(None),
        }
    }

    /// The table as the catalog has it now, and where the binlog stands meanwhile.
    async fn read_catalog(&self, name: &TableName) -> Result<(Option<Result<TableDetail>>, Coordinate)> {
        let mut session = self.context.session().await?;
        let mut probe = self.context.session().await?;
        let hold = Hold::take(&mut session, std::slice::from_ref(name)).await?;
        let coordinate = probe.coordinate().await?;
        let mut tables = hold.release().await?;
        Ok((tables.remove(name), coordinate))
    }

    pub(super) async fn table_created(
        &mut self,
        name: &TableName,
        create: &Create,
        like: Option<&TableName>,
        at: u64,
    ) -> Result<()> {
        if !self.takes(name) {
            return match self.defined(name, create, like).filter(|_| is_ghost(name)) {
                Some(detail) => self.set_shadow(name, Some(Known::new(name, detail)), at).await,
                None => Ok(()),
            };
        }
        match self.tables.state(name) {
            Some(State::Joins { .. } | State::Halted) => return Ok(()),
            Some(State::Captured(_)) if create.if_not_exists => return Ok(()),
            Some(State::Captured(_)) if create.or_replace => self.table_gone(name, at).await?,
            _ => {}
        }
        let detail = match self.known_after(name, at).await? {
            Some(detail) => Some(detail),
            None => self.defined(name, create, like),
        };
        match detail {
            Some(detail) => self.appears(name, Known::new(name, detail), at).await,
            None => self.meet(name, at).await,
        }
    }

    /// The columns as the statement itself gives them.
    fn defined(&self, name: &TableName, create: &Create, like: Option<&TableName>) -> Option<TableDetail> {
        match (&create.body, like) {
            (ddl::Body::Like(_), Some(other)) => self.tables.columns(other).map(|k| (*k.detail).clone()),
            (ddl::Body::Columns { columns, primary_key, charset }, _) => {
                let database = self.charset_of(&name.database);
                ddl::created(columns, primary_key, charset.as_deref(), &database, &self.dialect).ok()
            }
            _ => None,
        }
    }

    /// Remembers, or forgets, a ghost table.
    async fn set_shadow(&mut self, name: &TableName, known: Option<Known>, at: u64) -> Result<()> {
        let columns = known.clone().map_or(Columns::Dropped, Columns::Known);
        self.history.add(name, self.version(at), columns).await?;
        self.tables.set(name, known.map(State::Shadow));
        Ok(())
    }

    fn charset_of(&self, database: &str) -> String {
        self.charsets.get(database).cloned().unwrap_or_else(|| "utf8mb4".to_owned())
    }

    /// A table is captured from here on that was not before.
    async fn appears(&mut self, name: &TableName, known: Known, at: u64) -> Result<()> {
        if let Some(error) = self.context.lacks_key(name, &known.detail, self.facts.folds_names()) {
            return self.halt_table(name, error, at).await;
        }
        self.history.add(name, self.version(at), Columns::Known(known.clone())).await?;
        let schema = std::sync::Arc::clone(&known.schema);
        self.tables.set(name, Some(State::Captured(known)));
        self.tell(TableEvent::Appeared(schema)).await?;
        // One of that name may have been given up.
        self.context.is_back(name);
        Ok(())
    }

    /// A table that the patterns name and that is not known: it joins where the catalog is read, and its rows are read
    /// from there. One that no longer exists needs nothing: its DROP is still to come.
    pub(super) async fn meet(&mut self, name: &TableName, at: u64) -> Result<()> {
        let (found, coordinate) = self.read_catalog(name).await?;
        match found {
            Some(Ok(detail)) => {
                // A restart before it has joined must not forget it.
                self.history.add(name, self.version(at), Columns::Lost).await?;
                let joins = coordinate.version(self.epoch)?;
                self.tables.set(
                    name,
                    Some(State::Joins { at: joins, known: Known::new(name, detail), back: false }),
                );
                Ok(())
            }
            Some(Err(error)) => self.halt_table(name, error, at).await,
            None => Ok(()),
        }
    }

    pub(super) async fn table_altered(
        &mut self,
        name: &TableName,
        alter: &Alter,
        database: &str,
        at: u64,
    ) -> Result<()> {
        let to = alter.clauses.iter().rev().find_map(|clause| match clause {
            Clause::RenameTo(to) => {
                Some(TableName::new(to.database.as_deref().unwrap_or(database), &to.table))
            }
            _ => None,
        });
        let Some(known) = self.tables.columns(name).cloned() else {
            return match to {
                Some(to) => self.tables_renamed(&[(name.clone(), to)], at).await,
                None => Ok(()),
            };
        };
        let charset = self.charset_of(&name.database);
        let applied = ddl::altered(&known.detail, alter, &charset, &self.dialect).ok();
        if matches!(self.tables.state(name), Some(State::Shadow(_))) {
            self.set_shadow(name, applied.map(|a| Known::new(name, a.detail)), at).await?;
            return match to {
                Some(to) => self.tables_renamed(&[(name.clone(), to)], at).await,
                None => Ok(()),
            };
        }
        let now = to.as_ref().unwrap_or(name);
        // MySQL 5 writes its binlog before the catalog shows the change.
        let atomic = self.facts.atomic_ddl();
        let behind = |found: &TableDetail| !atomic && found.same_rows(&known.detail);
        let detail = match self.known_after(now, at).await?.filter(|found| !behind(found)) {
            Some(detail) => Some(detail),
            None => applied.as_ref().map(|a| a.detail.clone()),
        };
        let Some(detail) = detail else {
            let message =
                format!("{name}: an ALTER TABLE is not understood, and the catalog has moved on since");
            return self.halt_table(name, Error::new(Code::MysqlSchema, message), at).await;
        };
        if let Some(error) =
            self.forbidden(name, &known.detail, &detail, applied.as_ref().and_then(|a| a.rows))
        {
            return self.halt_table(name, error, at).await;
        }
        let reread = match applied {
            Some(applied) => applied.reread || !applied.detail.same_rows(&detail),
            None => !known.detail.same_rows(&detail),
        };
        self.altered(name, known, detail, reread, at).await?;
        match to {
            Some(to) => self.tables_renamed(&[(name.clone(), to)], at).await,
            None => Ok(()),
        }
    }

    async fn altered(
        &mut self,
        name: &TableName,
        before: Known,
        detail: TableDetail,
        reread: bool,
        at: u64,
    ) -> Result<()> {
        // A column may have gone and come again, empty.
        if before.detail.same_rows(&detail) && !reread {
            return Ok(());
        }
        let known = Known::new(name, detail);
        self.history.add(name, self.version(at), Columns::Known(known.clone())).await?;
        let schema = std::sync::Arc::clone(&known.schema);
        self.tables.set(name, Some(State::Captured(known)));
        self.tell(TableEvent::Altered { schema, reread }).await
    }

    /// Changes after which documents could not be found again, or rows vanished without events.
    fn forbidden(
        &self,
        name: &TableName,
        before: &TableDetail,
        after: &TableDetail,
        rows: Option<&'static str>,
    ) -> Option<Error> {
        let folds = self.facts.folds_names();
        if let Some(clause) = rows {
            return Some(Error::new(
                Code::MysqlTruncate,
                format!("{name}: {clause} adds or removes rows without row events"),
            ));
        }
        if let Some(error) = self.context.lacks_key(name, after, folds) {
            return Some(error);
        }
        let kinds = |detail: &TableDetail, key: &[String]| -> Vec<_> {
            key.iter().map(|k| detail.position(k).map(|n| detail.columns[n].column().kind)).collect()
        };
        let (old, new) =
            (self.context.key_of(name, before, folds)?, self.context.key_of(name, after, folds)?);
        (kinds(before, old) != kinds(after, new)).then(|| {
            Error::new(
                Code::MysqlSchema,
                format!("{name}: the columns of its key changed, so documents have other ids"),
            )
            .fix(format!("empty its targets, then syncline backfill FILE --table {name}"))
        })
    }

    /// DROP TABLE, or a rename to a name that the patterns do not take.
    pub(super) async fn table_gone(&mut self, name: &TableName, at: u64) -> Result<()> {
        match self.tables.state(name) {
            None | Some(State::Joins { .. }) => return Ok(()),
            Some(State::Shadow(_)) => return self.set_shadow(name, None, at).await,
            Some(State::Captured(_) | State::Halted) => {}
        }
        self.history.add(name, self.version(at), Columns::Dropped).await?;
        let schema = self.tables.known(name).map(|known| std::sync::Arc::clone(&known.schema));
        self.tables.set(name, None);
        self.context.is_back(name);
        self.tell(TableEvent::Dropped { table: name.to_string().into(), schema }).await
    }

    /// RENAME TABLE: tables leave and join by their names. All pairs at once, as the server does; a name that is both
    /// left and taken keeps its documents and is read again.
    pub(super) async fn tables_renamed(&mut self, pairs: &[(TableName, TableName)], at: u64) -> Result<()> {
        let folds = self.facts.folds_names();
        // Where each table ends up, through chains such as a -> tmp, b -> a, tmp -> b.
        let mut moves: Vec<(TableName, TableName)> = Vec::new();
        for (from, to) in pairs {
            match moves.iter_mut().find(|(_, now)| now.key(folds) == from.key(folds)) {
                Some((_, now)) => *now = to.clone(),
                None => moves.push((from.clone(), to.clone())),
            }
        }
        let known: Vec<Option<Known>> =
            moves.iter().map(|(from, _)| self.tables.columns(from).cloned()).collect();
        let replaced = |name: &TableName| moves.iter().any(|(_, to)| to.key(folds) == name.key(folds));
        for (from, _) in moves.iter().filter(|(from, _)| !replaced(from)) {
            self.table_gone(from, at).await?;
        }
        for ((_, to), moved) in moves.iter().zip(known) {
            if self.takes(to) {
                self.takes_name(to, moved, at).await?;
            } else if let Some(moved) = moved.filter(|_| is_ghost(to)) {
                self.set_shadow(to, Some(Known::new(to, (*moved.detail).clone())), at).await?;
            }
        }
        Ok(())
    }

    /// A table comes under a name that is captured.
    async fn takes_name(&mut self, name: &TableName, moved: Option<Known>, at: u64) -> Result<()> {
        let before = match self.tables.state(name) {
            Some(State::Captured(known)) => Some(known.clone()),
            Some(State::Joins { .. }) => return Ok(()),
            Some(State::Halted | State::Shadow(_)) | None => None,
        };
        let detail = match self.known_after(name, at).await? {
            Some(detail) => Some(detail),
            None => moved.map(|known| (*known.detail).clone()),
        };
        match (before, detail) {
            (None, Some(detail)) => self.appears(name, Known::new(name, detail), at).await,
            (None, None) => self.meet(name, at).await,
            (Some(before), Some(detail)) => {
                if let Some(error) = self.forbidden(name, &before.detail, &detail, None) {
                    return self.halt_table(name, error, at).await;
                }
                let known = Known::new(name, detail);
                self.history.add(name, self.version(at), Columns::Known(known.clone())).await?;
                let schema = std::sync::Arc::clone(&known.schema);
                self.tables.set(name, Some(State::Captured(known)));
                self.tell(TableEvent::Altered { schema, reread: true }).await
            }
            (Some(_), None) => {
                let message = format!(
                    "{name}: another table has taken its name, and its columns at that moment are not known"
                );
                self.halt_table(name, Error::new(Code::MysqlSchema, message), at).await
            }
        }
    }

    /// A statement that changes tables and is not understood: for the captured tables it names, the catalog may help.
    pub(super) async fn unclear(&mut self, names: &[TableName], at: u64) -> Result<()> {
        for name in self.captured_among(names) {
            let Some(before) = self.tables.known(&name).cloned() else { continue };
            match self.known_after(&name, at).await? {
                Some(detail) => match self.forbidden(&name, &before.detail, &detail, None) {
                    Some(error) => self.halt_table(&name, error, at).await?,
                    None => self.altered(&name, before, detail, true, at).await?,
                },
                None => {
                    let message = format!(
                        "{name}: a statement about it is not understood, and the catalog has moved on since"
                    );
                    self.halt_table(&name, Error::new(Code::MysqlSchema, message), at).await?;
                }
            }
        }
        let mut new: Vec<TableName> =
            names.iter().filter(|n| self.takes(n) && self.tables.state(n).is_none()).cloned().collect();
        new.sort();
        new.dedup();
        for name in new {
            self.meet(&name, at).await?;
        }
        Ok(())
    }

    /// Tables whose place to join has come are captured from here on.
    pub(super) async fn join_due(&mut self) -> Result<()> {
        let settled = self.version(self.head.settled);
        for (name, known, back) in self.tables.due(settled) {
            let at = self.head.settled;
            if back {
                self.history.add(&name, settled, Columns::Known(known.clone())).await?;
                let schema = std::sync::Arc::clone(&known.schema);
                self.tables.set(&name, Some(State::Captured(known)));
                self.tell(TableEvent::Altered { schema, reread: false }).await?;
                self.context.is_back(&name);
            } else {
                self.tables.set(&name, None);
                self.appears(&name, known, at).await?;
            }
        }
        if self.selection_changed && !self.tables.any_joining() {
            self.selection_changed = false;
            self.context.remember_selection().await?;
        }
        Ok(())
    }

    /// Halted tables that somebody reads anew: they join again where the catalog is read now.
    pub(super) async fn bring_back(&mut self) -> Result<()> {
        for name in self.context.asked_back() {
            if !matches!(self.tables.state(&name), Some(State::Halted)) {
                continue;
            }
            let (found, coordinate) = self.read_catalog(&name).await?;
            if let Some(Ok(detail)) = found
                && self.context.lacks_key(&name, &detail, self.facts.folds_names()).is_none()
            {
                let at = coordinate.version(self.epoch)?;
                self.tables
                    .set(&name, Some(State::Joins { at, known: Known::new(&name, detail), back: true }));
            }
        }
        if self.transaction.is_none() { self.join_due().await } else { Ok(()) }
    }
}

/// Tables of gh-ost and pt-online-schema-change, which end under another name.
pub(super) fn is_ghost(name: &TableName) -> bool {
    let ends = ["_gho", "_ghc", "_del", "_new", "_old"];
    name.table.starts_with('_') && ends.iter().any(|end| name.table.ends_with(end))
}
