//! What one change means for each target of its route: a document, nothing, a line, a move of two halves, a row that a
//! rule keeps out, or a row that can have no delivery. The rules stand in DESIGN 3 (4 and 6); this is their one place.

use std::sync::Arc;

use bytes::Bytes;

use crate::change::{CaptureBatch, Change, Operation};
use crate::error::{Error, Result};
use crate::route::cells::Cells;
use crate::route::compile::Target;
use crate::route::line::LineParts;
use crate::route::routed::{Deliveries, Loaded, Scratch, Subject, Texts};
use crate::route::{CompiledRoute, Scope, TargetKind};
use crate::sink::{Address, Body, Counted, Delivery};
use crate::version::Version;

/// The change in hand with its images read and judged.
struct Row<'a> {
    subject: Subject<'a>,
    change: &'a Change,
    before: Option<Image<'a>>,
    after: Option<Image<'a>>,
}

#[derive(Clone, Copy)]
struct Image<'a> {
    loaded: &'a Loaded,
    /// The rule that keeps it out.
    rule: Option<&'a Arc<str>>,
}

/// Bodies that targets of one route share.
#[derive(Default)]
struct Shared {
    document: Option<Bytes>,
    line: Option<Bytes>,
    deleted: Option<Bytes>,
}

impl CompiledRoute {
    /// Adds what the change means for each target. What is wrong with the row alone becomes [`super::Refused`]; an
    /// error means that the table or the pipeline cannot go on.
    pub fn deliver(&self, batch: &Arc<CaptureBatch>, index: u32, out: &mut Deliveries) -> Result<()> {
        let Some(change) = batch.changes.get(index as usize) else { return Ok(()) };
        let mut scratch = out.scratch.take().unwrap_or_default();
        let Scratch { before, after, texts } = &mut *scratch;
        let read = self.read(change, before, after);
        if read.is_ok() {
            let image = |loaded| Image { loaded, rule: self.rule(loaded) };
            let row = Row {
                subject: Subject { batch, index },
                change,
                before: change.before.as_ref().map(|_| image(&*before)),
                after: change.after.as_ref().map(|_| image(&*after)),
            };
            self.deliver_row(&row, texts, out);
        }
        out.scratch = Some(scratch);
        read
    }

    fn read(&self, change: &Change, before: &mut Loaded, after: &mut Loaded) -> Result<()> {
        if let Some(row) = &change.before {
            self.load(row, change.origin.committed_at, self.needs_before, before)?;
            if before.partial {
                self.require_addresses(before)?;
            }
        }
        if let Some(row) = &change.after {
            self.load(row, change.origin.committed_at, self.needs_after, after)?;
        }
        Ok(())
    }

    fn deliver_row(&self, row: &Row<'_>, texts: &mut Texts, out: &mut Deliveries) {
        let mut shared = Shared::default();
        for target in &self.targets {
            let mut step = Step { route: self, row, target, texts, out, shared: &mut shared };
            match (row.before, row.after) {
                _ if target.plan.spec.kind.keeps_lines() => step.lines(),
                (before, Some(after)) if after.rule.is_none() => step.upsert(before, after),
                (before, Some(after)) => step.kept_out(before, after),
                (Some(before), None) => step.delete(before),
                (None, None) => {}
            }
        }
    }
}

/// One change at one target.
struct Step<'a> {
    route: &'a CompiledRoute,
    row: &'a Row<'a>,
    target: &'a Target,
    texts: &'a mut Texts,
    out: &'a mut Deliveries,
    shared: &'a mut Shared,
}

impl Step<'_> {
    fn address(&mut self, image: Image<'_>) -> Result<Address> {
        self.route.address(self.target, image.loaded, self.texts)
    }

    fn delivery(&self, address: Address, body: Body, version: Version, counted: Counted) -> Delivery {
        Delivery {
            plan: Arc::clone(&self.target.plan),
            address,
            body,
            version,
            batch: Arc::clone(self.row.subject.batch),
            index: self.row.subject.index,
            counted,
            coerced: 0,
        }
    }

    fn push(&mut self, address: Address, body: Body, version: Version, counted: Counted, coerced: u32) {
        let delivery = Delivery { coerced, ..self.delivery(address, body, version, counted) };
        self.out.items.push((self.target.sink, delivery));
    }

    fn filter(&mut self, rule: &Arc<str>) {
        self.out.dropped.push((self.target.sink, Arc::clone(rule)));
    }

    fn refuse(&mut self, image: Image<'_>, address: Result<Address>, error: Error) {
        // All lines of a stream stand at one address; what is parked needs one of its own.
        let streams = matches!(self.target.plan.spec.kind, TargetKind::Stdout | TargetKind::Discard);
        let own = address.ok().filter(|_| !streams);
        let address = own.unwrap_or_else(|| self.route.fallback(image.loaded));
        let delivery = self.delivery(address, Body::Absent, self.row.change.version, Counted::Delivery);
        self.out.refused.push((self.target.sink, delivery, error));
    }

    /// The old address, if the row had another one.
    fn left(&mut self, before: Option<Image<'_>>, after: Image<'_>, to: &Result<Address>) -> Option<Address> {
        let before = before?;
        if before.loaded.cells.same(&after.loaded.cells, &self.target.address_slots) && to.is_ok() {
            return None;
        }
        let from = self.address(before).ok()?; // What had no address left nothing there.
        (to.as_ref().ok() != Some(&from)).then_some(from)
    }

    /// The row is to be in the target; at its old address it is not.
    fn upsert(&mut self, before: Option<Image<'_>>, after: Image<'_>) {
        let change = self.row.change;
        let address = self.address(after);
        if let Some(old) = self.left(before, after, &address) {
            self.push(old, Body::Absent, change.before_version, Counted::No, 0);
        }
        match (address, &after.loaded.written.refused) {
            (Ok(address), _) if self.target.plan.spec.invalidate => {
                self.push(address, Body::Absent, change.version, Counted::Delivery, 0);
            }
            (Ok(address), None) => {
                let body = self.document(after.loaded);
                let coerced = after.loaded.written.coerced;
                self.push(address, Body::Document(body), change.version, Counted::Delivery, coerced);
            }
            (address, Some(error)) => self.refuse(after, address, error.clone()),
            (Err(error), None) => self.refuse(after, Err(error.clone()), error),
        }
    }

    /// A rule keeps the row out: what an earlier state of it left in the target is taken out.
    fn kept_out(&mut self, before: Option<Image<'_>>, after: Image<'_>) {
        let Some(rule) = after.rule else { return };
        let change = self.row.change;
        let counted = Counted::Filtered(Arc::clone(rule));
        let gone = match (change.operation, before) {
            (Operation::Insert, _) => None,
            (Operation::Update, Some(before)) if before.rule.is_some() => None,
            (_, Some(before)) => {
                let same = before.loaded.cells.same(&after.loaded.cells, &self.target.address_slots);
                let version = if same { change.version } else { change.before_version };
                self.address(before).ok().map(|address| (address, version))
            }
            // Read beside the stream: the target may hold an older version.
            (_, None) => self.address(after).ok().map(|address| (address, change.version)),
        };
        match gone {
            Some((address, version)) => self.push(address, Body::Absent, version, counted, 0),
            None => self.filter(rule),
        }
    }

    fn delete(&mut self, before: Image<'_>) {
        if let Some(rule) = before.rule {
            return self.filter(rule);
        }
        match self.address(before) {
            Ok(address) => {
                self.push(address, Body::Absent, self.row.change.version, Counted::Delivery, 0);
            }
            Err(error) => self.refuse(before, Err(error.clone()), error),
        }
    }

    /// A target that keeps every change.
    fn lines(&mut self) {
        let change = self.row.change;
        let passing = |image: Option<Image<'_>>| image.is_some_and(|image| image.rule.is_none());
        match (self.row.before, self.row.after) {
            (Some(before), Some(after)) if passing(Some(before)) && passing(Some(after)) => {
                let moved = !before.loaded.cells.same(&after.loaded.cells, &self.route.key_slots);
                if moved {
                    self.gone(before, change.before_version, Counted::No);
                    self.line(Operation::Insert, None, after);
                } else {
                    self.line(Operation::Update, Some(before), after);
                }
            }
            // A row that begins to match is new to those who read the lines.
            (Some(_), Some(after)) if passing(Some(after)) => self.line(Operation::Insert, None, after),
            (None, Some(after)) if passing(Some(after)) => self.line(change.operation, None, after),
            (before, Some(Image { loaded, rule: Some(rule) })) => match before {
                Some(before) if before.rule.is_none() => {
                    let same = before.loaded.cells.same(&loaded.cells, &self.route.key_slots);
                    let version = if same { change.version } else { change.before_version };
                    self.gone(before, version, Counted::Filtered(Arc::clone(rule)));
                }
                _ => self.filter(rule),
            },
            (Some(Image { rule: Some(rule), .. }), None) => self.filter(rule),
            (Some(before), None) => self.gone(before, change.version, Counted::Delivery),
            (None, None) if change.operation == Operation::Truncate => self.emptied(),
            (_, _) => {}
        }
    }

    /// One line for all rows of the table, at what stands for all their addresses.
    fn emptied(&mut self) {
        let change = self.row.change;
        let plan = &self.target.plan;
        let Some(target) = Scope::new(plan, &change.schema.name).ok().and_then(|scope| scope.names()) else {
            return;
        };
        // One URL a row cannot be told of all of them.
        if plan.spec.kind == TargetKind::Webhook && target.contains('*') {
            return;
        }
        self.texts.tail.set(&change.origin);
        let parts = LineParts {
            operation: change.operation,
            key: (&Cells::default(), &[]),
            before: None,
            after: None,
            version: change.version,
            offset: change.offset,
        };
        self.texts.line.clear();
        self.route.line.write(&parts, &self.texts.tail, &mut self.texts.line);
        let body = Body::Line(self.out.share(&self.texts.line));
        let address = Address { target: target.into(), id: Arc::default() };
        self.push(address, body, change.version, Counted::No, 0);
    }

    /// The line of a row that is there.
    fn line(&mut self, operation: Operation, before: Option<Image<'_>>, after: Image<'_>) {
        let address = self.address(after);
        match (address, &after.loaded.written.refused) {
            (Ok(address), None) => {
                let body = match self.shared.line.take() {
                    Some(body) => body,
                    None => {
                        let before = before.map(|image| image.loaded);
                        let after = after.loaded;
                        self.write_line(operation, after, before, Some(after), self.row.change.version)
                    }
                };
                self.shared.line = Some(body.clone());
                let coerced = after.loaded.written.coerced;
                self.push(address, Body::Line(body), self.row.change.version, Counted::Delivery, coerced);
            }
            (address, Some(error)) => self.refuse(after, address, error.clone()),
            (Err(error), None) => self.refuse(after, Err(error.clone()), error),
        }
    }

    /// The line of a row that is not there any more.
    fn gone(&mut self, before: Image<'_>, version: Version, counted: Counted) {
        match self.address(before) {
            Ok(address) => {
                let body = match self.shared.deleted.take() {
                    Some(body) => body,
                    None => {
                        self.write_line(Operation::Delete, before.loaded, Some(before.loaded), None, version)
                    }
                };
                self.shared.deleted = Some(body.clone());
                let coerced = before.loaded.written.coerced;
                self.push(address, Body::Line(body), version, counted, coerced);
            }
            Err(error) if counted != Counted::No => self.refuse(before, Err(error.clone()), error),
            Err(_) => {} // The other half of the move is counted.
        }
    }

    fn write_line(
        &mut self,
        operation: Operation,
        key: &Loaded,
        before: Option<&Loaded>,
        after: Option<&Loaded>,
        version: Version,
    ) -> Bytes {
        fn document(loaded: Option<&Loaded>) -> Option<&[u8]> {
            loaded.filter(|loaded| loaded.written.refused.is_none()).map(|loaded| loaded.document.as_slice())
        }
        self.texts.tail.set(&self.row.change.origin);
        let parts = LineParts {
            operation,
            key: (&key.cells, &self.route.key_slots),
            before: document(before),
            after: document(after),
            version,
            offset: self.row.change.offset,
        };
        self.texts.line.clear();
        self.route.line.write(&parts, &self.texts.tail, &mut self.texts.line);
        self.out.share(&self.texts.line)
    }

    fn document(&mut self, loaded: &Loaded) -> Bytes {
        let body = self.shared.document.take().unwrap_or_else(|| self.out.share(&loaded.document));
        self.shared.document = Some(body.clone());
        body
    }
}
