//! What an expression makes of a row: true, false, or null where a value is null or two values cannot be compared.

use std::cmp::Ordering;

use super::{Comparison, Expression, Node, Operand};
use crate::json::ZeroDates;
use crate::route::cells::{Cells, Class};
use crate::route::{decimal, glob};

/// An operand's value.
#[derive(Clone, Copy)]
enum View<'a> {
    Null,
    Number(&'a str),
    Text(&'a str),
    Date(&'a str),
}

impl Expression {
    /// `None` is SQL's null: such a row does not pass.
    pub fn test(&self, cells: &Cells, zero_dates: ZeroDates) -> Option<bool> {
        Row { cells, zero_dates }.test(&self.root)
    }
}

struct Row<'a> {
    cells: &'a Cells,
    zero_dates: ZeroDates,
}

impl<'a> Row<'a> {
    fn test(&self, node: &'a Node) -> Option<bool> {
        match node {
            Node::Value(operand) => match self.view(operand) {
                View::Null => None,
                View::Number(text) | View::Text(text) | View::Date(text) => {
                    decimal::is_zero(text).map(|zero| !zero)
                }
            },
            Node::Compare(comparison, left, right) => {
                compare(self.view(left), self.view(right)).map(|o| comparison.holds(o))
            }
            Node::In(left, list) => {
                let left = self.view(left);
                fold(list.iter().map(|o| compare(left, self.view(o)).map(Ordering::is_eq)), true)
            }
            Node::Like(left, parts) => match self.view(left) {
                View::Null => None,
                View::Number(text) | View::Text(text) | View::Date(text) => Some(glob::matches(parts, text)),
            },
            Node::IsNull(operand) => Some(matches!(self.view(operand), View::Null)),
            Node::And(all) => fold(all.iter().map(|node| self.test(node)), false),
            Node::Or(any) => fold(any.iter().map(|node| self.test(node)), true),
            Node::Not(inner) => self.test(inner).map(|b| !b),
        }
    }

    fn view(&self, operand: &'a Operand) -> View<'a> {
        match operand {
            Operand::Null => View::Null,
            Operand::Bool(true) => View::Number("1"),
            Operand::Bool(false) => View::Number("0"),
            Operand::Number(number) => View::Number(number),
            Operand::Text(text) => View::Text(text),
            Operand::Column(slot) => match (self.cells.class(*slot), self.cells.text(*slot)) {
                (_, None) => View::Null,
                (Class::ZeroDate, _) if self.zero_dates == ZeroDates::Null => View::Null,
                (Class::Number | Class::Decimal, Some(text)) => View::Number(text),
                (Class::Date | Class::ZeroDate, Some(text)) => View::Date(text),
                (_, Some(text)) => View::Text(text),
            },
        }
    }
}

/// Three-valued `or` (`decisive` true) or `and` (`decisive` false).
fn fold(values: impl Iterator<Item = Option<bool>>, decisive: bool) -> Option<bool> {
    let mut result = Some(!decisive);
    for value in values {
        match value {
            Some(b) if b == decisive => return Some(decisive),
            Some(_) => {}
            None => result = None,
        }
    }
    result
}

fn compare(left: View<'_>, right: View<'_>) -> Option<Ordering> {
    match (left, right) {
        (View::Null, _) | (_, View::Null) | (View::Number(_), View::Date(_)) => None,
        (View::Date(_), View::Number(_)) => None,
        (View::Number(l), View::Number(r) | View::Text(r)) | (View::Text(l), View::Number(r)) => {
            decimal::compare(l.trim(), r.trim())
        }
        (View::Text(l), View::Text(r)) => Some(l.cmp(r)),
        (View::Date(l), View::Date(r) | View::Text(r)) | (View::Text(l), View::Date(r)) => {
            Some(dates(l).cmp(dates(r)))
        }
    }
}

/// The characters of a date in canonical form: `T` between date and time, no `Z`, midnight and a fraction's zeros left out.
fn dates(text: &str) -> impl Iterator<Item = u8> + '_ {
    let text = text.trim().trim_end_matches('Z');
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    let midnight = matches!(text.get(11..), Some("00:00" | "00:00:00"));
    let text = if midnight { text.get(..10).unwrap_or(text) } else { text };
    text.bytes().enumerate().map(|(n, b)| if n == 10 && b == b' ' { b'T' } else { b })
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Comparison::Equal => order.is_eq(),
            Comparison::Unequal => order.is_ne(),
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        }
    }
}
