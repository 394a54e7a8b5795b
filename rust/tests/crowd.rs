//! Many threads that share a few predictors, and open and close them at random under each other's hands.
//! A program of its own, because it counts the threads and the open files of the process.

mod support;

use bundle::{Buffers, Inputs, Predictor, Result, TensorMut, TensorRef, Value};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PEOPLE: u64 = 16;
const TURNS: usize = 500;
const PLACES: usize = 3;
const MOST_ROWS: usize = 4;
/// Elements in a row of the model's input and of its output.
const IMAGE: usize = 25;
const POOLED: usize = 4;

#[derive(Clone, Copy)]
enum Kind {
    Ask,
    AskInto,
    AskBound,
    Replace,
    Drop,
}

/// What is done, and how often.
const KINDS: [(Kind, usize); 5] =
    [(Kind::Ask, 60), (Kind::AskInto, 15), (Kind::AskBound, 10), (Kind::Replace, 10), (Kind::Drop, 5)];

/// Elements where `bind` wants them.
#[repr(align(16))]
#[derive(Clone)]
struct Aligned<const COUNT: usize>([f32; COUNT]);

/// Some rows, and the one right answer to them.
struct Question {
    rows: usize,
    image: Aligned<{ MOST_ROWS * IMAGE }>,
    answer: Vec<u8>,
}

/// Numbers that look like chance (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % count as u64) as usize
    }

    fn kind(&mut self) -> Kind {
        let mut left = self.below(KINDS.iter().map(|(_, weight)| weight).sum());
        for (kind, weight) in KINDS {
            if left < weight {
                return kind;
            }
            left -= weight;
        }
        Kind::Ask
    }
}

impl Question {
    fn new(predictor: &Predictor, rows: usize) -> Question {
        let image = std::array::from_fn(|at| (at % 13) as f32 / 7.0 - rows as f32);
        let mut question = Question { rows, image: Aligned(image), answer: Vec::new() };
        question.answer = question.asked(Kind::Ask, predictor).expect("it predicts");
        question
    }

    /// The answer of a predictor, in one of the ways that there are to ask for it.
    fn asked(&self, kind: Kind, predictor: &Predictor) -> Result<Vec<u8>> {
        let rows = self.rows as u64;
        let (shape, wanted) = ([rows, 1, 5, 5], [rows, 1, 2, 2]);
        let (mut image, mut pooled) = (self.image.clone(), Aligned([0.0; MOST_ROWS * POOLED]));
        let image = &mut image.0[..self.rows * IMAGE];
        let outputs = TensorMut::new(&wanted, &mut pooled.0[..self.rows * POOLED]);
        let mut outputs = Buffers::from([("pooled", outputs)]);
        if let Kind::AskBound = kind {
            let mut call =
                predictor.bind(Buffers::from([("image", TensorMut::new(&shape, image))]), outputs)?;
            call.run()?;
            call.run()?;
            return Ok(call.output("pooled").expect("an output").to_vec());
        }
        let inputs = Inputs::from([("image", TensorRef::new(&shape, image))]);
        if let Kind::Ask = kind {
            return Ok(predictor.predict(&inputs)?["pooled"].bytes().to_vec());
        }
        predictor.predict_into(&inputs, &mut outputs)?;
        drop(outputs);
        Ok(pooled.0[..self.rows * POOLED].iter().flat_map(|element| element.to_ne_bytes()).collect())
    }
}

/// A second thread of the model's own, so that a model that stays behind is seen among the threads.
fn opened() -> Result<Arc<Predictor>> {
    let mut options = support::options();
    options.insert("intra_op_threads".to_owned(), Value::Int(2));
    Predictor::open(support::vector("valid/small_convolution"), &options).map(Arc::new)
}

struct Room {
    predictors: Mutex<Vec<Arc<Predictor>>>,
    questions: Vec<Question>,
    closed: AtomicUsize,
}

impl Room {
    fn new() -> Room {
        let predictors: Vec<_> = (0..PLACES).map(|_| opened().expect("it opens")).collect();
        let questions = (1..=MOST_ROWS).map(|rows| Question::new(&predictors[0], rows)).collect();
        Room { predictors: Mutex::new(predictors), questions, closed: AtomicUsize::new(0) }
    }

    /// Does things at random.
    fn live(&self, seed: u64) {
        let mut chance = Chance(seed);
        for _ in 0..TURNS {
            let (kind, place) = (chance.kind(), chance.below(PLACES));
            let question = &self.questions[chance.below(self.questions.len())];
            if let Err(error) = self.act(kind, place, question) {
                // Who comes late may be told so, and nothing else.
                assert_eq!((error.code(), error.subject()), ("predictor_closed", "."));
                self.closed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn act(&self, kind: Kind, place: usize, question: &Question) -> Result<()> {
        match kind {
            Kind::Replace => {
                self.at(place).close();
                // Another one may stand there by now, of somebody who replaced the same.
                self.swapped(place, opened()?).close();
            }
            // Not closed: the last who holds it lets it go.
            Kind::Drop => drop(self.swapped(place, opened()?)),
            _ => assert_eq!(question.asked(kind, &self.at(place))?, question.answer),
        }
        Ok(())
    }

    fn at(&self, place: usize) -> Arc<Predictor> {
        Arc::clone(&self.predictors.lock().expect("nobody failed")[place])
    }

    fn swapped(&self, place: usize, fresh: Arc<Predictor>) -> Arc<Predictor> {
        std::mem::replace(&mut self.predictors.lock().expect("nobody failed")[place], fresh)
    }
}

/// How many threads and open files this process has.
fn held() -> (usize, usize) {
    let entries = |folder| fs::read_dir(folder).expect("Linux").count();
    (entries("/proc/self/task"), entries("/proc/self/fd"))
}

/// The same when it is what is expected, or after a second: a thread that was joined may be listed for a moment.
fn settled(expected: (usize, usize)) -> (usize, usize) {
    for _ in 0..100 {
        if held() == expected {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    held()
}

fn together(life: impl Fn(u64) + Sync) {
    std::thread::scope(|scope| {
        for seed in 0..PEOPLE {
            let life = &life;
            scope.spawn(move || life(seed));
        }
    });
}

#[test]
fn sixteen_threads_open_and_close_under_each_others_hands() {
    // The first opening of a process loads the library.
    together(|_| opened().expect("it opens").close());
    let before = settled((0, 0));
    let room = Room::new();
    together(|seed| room.live(seed));
    let closed = room.closed.load(Ordering::Relaxed);
    eprintln!("{closed} calls met a predictor that was closed");
    assert!(closed > 0);
    drop(room);
    assert_eq!(settled(before), before);
}
