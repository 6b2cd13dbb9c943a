//! The Lua scripts that gate every write: compare the stored version with ours and write, in one step of the server.
//! They answer 1 (written), 0 (something newer is there) or the stored version (it is of a higher epoch).

use redis::Script;

const PRELUDE: &str = include_str!("lua/prelude.lua");
const GATE: &str = include_str!("lua/gate.lua");
const LIFE: &str = include_str!("lua/life.lua");
const TEXT: &str = include_str!("lua/text.lua");
const HASH: &str = include_str!("lua/hash.lua");
const DELETE: &str = include_str!("lua/delete.lua");
const INVALIDATE: &str = include_str!("lua/invalidate.lua");
const DISPLACE: &str = include_str!("lua/displace.lua");
const MARK: &str = include_str!("lua/mark.lua");

/// All scripts, with the hashes by which a server knows them.
pub struct Scripts {
    /// Keys document, tombstone; arguments version, next epoch, life, document.
    pub text: Script,
    /// Keys document, tombstone; arguments version, next epoch, life, then field and value in turn.
    pub hash: Script,
    /// Keys document, tombstone; arguments version, next epoch, life of the tombstone.
    pub delete: Script,
    /// The same, for a document that is not ours.
    pub invalidate: Script,
    /// Keys document, tombstone; argument version. Without the gate.
    pub displace: Script,
    /// Key mark; arguments version, known count, token.
    pub mark: Script,
}

impl Default for Scripts {
    fn default() -> Self {
        let script = |parts: &[&str]| Script::new(&parts.concat());
        Scripts {
            text: script(&[PRELUDE, GATE, LIFE, TEXT]),
            hash: script(&[PRELUDE, GATE, LIFE, HASH]),
            delete: script(&[PRELUDE, GATE, DELETE]),
            invalidate: script(&[PRELUDE, INVALIDATE, DELETE]),
            displace: script(&[PRELUDE, DISPLACE]),
            mark: script(&[PRELUDE, MARK]),
        }
    }
}

impl Scripts {
    /// Each of them, to load them.
    pub fn all(&self) -> [&Script; 6] {
        [&self.text, &self.hash, &self.delete, &self.invalidate, &self.displace, &self.mark]
    }
}
