//! What an entry stores beside its key: numbers, side by side in words of 32 bits.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::Millis;
use super::rate::{self, Rate};
use crate::plan::{DataType, Stored};

/// How many types of data there are.
const TYPES: usize = DataType::ALL.len();

/// Marks, among places, that a type is not stored.
const NOWHERE: u8 = u8::MAX;

/// Where the entries of a table have what.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    /// By type: the first of its words.
    places: [u8; TYPES],
    /// By type, in milliseconds.
    periods: [u32; TYPES],
    words: usize,
}

/// What happens to those who are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A client has connected, or a request is tracked from now on.
    Connection,
    /// The same is over.
    End,
    /// Rules have let the connection pass.
    Session,
    /// A request has come.
    Request,
    /// It was the client's mistake.
    Error,
    /// The client has sent so many bytes.
    Received(u64),
    /// The client has got so many bytes.
    Sent(u64),
    /// A rule counts.
    Gpc0,
    /// `src_updt_conn_cnt`: a rule counts a connection that it does not track.
    Update,
}

/// What one entry stores.
#[derive(Debug)]
pub struct Cells(Mutex<Words>);

#[derive(Debug)]
struct Words {
    layout: Arc<Layout>,
    words: Box<[u32]>,
    /// When something was changed last.
    changed: Millis,
}

impl Layout {
    /// What a table stores; the server is kept apart.
    pub fn new(store: &[Stored]) -> Self {
        let mut layout = Self {
            places: [NOWHERE; TYPES],
            periods: [0; TYPES],
            words: 0,
        };
        for stored in store {
            let (data, period) = (stored.data, stored.period);
            let words = match data {
                DataType::ServerId => continue,
                DataType::BytesInCnt | DataType::BytesOutCnt => 2,
                data if data.is_rate() => rate::WORDS,
                _ => 1,
            };
            // Three words for each type at most.
            layout.places[data as usize] = layout.words as u8;
            layout.periods[data as usize] = whole_millis(period);
            layout.words += words;
        }
        layout
    }

    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        self.words == 0
    }

    /// Whether it has a type.
    pub fn stores(&self, data: DataType) -> bool {
        self.places[data as usize] != NOWHERE
    }

    /// The types that it has, with the periods of rates, in milliseconds.
    pub fn types(&self) -> impl Iterator<Item = (DataType, u32)> {
        let types = DataType::ALL.iter().copied();
        types
            .filter(|data| self.stores(*data))
            .map(|data| (data, self.periods[data as usize]))
    }
}

fn whole_millis(period: Duration) -> u32 {
    u32::try_from(period.as_millis()).unwrap_or(u32::MAX)
}

impl Cells {
    /// Zeros.
    pub fn new(layout: &Arc<Layout>, now: Millis) -> Self {
        Self(Mutex::new(Words {
            layout: Arc::clone(layout),
            words: vec![0; layout.words].into(),
            changed: now,
        }))
    }

    /// What is stored, when that is.
    pub fn get(&self, data: DataType, now: Millis) -> Option<u64> {
        self.0.lock().get(data, now)
    }

    /// Everything that is stored, in order, with the periods of rates.
    pub fn all(&self, now: Millis) -> Vec<(DataType, u32, u64)> {
        let words = self.0.lock();
        let types = words.layout.types();
        let values = types.filter_map(|(data, period)| Some((data, period, words.get(data, now)?)));
        values.collect()
    }

    /// Stores a number; a rate becomes that of a period that begins now. `false` when the type
    /// is not stored.
    pub fn set(&self, data: DataType, value: u64, now: Millis) -> bool {
        self.0.lock().set(data, value, now)
    }

    /// Counts.
    pub fn count(&self, event: Event, now: Millis) {
        self.0.lock().count(event, now);
    }

    /// Counts up, and answers what there is then; `None` when the type is not stored.
    pub fn increment(&self, event: Event, data: DataType, now: Millis) -> Option<u64> {
        let mut words = self.0.lock();
        words.count(event, now);
        words.get(data, now)
    }

    /// Takes what is there, and leaves 0.
    pub fn take(&self, data: DataType, now: Millis) -> Option<u64> {
        let mut words = self.0.lock();
        let value = words.get(data, now)?;
        words.set(data, 0, now);
        Some(value)
    }

    /// When something was changed last.
    pub fn changed(&self) -> Millis {
        self.0.lock().changed
    }

    /// Moves what is stored to where another layout has it.
    pub fn adopt(&self, layout: &Arc<Layout>, now: Millis) {
        let mut words = self.0.lock();
        let mut next = vec![0; layout.words].into_boxed_slice();
        for (data, period) in layout.types() {
            let place = usize::from(layout.places[data as usize]);
            if let Some(known) = words.of(data).filter(|_| words.period(data) == period) {
                next[place..place + known.len()].copy_from_slice(known);
            }
        }
        words.layout = Arc::clone(layout);
        words.words = next;
        words.changed = now;
    }
}

impl Words {
    fn place(&self, data: DataType) -> Option<usize> {
        let place = self.layout.places[data as usize];
        (place != NOWHERE).then_some(place.into())
    }

    fn period(&self, data: DataType) -> u32 {
        self.layout.periods[data as usize]
    }

    /// The words of a type.
    fn of(&self, data: DataType) -> Option<&[u32]> {
        let rest = &self.words[self.place(data)?..];
        let count = match data {
            DataType::BytesInCnt | DataType::BytesOutCnt => 2,
            data if data.is_rate() => rate::WORDS,
            _ => 1,
        };
        rest.get(..count)
    }

    fn get(&self, data: DataType, now: Millis) -> Option<u64> {
        Some(match self.of(data)? {
            [value] => u64::from(*value),
            [high, low] => u64::from(*high) << 32 | u64::from(*low),
            [begun, current, past] => {
                let rate = Rate {
                    begun: *begun,
                    current: *current,
                    past: *past,
                };
                u64::from(rate.read(self.period(data), now as u32))
            }
            _ => return None,
        })
    }

    fn set(&mut self, data: DataType, value: u64, now: Millis) -> bool {
        let Some(place) = self.place(data) else {
            return false;
        };
        self.changed = now;
        match data {
            DataType::BytesInCnt | DataType::BytesOutCnt => {
                self.words[place] = (value >> 32) as u32;
                self.words[place + 1] = value as u32;
            }
            data if data.is_rate() => {
                let rate = Rate {
                    begun: now as u32,
                    current: value as u32,
                    past: 0,
                };
                self.put_rate(place, rate);
            }
            _ => self.words[place] = value as u32,
        }
        true
    }

    fn count(&mut self, event: Event, now: Millis) {
        use DataType::{
            BytesInCnt, BytesInRate, BytesOutCnt, BytesOutRate, ConnCnt, ConnCur, ConnRate, Gpc0,
            Gpc0Rate, HttpErrCnt, HttpErrRate, HttpReqCnt, HttpReqRate, SessCnt, SessRate,
        };
        match event {
            Event::Connection => {
                self.add(ConnCur, 1, now);
                self.add(ConnCnt, 1, now);
                self.add(ConnRate, 1, now);
            }
            Event::Update => self.add(ConnCnt, 1, now),
            Event::End => {
                // It does not keep the entry, as everything else does.
                if let Some(place) = self.place(ConnCur) {
                    self.words[place] = self.words[place].saturating_sub(1);
                }
            }
            Event::Session => {
                self.add(SessCnt, 1, now);
                self.add(SessRate, 1, now);
            }
            Event::Request => {
                self.add(HttpReqCnt, 1, now);
                self.add(HttpReqRate, 1, now);
            }
            Event::Error => {
                self.add(HttpErrCnt, 1, now);
                self.add(HttpErrRate, 1, now);
            }
            Event::Received(bytes) => {
                self.add(BytesInCnt, bytes, now);
                self.add(BytesInRate, bytes, now);
            }
            Event::Sent(bytes) => {
                self.add(BytesOutCnt, bytes, now);
                self.add(BytesOutRate, bytes, now);
            }
            Event::Gpc0 => {
                self.add(Gpc0, 1, now);
                self.add(Gpc0Rate, 1, now);
            }
        }
    }

    fn add(&mut self, data: DataType, n: u64, now: Millis) {
        let Some(place) = self.place(data) else {
            return;
        };
        self.changed = now;
        match data {
            DataType::BytesInCnt | DataType::BytesOutCnt => {
                let sum = self.get(data, now).unwrap_or(0).wrapping_add(n);
                self.set(data, sum, now);
            }
            data if data.is_rate() => {
                let mut rate = Rate {
                    begun: self.words[place],
                    current: self.words[place + 1],
                    past: self.words[place + 2],
                };
                rate.add(n as u32, self.period(data), now as u32);
                self.put_rate(place, rate);
            }
            _ => self.words[place] = self.words[place].wrapping_add(n as u32),
        }
    }

    fn put_rate(&mut self, place: usize, rate: Rate) {
        self.words[place] = rate.begun;
        self.words[place + 1] = rate.current;
        self.words[place + 2] = rate.past;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(store: &[(DataType, u64)]) -> Arc<Layout> {
        let store: Vec<Stored> = store
            .iter()
            .map(|(data, period)| Stored {
                data: *data,
                period: Duration::from_millis(*period),
            })
            .collect();
        Arc::new(Layout::new(&store))
    }

    fn shown(cells: &Cells, now: Millis) -> String {
        let all = cells.all(now).into_iter();
        let words = all.map(|(data, _, value)| format!("{}={value}", data.name()));
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn events_count_where_they_are_stored() {
        use DataType as D;
        let everything: Vec<(DataType, u64)> = DataType::ALL
            .iter()
            .map(|data| (*data, u64::from(data.is_rate()) * 1000))
            .collect();
        let cells = Cells::new(&layout(&everything), 5);
        for (event, changed) in [
            (Event::Connection, "conn_cnt=1 conn_rate=1 conn_cur=1"),
            (Event::Connection, "conn_cnt=2 conn_rate=2 conn_cur=2"),
            (Event::End, "conn_cnt=2 conn_rate=2 conn_cur=1"),
            (Event::Session, "sess_cnt=1 sess_rate=1"),
            (Event::Request, "http_req_cnt=1 http_req_rate=1"),
            (Event::Error, "http_err_cnt=1 http_err_rate=1"),
            (
                Event::Received(1 << 33),
                "bytes_in_cnt=8589934592 bytes_in_rate=0",
            ),
            (
                Event::Received(7),
                "bytes_in_cnt=8589934599 bytes_in_rate=7",
            ),
            (Event::Sent(9), "bytes_out_cnt=9 bytes_out_rate=9"),
            (Event::Gpc0, "gpc0=1 gpc0_rate=1"),
        ] {
            cells.count(event, 10);
            let all = shown(&cells, 10);
            assert!(all.contains(changed), "{event:?}: {all}");
        }
        let few = Cells::new(&layout(&[(D::Gpc0, 0), (D::ConnCur, 0)]), 5);
        few.count(Event::End, 6);
        few.count(Event::Request, 7);
        assert_eq!(
            (shown(&few, 7).as_str(), few.changed()),
            ("gpc0=0 conn_cur=0", 5)
        );
        few.count(Event::Gpc0, 8);
        assert_eq!(
            (shown(&few, 8).as_str(), few.changed()),
            ("gpc0=1 conn_cur=0", 8)
        );
        assert_eq!(few.get(D::HttpReqCnt, 8), None);
        assert!(!few.set(D::HttpReqCnt, 1, 8));
        assert_eq!(few.take(D::Gpc0, 9), Some(1));
        assert_eq!(few.increment(Event::Gpc0, D::Gpc0, 9), Some(1));
    }

    #[test]
    fn another_layout_keeps_what_it_has_too() {
        use DataType as D;
        let cells = Cells::new(
            &layout(&[
                (D::Gpc0, 0),
                (D::ConnRate, 1000),
                (D::BytesInCnt, 0),
                (D::HttpReqRate, 500),
            ]),
            0,
        );
        cells.set(D::Gpc0, 3, 0);
        cells.set(D::BytesInCnt, 1 << 40, 0);
        cells.set(D::ConnRate, 9, 0);
        cells.set(D::HttpReqRate, 9, 0);
        let next = layout(&[
            (D::Gpt0, 0),
            (D::Gpc0, 0),
            (D::ConnRate, 2000),
            (D::BytesInCnt, 0),
            (D::HttpReqRate, 500),
        ]);
        cells.adopt(&next, 1);
        // A rate over another period is another rate.
        assert_eq!(
            shown(&cells, 1),
            "gpt0=0 gpc0=3 conn_rate=0 http_req_rate=9 bytes_in_cnt=1099511627776"
        );
    }
}
