//! The same for Kafka: produce and fetch requests on plain sockets, in their last versions of fixed layout.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use super::SIZE;
use super::raw::{Load, Shared, Started, now, number};

const PRODUCE: (i16, i16) = (0, 7);
const FETCH: (i16, i16) = (1, 4);
const CREATE_TOPICS: (i16, i16) = (19, 2);

/// A request that is being written: its length comes first, when it is known.
struct Request(Vec<u8>);

impl Request {
    fn start(into: Vec<u8>, (key, version): (i16, i16), correlation: i32) -> Self {
        let mut request = Self(into);
        request.0.clear();
        request.i32(0).i16(key).i16(version).i32(correlation).text("floor");
        request
    }

    fn i8(&mut self, value: i8) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    fn i16(&mut self, value: i16) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    fn i32(&mut self, value: i32) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    fn i64(&mut self, value: i64) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.i16(text.len().try_into().expect("short")).bytes(text.as_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A number of variable length, its sign folded in.
    fn varint(&mut self, value: i64) -> &mut Self {
        let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
        while rest >= 0x80 {
            self.0.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.0.push(rest as u8);
        self
    }

    /// Writes the number of bytes that follow `at` there.
    fn length(&mut self, at: usize) {
        let length = i32::try_from(self.0.len() - at - 4).expect("short");
        self.0[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }

    fn whole(mut self) -> Vec<u8> {
        self.length(0);
        self.0
    }
}

/// CRC-32C, as record batches have it, eight bytes at a time.
struct Crc([[u32; 256]; 8]);

impl Crc {
    fn new() -> Self {
        let mut tables = [[0; 256]; 8];
        for (byte, slot) in (0..).zip(&mut tables[0]) {
            *slot = (0..8)
                .fold(byte, |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 });
        }
        for table in 1..8 {
            for byte in 0..256 {
                let before = tables[table - 1][byte];
                tables[table][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            }
        }
        Self(tables)
    }

    fn of(&self, bytes: &[u8]) -> u32 {
        let mut crc = !0_u32;
        let (eights, rest) = bytes.as_chunks::<8>();
        for eight in eights {
            let word = u64::from_le_bytes(*eight) ^ u64::from(crc);
            crc = (0..8).fold(0, |sum, at| sum ^ self.0[7 - at][((word >> (8 * at)) & 0xff) as usize]);
        }
        !rest.iter().fold(crc, |crc, byte| (crc >> 8) ^ self.0[0][((crc ^ u32::from(*byte)) & 0xff) as usize])
    }
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a broker");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// One answer, whole.
fn answer(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("an answer");
    let mut room = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut room).expect("an answer");
    room
}

/// Makes a topic of one partition.
fn create(address: &str, topic: &str) {
    let mut stream = connect(address);
    let mut request = Request::start(Vec::new(), CREATE_TOPICS, 1);
    request.i32(1).text(topic).i32(1).i16(1).i32(0).i32(0).i32(10_000).i8(0);
    stream.write_all(&request.whole()).expect("written");
    let shown = answer(&mut stream);
    // Correlation, throttle time, number of topics, name, error.
    let at = 4 + 4 + 4 + 2 + topic.len();
    assert_eq!(shown[at..at + 2], [0, 0], "the topic is made");
    // Until its leader is known.
    std::thread::sleep(Duration::from_secs(1));
}

/// Writes events from `first` on as one batch of one request; its correlation is the first event's number.
pub(crate) struct Sender {
    stream: TcpStream,
    topic: String,
    room: Vec<u8>,
    crc: Crc,
    padding: String,
}

impl Sender {
    pub(crate) fn send(&mut self, first: usize, count: usize) {
        let mut request =
            Request::start(std::mem::take(&mut self.room), PRODUCE, first.try_into().expect("few"));
        request.i16(-1).i16(1).i32(30_000).i32(1).text(&self.topic).i32(1).i32(0);
        let records = request.0.len();
        request.i32(0).i64(0);
        let batch = request.0.len();
        request.i32(0).i32(-1).i8(2);
        let crc = request.0.len();
        let last = i32::try_from(count - 1).expect("few");
        request.i32(0).i16(0).i32(last).i64(0).i64(0).i64(-1).i16(-1).i32(-1).i32(last + 1);
        for offset in 0..count {
            let offset = i64::try_from(offset).expect("few");
            // Attributes, times, key and headers are one byte each; lengths and numbers as they come.
            let size = 1 + 1 + if offset < 64 { 1 } else { 2 } + 1 + 2 + SIZE + 1;
            request.varint(size as i64).i8(0).varint(0).varint(offset).varint(-1).varint(SIZE as i64);
            let event = first + usize::try_from(offset).expect("few");
            write!(request.0, "{event:010}{}", self.padding).expect("room");
            request.varint(0);
        }
        request.length(batch);
        request.length(records);
        let sum = self.crc.of(&request.0[crc + 4..]);
        request.0[crc..crc + 4].copy_from_slice(&sum.to_be_bytes());
        self.room = request.whole();
        self.stream.write_all(&self.room).expect("written");
    }
}

/// Reads answers to produce requests: each confirms the events of its request.
fn acknowledged(mut stream: TcpStream, topic: String, shared: Arc<Shared>) -> JoinHandle<Vec<(usize, u64)>> {
    let work = move || {
        let mut times = Vec::with_capacity(shared.events());
        while times.len() < shared.events() && !shared.over.load(Ordering::Relaxed) {
            let shown = answer(&mut stream);
            let at = now();
            let first = number_of(&shown[..4]);
            let error = 4 + 4 + 2 + topic.len() + 4 + 4;
            assert_eq!(shown[error..error + 2], [0, 0], "stored: the error code of Kafka's protocol");
            for event in first..first + shared.count(first) {
                times.push((event, at.saturating_sub(shared.due(event))));
            }
        }
        times
    };
    std::thread::Builder::new().name("acks".into()).spawn(work).expect("a thread")
}

fn number_of(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Fetches from the start, until stopped.
fn receive(mut stream: TcpStream, topic: String, shared: Arc<Shared>) -> JoinHandle<Vec<(usize, u64)>> {
    let work = move || {
        let (mut times, mut offset, mut room) = (Vec::with_capacity(shared.events()), 0, Vec::new());
        while !shared.over.load(Ordering::Relaxed) {
            let mut request = Request::start(room, FETCH, 1);
            request.i32(-1).i32(200).i32(1).i32(50 << 20).i8(0).i32(1).text(&topic).i32(1);
            request.i32(0).i64(offset).i32(50 << 20);
            room = request.whole();
            stream.write_all(&room).expect("written");
            let shown = answer(&mut stream);
            let at = now();
            // Correlation, throttle, topics, name, partitions, index, error, two offsets, aborted, length of the records.
            let records = 4 + 4 + 4 + 2 + topic.len() + 4 + 4 + 2 + 8 + 8 + 4 + 4;
            let mut rest = &shown[records..];
            while rest.len() > 61 {
                let (base, length) = (number_of(&rest[..8]), number_of(&rest[8..12]));
                let Some(batch) = rest.get(..12 + length) else { break };
                let mut record = &batch[61..];
                while !record.is_empty() {
                    let (size, head) = varint(record);
                    let value = &record[head..head + size];
                    let event = number(&value[value.len() - 1 - SIZE..][..10]);
                    times.push((event, at.saturating_sub(shared.due(event))));
                    shared.received.fetch_add(1, Ordering::Relaxed);
                    record = &record[head + size..];
                }
                offset = i64::try_from(base + number_of(&batch[23..27]) + 1).expect("few");
                rest = &rest[12 + length..];
            }
        }
        times
    };
    std::thread::Builder::new().name("receive".into()).spawn(work).expect("a thread")
}

/// A positive number of variable length, and how many bytes it takes.
fn varint(bytes: &[u8]) -> (usize, usize) {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return (value >> 1, at + 1);
        }
    }
    (0, bytes.len())
}

pub(crate) fn start(address: &str, topic: &str, shared: &Arc<Shared>) -> Started {
    create(address, topic);
    let receiving = receive(connect(address), topic.to_owned(), Arc::clone(shared));
    let stream = connect(address);
    let answers = acknowledged(stream.try_clone().expect("a socket"), topic.to_owned(), Arc::clone(shared));
    let sender = Sender {
        stream,
        topic: topic.to_owned(),
        room: Vec::new(),
        crc: Crc::new(),
        padding: "x".repeat(SIZE - 10),
    };
    (Load::Kafka(Box::new(sender)), [receiving, answers])
}
