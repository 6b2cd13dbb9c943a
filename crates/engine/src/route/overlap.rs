//! Whether two shapes of text have a text in common: for table patterns and for addresses that could collide.
//! It only knows characters and wildcards; what a wildcard stands for is decided by who makes the shape.

/// One piece of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Itself.
    Char(char),
    /// Any one character.
    One,
    /// Any one digit.
    Digit,
    /// Any characters, none included.
    Any,
    /// Any characters but `:` and `/`, none included: what a column's value usually looks like between separators.
    Word,
}

impl Shape {
    fn repeats(self) -> bool {
        matches!(self, Shape::Any | Shape::Word)
    }

    /// Whether some one character fits both.
    fn meets(self, other: Shape) -> bool {
        let fits = |shape: Shape, c: char| match shape {
            Shape::Char(own) => own == c,
            Shape::Digit => c.is_ascii_digit(),
            Shape::Word => c != ':' && c != '/',
            Shape::One | Shape::Any => true,
        };
        match (self, other) {
            (Shape::Char(c), _) => fits(other, c),
            (_, Shape::Char(c)) => fits(self, c),
            _ => true, // Digits are words: any two classes have a digit in common.
        }
    }
}

/// Whether some text fits both shapes. Time and memory are bounded by the product of their lengths.
pub fn shapes_overlap(left: &[Shape], right: &[Shape]) -> bool {
    let width = right.len() + 1;
    let mut seen = vec![false; (left.len() + 1) * width];
    let mut open = vec![(0, 0)];
    while let Some((l, r)) = open.pop() {
        if l > left.len() || r > right.len() || std::mem::replace(&mut seen[l * width + r], true) {
            continue;
        }
        let (one, two) = (left.get(l).copied(), right.get(r).copied());
        if one.is_none() && two.is_none() {
            return true;
        }
        if one.is_some_and(Shape::repeats) {
            open.push((l + 1, r));
        }
        if two.is_some_and(Shape::repeats) {
            open.push((l, r + 1));
        }
        if let (Some(one), Some(two)) = (one, two)
            && one.meets(two)
        {
            open.push((l + usize::from(!one.repeats()), r + usize::from(!two.repeats())));
        }
    }
    false
}
