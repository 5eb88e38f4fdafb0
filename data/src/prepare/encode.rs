//! Encoding on all cores, in order.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::{DataError, Split};

/// What preparing needs of a tokenizer.
pub trait Encode: Sync {
    /// The ids of `text`, all below [`Encode::vocab_size`].
    ///
    /// # Errors
    /// When `text` has something that the tokenizer has no id for.
    fn encode(&self, text: &str) -> Result<Vec<u32>, DataError>;
    /// Number of ids.
    fn vocab_size(&self) -> usize;
    /// The id that goes after each document, if the tokenizer has one.
    fn end_of_text(&self) -> Option<u32>;
    /// Equal for tokenizers that encode alike.
    fn hash(&self) -> [u8; 32];
}

/// A piece on its way: as text, then as ids.
pub(super) struct Part<Content> {
    /// Number of its piece in the corpus.
    pub number: u64,
    pub split: Split,
    pub ends_document: bool,
    pub content: Content,
}

/// Pieces that are handed to a thread in one go.
pub(super) struct Batch<Content> {
    pub parts: Vec<Part<Content>>,
    /// Bytes of the corpus' files that have been read up to here.
    pub bytes_read: u64,
}

struct Job {
    batch: Batch<String>,
    reply: SyncSender<Result<Batch<Vec<u32>>, DataError>>,
}

/// Encodes `batches` on `threads` threads and hands them to `write` in their order, on the calling thread, which also
/// draws them. At most `2 * threads` are held at a time, however slow one is: each has a channel of its own for its
/// reply, and the oldest is waited for.
pub(super) fn encode_in_order(
    tokenizer: &impl Encode,
    threads: usize,
    batches: impl Iterator<Item = Result<Batch<String>, DataError>>,
    mut write: impl FnMut(Batch<Vec<u32>>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let most_held = 2 * threads;
    let (jobs, queue) = sync_channel::<Job>(most_held);
    let queue = &Mutex::new(queue);
    // `jobs` is moved in and dropped on every way out, which ends the threads.
    thread::scope(move |scope| {
        for _ in 0..threads {
            scope.spawn(move || encode_jobs(tokenizer, queue));
        }
        let mut held = VecDeque::with_capacity(most_held);
        let mut write_oldest = |held: &mut VecDeque<Receiver<_>>| match held.pop_front() {
            Some(reply) => write(reply.recv().expect("an encoder replies, or has panicked already")?),
            None => Ok(()),
        };
        for batch in batches {
            let (reply, receiver) = sync_channel(1);
            jobs.send(Job { batch: batch?, reply }).expect("the queue outlives its senders");
            held.push_back(receiver);
            if held.len() == most_held {
                write_oldest(&mut held)?;
            }
        }
        while !held.is_empty() {
            write_oldest(&mut held)?;
        }
        Ok(())
    })
}

fn encode_jobs(tokenizer: &impl Encode, queue: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting: the others would wait for the same.
        let job = queue.lock().expect("nothing panics while it waits").recv();
        let Ok(Job { batch, reply }) = job else { return };
        // Nobody waits any more where something else has failed.
        let _ = reply.send(encode_batch(tokenizer, batch));
    }
}

fn encode_batch(tokenizer: &impl Encode, batch: Batch<String>) -> Result<Batch<Vec<u32>>, DataError> {
    let encode = |part: Part<String>| {
        let mut content = tokenizer.encode(&part.content)?;
        content.extend(tokenizer.end_of_text().filter(|_| part.ends_document));
        Ok(Part { number: part.number, split: part.split, ends_document: part.ends_document, content })
    };
    let parts = batch.parts.into_iter().map(encode).collect::<Result<_, _>>()?;
    Ok(Batch { parts, bytes_read: batch.bytes_read })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;

    /// Encodes its first piece late, and then says how many had been drawn by then.
    struct SlowFirst<'a> {
        drawn: &'a AtomicU64,
    }

    impl Encode for SlowFirst<'_> {
        fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
            if text == "0" {
                thread::sleep(Duration::from_millis(300));
            }
            Ok(vec![self.drawn.load(Ordering::SeqCst) as u32])
        }

        fn vocab_size(&self) -> usize {
            1000
        }

        fn end_of_text(&self) -> Option<u32> {
            None
        }

        fn hash(&self) -> [u8; 32] {
            [0; 32]
        }
    }

    #[test]
    fn holds_a_bounded_number_of_batches_and_keeps_their_order() {
        let drawn = AtomicU64::new(0);
        let batches = (0..1000).map(|number: u64| {
            drawn.fetch_add(1, Ordering::SeqCst);
            let part = Part { number, split: Split::Train, ends_document: false, content: number.to_string() };
            Ok(Batch { parts: vec![part], bytes_read: number })
        });
        let mut written = Vec::new();
        encode_in_order(&SlowFirst { drawn: &drawn }, 3, batches, |batch| {
            written.push((batch.parts[0].number, batch.parts[0].content[0]));
            Ok(())
        })
        .unwrap();
        assert_eq!(written[0], (0, 6), "the first was waited for with other than 2 * threads batches drawn");
        assert!(written.iter().map(|(number, _)| *number).eq(0..1000));
    }
}
