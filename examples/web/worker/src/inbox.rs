//! What the page has asked for and nobody has looked at yet.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
};

use crate::messages::Request;

/// A request with the bytes that came beside it.
#[derive(Clone, Debug)]
pub struct Mail {
    /// What is asked for.
    pub request: Request,
    /// Bytes for it.
    pub parts: Vec<Vec<u8>>,
}

/// A queue of mails; a clone is the same queue.
#[derive(Clone, Default)]
pub struct Inbox(Rc<RefCell<Queue>>);

#[derive(Default)]
struct Queue {
    mails: VecDeque<Mail>,
    waker: Option<Waker>,
}

impl Inbox {
    /// Puts a mail behind the others and wakes who waits for it.
    pub fn put(&self, mail: Mail) {
        let waker = {
            let mut queue = self.0.borrow_mut();
            queue.mails.push_back(mail);
            queue.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    /// The oldest mail, if there is one.
    pub fn take(&self) -> Option<Mail> {
        self.0.borrow_mut().mails.pop_front()
    }

    /// The oldest mail, once there is one.
    pub async fn next(&self) -> Mail {
        poll_fn(|context| {
            let mut queue = self.0.borrow_mut();
            match queue.mails.pop_front() {
                Some(mail) => Poll::Ready(mail),
                None => {
                    queue.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Whether a mail waits that is such a one.
    pub fn has(&self, is_such: impl Fn(&Request) -> bool) -> bool {
        self.0.borrow().mails.iter().any(|mail| is_such(&mail.request))
    }

    /// Takes the first mail out that is such a one.
    pub fn take_if(&self, is_such: impl Fn(&Request) -> bool) -> Option<Mail> {
        let mut queue = self.0.borrow_mut();
        let at = queue.mails.iter().position(|mail| is_such(&mail.request))?;
        queue.mails.remove(at)
    }
}
