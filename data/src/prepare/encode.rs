//! Encoding on all cores, in order.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::part::{Batch, Part, PartEncoder};
use super::part_tokens::PartTokens;
use crate::{DataError, Tokenizer};

/// What preparing needs of a tokenizer.
pub trait Encode: Sync {
    /// The ids of `text`, all below [`Encode::vocab_size`].
    ///
    /// # Errors
    /// When `text` has something that the tokenizer has no id for.
    fn encode(&self, text: &str) -> Result<Vec<u32>, DataError>;
    /// As [`Encode::encode`], of a piece that goes on from an earlier one of its document.
    ///
    /// # Errors
    /// As [`Encode::encode`].
    fn encode_rest(&self, text: &str) -> Result<Vec<u32>, DataError> {
        self.encode(text)
    }
    /// Number of ids.
    fn vocab_size(&self) -> usize;
    /// The id that goes after each document, if the tokenizer has one.
    fn end_of_text(&self) -> Option<u32>;
    /// Equal for tokenizers that encode alike.
    fn hash(&self) -> [u8; 32];
}

impl Encode for Tokenizer {
    fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        self.encode(text)
    }

    fn encode_rest(&self, text: &str) -> Result<Vec<u32>, DataError> {
        self.encode_rest(text)
    }

    fn vocab_size(&self) -> usize {
        self.vocab_size()
    }

    fn end_of_text(&self) -> Option<u32> {
        self.end_of_text()
    }

    fn hash(&self) -> [u8; 32] {
        self.hash()
    }
}

/// Text that is held at most, in batches that are being encoded: its ids may take four times as much. A larger batch
/// is held alone.
const MOST_HELD_BYTES: usize = 1 << 25;

struct EncodeJob {
    batch: Batch<String>,
    reply: SyncSender<Result<Batch<PartTokens>, DataError>>,
}

/// Encodes `batches` on `threads` threads and hands them to `write` in their order, on the calling thread, which also
/// draws them. At most `2 * threads` are held at a time, and fewer where they are large, however slow one is: each has a
/// channel of its own for its reply, and the oldest is waited for.
pub(super) fn encode_in_order(
    encoder: &impl PartEncoder,
    threads: usize,
    batches: impl Iterator<Item = Result<Batch<String>, DataError>>,
    mut write: impl FnMut(Batch<PartTokens>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let most_held = 2 * threads;
    let (jobs, queue) = sync_channel::<EncodeJob>(most_held);
    let queue = &Mutex::new(queue);
    // `jobs` is moved in and dropped on every way out, which ends the threads.
    thread::scope(move |scope| {
        for _ in 0..threads {
            scope.spawn(move || encode_jobs(encoder, queue));
        }
        let mut held = VecDeque::with_capacity(most_held);
        let mut held_bytes = 0;
        let mut write_oldest =
            |reply: Receiver<Result<_, _>>| write(reply.recv().expect("an encoder replies, or has panicked already")?);
        for batch in batches {
            let batch = batch?;
            let bytes: usize = batch.parts.iter().map(|part| part.content.len()).sum();
            while held.len() == most_held || held_bytes + bytes > MOST_HELD_BYTES {
                let Some((bytes, reply)) = held.pop_front() else { break };
                held_bytes -= bytes;
                write_oldest(reply)?;
            }
            let (reply, receiver) = sync_channel(1);
            jobs.send(EncodeJob { batch, reply }).expect("the queue outlives its senders");
            held.push_back((bytes, receiver));
            held_bytes += bytes;
        }
        held.into_iter().try_for_each(|(_, reply)| write_oldest(reply))
    })
}

fn encode_jobs(encoder: &impl PartEncoder, queue: &Mutex<Receiver<EncodeJob>>) {
    loop {
        // The lock is held while waiting: the others would wait for the same.
        let job = queue.lock().expect("nothing panics while it waits").recv();
        let Ok(EncodeJob { batch, reply }) = job else { return };
        // Nobody waits any more where something else has failed.
        let _ = reply.send(encode_batch(encoder, batch));
    }
}

fn encode_batch(encoder: &impl PartEncoder, batch: Batch<String>) -> Result<Batch<PartTokens>, DataError> {
    let encode = |part: Part<String>| {
        let content = encoder.encode(&part)?;
        let Part { number, split, begins_document, ends_document, origin, .. } = part;
        Ok(Part { number, split, begins_document, ends_document, origin, content })
    };
    let parts = batch.parts.into_iter().map(encode).collect::<Result<_, DataError>>()?;
    Ok(Batch { parts, bytes_read: batch.bytes_read })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::super::texts::Texts;
    use super::*;
    use crate::Split;

    /// Encodes its first piece late, and then says how many had been drawn by then.
    struct SlowFirst<'a> {
        drawn: &'a AtomicU64,
    }

    impl Encode for SlowFirst<'_> {
        fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
            if text.starts_with("0") {
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

    /// Batches drawn while the first of `count` batches, each with `bytes` bytes beside its number, is waited for by three threads.
    fn drawn_during_the_first(count: u64, bytes: usize) -> u32 {
        let drawn = AtomicU64::new(0);
        let batches = (0..count).map(|number| {
            drawn.fetch_add(1, Ordering::SeqCst);
            let content = format!("{number}{}", " ".repeat(bytes));
            Ok(Batch {
                parts: vec![Part {
                    number,
                    split: Split::Train,
                    begins_document: true,
                    ends_document: false,
                    origin: None,
                    content,
                }],
                bytes_read: 0,
            })
        });
        let mut written = Vec::new();
        let write = |batch: Batch<PartTokens>| {
            written.extend(batch.parts.into_iter().map(|part| (part.number, part.content.ids[0])));
            Ok(())
        };
        encode_in_order(&Texts(&SlowFirst { drawn: &drawn }), 3, batches, write).unwrap();
        assert!(written.iter().map(|(number, _)| *number).eq(0..count));
        written[0].1
    }

    #[test]
    fn holds_a_bounded_number_of_batches_and_keeps_their_order() {
        // Those that are held, and the one that waits to be.
        assert_eq!(drawn_during_the_first(1000, 3), 2 * 3 + 1);
        assert_eq!(drawn_during_the_first(5, MOST_HELD_BYTES / 2 - 1), 2 + 1);
        assert_eq!(drawn_during_the_first(3, MOST_HELD_BYTES), 1 + 1);
    }
}
