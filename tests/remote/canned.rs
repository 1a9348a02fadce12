//! A server that answers whatever it is told to.

#![allow(dead_code)]

use std::io::{BufRead, BufReader, Cursor, Read};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A whole HTTP answer, which may be without end.
pub(crate) type Reply = Box<dyn Read + Send>;
type Answerer = Arc<Mutex<Box<dyn FnMut(&str) -> Reply + Send>>>;

/// A server with a list of answers, of which the last one is given for ever, or with somebody who makes them up.
pub(crate) struct Canned {
    port: u16,
    answerer: Answerer,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

/// A whole HTTP answer.
pub(crate) fn http(head: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// An answer with a body that is SOAP.
pub(crate) fn ok(body: &[u8]) -> Vec<u8> {
    http("200 OK\r\nContent-Type: text/xml", body)
}

impl Canned {
    pub(crate) fn new(mut answers: Vec<Vec<u8>>) -> Self {
        Self::with(move |_| match answers.len() {
            0 | 1 => whole(answers[0].clone()),
            _ => whole(answers.remove(0)),
        })
    }

    /// Asks `answerer` what to say to each request: its headers in lower case and its body.
    pub(crate) fn with(answerer: impl FnMut(&str) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let canned = Self {
            port,
            answerer: Arc::new(Mutex::new(Box::new(answerer))),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (answerer, connections, requests) =
            (canned.answerer.clone(), canned.connections.clone(), canned.requests.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (answerer, requests) = (answerer.clone(), requests.clone());
                std::thread::spawn(move || serve(stream, &answerer, &requests));
            }
        });
        canned
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/EWS/Exchange.asmx", self.port)
    }

    /// From now on it answers this.
    pub(crate) fn answer(&self, answer: Vec<u8>) {
        *self.answerer.lock().unwrap() = Box::new(move |_| whole(answer.clone()));
    }
}

/// An answer that is all there.
pub(crate) fn whole(answer: Vec<u8>) -> Reply {
    Box::new(Cursor::new(answer))
}

/// The same bytes again and again.
struct Again {
    piece: Vec<u8>,
    at: usize,
}

impl Read for Again {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.piece.len() {
            self.at = 0;
        }
        let count = into.len().min(self.piece.len() - self.at);
        into[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// An answer that begins with `start` and then says `piece` for ever.
pub(crate) fn endless(start: &str, piece: &str) -> Reply {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n";
    // Handed on in large pieces.
    let piece = piece.repeat(1 + (64 << 10) / piece.len());
    Box::new(Cursor::new(format!("{head}{start}")).chain(Again { piece: piece.into_bytes(), at: 0 }))
}

fn serve(stream: TcpStream, answerer: &Answerer, requests: &Mutex<Vec<String>>) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        let mut reply = (answerer.lock().unwrap())(&request);
        requests.lock().unwrap().push(request);
        if std::io::copy(&mut reply, &mut writer).is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line.to_ascii_lowercase());
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"))?.trim().parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8_lossy(&body))
}
