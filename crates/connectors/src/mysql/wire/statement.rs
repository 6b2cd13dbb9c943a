//! Statements on a raw connection: small results as text, large ones row by row from a prepared statement. Each leaves the
//! connection ready for the next one, or not usable at all.

use bytes::Bytes;
use futures_util::FutureExt;
use syncline_engine::error::{Code, Error, Result};
use tokio::time::timeout;

use super::connection::Wire;
use super::packet::protocol;
use super::reply::{ServerError, is_eof, is_ok, lenenc, server_error, text_row};
use super::result::ResultColumn;

const COM_QUIT: u8 = 1;
const COM_QUERY: u8 = 3;
const COM_STMT_PREPARE: u8 = 0x16;
const COM_STMT_EXECUTE: u8 = 0x17;
const COM_STMT_CLOSE: u8 = 0x19;
/// Of a statement, in messages.
const SHOWN: usize = 120;

impl Wire {
    /// Whether another statement may follow: no reply is on its way.
    pub fn usable(&self) -> bool {
        !self.busy
    }

    /// Runs a statement that answers OK.
    pub async fn execute(&mut self, sql: &str) -> Result<()> {
        self.query(sql).await.map(|_| ())
    }

    /// Runs a statement and reads its small result as text; no rows for a statement without a result.
    pub async fn query(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let result = match timeout(self.timeout, self.texts(sql)).await {
            Ok(result) => result,
            Err(_) => Err(self.late()),
        };
        self.busy &= result.is_err();
        result
    }

    async fn texts(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        self.command(COM_QUERY, sql.as_bytes()).await?;
        let mut rows = Vec::new();
        if self.columns(sql).await?.is_none() {
            return Ok(rows);
        }
        loop {
            let packet = self.reply(sql).await?;
            if is_eof(&packet) {
                return Ok(rows);
            }
            rows.push(text_row(&packet)?);
        }
    }

    /// Runs a statement over the binary protocol (that of texts rounds FLOAT) and hands each row on, with the columns of the
    /// result. An error of `each` leaves the rest of the result behind: then the connection is not usable any more.
    pub async fn stream(
        &mut self,
        sql: &str,
        each: impl FnMut(&[ResultColumn], Bytes) -> Result<()>,
    ) -> Result<()> {
        self.command(COM_STMT_PREPARE, sql.as_bytes()).await?;
        let prepared = self.patient_reply(sql).await?;
        let numbers = prepared.strip_prefix(&[0]).and_then(|rest| rest.first_chunk::<8>());
        let [a, b, c, d, columns @ .., p, q] = *numbers.ok_or_else(|| protocol("a prepared statement"))?;
        let statement = [a, b, c, d];
        if [p, q] != [0, 0] {
            return Err(protocol("a prepared statement with parameters"));
        }
        if columns != [0, 0] {
            while !is_eof(&self.patient_reply(sql).await?) {}
        }
        // No cursor, one iteration.
        self.command(COM_STMT_EXECUTE, &[&statement[..], &[0, 1, 0, 0, 0]].concat()).await?;
        let result = self.rows(sql, each).await;
        if !self.busy {
            self.command(COM_STMT_CLOSE, &statement).await?;
            self.busy = false; // To which there is no reply.
        }
        result
    }

    async fn rows(
        &mut self,
        sql: &str,
        mut each: impl FnMut(&[ResultColumn], Bytes) -> Result<()>,
    ) -> Result<()> {
        let columns = match timeout(self.timeout, self.columns(sql)).await {
            Ok(columns) => columns?,
            Err(_) => return Err(self.late()),
        };
        if let Some(columns) = columns {
            loop {
                let packet = self.patient_reply(sql).await?;
                if is_eof(&packet) {
                    break;
                }
                each(&columns, packet)?;
            }
        }
        self.busy = false;
        Ok(())
    }

    /// The columns of a result; `None` if there is none.
    async fn columns(&mut self, sql: &str) -> Result<Option<Vec<ResultColumn>>> {
        let first = self.reply(sql).await?;
        if is_ok(&first) {
            return Ok(None);
        }
        // A count; 0xfb asks for a local file, which nobody offered.
        if lenenc(&first).is_none() {
            return Err(protocol("neither a result nor its end"));
        }
        let mut columns = Vec::new();
        loop {
            let packet = self.reply(sql).await?;
            if is_eof(&packet) {
                return Ok(Some(columns));
            }
            columns.push(ResultColumn::parse(&packet)?);
        }
    }

    async fn command(&mut self, command: u8, body: &[u8]) -> Result<()> {
        self.busy = true;
        self.packets.begin_command();
        self.packets.send(&[&[command], body].concat()).await.map_err(|error| self.lost(&error))
    }

    /// The next packet. An error of the server ends the command well.
    async fn reply(&mut self, sql: &str) -> Result<Bytes> {
        let packet = self.packets.receive().await.map_err(|error| self.lost(&error))?;
        self.judge(sql, packet)
    }

    /// The same, which may take as long as a whole small result.
    async fn patient_reply(&mut self, sql: &str) -> Result<Bytes> {
        // Most packets lie there already and need no timer.
        let packet = match self.packets.receive_now() {
            Ok(None) => match timeout(self.timeout, self.packets.receive()).await {
                Ok(packet) => packet,
                Err(_) => return Err(self.late()),
            },
            Ok(Some(packet)) => Ok(packet),
            Err(error) => Err(error),
        };
        self.judge(sql, packet.map_err(|error| self.lost(&error))?)
    }

    fn judge(&mut self, sql: &str, packet: Bytes) -> Result<Bytes> {
        if packet.first() != Some(&0xff) {
            return Ok(packet);
        }
        let error = ServerError::parse(&packet)?;
        self.busy = false;
        let shown: String = sql.chars().take(SHOWN).collect();
        Err(server_error(&self.name, &shown, &error))
    }

    fn late(&self) -> Error {
        Error::new(Code::Interrupted, format!("{}: no answer within {:?}", self.name, self.timeout))
    }

    fn lost(&self, error: &Error) -> Error {
        let what = error.cause_text().unwrap_or_else(|| error.message());
        Error::new(Code::Interrupted, format!("{}: the connection broke", self.name)).cause(what)
    }

    /// Says goodbye, if that can be done at once: a server counts and logs who leaves without.
    pub fn quit(&mut self) {
        if self.usable() {
            self.command(COM_QUIT, &[]).now_or_never();
        }
    }
}
