//! Writes a route's document straight from a row's values into the output: fields without a transform take no detour.
//! The few columns that filters, keys and templates name are kept beside it in cells.

use crate::error::{Error, Kind, Result};
use crate::json::{self, ZeroDates};
use crate::route::address::{Escape, Facts, Rendering};
use crate::route::cells::{Cells, Slots};
use crate::route::fields::actions;
use crate::route::project::{FieldPlan, FieldSource};
use crate::route::template::Template;
use crate::route::transform::{self, Action};
use crate::route::{RouteSpec, TransformAction};
use crate::row::{RowImage, RowVisitor};
use crate::schema::TableSchema;
use crate::value::Value;

/// How rows of one schema become documents of one route.
#[derive(Debug)]
pub(crate) struct Projection {
    columns: Vec<ColumnPlan>,
    /// `,"name":` of all fields.
    prefixes: Vec<u8>,
    changed: Vec<Changed>,
    made: Vec<Made>,
    pub zero_dates: ZeroDates,
}

#[derive(Clone, Copy, Debug)]
struct ColumnPlan {
    /// Whether anything needs the column.
    wanted: bool,
    slot: Option<usize>,
    emit: Emit,
}

/// A range of `prefixes`.
type Prefix = (usize, usize);

#[derive(Clone, Copy, Debug)]
enum Emit {
    Skip,
    Plain(Prefix),
    /// Index into `changed`.
    Changed(Prefix, usize),
}

#[derive(Debug)]
struct Changed {
    name: String,
    actions: Vec<Action>,
}

/// A field that no column feeds.
#[derive(Debug)]
struct Made {
    prefix: Prefix,
    content: Content,
    changed: Changed,
}

#[derive(Debug)]
enum Content {
    Constant(String),
    Template(Rendering),
}

/// What became of a row on the way to its document.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub coerced: u32,
    /// Why this row can have no document.
    pub refused: Option<Error>,
}

impl Projection {
    /// Compiles the fields; `slot` answers the slot of a source column. Call [`Projection::keep`] when all slots are known.
    pub fn new(
        route: &RouteSpec,
        schema: &TableSchema,
        fields: &[FieldPlan],
        slot: &mut dyn FnMut(&str) -> Result<usize>,
    ) -> Result<Projection> {
        let plain = ColumnPlan { wanted: false, slot: None, emit: Emit::Skip };
        let mut projection = Projection {
            columns: vec![plain; schema.columns.len()],
            prefixes: Vec::new(),
            changed: Vec::new(),
            made: Vec::new(),
            zero_dates: if route.zero_date_text { ZeroDates::Text } else { ZeroDates::Null },
        };
        for field in fields {
            let prefix = projection.prefix(&field.name);
            let changed = Changed { name: field.name.to_string(), actions: actions(route, schema, field)? };
            match field.source {
                FieldSource::Column(column) => {
                    let emit = if changed.actions.is_empty() {
                        Emit::Plain(prefix)
                    } else {
                        projection.changed.push(changed);
                        Emit::Changed(prefix, projection.changed.len() - 1)
                    };
                    if let Some(plan) = projection.columns.get_mut(column) {
                        plan.emit = emit;
                    }
                }
                FieldSource::Transform(n) => {
                    if let Some(content) = content(route, schema, n, slot)? {
                        projection.made.push(Made { prefix, content, changed });
                    }
                }
            }
        }
        Ok(projection)
    }

    /// Marks the columns that are kept in cells.
    pub fn keep(&mut self, slots: &Slots) {
        for (column, plan) in self.columns.iter_mut().enumerate() {
            plan.slot = slots.find(column);
            plan.wanted = plan.slot.is_some() || !matches!(plan.emit, Emit::Skip);
        }
    }

    /// Whether a field's template uses dates of the row or the commit.
    pub fn uses_moment(&self) -> bool {
        self.made.iter().any(|made| matches!(&made.content, Content::Template(t) if t.uses_moment()))
    }

    fn prefix(&mut self, name: &str) -> Prefix {
        let start = self.prefixes.len();
        self.prefixes.push(b',');
        json::write_string(&mut self.prefixes, name);
        self.prefixes.push(b':');
        (start, self.prefixes.len())
    }

    fn text(&self, (start, end): Prefix) -> &[u8] {
        &self.prefixes[start..end]
    }

    /// Keeps the cells of a row and nothing else.
    pub fn keep_cells(&self, row: &RowImage, cells: &mut Cells) -> Result<()> {
        row.visit(&mut CellWalk { columns: &self.columns, cells })
    }

    /// Appends the columns' part of the document and keeps the cells; [`Projection::close`] ends the document.
    pub fn open(&self, row: &RowImage, cells: &mut Cells, out: &mut Vec<u8>) -> Result<Written> {
        let mut walk = DocumentWalk { projection: self, cells, out, written: Written::default() };
        row.visit(&mut walk)?;
        Ok(walk.written)
    }

    /// Appends the fields that no column feeds and closes the object that began at `start`.
    pub fn close(&self, facts: &Facts<'_>, start: usize, out: &mut Vec<u8>, written: &mut Written) {
        for made in &self.made {
            out.extend_from_slice(self.text(made.prefix));
            self.make(made, facts, out, written);
        }
        if out.len() == start {
            out.extend_from_slice(b"{}");
        } else {
            out[start] = b'{'; // It was the comma of the first prefix.
            out.push(b'}');
        }
    }

    fn make(&self, made: &Made, facts: &Facts<'_>, out: &mut Vec<u8>, written: &mut Written) {
        let mut text = String::new();
        let value = match &made.content {
            Content::Constant(json) => Value::Json(json),
            Content::Template(template) => match template.write_unchecked(facts, &mut text) {
                Ok(()) => Value::Text(&text),
                Err(_) => Value::Null, // A column of it is null.
            },
        };
        written.change(&made.changed, value, self.zero_dates, out);
    }
}

impl Written {
    fn change(&mut self, changed: &Changed, value: Value<'_>, zero_dates: ZeroDates, out: &mut Vec<u8>) {
        let start = out.len();
        match transform::write(out, &changed.name, value, &changed.actions, zero_dates) {
            Ok(coerced) => self.coerced += coerced,
            Err(error) => {
                out.truncate(start);
                out.extend_from_slice(b"null");
                self.refused.get_or_insert(error);
            }
        }
    }
}

fn content(
    route: &RouteSpec,
    schema: &TableSchema,
    transform: usize,
    slot: &mut dyn FnMut(&str) -> Result<usize>,
) -> Result<Option<Content>> {
    Ok(match route.transforms.get(transform).map(|t| &t.action) {
        Some(TransformAction::Constant(value)) => Some(Content::Constant(value.to_string())),
        Some(TransformAction::Template(text)) => {
            let template = Template::parse(text, true)?;
            Some(Content::Template(Rendering::bind(&template, Escape::None, schema, slot)?))
        }
        _ => None,
    })
}

struct CellWalk<'a> {
    columns: &'a [ColumnPlan],
    cells: &'a mut Cells,
}

impl RowVisitor for CellWalk<'_> {
    fn wants(&self, column: usize) -> bool {
        self.columns.get(column).is_some_and(|plan| plan.slot.is_some())
    }

    fn value(&mut self, column: usize, value: Value<'_>) -> Result<()> {
        if let Some(slot) = self.columns.get(column).and_then(|plan| plan.slot) {
            self.cells.set(slot, value);
        }
        Ok(())
    }
}

struct DocumentWalk<'a> {
    projection: &'a Projection,
    cells: &'a mut Cells,
    out: &'a mut Vec<u8>,
    written: Written,
}

impl RowVisitor for DocumentWalk<'_> {
    fn wants(&self, column: usize) -> bool {
        self.projection.columns.get(column).is_some_and(|plan| plan.wanted)
    }

    fn value(&mut self, column: usize, value: Value<'_>) -> Result<()> {
        let projection = self.projection;
        let Some(plan) = projection.columns.get(column) else { return Ok(()) };
        if let Some(slot) = plan.slot {
            self.cells.set(slot, value);
        }
        match plan.emit {
            Emit::Skip => {}
            Emit::Plain(prefix) => {
                self.out.extend_from_slice(projection.text(prefix));
                self.written.coerced += json::write_value_with(self.out, value, projection.zero_dates);
            }
            Emit::Changed(prefix, n) => {
                self.out.extend_from_slice(projection.text(prefix));
                self.written.change(&projection.changed[n], value, projection.zero_dates, self.out);
            }
        }
        Ok(())
    }
}

/// Whether an error concerns this row alone.
pub(crate) fn harms_one_row(error: &Error) -> bool {
    error.kind() == Kind::DeadLetter
}
