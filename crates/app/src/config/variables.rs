//! `${NAME}`, `${NAME:-default}`, `${NAME:?message}` and `$$` in values. Values of variables never get into an error.

/// Replaces variables by what `look_up` gives; the error names the variable.
pub(crate) fn expand(text: &str, look_up: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(tail) = rest.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix('{') {
            let (inside, tail) = tail.split_once('}').ok_or("`${` has no closing brace")?;
            out.push_str(&one(inside, &look_up)?);
            rest = tail;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn one(inside: &str, look_up: &impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let (name, otherwise) = match inside.find(':') {
        Some(at) => (&inside[..at], &inside[at + 1..]),
        None => (inside, ""),
    };
    let good = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !good {
        return Err(format!("`${{{inside}}}` does not name a variable"));
    }
    match (look_up(name).filter(|value| !value.is_empty()), otherwise.chars().next()) {
        (Some(value), _) => Ok(value),
        (None, Some('-')) => Ok(otherwise[1..].to_owned()),
        (None, Some('?')) if otherwise.len() > 1 => Err(format!("variable {name}: {}", &otherwise[1..])),
        (None, _) => Err(format!("variable {name} is not set")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Result<String, String> {
        expand(text, |name| match name {
            "SET" => Some("value".into()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn all_forms() {
        assert_eq!(with("a ${SET} b").unwrap(), "a value b");
        assert_eq!(with("${GONE:-x:y}").unwrap(), "x:y");
        assert_eq!(with("${EMPTY:-x}").unwrap(), "x");
        assert_eq!(with("$${SET} $5").unwrap(), "${SET} $5");
        assert_eq!(with("${GONE:?say which}").unwrap_err(), "variable GONE: say which");
        assert_eq!(with("${GONE}").unwrap_err(), "variable GONE is not set");
        assert!(with("${SET").is_err() && with("${}").is_err() && with("${a b}").is_err());
    }
}
