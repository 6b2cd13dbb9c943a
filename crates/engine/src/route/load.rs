//! Reads one image of a row for a route: its cells, its key, its document, and whether the filters let it pass.

use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::route::CompiledRoute;
use crate::route::address::{Facts, cell_moment};
use crate::route::cells::Class;
use crate::route::civil;
use crate::route::compile::{Rendered, Target};
use crate::route::document::{Written, harms_one_row};
use crate::route::key::{shorten, write_key};
use crate::route::routed::{Loaded, Texts};
use crate::row::RowImage;
use crate::sink::Address;

impl Loaded {
    fn facts<'a>(&'a self, none: &'a Result<crate::route::address::Moment>) -> Facts<'a> {
        Facts { cells: &self.cells, key: &self.key, moment: self.moment.as_ref().unwrap_or(none) }
    }
}

impl CompiledRoute {
    /// Fills `loaded` from the image, whose change was committed then. An error that harms more than this row is handed on; others stay in it.
    pub(crate) fn load(
        &self,
        row: &RowImage,
        committed_at: i64,
        with_document: bool,
        loaded: &mut Loaded,
    ) -> Result<()> {
        loaded.cells.reset(self.slots);
        loaded.key.clear();
        loaded.document.clear();
        loaded.unreadable = false;
        loaded.partial = row.is_partial();
        loaded.moment = None;
        let read = if with_document {
            self.projection.open(row, &mut loaded.cells, &mut loaded.document)
        } else {
            self.projection.keep_cells(row, &mut loaded.cells).map(|()| Written::default())
        };
        loaded.written = match read {
            Ok(written) => written,
            Err(error) if harms_one_row(&error) => {
                // A value of the document cannot be read; the address may be made all the same.
                loaded.unreadable = self.projection.keep_cells(row, &mut loaded.cells).is_err();
                Written { refused: Some(error), ..Written::default() }
            }
            Err(error) => return Err(error),
        };
        if let Err(error) = write_key(&loaded.cells, &self.key_slots, &mut loaded.key) {
            loaded.key.clear();
            loaded.written.refused.get_or_insert(error);
        }
        if self.uses_moment {
            loaded.moment = Some(match self.partition {
                Some(slot) => cell_moment(&loaded.cells, slot),
                None => Ok(civil::moment(committed_at)),
            });
        }
        if with_document && !loaded.unreadable {
            let Loaded { cells, key, document, written, moment, .. } = loaded;
            let none = Ok(civil::moment(0));
            let facts = Facts { cells, key, moment: moment.as_ref().unwrap_or(&none) };
            self.projection.close(&facts, 0, document, written);
        }
        Ok(())
    }

    /// What an address needs and a partial image does not tell: where the row stood is not known then.
    pub(crate) fn require_addresses(&self, loaded: &Loaded) -> Result<()> {
        let unknown = |slot: &usize| loaded.cells.class(*slot) == Class::Absent;
        match self.targets.iter().find(|target| target.address_slots.iter().any(unknown)) {
            Some(target) => Err(Error::new(
                Code::MysqlPartialImage,
                format!(
                    "{}: the binlog holds rows without columns that addresses of {} are made of",
                    self.schema.name, target.plan.label
                ),
            )),
            None => Ok(()),
        }
    }

    /// The first rule that keeps the row out. A row that cannot be read passes: it is refused, not filtered. A row of
    /// which not all is known passes, too: it may stand in the target.
    pub(crate) fn rule(&self, loaded: &Loaded) -> Option<&Arc<str>> {
        if loaded.unreadable || loaded.partial {
            return None;
        }
        let zero_dates = self.projection.zero_dates;
        self.filters.iter().find(|f| !f.passes(&loaded.cells, zero_dates)).map(|filter| &filter.name)
    }

    /// Where the target keeps this image.
    pub(crate) fn address(&self, target: &Target, loaded: &Loaded, texts: &mut Texts) -> Result<Address> {
        let name = self.name(target, loaded, texts)?;
        let id = match &target.id {
            Rendered::Constant(text) => Arc::clone(text),
            Rendered::Key => loaded.key.as_str().into(),
            Rendered::Template(_) => {
                texts.share(None, |text| self.write_id(target, loaded, !name.is_empty(), text))?
            }
        };
        Ok(Address { target: name, id })
    }

    /// The address's first half.
    pub(crate) fn name(&self, target: &Target, loaded: &Loaded, texts: &mut Texts) -> Result<Arc<str>> {
        if loaded.key.is_empty() {
            return Err(Error::new(Code::RouteKeyNull, "a key column is null"));
        }
        let none = Ok(civil::moment(0));
        let facts = loaded.facts(&none);
        match &target.name {
            Rendered::Constant(text) => Ok(Arc::clone(text)),
            Rendered::Key => texts.share(Some(target.plan.id), |text| {
                text.push_str(facts.key);
                Ok(())
            }),
            Rendered::Template(template) => {
                texts.share(Some(target.plan.id), |text| template.write(&facts, text))
            }
        }
    }

    /// Appends its second half.
    pub(crate) fn write_id(
        &self,
        target: &Target,
        loaded: &Loaded,
        named: bool,
        out: &mut String,
    ) -> Result<()> {
        match &target.id {
            Rendered::Constant(text) => out.push_str(text),
            Rendered::Key => out.push_str(&loaded.key),
            Rendered::Template(template) => {
                template.write(&loaded.facts(&Ok(civil::moment(0))), out)?;
                if named {
                    shorten(out, 0); // Cache keys, which have no name beside them, may be as long as they like.
                }
            }
        }
        Ok(())
    }

    /// What stands in for an address that cannot be made.
    pub(crate) fn fallback(&self, loaded: &Loaded) -> Address {
        let id = if loaded.key.is_empty() {
            let mut key = Vec::new();
            self.line.write_key(&loaded.cells, &self.key_slots, &mut key);
            String::from_utf8(key).unwrap_or_default().into()
        } else {
            loaded.key.as_str().into()
        };
        Address { target: Arc::clone(&self.schema.name), id }
    }
}
