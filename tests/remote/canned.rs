//! A server that answers whatever it is told to.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A server with a list of answers; the last one is given for ever.
pub(crate) struct Canned {
    port: u16,
    answers: Arc<Mutex<Vec<Vec<u8>>>>,
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
    pub(crate) fn new(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let canned = Self {
            port,
            answers: Arc::new(Mutex::new(answers)),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (answers, connections, requests) =
            (canned.answers.clone(), canned.connections.clone(), canned.requests.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (answers, requests) = (answers.clone(), requests.clone());
                std::thread::spawn(move || serve(stream, &answers, &requests));
            }
        });
        canned
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/EWS/Exchange.asmx", self.port)
    }

    /// From now on it answers this.
    pub(crate) fn answer(&self, answer: Vec<u8>) {
        *self.answers.lock().unwrap() = vec![answer];
    }
}

fn serve(stream: TcpStream, answers: &Mutex<Vec<Vec<u8>>>, requests: &Mutex<Vec<String>>) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        requests.lock().unwrap().push(request);
        let answer = {
            let mut answers = answers.lock().unwrap();
            if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
        };
        if writer.write_all(&answer).is_err() {
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
