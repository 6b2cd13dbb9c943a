//! Well-known binary as GeoJSON. Bounded by the input: counts are never trusted, nesting is limited.

use crate::json;

const NESTING: usize = 16;

/// The GeoJSON text, or what is wrong with the bytes. Coordinates stand as stored: x, then y.
pub(crate) fn from_wkb(wkb: &[u8]) -> Result<String, String> {
    let mut reader = Wkb { rest: wkb, out: Vec::with_capacity(wkb.len() * 2) };
    reader.geometry(0)?;
    if !reader.rest.is_empty() {
        return Err("the geometry has bytes behind its end".to_owned());
    }
    String::from_utf8(reader.out).map_err(|e| e.to_string())
}

struct Wkb<'a> {
    rest: &'a [u8],
    out: Vec<u8>,
}

type Read<T> = Result<T, String>;

impl Wkb<'_> {
    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or("the geometry is cut short")?;
        self.rest = rest;
        Ok(*taken)
    }

    fn count(&mut self, little: bool) -> Read<u32> {
        let bytes = self.array()?;
        Ok(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    /// Byte order and type.
    fn head(&mut self) -> Read<(bool, u32)> {
        let [order] = self.array()?;
        let little = match order {
            0 => false,
            1 => true,
            _ => return Err("the geometry has an unknown byte order".to_owned()),
        };
        Ok((little, self.count(little)?))
    }

    fn geometry(&mut self, depth: usize) -> Read<()> {
        if depth > NESTING {
            return Err("the geometry is nested too deeply".to_owned());
        }
        let (little, kind) = self.head()?;
        let name = match kind {
            1 => "Point",
            2 => "LineString",
            3 => "Polygon",
            4 => "MultiPoint",
            5 => "MultiLineString",
            6 => "MultiPolygon",
            7 => "GeometryCollection",
            _ => return Err(format!("geometry type {kind} is unknown")),
        };
        let member = if kind == 7 { "geometries" } else { "coordinates" };
        self.out.extend_from_slice(format!("{{\"type\":\"{name}\",\"{member}\":").as_bytes());
        match kind {
            7 => self.list(little, |wkb| wkb.geometry(depth + 1))?,
            4..=6 => self.list(little, |wkb| wkb.part(kind - 3))?,
            _ => self.coordinates(kind, little)?,
        }
        self.out.push(b'}');
        Ok(())
    }

    /// A member of a multi geometry has its own head.
    fn part(&mut self, expected: u32) -> Read<()> {
        let (little, kind) = self.head()?;
        if kind != expected {
            return Err("the geometry holds a part of the wrong type".to_owned());
        }
        self.coordinates(kind, little)
    }

    fn coordinates(&mut self, kind: u32, little: bool) -> Read<()> {
        match kind {
            1 => self.position(little),
            2 => self.list(little, |wkb| wkb.position(little)),
            _ => self.list(little, |wkb| wkb.list(little, |wkb| wkb.position(little))),
        }
    }

    fn position(&mut self, little: bool) -> Read<()> {
        for open in [b'[', b','] {
            let bytes = self.array()?;
            let number = if little { f64::from_le_bytes(bytes) } else { f64::from_be_bytes(bytes) };
            if !number.is_finite() {
                return Err("the geometry has a coordinate that is no number".to_owned());
            }
            self.out.push(open);
            json::write_f64(&mut self.out, number);
        }
        self.out.push(b']');
        Ok(())
    }

    fn list(&mut self, little: bool, each: impl Fn(&mut Self) -> Read<()>) -> Read<()> {
        let count = self.count(little)?;
        self.out.push(b'[');
        for n in 0..count {
            if n > 0 {
                self.out.push(b',');
            }
            let before = self.rest.len();
            each(self)?;
            if self.rest.len() == before {
                return Err("the geometry is cut short".to_owned());
            }
        }
        self.out.push(b']');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wkb(parts: &[&[u8]]) -> Vec<u8> {
        parts.concat()
    }

    fn point(x: f64, y: f64) -> Vec<u8> {
        wkb(&[&x.to_le_bytes(), &y.to_le_bytes()])
    }

    #[test]
    fn each_type_is_written() {
        let head = |kind: u8| [1, kind, 0, 0, 0];
        let count = |n: u8| [n, 0, 0, 0];
        let (a, b) = (point(1.0, 2.5), point(-3.0, 4.0));
        let line = wkb(&[&head(2), &count(2), &a, &b]);
        let polygon = wkb(&[&head(3), &count(1), &count(2), &a, &b]);
        let cases = [
            (wkb(&[&head(1), &a]), r#"{"type":"Point","coordinates":[1.0,2.5]}"#),
            (line.clone(), r#"{"type":"LineString","coordinates":[[1.0,2.5],[-3.0,4.0]]}"#),
            (polygon.clone(), r#"{"type":"Polygon","coordinates":[[[1.0,2.5],[-3.0,4.0]]]}"#),
            (wkb(&[&head(4), &count(1), &head(1), &a]), r#"{"type":"MultiPoint","coordinates":[[1.0,2.5]]}"#),
            (wkb(&[&head(5), &count(1), &line]), {
                r#"{"type":"MultiLineString","coordinates":[[[1.0,2.5],[-3.0,4.0]]]}"#
            }),
            (wkb(&[&head(6), &count(1), &polygon]), {
                r#"{"type":"MultiPolygon","coordinates":[[[[1.0,2.5],[-3.0,4.0]]]]}"#
            }),
            (wkb(&[&head(7), &count(1), &head(1), &b]), {
                r#"{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[-3.0,4.0]}]}"#
            }),
            (wkb(&[&[0, 0, 0, 0, 1], &1.0f64.to_be_bytes(), &2.0f64.to_be_bytes()]), {
                r#"{"type":"Point","coordinates":[1.0,2.0]}"#
            }),
        ];
        for (bytes, expected) in cases {
            assert_eq!(from_wkb(&bytes).unwrap(), expected);
            serde_json::from_str::<serde_json::Value>(expected).unwrap();
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_json_or_an_error(mut bytes in prop::collection::vec(any::<u8>(), 0..100), kind in 0u8..9) {
            bytes.splice(..0, [1, kind, 0, 0, 0, 2, 0, 0, 0]);
            if let Ok(text) = from_wkb(&bytes) {
                serde_json::from_str::<serde_json::Value>(&text).unwrap();
            }
        }
    }

    #[test]
    fn nesting_is_limited() {
        let nested: Vec<u8> = [1, 7, 0, 0, 0, 1, 0, 0, 0].repeat(1000);
        assert_eq!(from_wkb(&nested).unwrap_err(), "the geometry is nested too deeply");
    }
}
