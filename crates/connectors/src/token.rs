//! Names that no other process draws.

use std::hash::{BuildHasher, Hasher};

/// 16 hexadecimal digits; the standard library's hasher is seeded by the system's randomness.
pub fn draw() -> String {
    format!("{:016x}", std::hash::RandomState::new().build_hasher().finish())
}
