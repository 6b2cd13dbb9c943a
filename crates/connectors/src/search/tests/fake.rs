//! A fake HTTP server that answers what it is told to, for what a real server cannot be made to say, and a relay in
//! front of a real server that loses replies. Not a search server: it stores nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the fake does with one request.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// Status and body.
    Say(u16, String),
    /// Says that everything in the bulk was done.
    Done,
    /// Reads the request and closes the connection.
    Hang,
}

/// Serves `/_bulk` from a script; everything else as an empty server would, so that a sink gets to its bulks.
pub(super) struct Fake {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    script: Mutex<VecDeque<Answer>>,
    /// The item counts of the bulks that came.
    bulks: Mutex<Vec<usize>>,
    /// Bodies larger than this are answered with 413.
    limit: usize,
    /// Bodies of other answers, by the start of the request line.
    pages: Vec<(&'static str, &'static str)>,
}

impl Fake {
    /// Answers bulks as scripted, then with [`Answer::Done`].
    pub async fn start(script: impl IntoIterator<Item = Answer>, limit: usize) -> Fake {
        Fake::serving(script, limit, Vec::new()).await
    }

    /// Answers requests that begin like this with these bodies.
    pub async fn pages(pages: Vec<(&'static str, &'static str)>) -> Fake {
        Fake::serving([], usize::MAX, pages).await
    }

    async fn serving(
        script: impl IntoIterator<Item = Answer>,
        limit: usize,
        pages: Vec<(&'static str, &'static str)>,
    ) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("opensearch://{}", listener.local_addr().unwrap());
        let script = Mutex::new(script.into_iter().collect());
        let shared = Arc::new(Shared { script, bulks: Mutex::default(), limit, pages });
        let serving = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, serving.clone()));
            }
        });
        Fake { url, shared }
    }

    /// How many items each bulk had.
    pub fn bulks(&self) -> Vec<usize> {
        self.shared.bulks.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    while let Some((head, body)) = read_message(&mut stream).await {
        let page = shared.pages.iter().find(|(start, _)| head.starts_with(start));
        let (status, text) = if let Some((_, body)) = page {
            (if body.contains("\"error\"") { 401 } else { 200 }, (*body).to_owned())
        } else if head.contains("/_bulk") {
            match shared.bulk(&body) {
                Some(answer) => answer,
                None => return,
            }
        } else if head.starts_with("GET / ") {
            (200, r#"{"version":{"number":"3.6.0","distribution":"opensearch"}}"#.into())
        } else if head.starts_with("GET ") {
            (404, "{}".into())
        } else {
            (200, "{}".into())
        };
        let reply = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        if stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

impl Shared {
    fn bulk(&self, body: &[u8]) -> Option<(u16, String)> {
        let text = String::from_utf8_lossy(body);
        let items = text.lines().filter(|line| line.contains("\"version_type\"")).count();
        self.bulks.lock().unwrap().push(items);
        if body.len() > self.limit {
            return Some((413, "<html>Request Entity Too Large</html>".into()));
        }
        match self.script.lock().unwrap().pop_front().unwrap_or(Answer::Done) {
            Answer::Say(status, text) => Some((status, text)),
            Answer::Done => Some((200, r#"{"errors":false,"items":[]}"#.into())),
            Answer::Hang => None,
        }
    }
}

/// Head and body of one request or response with a content length.
async fn read_message(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 65536];
    loop {
        let n = stream.read(&mut chunk).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&chunk[..n]);
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let length =
            head.to_lowercase().lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
        let length: usize = length.unwrap_or(0);
        while bytes.len() < end + 4 + length {
            let n = stream.read(&mut chunk).await.ok().filter(|n| *n > 0)?;
            bytes.extend_from_slice(&chunk[..n]);
        }
        return Some((head, bytes[end + 4..].to_vec()));
    }
}

/// Passes everything on to a real server, but loses the reply of each bulk whose number (from 0) is named: the server
/// has done it, and the sink does not learn of it.
pub(super) async fn losing_replies(upstream: &str, lost: &'static [usize]) -> String {
    let (user, host) = super::authority(upstream);
    let upstream = host.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("opensearch://{user}{}", listener.local_addr().unwrap());
    let count = Arc::new(Mutex::new(0));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&upstream).await.unwrap();
            tokio::spawn(relay(client, server, count.clone(), lost));
        }
    });
    url
}

async fn relay(
    mut client: TcpStream,
    mut server: TcpStream,
    count: Arc<Mutex<usize>>,
    lost: &[usize],
) -> Option<()> {
    loop {
        let (head, body) = read_message(&mut client).await?;
        server.write_all(format!("{head}\r\n\r\n").as_bytes()).await.ok()?;
        server.write_all(&body).await.ok()?;
        let (answer, body) = read_message(&mut server).await?;
        if head.contains("/_bulk") {
            let number = {
                let mut count = count.lock().unwrap();
                *count += 1;
                *count - 1
            };
            if lost.contains(&number) {
                return None;
            }
        }
        client.write_all(format!("{answer}\r\n\r\n").as_bytes()).await.ok()?;
        client.write_all(&body).await.ok()?;
    }
}
